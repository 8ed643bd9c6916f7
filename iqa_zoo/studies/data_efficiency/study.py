"""How does quality grow with the images to train on? Decoders at one budget, on nested shares of the training part."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np

from iqa_zoo.config import Config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.data.subsets import Subset, draw_nested_subsets
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter
from iqa_zoo.registry import register_study
from iqa_zoo.stats.summary import summarize_values
from iqa_zoo.studies.baseline import describe_baseline, list_judged_pairs
from iqa_zoo.studies.data_efficiency import report
from iqa_zoo.studies.data_efficiency.options import Settings
from iqa_zoo.studies.matching import match_models
from iqa_zoo.studies.models import load_with_baseline
from iqa_zoo.studies.protocol import compute_parts_ratio, describe_conditions, load_data, make_study_splits
from iqa_zoo.studies.runner import Record, describe_cache_use, select_succeeded
from iqa_zoo.studies.runners import Runner, build_runner, fit_to_protocol
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.studies.study import Report, Results, Study
from iqa_zoo.studies.summaries import compute_differences
from iqa_zoo.training.frozen.decoder import is_in_closed_form
from iqa_zoo.training.recipe import TrainingRecipe
from iqa_zoo.words import count_nouns


@register_study("data_efficiency")
class DataEfficiency(Settings, Study):
    """Train on nested shares of the training images: quality against the amount of data."""

    title = "a study of data efficiency"
    report: ClassVar[Report] = report
    columns: ClassVar[Sequence[str]] = ("model", "fraction", "images", "whole", "epochs", *Study.columns[1:])

    def prepare(self, spec: StudySpec) -> StudySpec:
        wrong = [fraction for fraction in spec.options.fractions if not 0 < fraction <= 1]
        if wrong:
            raise InputError(f"--fractions are shares above 0 and at most 1 (0.2 for 20 %), got {wrong[0]:g}")
        return replace(spec, options=replace(spec.options, fractions=tuple(sorted(set(spec.options.fractions)))))

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        configs, compared = load_with_baseline(spec)
        configs, left_out = fit_to_protocol(configs, spec, progress)
        runner = build_runner(spec, list(configs.values()), progress)
        placed = {name: runner.place(cfg) for name, cfg in configs.items()}
        data = load_data(spec.data, progress)
        splits = make_study_splits(spec, data)
        parts = [draw_nested_subsets(data, split, spec.options.fractions) for split in splits]
        shares = [describe_share(subset, splits[0], runner.recipe, spec.options.equal) for subset in parts[0]]
        matched = match_models(placed, compared, spec.budget, progress)
        log_cost(runner, matched.configs, data, len(splits))
        if spec.resources.dry_run:
            return None
        fitted = {name for name, cfg in matched.configs.items() if is_in_closed_form(cfg, runner.features)}
        count = functools.partial(count_epochs, recipe=runner.recipe, equal=spec.options.equal)
        trainings = [
            runner.make_training(
                name, cfg, subset.split, number, epochs=count(len(subset.split.train), len(split.train))
            )
            for number, (split, subsets) in enumerate(zip(splits, parts, strict=True))
            for subset in subsets
            for name, cfg in matched.configs.items()
        ]
        trainings = [  # a share of the training part and all of the validation part would be more than the share
            replace(training, split=replace(training.split, validation=training.split.validation[:0]))
            if training.model in fitted
            else training
            for training in trainings
        ]
        records = runner.train(trainings, data)
        return {
            **describe_conditions(spec, data, splits, left_out),
            **describe_cache_use(records, runner),
            **describe_baseline(configs[BASELINE], runner.features),
            "baseline_fitted_to": "the training images of each share",
            "compared": compared,
            "match": spec.budget.match,
            **matched.describe(),
            "equal": spec.options.equal,
            "shares": shares,
            **summarize_shares(
                records, splits, parts, data, shares, spec.statistics.margin, list_judged_pairs(matched.configs)
            ),
            "features": runner.identify_features(data),
        }


def count_epochs(images: int, whole: int, recipe: TrainingRecipe, equal: str) -> int:
    """Return the epochs on a share of the training images: those of the recipe, or as many steps as the whole has.

    Raises:
        InputError: the images do not fill a batch.
    """
    if not recipe.count_steps(images):
        raise InputError(
            f"a share of {images} training images does not fill a batch of {recipe.batch_size} crops; train on "
            f"larger shares or more images, or give --recipe-set batch_size={images}"
        )
    if equal == "epochs":
        return recipe.epochs
    return max(1, round(recipe.epochs * recipe.count_steps(whole) / recipe.count_steps(images)))


def describe_share(subset: Subset, whole: Split, recipe: TrainingRecipe, equal: str) -> Record:
    """Return a share of the first split for tables: its images, epochs and steps."""
    images = len(subset.split.train)
    epochs = count_epochs(images, len(whole.train), recipe, equal)
    steps = epochs * recipe.count_steps(images)
    return {"fraction": subset.fraction, "images": images, "epochs": epochs, "steps": steps}


def summarize_shares(
    records: Sequence[Record],
    splits: Sequence[Split],
    parts: Sequence[Sequence[Subset]],
    data: RatedImages,
    shares: Sequence[Record],
    margin: float,
    pairs: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Return the records with their shares, medians for each model and share, and the differences of ``pairs`` at each share."""
    where = {
        subset.split.id: {"fraction": subset.fraction, "whole": split.id, "images": len(subset.split.train)}
        for split, subsets in zip(splits, parts, strict=True)
        for subset in subsets
    }
    runs = [{**record, **where[record["split"]]} for record in records]
    done = select_succeeded(runs)
    rows, found = [], []
    trained = {run["model"] for run in done}
    comparisons = len(shares) * sum(trained.issuperset(pair) for pair in pairs)
    for share in shares:
        here = [run for run in done if run["fraction"] == share["fraction"]]
        for model in dict.fromkeys(run["model"] for run in here):
            mine = [run for run in here if run["model"] == model]
            rows.append(
                {
                    "model": model,
                    "fraction": share["fraction"],
                    "images": int(np.median([run["images"] for run in mine])),
                    **{metric: asdict(summarize_values([run[metric] for run in mine])) for metric in ("srocc", "plcc")},
                    "splits": len(mine),
                }
            )
        found += [
            {**pair, "fraction": share["fraction"], "images": share["images"]}
            for pair in compute_differences(
                here, compute_parts_ratio(splits[0]), data, pairs, margin=margin, comparisons=max(1, comparisons)
            )
        ]
    found.sort(key=lambda pair: (pair["first"], pair["second"]))  # stable: by share within a pair
    return {"runs": runs, "rows": rows, "differences": found}


def log_cost(runner: Runner, models: Mapping[str, Config], data: RatedImages, splits: int) -> None:
    """Log the cost: at equal steps a share costs what the whole does, at equal epochs its part."""
    fractions = runner.spec.options.fractions
    whole = len(fractions) if runner.spec.options.equal == "steps" else sum(fractions)
    runner.progress.log(
        f"{count_nouns(len(fractions), 'share')} of {count_nouns(splits, 'split')}, as much training as {whole * splits:.0f} whole splits:"
    )
    runner.log_cost(models, data, splits, shares=whole)
