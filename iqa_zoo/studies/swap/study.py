"""Combine parts: what does each add on average, and which need each other?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from iqa_zoo.budgets import measure_budget
from iqa_zoo.config import Config, load_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.progress import Reporter
from iqa_zoo.registry import register_study
from iqa_zoo.stats.effects import analyze_factors
from iqa_zoo.stats.factorial import draw_evenly
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.studies.baseline import describe_baseline, make_baseline
from iqa_zoo.studies.protocol import compute_parts_ratio, describe_conditions, load_data, make_study_splits
from iqa_zoo.studies.runner import Record, describe_cache_use, select_succeeded
from iqa_zoo.studies.runners import build_runner, make_trainings
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.studies.study import Report, Results, Study
from iqa_zoo.studies.summaries import compute_differences, delete_test_images, summarize_records
from iqa_zoo.studies.swap import report
from iqa_zoo.studies.swap.combinations import choose_dim, choose_target, find_usable, load_owner, match_combinations
from iqa_zoo.studies.swap.levels import FACTORS, Levels, group_refused, list_levels, make_config
from iqa_zoo.studies.swap.options import Options, Settings

SPLITS = 5


@register_study("swap")
class Swap(Settings, Study):
    """Combine queries, mixing blocks, memories and heads at one budget; estimate the effect of each part."""

    title = "a swap of parts"
    report: ClassVar[Report] = report
    columns: ClassVar[Sequence[str]] = ("model", *FACTORS, *Study.columns[1:])

    def prepare(self, spec: StudySpec) -> StudySpec:
        if spec.budget.match == "none":
            raise InputError("swap: --match is params or macs: combinations are compared at one budget")
        return spec

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        options: Options = spec.options
        carrier = load_config(BASELINE)
        named = {factor: list_levels(factor, chosen) for factor, chosen in options.chosen().items()}
        owner = load_owner(spec.budget.budget)
        levels, refused = find_usable(named, spec, carrier)
        grid = [dict(zip(FACTORS, row, strict=True)) for row in itertools.product(*levels.values())]
        if not grid:
            raise IqaZooError("nothing to combine: " + "; ".join(f"{row['what']}: {row['reason']}" for row in refused))
        readers = [{**carrier, **cfg} for cfg in list_plain_configs(levels)]
        baseline = make_baseline(readers)
        runner = build_runner(spec, [baseline, *readers, *([owner] if owner else [])], progress)
        target = choose_target(spec.budget, owner, runner)
        dim = options.dim or choose_dim(target, spec)
        order = grid if options.draw is None else draw_evenly(grid, spec.training.seed)
        wanted = min(options.draw or len(grid), len(grid))
        rows, unbuilt = match_combinations(order, wanted, dim, target, runner)
        refused += group_refused(unbuilt, levels)
        if len(rows) < 2:
            reasons = "; ".join(f"{row['what']}: {row['reason']}" for row in refused)
            raise IqaZooError(f"{len(rows)} of {len(grid)} combinations can be built, nothing to compare. {reasons}")
        data = load_data(spec.data, progress)
        splits = make_study_splits(spec, data, SPLITS)
        models = {row["model"]: row.pop("placed") for row in rows}
        models[BASELINE] = runner.place(baseline)
        runner.log_cost(models, data, len(splits))
        if spec.resources.dry_run:
            log_plan(rows, len(grid), refused, target, spec, progress)
            return None
        records = runner.train(make_trainings(runner, models, splits), data)
        ratio = compute_parts_ratio(splits[0])
        done = select_succeeded(records)
        levels_by_model = {row["model"]: row["levels"] for row in rows}
        trained = select_complete(done, list(models), len(splits))
        measured = {
            model: trained[model]
            for model in levels_by_model
            if model in trained and all(is_defined(record["srocc"]) for record in trained[model])
        }
        sroccs = {model: [record["srocc"] for record in records] for model, records in measured.items()}
        first = max(sroccs, key=lambda model: float(np.median(sroccs[model])), default=None)
        margin = spec.statistics.margin
        compared = {record["model"] for record in done if is_defined(record["srocc"])}
        possible = math.comb(len(compared), 2)  # the first is chosen by its result
        return {
            **describe_conditions(spec, data, splits),
            **describe_cache_use(records, runner),
            "match": spec.budget.match,
            "target": target,
            "depth": options.depth,
            "dim": dim,
            "drawn_of": None if options.draw is None else len(grid),
            "rows": rows,
            "refused": refused,
            **describe_baseline(baseline, runner.features),
            "baseline_budget": measure_budget(models[BASELINE]).to_dict(),
            "runs": [{**levels_by_model.get(record["model"], {}), **record} for record in records],
            "summary": summarize_records([record for record in done if record["model"] in trained]),
            "analysis": analyze_combinations(
                measured,
                levels_by_model,
                data,
                ratio,
                margin=margin,
                interactions=options.draw is None or 2 * options.draw >= len(grid),
            ),
            "behind_first": compute_differences(
                done,
                ratio,
                data,
                [(first, model) for model in models if model != first] if first else [],
                margin=margin,
                comparisons=possible,
            ),
            "possible_pairs": possible,
            "features": runner.identify_features(data),
        }


def list_plain_configs(levels: Mapping[str, Sequence[str]]) -> list[Config]:
    """Return small configs in which every part of every factor stands once."""
    count = max(map(len, levels.values()))
    rows = [{factor: names[i % len(names)] for factor, names in levels.items()} for i in range(count)]
    return [make_config(row, dim=24, depth=1) for row in rows]


def select_complete(done: Sequence[Record], models: Sequence[str], splits: int) -> dict[str, list[Record]]:
    """Return the records of each split, in one order, of the combinations that were trained on all of them."""
    found: dict[str, list[Record]] = {model: [] for model in models}
    for record in done:
        if record["model"] in found:
            found[record["model"]].append(record)
    return {model: records for model, records in found.items() if len(records) == splits}


def analyze_combinations(
    measured: Mapping[str, Sequence[Record]],
    levels: Mapping[str, Levels],
    data: RatedImages,
    test_train_ratio: float,
    *,
    margin: float,
    interactions: bool,
) -> dict[str, Any]:
    """Return the effects of the parts, of combinations with an SROCC on every split.

    ``why_no_sampling`` gives the reason where the error of sampling the test images is not counted.
    """
    images, why = delete_test_images(measured, data) if measured else (None, "")
    srocc_SC = np.array([[record["srocc"] for record in records] for records in measured.values()]).T
    named = [levels[model] for model in measured]
    found = analyze_factors(
        srocc_SC, named, test_train_ratio, margin=margin, sampling=images, interactions=interactions
    )
    return {**found, "why_no_sampling": why}


def log_plan(
    rows: Sequence[Record],
    combinations: int,
    refused: Sequence[dict[str, Any]],
    target: int,
    spec: StudySpec,
    progress: Reporter,
) -> None:
    """Log what would be trained, and what cannot be."""
    counts = [f"{len({row['levels'][factor] for row in rows})} {FACTORS[factor]}" for factor in FACTORS]
    drawn = "" if spec.options.draw is None else f"of {combinations:,} "
    progress.log(
        f"{len(rows)} {drawn}combinations ({' x '.join(counts)}) at {target:,} {spec.budget.match}, and the baseline"
    )
    for row in refused:
        progress.log(f"not built: {row['what']} ({row['combinations']}): {row['reason']}")
