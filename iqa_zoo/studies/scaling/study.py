"""What do larger backbones bring, and is it the backbone or the decoder? Decoders of one size on several backbones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import ClassVar

from iqa_zoo.budgets import Budget, measure_budget
from iqa_zoo.budgets.throughput import measure_speed
from iqa_zoo.build import build_model
from iqa_zoo.config import Config
from iqa_zoo.errors import ConfigError, InputError, IqaZooError
from iqa_zoo.progress import Reporter
from iqa_zoo.registry import register_study
from iqa_zoo.studies.baseline import describe_baseline
from iqa_zoo.studies.matching import choose_owner, find_movable, try_match
from iqa_zoo.studies.models import load_with_baseline
from iqa_zoo.studies.protocol import describe_conditions, load_data, make_study_splits
from iqa_zoo.studies.runner import Record, describe_cache_use, select_succeeded
from iqa_zoo.studies.runners import Runner, build_runner, fit_to_protocol, make_trainings
from iqa_zoo.studies.scaling import report
from iqa_zoo.studies.scaling.options import Options, Settings
from iqa_zoo.studies.scaling.rows import Placed, choose_best, compare_models, find_fronts, make_rows
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.studies.study import Report, Results, Study
from iqa_zoo.studies.weights import check_backbone, check_named_weights, describe_weights


@register_study("scaling")
class Scaling(Settings, Study):
    """Train decoders of one size on several backbones."""

    title = "a study of backbone sizes"
    report: ClassVar[Report] = report
    columns: ClassVar[Sequence[str]] = ("backbone", "decoder", *Study.columns[1:])

    def prepare(self, spec: StudySpec) -> StudySpec:
        options: Options = spec.options
        if not options.backbones:
            raise InputError("name the backbones with --backbones, for example --backbones resnet18 resnet34")
        check_named_weights(dict(options.weights), options.backbones)
        return replace(spec, backbone=replace(spec.backbone, backbone=", ".join(options.backbones)))

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        configs, compared = load_with_baseline(spec)
        configs, left_out = fit_to_protocol(configs, spec, progress)
        runners, refused = build_runners(spec, configs, progress)
        placed, target, owner, unmatched = match_on_all(runners, configs, spec, progress)
        refused += unmatched
        for row in refused:
            progress.log(f"left out: {row['backbone']} {row['model']}: {row['reason']}")
        data = load_data(spec.data, progress)
        splits = make_study_splits(spec, data)
        decoders = {name: {each.decoder: each.cfg for each in placed if each.backbone == name} for name in runners}
        for name, runner in runners.items():
            progress.log(f"{name}:")
            runner.log_cost(decoders[name], data, len(splits))
        if spec.resources.dry_run:
            return None
        speeds = {} if spec.options.no_latency else time_models(runners, placed, progress)
        records = []
        for name, runner in runners.items():
            trainings = make_trainings(runner, decoders[name], splits)
            for record in runner.train(trainings, data, stage=f"training on {name}"):
                decoder = record["model"]
                records.append({**record, "model": f"{decoder} on {name}", "decoder": decoder, "backbone": name})
        rows = make_rows(placed, select_succeeded(records), speeds)
        best = choose_best(rows)
        differences = compare_models(records, rows, best, data, splits, spec.statistics.margin)
        seed = spec.training.seed
        return {
            **describe_conditions(spec, data, splits, left_out),
            **describe_cache_use(records, *runners.values()),
            "backbone": "backbone",
            "weights": "whose weights are below",
            "backbones": [
                {"name": name, "weights": describe_weights(runner.spec.backbone, seed)}
                for name, runner in runners.items()
            ],
            "compared": compared,
            **describe_baseline(configs[BASELINE]),
            "match": spec.budget.match,
            "target": target,
            "target_of": owner,
            "refused": refused,
            "rows": rows,
            "best": best,
            "front": find_fronts(rows),
            "runs": records,
            "differences": differences,
            "possible_pairs": max((pair["pairs"] for pair in differences), default=0),
            "features": {name: runner.identify_features(data) for name, runner in runners.items()},
        }


def build_runners(
    spec: StudySpec, configs: Mapping[str, Config], progress: Reporter
) -> tuple[dict[str, Runner], list[Record]]:
    """Return a runner for every backbone that gives what the models read, and the others with the reason.

    Raises:
        UnknownName: neither the zoo nor timm has a backbone of that name.
        IqaZooError: no backbone is left.
        CheckpointError: weights that do not fit or cannot be fetched.
    """
    runners, refused = {}, []
    weights = dict(spec.options.weights)
    for name in spec.options.backbones:
        check_backbone(name)
        own = spec.on_backbone(name, weights.get(name), spec.options.pretrained and name not in weights)
        try:
            runners[name] = build_runner(own, list(configs.values()), progress)
        except ConfigError as error:
            refused.append({"backbone": name, "model": "all", "reason": "; ".join(error.problems)})
    if not runners:
        raise IqaZooError("no backbone is left: " + "; ".join(f"{row['backbone']}: {row['reason']}" for row in refused))
    return runners, refused


def match_on_all(
    runners: Mapping[str, Runner], configs: Mapping[str, Config], spec: StudySpec, progress: Reporter
) -> tuple[list[Placed], int | None, str, list[Record]]:
    """Return every decoder on every backbone at one size, the size, whose it is, and what cannot be brought to it."""
    tick, done = progress.start("matching budgets"), 0
    by = spec.budget.match
    number = spec.budget.budget if (spec.budget.budget or "").isdigit() else None
    target, owner = int(number) if number else None, "as given"
    placed, refused = [], []
    for backbone, runner in runners.items():
        here = {name: runner.place(cfg) for name, cfg in configs.items()}
        if by != "none" and target is None:
            sizes = {name: getattr(measure_budget(cfg).decoder, by) for name, cfg in here.items()}
            compared = {name: size for name, size in sizes.items() if name != BASELINE}
            model = choose_owner(spec.budget.budget, compared, find_movable(here))
            target, owner = sizes[model], f"{model}'s on {backbone}"
        for name, cfg in here.items():
            fixed = name == BASELINE or by == "none"
            found: tuple[Config, Budget] | str = (
                (cfg, measure_budget(cfg)) if fixed else try_match(cfg, target, by=by, scope="decoder")
            )
            if isinstance(found, str):
                refused.append({"backbone": backbone, "model": name, "reason": found})
            else:
                placed.append(Placed(backbone, name, *found))
            done += 1
            tick(done, len(runners) * len(configs))
    return placed, target, owner, refused


def time_models(runners: Mapping[str, Runner], placed: Sequence[Placed], progress: Reporter) -> dict[str, Record]:
    """Return the speed of every whole model, timed in turn; models on one backbone share it in memory."""
    models = {}
    for each in placed:
        models[each.model] = build_model(each.cfg)
        models[each.model].backbone = runners[each.backbone].backbone.cpu()
    speeds = measure_speed(models, progress=progress.start("timing in turn"))
    return {name: asdict(speed) for name, speed in speeds.items()}
