"""Probes: a linear head or a ridge on one level of one backbone, and the baseline on all of its levels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from iqa_zoo.build import build_backbone, build_model
from iqa_zoo.config import Config, load_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import CheckpointError, InputError, IqaZooError
from iqa_zoo.packaged_weights import PACKAGED
from iqa_zoo.randomness import seeded
from iqa_zoo.studies.pooled_stages import LevelVectors, full_config, probe_carrier
from iqa_zoo.studies.protocol import compute_parts_ratio
from iqa_zoo.studies.runner import FrozenRunner, Record
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.studies.summaries import compute_differences, summarize_records
from iqa_zoo.studies.weights import describe_pretrained, needs_weights

LINEAR_RATE = 10  # times the learning rate: one linear layer is far from its optimum after the same steps otherwise


@dataclass(frozen=True)
class Probed:
    """A backbone, trained or (``control``) with random weights, whose levels are probed."""

    name: str
    control: bool
    config: Config
    levels: LevelVectors
    weights: str

    @property
    def label(self) -> str:
        return f"{self.name}, random weights" if self.control else self.name

    def name_probe(self, level: int, head: str) -> str:
        """Return the name of one probe in the records."""
        return f"{self.label}, {self.levels.names[level]}, {head}"

    @property
    def baseline(self) -> str:
        """The name of the ridge on all levels together in the records."""
        return f"{self.label}, {BASELINE}"

    def describe(self, level: int | None, head: str) -> Record:
        """Return what identifies a record; ``level`` is None for all levels together."""
        name = "all levels" if level is None else self.levels.names[level]
        return {"backbone": self.name, "control": self.control, "number": level, "level": name, "head": head}

    def make_probe(self, level: int, head: str) -> Config:
        """Return one linear layer on the mean of a level, trained (linear) or in closed form (ridge)."""
        if head == "ridge":
            return self.make_ridge([level])
        channels = self.levels.spec.stages[level].channels
        return {**probe_carrier(self.config), "dim": channels, "queries": dict(type="global_vector", stage=level)}

    def make_ridge(self, levels: Sequence[int]) -> Config:
        """Return the baseline on the means of some levels."""
        queries = dict(type="stage_means", stages=list(levels))
        return {**load_config(BASELINE), "backbone": self.config, "queries": queries}


def build_probed(spec: StudySpec) -> tuple[list[Probed], list[dict[str, Any]]]:
    """Return the backbones and their controls, and those that are left out with the reason.

    Raises:
        PartError, UnknownName: no such backbone.
        IqaZooError: none is left.
    """
    options, seed = spec.options, spec.training.seed
    probed: list[Probed] = []
    refused = []

    def add(name: str, config: Config, backbone: nn.Module, weights: str, control: bool = False) -> None:
        levels = LevelVectors(backbone, every_block=options.every_block)
        probed.append(Probed(name, control, config, levels, weights))

    for name in options.backbones:
        weights, trained = dict(options.weights).get(name), needs_weights(name)
        view = spec.on_backbone(name).training.view
        config = full_config(name, view, spec.data.boxed_stages)
        try:
            if trained and not (weights or options.pretrained):
                raise CheckpointError("no weights: give --weights NAME=FILE or --pretrained")
            fetch = options.pretrained and weights is None
            with seeded(seed):
                backbone = build_model(probe_carrier(config), pretrained=fetch, weights=weights).backbone
            packaged = describe_pretrained(name) if name in PACKAGED else "ImageNet"
            about = f"from {weights.name}" if weights else packaged if trained else "none to load"
            add(name, config, backbone, about)
        except (CheckpointError, InputError) as error:
            refused.append({"backbone": name, "reason": str(error)})
            continue
        if trained and not options.no_control and not spec.data.boxed:
            with seeded(seed):
                control = build_backbone({"backbone": config})
            add(name, config, control, f"random, seed {seed}", control=True)
    if not probed:
        raise IqaZooError("no backbone is left: " + "; ".join(f"{row['backbone']}: {row['reason']}" for row in refused))
    return probed, refused


def run_probe(each: Probed, runner: FrozenRunner, data: RatedImages, splits: Sequence[Split]) -> list[Record]:
    """Return a record for every level and head, and for the baseline on all levels, on every split."""
    levels = each.levels.spec.stages
    probes = {each.name_probe(level, head): (level, head) for head in runner.spec.options.heads for level in levels}
    configs = {model: each.make_probe(*probe) for model, probe in probes.items()}
    configs[each.baseline] = each.make_ridge(list(levels))
    about = {model: each.describe(*probe) for model, probe in probes.items()}
    about[each.baseline] = each.describe(None, BASELINE)
    trainings = [
        runner.make_training(model, cfg, split, number, rate=LINEAR_RATE if about[model]["head"] == "linear" else 1)
        for number, split in enumerate(splits)
        for model, cfg in configs.items()
    ]
    records = runner.train(trainings, data, stage=f"heads on {each.label}")
    return [{**record, **about[record["model"]]} for record in records]


def make_rows(probed: Sequence[Probed], done: Sequence[Record], heads: Sequence[str]) -> list[Record]:
    """Return medians and quartiles of every probe, by distortion too where the data names it."""
    summary = summarize_records(done)
    return [
        {
            **each.describe(level, head),
            "channels": info.channels,
            **_summarize(model, summary),
        }
        for each in probed
        for level, info in each.levels.spec.stages.items()
        for head in heads
        if (model := each.name_probe(level, head)) in summary
    ]


def make_baseline_rows(probed: Sequence[Probed], done: Sequence[Record]) -> list[Record]:
    """Return medians and quartiles of the baseline on every backbone."""
    summary = summarize_records(done)
    return [
        {
            **each.describe(None, BASELINE),
            "channels": sum(info.channels for info in each.levels.spec.stages.values()),
            **_summarize(each.baseline, summary),
        }
        for each in probed
        if each.baseline in summary
    ]


def _summarize(model: str, summary: Mapping[str, Any]) -> Record:
    by_distortion = summary[model].get("srocc_by_distortion", {})
    return {
        "model": model,
        **{metric: summary[model][metric] for metric in ("srocc", "plcc")},
        "srocc_by_distortion": by_distortion,
    }


def compare_probes(
    probed: Sequence[Probed],
    records: Sequence[Record],
    heads: Sequence[str],
    data: RatedImages,
    splits: Sequence[Split],
    margin: float,
) -> list[Record]:
    """Return, for each backbone and head: every level against the best, each against the one before, trained against random.

    The best level is compared with the baseline on all levels as well. As it is chosen by its result, the verdicts are
    adjusted for all pairs that the choice could have led to: any two levels, and any level with the baseline.
    """
    done = [record for record in records if "error" not in record]
    medians: Mapping[str, float] = {name: row["srocc"]["median"] for name, row in summarize_records(done).items()}
    wanted: dict[tuple[str, str], str] = {}
    possible: set[frozenset[str]] = set()
    for head in heads:
        for each in probed:
            models = [each.name_probe(level, head) for level in each.levels.spec.stages]
            models = [model for model in models if model in medians]
            if not models or each.control:
                continue
            best = max(models, key=lambda model: medians[model] if np.isfinite(medians[model]) else -1)
            rivals = [model for model in (*models, each.baseline) if np.isfinite(medians.get(model, np.nan))]
            possible |= set(map(frozenset, itertools.combinations(rivals, 2)))
            for shallow, deep in itertools.pairwise(models):
                wanted[deep, shallow] = "deeper"
            for model in models:
                if model != best and not {(best, model), (model, best)} & wanted.keys():
                    wanted[best, model] = "best"
            if each.baseline in medians:
                wanted[each.baseline, best] = "baseline"
            for control in probed:
                if control.control and control.name == each.name:
                    for level in each.levels.spec.stages:
                        wanted[each.name_probe(level, head), control.name_probe(level, head)] = "trained"
    possible |= {frozenset(pair) for pair in wanted if all(np.isfinite(medians.get(model, np.nan)) for model in pair)}
    found = compute_differences(
        done, compute_parts_ratio(splits[0]), data, list(wanted), margin=margin, comparisons=max(1, len(possible))
    )
    return [{**pair, "what": wanted[pair["first"], pair["second"]]} for pair in found]
