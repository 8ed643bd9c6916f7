"""Which stages of a backbone carry quality? A linear head and a ridge on each one's mean, beside the same with random weights.

python benchmarks/probe_layers.py --pretrained --data livec --root ChallengeDB_release
python benchmarks/probe_layers.py --backbones resnet18 --weights resnet18=r18.safetensors --data livec --root ...
python benchmarks/probe_layers.py --backbones nss
python benchmarks/probe_layers.py --backbones vit_small_patch16_224 --pretrained --every-block
python benchmarks/probe_layers.py --from runs/probe-resnet18-livec-1a2b3c4d
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from rich.console import Console

from iqa_zoo.build import build_backbone, build_model
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.commands.study import (
    YARDSTICK_RATE,
    Bars,
    Bench,
    Record,
    Report,
    add_data_options,
    add_result_options,
    add_training_options,
    add_weights_options,
    cache_use,
    check_options,
    check_weights,
    conditions,
    load_data,
    needs_weights,
    parts_ratio,
    run_folder,
    splits_of,
    succeeded,
)
from iqa_zoo.config import Config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.probe import LevelVectors, full_config, probe_carrier, probe_config, ridge_scores
from iqa_zoo.engine.summaries import differences, summarise
from iqa_zoo.errors import CheckpointError, InputError, IqaZooError
from iqa_zoo.inference.evaluation import evaluate_scores, flatten_metrics
from iqa_zoo.randomness import seeded
from iqa_zoo.reports.probe import probe_figures, probe_sentences, probe_tables
from iqa_zoo.reports.run import COLUMNS, Script
from iqa_zoo.training.frozen.trainings import Training

DEFAULT = (
    "resnet50",
    "swin_tiny_patch4_window7_224",
    "convnext_tiny",
    "vit_small_patch16_224",
    "deit3_small_patch16_224",
    "pvt_v2_b2",
)
HEADS = ("linear", "ridge")
CSV = ("backbone", "control", "level", "head", *COLUMNS[2:])


SCRIPT = Script("probe_layers", probe_tables, probe_sentences, probe_figures, CSV)


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    return SCRIPT.run(arguments, study, lambda: run_folder(arguments, "probe", *arguments.backbones))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--from", dest="run", type=parse_path, metavar="RUN", help="print a run folder again; trains nothing"
    )
    what = parser.add_argument_group("what is probed")
    what.add_argument(
        "--backbones",
        nargs="+",
        default=list(DEFAULT),
        metavar="NAME",
        help=f"nss, or timm names (default: {' '.join(DEFAULT)}); one whose weights are not to be had is left out and named",
    )
    add_weights_options(what)
    what.add_argument(
        "--every-block",
        action="store_true",
        help="every output that timm gives: each block of a ViT, the stem too of a CNN (default: stages 1 to 4)",
    )
    what.add_argument("--no-control", action="store_true", help="leave out the same backbone with random weights")
    what.add_argument(
        "--heads",
        nargs="+",
        choices=HEADS,
        default=list(HEADS),
        help="linear: trained as decoders are; ridge: in closed form (default: both)",
    )
    add_data_options(what)
    add_training_options(parser.add_argument_group("how"))
    add_result_options(parser.add_argument_group("results"))
    arguments = parser.parse_args(argv)
    if len(set(arguments.backbones)) < len(arguments.backbones):
        parser.error("a backbone is named twice")
    check_weights(parser, arguments)
    arguments.backbone = ", ".join(arguments.backbones)
    check_options(parser, arguments)
    return arguments


@dataclass(frozen=True)
class Probed:
    """A backbone, trained or (``control``) with random weights, whose levels are read."""

    name: str
    control: bool
    config: Config
    levels: LevelVectors
    weights: str

    @property
    def label(self) -> str:
        return f"{self.name}, random weights" if self.control else self.name

    def model(self, level: int, head: str) -> str:
        """How one probe is called in the records."""
        return f"{self.label}, {self.levels.names[level]}, {head}"


def study(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    started = time.perf_counter()
    with Bars(console) as report:
        probed, refused = backbones_of(arguments)
        for row in refused:
            console.print(f"left out: {row['backbone']}: {row['reason']}", markup=False, highlight=False)
        data = load_data(arguments, report)
        splits = splits_of(arguments, data)
        benches = {each.label: bench_of(each, arguments, report, console) for each in probed}
        for label, bench in benches.items():
            console.print(f"{label}:", highlight=False)
            bench.feature_cost(data)
        if arguments.dry_run:
            return None
        records = []
        for each in probed:
            records += probe(each, benches[each.label], data, splits, arguments, report)
    return {
        **conditions(arguments, data, splits, {}),
        **cache_use(records, *benches.values()),
        "weights": "; ".join(f"{each.label}: {each.weights}" for each in probed),
        "yardstick_lr": YARDSTICK_RATE * arguments.lr,
        "heads": arguments.heads,
        "every_block": arguments.every_block,
        "probed": [
            {
                "backbone": each.name,
                "control": each.control,
                "weights": each.weights,
                "config": each.config,
                "levels": [
                    {"level": level, "name": each.levels.names[level], "channels": info.channels}
                    for level, info in each.levels.spec.stages.items()
                ],
                "features": benches[each.label].bank(data).key,
            }
            for each in probed
        ],
        "refused": refused,
        "rows": rows_of(probed, succeeded(records), arguments.heads),
        "differences": pairs_of(probed, records, arguments.heads, data, splits),
        "runs": records,
        "seconds": time.perf_counter() - started,
    }


def backbones_of(arguments: argparse.Namespace) -> tuple[list[Probed], list[Record]]:
    """The backbones and their controls, and those that are left out with the reason.

    Raises:
        PartError, UnknownName: no such backbone.
        IqaZooError: none is left.
    """
    probed: list[Probed] = []
    refused = []
    for name in arguments.backbones:
        weights, needs_none = arguments.weights.get(name), not needs_weights(name)
        config = full_config(name)
        try:
            if not (weights or arguments.pretrained or needs_none):
                raise CheckpointError("no weights: give --weights NAME=FILE or --pretrained")
            fetch = arguments.pretrained and weights is None
            with seeded(arguments.seed):
                backbone = build_model(probe_carrier(config), pretrained=fetch, weights=weights).backbone
            words = f"from {weights.name}" if weights else "none to load" if needs_none else "ImageNet"
            probed.append(Probed(name, False, config, levels_of(backbone, arguments), words))
        except (CheckpointError, InputError) as error:
            refused.append({"backbone": name, "reason": str(error)})
            continue
        if not needs_none and not arguments.no_control:
            with seeded(arguments.seed):
                control = build_backbone({"backbone": config})
            words = f"random, seed {arguments.seed}"
            probed.append(Probed(name, True, config, levels_of(control, arguments), words))
    if not probed:
        raise IqaZooError("no backbone is left: " + "; ".join(f"{row['backbone']}: {row['reason']}" for row in refused))
    return probed, refused


def levels_of(backbone: torch.nn.Module, arguments: argparse.Namespace) -> LevelVectors:
    return LevelVectors(backbone, every_block=arguments.every_block)


def bench_of(each: Probed, arguments: argparse.Namespace, report: Report, console: Console) -> Bench:
    """Features of the levels of one backbone, and trainings on them."""
    own = argparse.Namespace(**{**vars(arguments), "weights": None})
    return Bench(own, report, console, each.levels, each.config)


def probe(
    each: Probed,
    bench: Bench,
    data: RatedImages,
    splits: Sequence[Split],
    arguments: argparse.Namespace,
    report: Report,
) -> list[Record]:
    """A record for every level, head and split."""
    levels = each.levels.spec.stages
    records = []
    if "linear" in arguments.heads:
        names = {level: each.model(level, "linear") for level in levels}
        trainings = [
            training_of(bench, each, level, split, number) for number, split in enumerate(splits) for level in levels
        ]
        words = f"linear heads on {each.label}"
        by_model = {name: level for level, name in names.items()}
        for record in bench.run(trainings, data, list(names.values()), splits, words=words):
            records.append({**record, **about(each, by_model[record["model"]], "linear")})
    if "ridge" in arguments.heads:
        bank = bench.bank(data)
        tick = report(f"ridges on {each.label}")
        for number, split in enumerate(splits):
            for level in levels:
                seconds = time.perf_counter()
                scores = ridge_scores(bank, level, data.mos, split)
                records.append(
                    {
                        "model": each.model(level, "ridge"),
                        "split": split.id,
                        "seed": arguments.seed + number,
                        **flatten_metrics(evaluate_scores(scores, data, split.test)),
                        "seconds": time.perf_counter() - seconds,
                        **about(each, level, "ridge"),
                    }
                )
            tick(number + 1, len(splits))
    return records


def training_of(bench: Bench, each: Probed, level: int, split: Split, number: int) -> Training:
    """A linear head on one level; it learns at the yardstick's rate, being far from its optimum otherwise."""
    cfg = probe_config(each.config, level, each.levels.spec.stages[level].channels)
    training = bench.training(each.model(level, "linear"), cfg, split, number)
    recipe = replace(training.recipe, lr=YARDSTICK_RATE * training.recipe.lr)
    return replace(training, recipe=recipe)


