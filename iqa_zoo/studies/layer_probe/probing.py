"""Probes: a linear head or a ridge on one level of one backbone."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from iqa_zoo.build import build_backbone, build_model
from iqa_zoo.config import Config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import CheckpointError, InputError, IqaZooError
from iqa_zoo.inference.evaluation import evaluate_scores, flatten_metrics
from iqa_zoo.packaged_weights import PACKAGED
from iqa_zoo.randomness import seeded
from iqa_zoo.studies.pooled_stages import LevelVectors, full_config, probe_carrier, probe_config, ridge_scores
from iqa_zoo.studies.protocol import BASELINE_RATE, compute_parts_ratio
from iqa_zoo.studies.runner import FrozenRunner, Record
from iqa_zoo.studies.spec import StudySpec
from iqa_zoo.studies.summaries import compute_differences, summarize_records
from iqa_zoo.studies.weights import describe_pretrained, needs_weights

HEADS = ("linear", "ridge")


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

    def describe(self, level: int, head: str) -> Record:
        """Return what identifies a record."""
        name = self.levels.names[level]
        return {"backbone": self.name, "control": self.control, "number": level, "level": name, "head": head}


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
    """Return a record for every level, head and split."""
    levels, heads = each.levels.spec.stages, runner.spec.options.heads
    records = []
    if "linear" in heads:
        by_model = {each.name_probe(level, "linear"): level for level in levels}
        configs = {model: probe_config(each.config, level, levels[level].channels) for model, level in by_model.items()}
        trainings = [
            runner.make_training(model, cfg, split, number, rate=BASELINE_RATE)
            for number, split in enumerate(splits)
            for model, cfg in configs.items()
        ]
        for record in runner.train(trainings, data, stage=f"linear heads on {each.label}"):
            records.append({**record, **each.describe(by_model[record["model"]], "linear")})
    if "ridge" in heads:
        bank = runner.load_bank(data)
        tick = runner.progress.start(f"ridges on {each.label}")
        for number, split in enumerate(splits):
            for level in levels:
                started = time.perf_counter()
                scores = ridge_scores(bank, level, data.mos, split)
                records.append(
                    {
                        "model": each.name_probe(level, "ridge"),
                        "split": split.id,
                        "seed": runner.spec.training.seed + number,
                        **flatten_metrics(evaluate_scores(scores, data, split.test)),
                        "seconds": time.perf_counter() - started,
                        **each.describe(level, "ridge"),
                    }
                )
            tick(number + 1, len(splits))
    return records


def make_rows(probed: Sequence[Probed], done: Sequence[Record], heads: Sequence[str]) -> list[Record]:
    """Return medians and quartiles of every probe, by distortion too where the data names it."""
    summary = summarize_records(done)
    return [
        {
            "model": model,
            **each.describe(level, head),
            "channels": info.channels,
            **{metric: summary[model][metric] for metric in ("srocc", "plcc")},
            "srocc_by_distortion": summary[model].get("srocc_by_distortion", {}),
        }
        for each in probed
        for level, info in each.levels.spec.stages.items()
        for head in heads
        if (model := each.name_probe(level, head)) in summary
    ]


def compare_probes(
    probed: Sequence[Probed],
    records: Sequence[Record],
    heads: Sequence[str],
    data: RatedImages,
    splits: Sequence[Split],
    margin: float,
) -> list[Record]:
    """Return, for each backbone and head: every level against the best, each against the one before, trained against random."""
    done = [record for record in records if "error" not in record]
    medians: Mapping[str, float] = {name: row["srocc"]["median"] for name, row in summarize_records(done).items()}
    wanted: dict[tuple[str, str], str] = {}
    for head in heads:
        for each in probed:
            models = [each.name_probe(level, head) for level in each.levels.spec.stages]
            models = [model for model in models if model in medians]
            if not models or each.control:
                continue
            best = max(models, key=lambda model: medians[model] if np.isfinite(medians[model]) else -1)
            for shallow, deep in itertools.pairwise(models):
                wanted[deep, shallow] = "deeper"
            for model in models:
                if model != best and not {(best, model), (model, best)} & wanted.keys():
                    wanted[best, model] = "best"
            for control in probed:
                if control.control and control.name == each.name:
                    for level in each.levels.spec.stages:
                        wanted[each.name_probe(level, head), control.name_probe(level, head)] = "trained"
    found = compute_differences(done, compute_parts_ratio(splits[0]), data, list(wanted), margin=margin)
    return [{**pair, "what": wanted[pair["first"], pair["second"]]} for pair in found]
