"""Which part of a model helps? Replace or remove one at a time, as it is and at the whole decoder's budget."""

from __future__ import annotations

from typing import Any, ClassVar

from iqa_zoo.budgets import Budget, measure_budget
from iqa_zoo.config import Config, resolve_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.errors import ConfigError, InputError, IqaZooError
from iqa_zoo.progress import Reporter
from iqa_zoo.registry import register_study
from iqa_zoo.studies.ablate import report
from iqa_zoo.studies.ablate.options import Options, Settings
from iqa_zoo.studies.ablate.variants import sweep, variants
from iqa_zoo.studies.baseline import describe_baseline, make_baseline
from iqa_zoo.studies.matching import describe_model, try_match
from iqa_zoo.studies.protocol import compute_parts_ratio, describe_conditions, load_data, make_study_splits
from iqa_zoo.studies.runner import Record, describe_cache_use, select_succeeded
from iqa_zoo.studies.runners import Runner, build_runner, fit_to_protocol, make_trainings
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.studies.study import Report, Results, Study
from iqa_zoo.studies.summaries import compute_differences, summarize_records

TOLERANCE = 0.01  # share of the budget within which a variant counts as matched


@register_study("ablate")
class Ablate(Settings, Study):
    """Replace or remove the parts of a model one at a time, as it is and at the whole decoder's budget."""

    title = "an ablation"
    report: ClassVar[Report] = report

    def prepare(self, spec: StudySpec) -> StudySpec:
        if spec.budget.match == "none":
            raise InputError("ablate: --match is params or macs; --only as-is leaves the variants unmatched")
        return spec

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        [(name, base)] = spec.load_models().items()
        resolve_config(base)  # all names and keys, before any work
        configs, left_out = fit_to_protocol({name: base}, spec, progress)
        base = configs[name]
        decoders = [base, *(cfg for _, cfg in list_variants(base, spec.options).values())]
        baseline = make_baseline(decoders)
        runner = build_runner(spec, [*decoders, baseline], progress)
        whole = runner.place(base)
        if spec.budget.budget:
            if not spec.budget.budget.isdigit():
                raise InputError("ablate: --budget is a number of parameters or MACs")
            matched = try_match(whole, int(spec.budget.budget), by=spec.budget.match, scope="decoder")
            if isinstance(matched, str):
                raise IqaZooError(f"--budget: {matched}")
            whole = matched[0]
        rows, refused = match_variants(name, whole, runner, spec)
        if name != BASELINE:
            placed = runner.place(baseline)
            rows.append(make_row(BASELINE, BASELINE, "", "baseline", placed, measure_budget(placed)))
        data = load_data(spec.data, progress)
        splits = make_study_splits(spec, data)
        trained = {row["model"]: row.pop("placed") for row in rows}
        runner.log_cost(trained, data, len(splits))
        if spec.resources.dry_run:
            return None
        records = runner.train(make_trainings(runner, trained, splits), data)
        done = select_succeeded(records)
        pairs = [(row["model"], name) for row in rows if row["model"] != name]
        return {
            **describe_conditions(spec, data, splits, left_out),
            **describe_cache_use(records, runner),
            "base": name,
            **describe_baseline(baseline, runner.features),
            "match": spec.budget.match,
            "sensitivity": list(spec.options.sensitivity),
            "rows": rows,
            "refused": refused,
            "runs": records,
            "summary": summarize_records(done),
            "differences": compute_differences(
                done, compute_parts_ratio(splits[0]), data, pairs, margin=spec.statistics.margin
            ),
            "features": runner.identify_features(data),
        }


def list_variants(cfg: Config, options: Options) -> dict[str, tuple[str, Config]]:
    """Return the variants of a model by name: the change in words, and the config."""
    if not options.sensitivity:
        return {variant.name: (variant.change, variant.config) for variant in variants(cfg)}
    return {
        f"{size}={value}": ("", changed) for size in options.sensitivity for value, changed in sweep(cfg, size).items()
    }


def match_variants(name: str, whole: Config, runner: Runner, spec: StudySpec) -> tuple[list[Record], list[Record]]:
    """Return what is trained, a row each, and what cannot be, with the reason."""
    tick = runner.progress.start("matching budgets")
    options, by = spec.options, spec.budget.match
    budget = measure_budget(whole)
    target = getattr(budget.decoder, by)
    rows = [make_row(name, name, "", "whole", whole, budget)]
    refused: list[Record] = []
    changed = list_variants(whole, options)
    for i, (variant, (change, cfg)) in enumerate(changed.items()):
        tick(i, len(changed))
        placed = runner.place(cfg)
        try:
            own = measure_budget(placed)
        except ConfigError as error:
            refused.append({"variant": variant, "change": change, "reason": "; ".join(error.problems)})
            continue
        if options.sensitivity:
            if config_hash(placed) != config_hash(whole):
                rows.append(make_row(variant, variant, "", "as it is", placed, own))
            continue
        close = abs(getattr(own.decoder, by) - target) <= TOLERANCE * target
        if options.only != "matched" or close:
            rows.append(make_row(variant, variant, change, "both" if close else "as it is", placed, own))
        if close or options.only == "as-is":
            continue
        matched = try_match(placed, target, by=by, scope="decoder")
        if isinstance(matched, str):
            refused.append({"variant": f"{variant}, matched", "change": change, "reason": matched})
        else:
            rows.append(make_row(f"{variant}, matched", variant, change, "matched", *matched))
    tick(1, 1)
    return rows, refused


def make_row(model: str, variant: str, change: str, kind: str, cfg: Config, budget: Budget) -> dict[str, Any]:
    return {
        "variant": variant,
        "change": change,
        "kind": kind,
        "placed": cfg,
        **describe_model(model, cfg, budget),
    }