def about(each: Probed, level: int, head: str) -> Record:
    """What a record is of."""
    name = each.levels.names[level]
    return {"backbone": each.name, "control": each.control, "number": level, "level": name, "head": head}


def rows_of(probed: Sequence[Probed], done: Sequence[Record], heads: Sequence[str]) -> list[Record]:
    """Medians and quartiles of every probe, by distortion too where the data names it."""
    summary = summarise(done)
    rows = []
    for each in probed:
        for level, info in each.levels.spec.stages.items():
            for head in heads:
                found = summary.get(each.model(level, head))
                if found:
                    by_kind = found.get("srocc_by_distortion", {})
                    rows.append(
                        {
                            "model": each.model(level, head),
                            **about(each, level, head),
                            "channels": info.channels,
                            **{metric: found[metric] for metric in ("srocc", "plcc")},
                            "srocc_by_distortion": by_kind,
                        }
                    )
    return rows


def pairs_of(
    probed: Sequence[Probed],
    records: Sequence[Record],
    heads: Sequence[str],
    data: RatedImages,
    splits: Sequence[Split],
) -> list[Record]:
    """Of each backbone and head: every level against the best, each against the one before, trained against random."""
    done = [record for record in records if "error" not in record]
    medians: Mapping[str, float] = {name: row["srocc"]["median"] for name, row in summarise(done).items()}
    wanted: dict[tuple[str, str], str] = {}
    for head in heads:
        for each in probed:
            models = [each.model(level, head) for level in each.levels.spec.stages]
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
                        wanted[each.model(level, head), control.model(level, head)] = "trained"
    found = differences(done, parts_ratio(splits[0]), data, list(wanted))
    return [{**pair, "what": wanted[pair["first"], pair["second"]]} for pair in found]


if __name__ == "__main__":
    sys.exit(main())
