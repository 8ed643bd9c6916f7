"""The page of a training, from the files in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iqa_zoo.data.loading import DataSource
from iqa_zoo.errors import IqaZooError
from iqa_zoo.jsonio import reading_values
from iqa_zoo.reports.html.figures import embed_figure
from iqa_zoo.reports.html.find import load_source
from iqa_zoo.reports.html.gallery import make_gallery
from iqa_zoo.reports.html.page import Page
from iqa_zoo.reports.html.pictures import Pictures, load_explanations
from iqa_zoo.reports.html.predictions import Predictions
from iqa_zoo.reports.html.protocol import (
    ConfigText,
    format_dataset,
    format_rule,
    format_splits,
    format_values,
    format_yaml,
    list_label_warnings,
    list_versions,
)
from iqa_zoo.reports.html.training_folder import Training, read_training
from iqa_zoo.reports.shared import METRIC_TITLES, format_number
from iqa_zoo.reports.table import Table, count
from iqa_zoo.reports.warnings import why_undefined
from iqa_zoo.stats.summary import is_defined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from iqa_zoo.data.rated import RatedImages


CAVEAT = "The rule test-oracle selects on the test part, so these numbers are not an estimate of quality."


def make_training_page(folder: Path, sources: Sequence[DataSource]) -> Page:
    """Make the page of a training, with images and labels if one of the sources has them.

    Raises:
        InputError: a file holds values of the wrong type.
    """
    training = read_training(folder)
    with reading_values(training.run, folder):
        return _assemble_page(training, sources)


def _assemble_page(training: Training, sources: Sequence[DataSource]) -> Page:
    run, result = training.run, training.result
    name = run.get("data", {}).get("name", "")
    data, note = load_source(name, sources, result.get("predictions", {}))
    explain, left_out = load_explanations(training.folder / "explain")
    label = str(run.get("data", {}).get("label", "MOS"))
    predictions = _collect_predictions(training, data)
    budget, problem = _make_budget_table(run)
    unlabelled = result.get("predictions") if predictions is None else None
    tables = [
        _make_quality_table(training, predictions, data),
        _make_rule_table(training),
        _make_distortion_table(training),
        budget,
        _make_epoch_table(training) if training.history else None,
        _make_score_table(unlabelled) if unlabelled else None,
    ]
    pictures = Pictures({} if data is None else dict(zip(data.names, data.paths, strict=True)), note)
    warnings = [*list_label_warnings([label]), *training.missing, *left_out, *([problem] if problem else [])]
    if unlabelled:
        warnings.append(note or "The labels are not available, so predictions are listed without them.")
    return Page(
        _format_title(training),
        _format_verdict(training),
        [CAVEAT] if result.get("selection") == "test-oracle" else [],
        warnings,
        [table for table in tables if table],
        [embed_figure(name, figure) for name, figure in _draw_figures(training).items()],
        [make_gallery(predictions, pictures)] if predictions is not None else [],
        explain,
        _list_conditions(training),
        [ConfigText("the model", str(run.get("model_hash", "")), format_yaml(run["model"]))]
        if run.get("model")
        else [],
        command=_format_command(run),
    )


def _format_title(training: Training) -> str:
    data = training.run.get("data", {}).get("name")
    return f"Training in {training.folder.resolve().name}" + (f" on {data}" if data else "")


def _format_verdict(training: Training) -> str:
    metrics = training.result.get("metrics")
    if not metrics:
        done = len(training.history)
        epochs = training.run.get("recipe", {}).get("epochs")
        return f"The training has no result yet: {done}{f' of {epochs}' if epochs else ''} epochs are finished."
    images = len(training.result.get("predictions", {}))
    selected = "epoch {epoch} of {epochs}, by the rule {selection}".format(**training.result)
    if not is_defined(metrics["srocc"]):
        return f"On {images} test images SROCC is undefined, as {why_undefined(training.result)} ({selected})."
    return f"On {images} test images: SROCC {metrics['srocc']:.3f}, PLCC {format_number(metrics['plcc'])} ({selected})."


def _collect_predictions(training: Training, data: RatedImages | None) -> Predictions | None:
    tested = training.result.get("predictions", {})
    if data is None or not tested:
        return None
    known = [i for i, name in enumerate(data.names) if name in tested]
    names = [data.names[i] for i in known]
    scores_I = np.array([tested[name] for name in names], dtype=float)
    return Predictions(
        data.name, data.label, data.higher_is_better, names, data.mos[known], {"the model": scores_I}, note=""
    )


def _make_quality_table(training: Training, predictions: Predictions | None, data: RatedImages | None) -> Table | None:
    """Test and validation metrics, with an interval for SROCC if labels are available."""
    metrics = training.result.get("metrics")
    if not metrics:
        return None
    validation = training.result.get("validation") or {}
    rows = [
        [title, format_number(metrics[name]), format_number(validation[name]) if name in validation else "-"]
        for name, title in METRIC_TITLES.items()
        if name in metrics
    ]
    notes = []
    if predictions is not None and data is not None:
        from iqa_zoo.stats.bootstrap import bootstrap_interval

        contents = dict(zip(data.names, data.contents, strict=True))
        groups = [contents[name] for name in predictions.names] if data.references is not None else None
        if len(set(groups or predictions.names)) >= 5:
            interval = bootstrap_interval(predictions.scores["the model"], predictions.mos_I, groups=groups)
            units = "contents" if groups else "images"
            if is_defined(interval.low):
                rows[0][1] += f" [{interval.low:.3f}, {interval.high:.3f}]"
                notes = [
                    f"SROCC with its 95 % interval: bootstrap over {interval.count} test {units}, which does not cover the variance "
                    "between trainings."
                ]
    elif predictions is None:
        notes = ["No interval, because it needs the labels of the test images."]
    return Table("Quality, measured", ["metric", "test", "validation"], rows, notes, left=["metric"])


def _make_rule_table(training: Training) -> Table | None:
    rules = training.result.get("every_rule")
    if not rules:
        return None
    rows = [
        [format_rule(rule), str(record["epoch"]), format_number(record["srocc"]), format_number(record["plcc"])]
        for rule, record in rules.items()
    ]
    columns = ["rule", "epoch", "test SROCC", "test PLCC"]
    return Table("Test result by selection rule", columns, rows, left=["rule"])


def _make_distortion_table(training: Training) -> Table | None:
    kinds = training.result.get("srocc_by_distortion")
    if not kinds:
        return None
    rows = [[kind or "none named", format_number(srocc)] for kind, srocc in kinds.items()]
    return Table("Test SROCC by distortion", ["distortion", "SROCC"], rows, left=["distortion"])


def _make_budget_table(run: Mapping[str, Any]) -> tuple[Table | None, str]:
    """Count the budget of the config by slot, or say why it cannot be counted."""
    if not run.get("model"):
        return None, ""
    from iqa_zoo.budgets import measure_budget

    try:
        budget = measure_budget(dict(run["model"]))
    except IqaZooError as error:
        return None, f"The budget cannot be counted: {error}"
    parts = {**budget.by_slot, "decoder": budget.decoder, "all": budget}
    rows = [
        [name, *(count(size) for size in (part.params, part.active_params, part.macs))] for name, part in parts.items()
    ]
    notes = [
        f"MACs: multiply-accumulates of matrix products and convolutions for one image of {budget.image_size}x{budget.image_size} "
        "pixels. Active: parameters used by one token. Decoder: everything except the backbone."
    ]
    return Table("Budget", ["part", "params", "active", "MACs"], rows, notes, left=["part"]), ""


def _make_epoch_table(training: Training) -> Table:
    rows = []
    for epoch in training.history:
        measured = [epoch.get(part) for part in ("validation", "test")]
        cells = [format_number(metrics["srocc"]) if metrics else "-" for metrics in measured]
        kept = "kept" if epoch.get("selected") else ""
        rows.append([str(epoch["epoch"]), f"{epoch['loss']:.4f}", *cells, f"{epoch['seconds']:.0f}", kept])
    columns = ["epoch", "loss", "validation SROCC", "test SROCC", "s", "kept"]
    return Table("Epochs", columns, rows, left=["kept"])


def _make_score_table(scores: Mapping[str, float]) -> Table:
    rows = [[name, f"{score:.1f}"] for name, score in scores.items()]
    return Table("Predictions of the test images", ["image", "prediction"], rows, left=["image"])


def _draw_figures(training: Training) -> dict[str, Figure]:
    """Draw SROCC by epoch for the measured parts."""
    from iqa_zoo.reports.plots import Estimate, plot_curves

    series = {}
    for part in ("validation", "test"):
        measured = [epoch for epoch in training.history if epoch.get(part) and is_defined(epoch[part]["srocc"])]
        points = [(epoch["epoch"], epoch[part]["srocc"]) for epoch in measured]
        if points:
            series[part] = [(float(at), Estimate(value, value, value)) for at, value in points]
    if not series:
        return {}
    title = f"SROCC after each epoch: {training.run.get('data', {}).get('name', 'dataset not named')}"
    return {"epochs": plot_curves(series, title=title, x_label="epoch", y_label="SROCC")}


def _list_conditions(training: Training) -> list[tuple[str, str]]:
    run, conditions = training.run, []
    if run.get("data"):
        conditions.append(("Dataset", format_dataset(run["data"])))
    for split in training.split.get("splits", []):
        sizes = {part: len(split.get(part, [])) for part in ("train", "validation", "test")}
        conditions.append(("Split", format_splits([str(split["id"])], sizes)))
    for name, key, form in (
        ("Seed", "seed", str),
        ("Recipe", "recipe_name", str),
        ("Initial weights, hash", "initial_weights", str),
        ("Device", "device", str),
        ("Processes", "world", str),
        ("Selection rule", "selection", format_rule),
        ("Recipe values", "recipe", format_values),
    ):
        if run.get(key) not in (None, "", {}):
            conditions.append((name, form(run[key])))
    conditions += list_versions(run)
    if training.result.get("seconds"):
        conditions.append(("Time of training", f"{training.result['seconds']:.0f} s"))
    return conditions


def _format_command(run: Mapping[str, Any]) -> str:
    """Format the command that repeats the training, from the config below and the split in the folder."""
    if not run:
        return ""
    data, recipe = run.get("data", {}).get("name", "NAME"), run.get("recipe_name") or "RECIPE.yaml"
    return (
        f"iqa-zoo train MODEL.yaml --data {data} --root PATH --recipe {recipe} --split-file RUN/split.json --seed {run.get('seed', 0)} "
        f"--selection {run.get('selection', 'validation')} --out NEW"
    )
