"""The page of a training: its folder as ``iqa-zoo train`` left it, or what is there of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iqa_zoo.data.loading import DataSource, load_dataset
from iqa_zoo.errors import IqaZooError
from iqa_zoo.jsonio import reading_values
from iqa_zoo.reports.html.figures import drawings
from iqa_zoo.reports.html.find import GIVE, choose_source
from iqa_zoo.reports.html.gallery import gallery_of
from iqa_zoo.reports.html.page import Page
from iqa_zoo.reports.html.pictures import Pictures, explanations
from iqa_zoo.reports.html.predictions import Predictions
from iqa_zoo.reports.html.protocol import (
    ConfigText,
    as_yaml,
    data_in_words,
    label_warnings,
    rule_in_words,
    splits_in_words,
    values_in_words,
    versions_of,
)
from iqa_zoo.reports.html.tables import view_of
from iqa_zoo.reports.html.training_folder import Training, read_training
from iqa_zoo.reports.shared import format_number
from iqa_zoo.reports.table import Table, count
from iqa_zoo.reports.undefined import why_undefined
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from iqa_zoo.data.rated import RatedImages

METRICS = {
    "srocc": "SROCC",
    "plcc": "PLCC, raw scores",
    "plcc_logistic4": "PLCC, after a 4-parameter logistic",
    "krocc": "KROCC",
    "rmse": "RMSE, raw scores",
    "rmse_logistic4": "RMSE, after a 4-parameter logistic",
}


def make_training_page(folder: Path, sources: Sequence[DataSource]) -> Page:
    """Return the page of a training, with its images and labels where they are in one of the sources.

    Raises:
        InputError: a file of it holds values of the wrong kind.
    """
    training = read_training(folder)
    with reading_values(training.run, folder):
        return _page(training, sources)


def _page(training: Training, sources: Sequence[DataSource]) -> Page:
    run, result = training.run, training.result
    data, note = _dataset(training, sources)
    explain, left_out = explanations(training.folder / "explain")
    label = str(run.get("data", {}).get("label", "MOS"))
    predictions = _predictions(training, data)
    tables = [table for table in (_quality(training, predictions, data), _rules(training), _kinds(training)) if table]
    budget, problem = _budget(run)
    tables += [budget] if budget else []
    tables += [_epochs(training)] if training.history else []
    tables += [_scores(result["predictions"])] if result.get("predictions") and predictions is None else []
    pictures = Pictures({} if data is None else dict(zip(data.names, data.paths, strict=True)), note)
    warnings = [*label_warnings([label]), *training.missing, *left_out, *([problem] if problem else [])]
    if predictions is None and result.get("predictions"):
        warnings.append(note or "The labels were not at hand, so predictions stand alone.")
    return Page(
        _title(training),
        _verdict(training),
        _peeking(training),
        warnings,
        [view_of(table) for table in tables],
        drawings(_figures(training)),
        [gallery_of(predictions, pictures)] if predictions is not None else [],
        explain,
        _conditions(training),
        [ConfigText("the model", str(run.get("model_hash", "")), as_yaml(run["model"]))] if run.get("model") else [],
        command=_command(run),
    )


def _title(training: Training) -> str:
    data = training.run.get("data", {}).get("name")
    return f"Training in {training.folder.resolve().name}" + (f" on {data}" if data else "")


def _verdict(training: Training) -> str:
    metrics = training.result.get("metrics")
    if not metrics:
        done = len(training.history)
        epochs = training.run.get("recipe", {}).get("epochs")
        return f"The training has no result yet: {done}{f' of {epochs}' if epochs else ''} epochs are finished."
    images = len(training.result.get("predictions", {}))
    kept = (
        f"epoch {training.result['epoch']} of {training.result['epochs']}, by the rule {training.result['selection']}"
    )
    if not is_defined(metrics["srocc"]):
        return f"On {images} test images SROCC is undefined, as {why_undefined(training.result)} ({kept})."
    return f"On {images} test images: SROCC {metrics['srocc']:.3f}, PLCC {format_number(metrics['plcc'])} ({kept})."


def _peeking(training: Training) -> list[str]:
    if training.result.get("selection") == "test-oracle":
        return ["The rule test-oracle peeks at the test part: these numbers are not an estimate of anything."]
    return []


def _dataset(training: Training, sources: Sequence[DataSource]) -> tuple[RatedImages | None, str]:
    """Return the dataset that was trained on, if a source has it or it makes its images."""
    name = training.run.get("data", {}).get("name", "")
    source = choose_source(name, sources)
    if source is None:
        return None, GIVE
    try:
        data = load_dataset(source)
    except IqaZooError as error:
        return None, f"The images could not be found, so none is shown: {error}"
    tested = training.result.get("predictions", {})
    if tested and not set(tested) & set(data.names):
        return None, f"No image is shown: those that were given are not the images of {name}."
    return data, ""


def _predictions(training: Training, data: RatedImages | None) -> Predictions | None:
    tested = training.result.get("predictions", {})
    if data is None or not tested:
        return None
    known = [i for i, name in enumerate(data.names) if name in tested]
    names = [data.names[i] for i in known]
    scores_I = np.array([tested[name] for name in names], dtype=float)
    return Predictions(
        data.name, data.label, data.higher_is_better, names, data.mos[known], {"the model": scores_I}, note=""
    )


def _quality(training: Training, predictions: Predictions | None, data: RatedImages | None) -> Table | None:
    """Test and validation metrics, with an interval of SROCC where the labels are at hand."""
    metrics = training.result.get("metrics")
    if not metrics:
        return None
    validation = training.result.get("validation") or {}
    rows = [
        [words, format_number(metrics[name]), format_number(validation[name]) if name in validation else "-"]
        for name, words in METRICS.items()
        if name in metrics
    ]
    notes = []
    if predictions is not None and data is not None:
        from iqa_zoo.stats.bootstrap import bootstrap_interval

        contents = dict(zip(data.names, data.contents, strict=True))
        groups = [contents[name] for name in predictions.names] if data.references is not None else None
        if len(set(groups or predictions.names)) >= 5:
            interval = bootstrap_interval(predictions.scores["the model"], predictions.mos_I, groups=groups)
            of = "contents" if groups else "images"
            if is_defined(interval.low):
                rows[0][1] += f" [{interval.low:.3f}, {interval.high:.3f}]"
                notes = [
                    f"SROCC with its 95 % interval: bootstrap over {interval.count} test {of}; what differs from training to "
                    "training is not in it."
                ]
    elif predictions is None:
        notes = ["No interval: it needs the labels of the test images."]
    return Table("Quality, measured", ["metric", "test", "validation"], rows, notes, left=["metric"])


def _rules(training: Training) -> Table | None:
    rules = training.result.get("every_rule")
    if not rules:
        return None
    rows = [
        [rule_in_words(rule), str(told["epoch"]), format_number(told["srocc"]), format_number(told["plcc"])]
        for rule, told in rules.items()
    ]
    columns = ["rule", "epoch", "test SROCC", "test PLCC"]
    return Table("What each selection rule would have reported", columns, rows, left=["rule"])


def _kinds(training: Training) -> Table | None:
    kinds = training.result.get("srocc_by_distortion")
    if not kinds:
        return None
    rows = [[kind or "none named", format_number(srocc)] for kind, srocc in kinds.items()]
    return Table("Test SROCC by distortion", ["distortion", "SROCC"], rows, left=["distortion"])


def _budget(run: Mapping[str, Any]) -> tuple[Table | None, str]:
    """The model's size by slot, counted anew from its config; or why it cannot be."""
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
        "pixels; active: parameters one token meets; decoder: everything but the backbone."
    ]
    return Table("Budget", ["part", "params", "active", "MACs"], rows, notes, left=["part"]), ""


