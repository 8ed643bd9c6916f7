"""The two sides of every claim as configs on one backbone: which are trained, and which claims cannot be tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from iqa_zoo.budgets import Budget, measure_budget
from iqa_zoo.budgets.measure import find_backbone_spec
from iqa_zoo.cards.claims import Claim, Match, Side
from iqa_zoo.config import Config, load_config, resolve_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.data.boxed import find_named_box
from iqa_zoo.errors import ConfigError
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.studies.matching import describe_model, try_match
from iqa_zoo.studies.protocol import choose_distinct_name
from iqa_zoo.studies.protocol_spec import OWN
from iqa_zoo.studies.spec import StudySpec


def make_config(side: Side) -> Config:
    """Return the config of a side, checked.

    Raises:
        UnknownName, ConfigError: a model that does not exist, or changes that do not fit it.
    """
    config = apply_overrides(load_config(side.model), side.overrides)
    resolve_config(config)
    return config


def collect_configs(claims: Sequence[Claim]) -> tuple[dict[str, Config], dict[str, list[str]]]:
    """Return the distinct configs of all sides by label, and by id of each claim the labels of its two sides.

    Raises:
        UnknownName, ConfigError: as :func:`make_config`.
    """
    configs: dict[str, Config] = {}
    label_by_hash: dict[str, str] = {}
    sides: dict[str, list[str]] = {}
    for claim in claims:
        for side in (claim.ahead, claim.behind):
            config = make_config(side)
            name = config_hash(config)
            if name not in label_by_hash:
                label_by_hash[name] = choose_distinct_name(side.name, configs)
                configs[label_by_hash[name]] = config
            sides.setdefault(claim.id, []).append(label_by_hash[name])
    return configs, sides


def find_obstacle(config: Config, spec: StudySpec) -> str:
    """Return why a config cannot be trained on the backbone and data of a study; empty where it can, as far as stages show."""
    name = spec.backbone.backbone or "nss"
    if name == OWN:
        return ""
    placed = make_backbone_config(name, [config], view="whole" if spec.training.view == "whole" else "crops")
    read = set(placed["stages"])
    if spec.data.boxed:
        box = find_named_box(spec.data.data)
        missing, given = read - set(box.stages), f"the box holds {box.describe()}"
    else:
        stages = find_backbone_spec({**config, "backbone": {**placed, "stages": []}}).available_stages
        missing, given = read - set(stages), f"{name} has the stages {', '.join(map(str, stages)) or 'none'}"
    return f"{given}, not {_list_stages(missing)}" if missing else ""


def _list_stages(stages: set[int]) -> str:
    return f"stage{'s' if len(stages) > 1 else ''} {' and '.join(map(str, sorted(stages)))}"


@dataclass(frozen=True)
class Variant:
    """What is trained: a config on a share of the training part. ``label`` is its name in records."""

    label: str
    config: Config
    share: float
    budget: Budget

    def describe(self) -> dict[str, object]:
        """Return it for results."""
        return {**describe_model(self.label, self.config, self.budget), "share": self.share}


@dataclass(frozen=True)
class ClaimTest:
    """How a claim is tested: the labels of the two trained variants; or why it cannot be."""

    claim: Claim
    ahead: str = ""
    behind: str = ""
    match: Match = "none"
    why: str = ""


@dataclass
class Plan:
    """The distinct variants of all claims, each once, and the tests that they serve."""

    place: Callable[[Mapping[str, object]], Config]
    baseline: Config
    variants: dict[tuple[str, float], Variant] = field(default_factory=dict)  # by the hash of the config, and share
    tests: list[ClaimTest] = field(default_factory=list)

    def add_variant(self, name: str, config: Config, share: float = 1.0, budget: Budget | None = None) -> str:
        """Add a placed config on a share unless it is there; return its label."""
        key = config_hash(config), share
        if key not in self.variants:
            label = choose_distinct_name(name, [variant.label for variant in self.variants.values()])
            self.variants[key] = Variant(label, config, share, budget or measure_budget(config))
        return self.variants[key].label

    def add_baseline(self, name: str, config: Config) -> None:
        """Add the placed baseline. It is no side of a claim, also where a side has its config: names do not depend on the claims."""
        self.variants[name, 1.0] = Variant(name, config, 1.0, measure_budget(config))

    def add_claim(self, claim: Claim, sides: Sequence[Config], match: Match) -> None:
        """Add a claim with the configs of its sides: ``behind`` is brought to the size of ``ahead`` where sizes are matched.

        A claim whose sides cannot be built, or cannot be matched, is kept with the reason and trains nothing.
        """
        ahead, behind = map(self.place, sides)
        test = ClaimTest(claim, match=match)
        try:
            budgets = [measure_budget(ahead), measure_budget(behind)]
        except ConfigError as error:
            self.tests.append(replace(test, why="; ".join(error.problems)))
            return
        if match != "none":
            matched = try_match(behind, getattr(budgets[0].decoder, match), by=match, scope="decoder")
            if isinstance(matched, str):
                self.tests.append(replace(test, why=f"the sides cannot be brought to one size: {matched}"))
                return
            behind, budgets[1] = matched
        first = self.add_variant(claim.ahead.name, ahead, claim.ahead.share, budgets[0])
        second = self.add_variant(claim.behind.name, behind, claim.behind.share, budgets[1])
        self.tests.append(replace(test, ahead=first, behind=second))

    def add_untestable(self, claim: Claim, why: str) -> None:
        """Add a claim that these data or this backbone cannot test."""
        self.tests.append(ClaimTest(claim, why=why))
