"""Do the claims of a paper hold on these data? Both sides of every claim, trained on the same splits and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from iqa_zoo.cards.claims import Claim, find_claims, list_claim_cards, select_claims
from iqa_zoo.config import load_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.data.subsets import draw_nested_subsets
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter
from iqa_zoo.registry import register_study
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.studies.baseline import describe_baseline, has_fitted_head, make_baseline, select_carried
from iqa_zoo.studies.claims import report
from iqa_zoo.studies.claims.command import spell_command
from iqa_zoo.studies.claims.options import Settings
from iqa_zoo.studies.claims.sides import ClaimTest, Plan, Variant, collect_configs, find_obstacle
from iqa_zoo.studies.data_efficiency.study import count_epochs
from iqa_zoo.studies.protocol import compute_parts_ratio, describe_conditions, load_data, make_study_splits
from iqa_zoo.studies.protocol_spec import OWN
from iqa_zoo.studies.runner import Record, describe_cache_use, select_succeeded
from iqa_zoo.studies.runners import Runner, build_runner, fit_to_protocol
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.studies.study import Report, Results, Study
from iqa_zoo.studies.summaries import compute_differences, summarize_records

HOLDS = {"ahead": "holds", "behind": "does not hold"}  # else the verdict on the difference


@register_study("claims")
class Claims(Settings, Study):
    """Test the claims of a model's paper one by one: which hold, which do not, and what would decide the rest."""

    title = "a test of claims"
    report: ClassVar[Report] = report
    columns: ClassVar[Sequence[str]] = ("model", "share", "images", *Study.columns[1:])

    def prepare(self, spec: StudySpec) -> StudySpec:
        select_claims(find_claims(find_name(spec)), spec.options.claims)
        return spec

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        claims = find_claims(find_name(spec))
        chosen = select_claims(claims, spec.options.claims)
        plan, runner, left_out = plan_trainings(chosen, spec, progress)
        variants = list(plan.variants.values())
        data = load_data(spec.data, progress)
        splits = make_study_splits(spec, data)
        runner.log_cost({variant.label: variant.config for variant in variants}, data, len(splits))
        if spec.resources.dry_run:
            return None
        runs = train_variants(runner, variants, splits, data, spec.options.equal)
        done = select_succeeded(runs)
        pairs = list(dict.fromkeys((test.ahead, test.behind) for test in plan.tests if not test.why))
        differences = compute_differences(
            done,
            compute_parts_ratio(splits[0]),
            data,
            pairs,
            margin=spec.statistics.margin,
            comparisons=len(claims),  # of the card, so that a claim tested alone has the same interval
        )
        return {
            **describe_conditions(spec, data, splits, left_out),
            **describe_cache_use(runs, runner),
            "about": find_name(spec),
            **describe_baseline(plan.baseline, runner.features),
            "equal": spec.options.equal,
            "claims": [describe_test(test, differences, spec) for test in plan.tests],
            "of_claims": len(claims),
            "rows": [variant.describe() for variant in variants],
            "runs": runs,
            "summary": summarize_records(done),
            "differences": differences,
            "features": runner.identify_features(data),
        }


def find_name(spec: StudySpec) -> str:
    """Return the name of the model whose claims a spec is about.

    Raises:
        InputError: a config in place of a name, which has no card.
    """
    [source] = spec.models.values()
    if not isinstance(source, str):
        known = ", ".join(list_claim_cards())
        raise InputError(f"claims: a config has no card; name a model with claims ({known})")
    return source


def plan_trainings(
    claims: Sequence[Claim], spec: StudySpec, progress: Reporter
) -> tuple[Plan, Runner, Mapping[str, list[str]]]:
    """Resolve both sides of every claim on one backbone; return what is trained, its runner, and the losses left out."""
    configs, sides = collect_configs(claims)
    found = {label: find_obstacle(config, spec) for label, config in configs.items()}
    obstacles = {name: next(filter(None, (found[label] for label in labels)), "") for name, labels in sides.items()}
    needed = {label for name, labels in sides.items() if not obstacles[name] for label in labels}
    fitted, left_out = fit_to_protocol({label: configs[label] for label in configs if label in needed}, spec, progress)
    about = load_config(
        find_name(spec)
    )  # first: where each model has its own backbone, closed forms are fitted on this one
    trained = [about, *(cfg for cfg in fitted.values() if not has_fitted_head(cfg))]
    baseline = make_baseline(select_carried(trained) if spec.backbone.backbone == OWN else trained)
    runner = build_runner(spec, [about, *fitted.values(), baseline], progress)
    plan = Plan(runner.place, baseline)
    plan.add_baseline(BASELINE, runner.place(baseline))
    tick = progress.start("matching the sides of claims")
    for i, claim in enumerate(claims):
        tick(i, len(claims))
        if obstacles[claim.id]:
            plan.add_untestable(claim, obstacles[claim.id])
        else:
            match = claim.match if spec.options.match == "paper" else spec.options.match
            plan.add_claim(claim, [fitted[label] for label in sides[claim.id]], match)
    tick(1, 1)
    for test in plan.tests:
        if test.why:
            progress.log(f"{test.claim.id} is not testable on these data: {test.why}", "yellow")
    count = sum(not test.why for test in plan.tests)
    progress.log(f"{count} of {len(claims)} claims to test, with {len(plan.variants)} distinct decoders")
    return plan, runner, left_out


def train_variants(
    runner: Runner, variants: Sequence[Variant], splits: Sequence[Split], data: RatedImages, equal: str
) -> list[Record]:
    """Train every variant on its share of every split; a record's ``split`` is the whole one, ``subset`` names its share."""
    shares = sorted({variant.share for variant in variants})
    trainings, where = [], []
    for number, split in enumerate(splits):
        subsets = {each.fraction: each.split for each in draw_nested_subsets(data, split, shares)}
        for variant in variants:
            part = subsets[variant.share]
            images = len(part.train)
            epochs = None if part is split else count_epochs(images, len(split.train), runner.recipe, equal)
            trainings.append(runner.make_training(variant.label, variant.config, part, number, epochs=epochs))
            where.append({"split": split.id, "subset": part.id, "share": variant.share, "images": images})
    return [{**record, **place} for record, place in zip(runner.train(trainings, data), where, strict=True)]


def describe_test(test: ClaimTest, differences: Sequence[Record], spec: StudySpec) -> dict[str, Any]:
    """Return a claim for results: its data, the labels of what was trained, the verdict, and the command that repeats it."""
    claim = asdict(test.claim)
    pair = next((pair for pair in differences if (pair["first"], pair["second"]) == (test.ahead, test.behind)), None)
    return {
        **claim,
        "match": test.match,
        "first": test.ahead,
        "second": test.behind,
        "verdict": judge_claim(test, pair),
        "why": test.why,
        "command": spell_command(spec, test.claim.id),
    }


def judge_claim(test: ClaimTest, pair: Record | None) -> str:
    """Return the verdict on a claim from the difference of its sides, that which the paper says is ahead first.

    >>> from iqa_zoo.cards.claims import Side
    >>> side = Side("a", "lifeiqa")
    >>> test = ClaimTest(Claim("a_over_b", "a is better.", "table 1", side, side), "a", "b")
    >>> judge_claim(test, {"mean": -0.1, "verdict": "behind"}), judge_claim(test, None)
    ('does not hold', 'failed')
    """
    if test.why:
        return "not testable"
    if pair is None:
        return "failed"
    if not is_defined(pair["mean"]):
        return "undefined"
    verdict = str(pair["verdict"])
    return HOLDS.get(verdict, verdict)