def _epochs(training: Training) -> Table:
    rows = []
    for epoch in training.history:
        measured = [epoch.get(part) for part in ("validation", "test")]
        cells = [format_number(metrics["srocc"]) if metrics else "-" for metrics in measured]
        rows.append(
            [
                str(epoch["epoch"]),
                f"{epoch['loss']:.4f}",
                *cells,
                f"{epoch['seconds']:.0f}",
                "kept" if epoch.get("selected") else "",
            ]
        )
    columns = ["epoch", "loss", "validation SROCC", "test SROCC", "s", "kept"]
    return Table("Epochs", columns, rows, left=["kept"])


def _scores(scores: Mapping[str, float]) -> Table:
    rows = [[name, f"{score:.1f}"] for name, score in scores.items()]
    return Table("Predictions of the test images", ["image", "prediction"], rows, left=["image"])


def _figures(training: Training) -> dict[str, Figure]:
    """SROCC by epoch, of the parts that were measured."""
    from iqa_zoo.reports.plots import curves

    series = {}
    for part in ("validation", "test"):
        measured = [epoch for epoch in training.history if epoch.get(part) and is_defined(epoch[part]["srocc"])]
        points = [(epoch["epoch"], epoch[part]["srocc"]) for epoch in measured]
        if points:
            series[part] = [(float(at), Estimate(value, value, value)) for at, value in points]
    if not series:
        return {}
    title = f"SROCC after each epoch: {training.run.get('data', {}).get('name', 'dataset not named')}"
    return {"epochs": curves(series, title=title, x_label="epoch", y_label="SROCC")}


def _conditions(training: Training) -> list[tuple[str, str]]:
    run, told = training.run, []
    if run.get("data"):
        told.append(("Dataset", data_in_words(run["data"])))
    for split in training.split.get("splits", []):
        sizes = {part: len(split.get(part, [])) for part in ("train", "validation", "test")}
        told.append(("Split", splits_in_words([str(split["id"])], sizes)))
    for what, key in (("Seed", "seed"), ("Recipe", "recipe_name"), ("Initial weights, hash", "initial_weights"),
                      ("Device", "device"), ("Processes", "world")):  # fmt: skip
        if run.get(key) is not None:
            told.append((what, str(run[key])))
    if run.get("selection"):
        told.append(("Selection rule", rule_in_words(run["selection"])))
    if run.get("recipe"):
        told.append(("Recipe values", values_in_words(run["recipe"])))
    told += versions_of(run)
    if training.result.get("seconds"):
        told.append(("Time of training", f"{training.result['seconds']:.0f} s"))
    return told


def _command(run: Mapping[str, Any]) -> str:
    """The training again, from the config below and the split of the folder."""
    if not run:
        return ""
    data, recipe = run.get("data", {}).get("name", "NAME"), run.get("recipe_name") or "RECIPE.yaml"
    return (
        f"iqa-zoo train MODEL.yaml --data {data} --root PATH --recipe {recipe} --split-file RUN/split.json --seed {run.get('seed', 0)} "
        f"--selection {run.get('selection', 'validation')} --out NEW"
    )
