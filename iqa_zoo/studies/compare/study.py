"""Compare models: as published, at a matched decoder budget, and by their measured quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

from iqa_zoo.budgets import measure_budget
from iqa_zoo.budgets.throughput import measure_speed
from iqa_zoo.build import build_model
from iqa_zoo.cards import find_published, list_published_only, load_cards, load_plugin_cards
from iqa_zoo.config import Config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.data.loading import DataSource
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.shared_images import find_shared_images
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError
from iqa_zoo.inference.raters import ScoredPart, summarize_raters
from iqa_zoo.progress import Reporter
from iqa_zoo.registry import register_study
from iqa_zoo.studies.baseline import describe_baseline, list_judged_pairs
from iqa_zoo.studies.compare import report
from iqa_zoo.studies.compare.options import Options, Settings
from iqa_zoo.studies.matching import match_models
from iqa_zoo.studies.models import load_with_baseline
from iqa_zoo.studies.protocol import (
    choose_distinct_name,
    compute_parts_ratio,
    describe_conditions,
    describe_training,
    load_data,
    make_study_splits,
)
from iqa_zoo.studies.runner import FrozenRunner, Record, describe_cache_use, select_succeeded
from iqa_zoo.studies.runners import build_runner, fit_to_protocol, make_trainings
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.studies.study import Report, Results, Study
from iqa_zoo.studies.summaries import compute_differences, summarize_records, summarize_rules
from iqa_zoo.studies.tuning.plan import check_tuning, plan_tuning
from iqa_zoo.studies.tuning.results import summarize_tuning
from iqa_zoo.studies.tuning.search import tune
from iqa_zoo.studies.weights import describe_weights
from iqa_zoo.training.workers import warm_up


@register_study("compare")
class Compare(Settings, Study):
    """Compare decoders at one budget, on the same splits, seeds and steps."""

    title = "a comparison"
    report: ClassVar[Report] = report

    def prepare(self, spec: StudySpec) -> StudySpec:
        options: Options = spec.options
        if len(options.test) != len(options.test_root):
            raise InputError(
                f"{len(options.test)} --test and {len(options.test_root)} --test-root; give one root to each"
            )
        check_tuning(spec, trains_frozen=not spec.protocol.end_to_end and not options.no_train)
        return spec

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        options: Options = spec.options
        configs, compared = load_with_baseline(spec)
        trained, left_out = fit_to_protocol(configs, spec, progress)
        runner = build_runner(spec, list(trained.values()), progress)
        placed = {name: runner.place(cfg) for name, cfg in trained.items()}
        data = None if options.no_train and not spec.resources.dry_run else load_data(spec.data, progress)
        splits = make_study_splits(spec, data) if data is not None else []
        frozen = runner if isinstance(runner, FrozenRunner) else None  # what is tuned
        if (
            frozen
            and data is not None
            and not spec.resources.dry_run
            and not (spec.resources.ray or spec.resources.slurm)
        ):
            warm_up(spec.resources.jobs)  # while models are built and timed
        matched = match_models(placed, compared, spec.budget, progress)
        plan = plan_tuning(frozen, matched.configs, data, splits) if frozen and data is not None else None
        if data is not None:
            runner.log_cost(matched.configs, data, len(splits), every_rule=True)
            if plan is not None:
                plan.log_cost()
        if spec.resources.dry_run:
            return None
        results = {
            **describe_training(spec),
            **describe_baseline(trained[BASELINE], runner.features),
            "compared": compared,
            "backbone": spec.backbone.backbone,
            "weights": describe_weights(spec.backbone, spec.training.seed),
            "match": spec.budget.match,
            **matched.describe(),
            **describe_published({name: configs[name] for name in compared}, spec, progress),
        }
        if data is None:
            return results
        others = load_test_sets(options, spec, data, progress)
        trainings = make_trainings(runner, matched.configs, splits, every_rule=True)
        records = runner.train(trainings, data, test_sets=others)
        used = {**describe_cache_use(records, runner), "features": runner.identify_features(data)}
        if plan is not None:
            tuned = tune(plan, trainings, records, others)
            used["tuning"] = summarize_tuning(plan, records, tuned)
            records = tuned.records
        pairs = list_judged_pairs(matched.configs)
        return {**results, **summarize_comparison(spec, data, splits, left_out, records, others, pairs), **used}


def load_test_sets(options: Options, spec: StudySpec, data: RatedImages, progress: Reporter) -> dict[str, RatedImages]:
    """Return the datasets of ``--test`` by name; no two have one name."""
    others: dict[str, RatedImages] = {}
    given = replace(spec.data, images=None, ignore_look_alikes=True)
    for kind, root in zip(options.test, options.test_root, strict=True):
        loaded = load_data(given, progress, DataSource(kind, root, (), spec.data.skip_unreadable))
        name = choose_distinct_name(loaded.name, [data.name, *others])
        others[name] = replace(loaded, name=name)
    return others


def describe_published(configs: dict[str, Config], spec: StudySpec, progress: Reporter) -> dict[str, Any]:
    """Return budgets, speed and published quality of the models as their authors built them."""
    tick = progress.start("published models")
    models, rows = {}, []
    cards = load_plugin_cards() | load_cards()
    dataset = spec.data.data if spec.data.data != "demo" else "livec"
    for i, (name, cfg) in enumerate(configs.items()):
        models[name] = build_model(cfg)
        rows.append(
            {
                "model": name,
                "backbone": str(cfg["backbone"].get("name", cfg["backbone"]["type"])).split(".")[0],
                "hash": config_hash(cfg),
                "budget": measure_budget(models[name]).to_dict(),
                "published": find_published(cards, name, dataset),
            }
        )
        tick(i + 1, len(configs))
    if not spec.options.no_latency:
        speeds = measure_speed(models, progress=progress.start("timing in turn"))
        for row in rows:
            row["speed"] = asdict(speeds[str(row["model"])])
    return {"published": rows, "published_on": dataset, "published_only": list_published_only(dataset)}


def summarize_comparison(
    spec: StudySpec,
    data: RatedImages,
    splits: list[Split],
    left_out: dict[str, list[str]],
    records: list[Record],
    others: dict[str, RatedImages],
    pairs: Sequence[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """Return the results of the records; ``others`` are the test sets, ``pairs`` the models that are compared (all)."""
    done = select_succeeded(records)
    return {
        **describe_conditions(spec, data, splits, left_out),
        "runs": records,
        "leaks": find_shared_images({data.name: data, **others}) if others else [],
        "raters": summarize_raters(
            [ScoredPart(each["model"], each["split"], each["predictions"]) for each in done],
            data,
            test_train_ratio=compute_parts_ratio(splits[0]),
        ),
        "summary": summarize_records(done),
        "rules": summarize_rules(done),
        "differences": compute_differences(
            done, compute_parts_ratio(splits[0]), data, pairs, margin=spec.statistics.margin
        ),
    }
