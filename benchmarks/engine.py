"""How much faster is the frozen-feature engine than a plain PyTorch loop, with the same results?

python benchmarks/engine.py deiqt
python benchmarks/engine.py lifeiqa deiqt --data livec --root ChallengeDB_release --backbone resnet18 --pretrained --splits 2

The plain loop is what one would write first: a Dataset of cached features in float32, a DataLoader, torch's attention as it
stands, AdamW, every core for each operation. The engine trains as many splits at a time as there are cores. Both learn with
the same recipe from the same features, splits and seeds, in turn in one run.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from iqa_zoo.build import build_decoder
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.commands.study import (
    Bars,
    Bench,
    add_backbone_options,
    add_data_options,
    add_training_options,
    check_options,
    for_frozen_features,
    load_data,
    match_all,
    recipe_wanted,
    splits_of,
)
from iqa_zoo.config import load_config
from iqa_zoo.contracts import Features
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.features import FeatureBank
from iqa_zoo.engine.workers import run_all
from iqa_zoo.errors import IqaZooError
from iqa_zoo.identity import describe_origin
from iqa_zoo.reports.table import Table
from iqa_zoo.stats.metrics import srocc
from iqa_zoo.training.recipe import FrozenRecipe


class CachedFeatures(Dataset[tuple[dict[str, Tensor], Tensor]]):
    """One random crop an image, as float32 tensors."""

    def __init__(self, bank: FeatureBank, images: NDArray[np.int64], targets: NDArray[np.float64], seed: int):
        self.arrays = {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in bank.arrays.items()}
        self.scales, self.images, self.targets = bank.scales, images, targets
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[dict[str, Tensor], Tensor]:
        image = int(self.images[index])
        crop = int(self.rng.integers(self.arrays["global"].shape[1]))
        return self.features(image, crop), torch.tensor(self.targets[image], dtype=torch.float32)

    def features(self, image: int, crop: int) -> dict[str, Tensor]:
        named = {}
        for name, array in self.arrays.items():
            mean, deviation = self.scales[name]
            values = (array[image, crop] - mean) / deviation
            named[name] = values.permute(2, 0, 1).contiguous() if name.startswith("map") else values
        return named


def as_features(named: Mapping[str, Tensor], bank: FeatureBank) -> Features:
    maps = {int(name[3:]): value for name, value in named.items() if name.startswith("map")}
    if "tokens" in named:
        tokens_BLC = named["tokens"]
    else:
        assert bank.spec.token_stage is not None
        tokens_BLC = maps[bank.spec.token_stage].flatten(2).transpose(1, 2)
    return Features(maps, tokens_BLC, named["global"])


def plain_loop(
    cfg: Mapping[str, Any], bank: FeatureBank, mos: NDArray[np.float64], split: Split, recipe: FrozenRecipe, seed: int
) -> float:
    """Train, measure validation after every epoch, predict the test part; return its SROCC."""
    bank = bank.standardised(split.train)
    center, spread = mos[split.train].mean(), mos[split.train].std()
    data = CachedFeatures(bank, split.train, (mos - center) / spread, seed)
    torch.manual_seed(seed)
    model = build_decoder(dict(cfg), bank.spec)
    loader = DataLoader(data, recipe.batch_size, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    total = recipe.epochs * len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / max(1, total // 20), 0.5 * (1 + math.cos(math.pi * step / total)))
    )
    for _ in range(recipe.epochs):
        model.train()
        for named, target_B in loader:
            loss = model.loss(as_features(named, bank), target_B)["total"]
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            schedule.step()
        predict(model, data, bank, split.validation)
    return srocc(predict(model, data, bank, split.test), mos[split.test])


def predict(
    model: nn.Module, data: CachedFeatures, bank: FeatureBank, images: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The mean over the crops of each image."""
    model.eval()
    crops = data.arrays["global"].shape[1]
    scores = []
    with torch.no_grad():
        for image in images:
            each = [data.features(int(image), crop) for crop in range(crops)]
            named = {name: torch.stack([one[name] for one in each]) for name in each[0]}
            scores.append(model(as_features(named, bank)).mean().item())
    return np.array(scores)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="zoo names or config files")
    what = parser.add_argument_group("what is trained")
    add_data_options(what)
    add_backbone_options(what)
    add_training_options(parser.add_argument_group("how"))
    parser.add_argument("--json", type=parse_path, metavar="FILE", help="every time and SROCC")
    arguments = parser.parse_args(argv)
    arguments.csv = arguments.markdown = None
    arguments.match, arguments.budget = "params", "smallest"
    check_options(parser, arguments)
    arguments.fresh = True  # what was trained before takes no time
    console = Console(stderr=True)
    try:
        results = measure(arguments, console)
    except IqaZooError as error:
        console.print(f"error: {error}", style="red", markup=False, highlight=False)
        return 2
    Console(width=None if sys.stdout.isatty() else 150).print(table(results, arguments).rich())
    if arguments.json:
        arguments.json.write_text(
            json.dumps({**describe_origin(["iqa_zoo.engine.trainings"]), "models": results}, indent=1), encoding="utf-8"
        )
    return 0


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, dict[str, list[float]]]:
    whole = {Path(name).stem: load_config(name) for name in arguments.models}
    configs, _ = for_frozen_features(whole, console)
    with Bars(console) as report:
        bench = Bench.of(arguments, list(configs.values()), report, console)
        placed = {name: bench.placed(cfg) for name, cfg in configs.items()}
        matched = match_all(placed, list(placed), arguments, report, console).configs
        data = load_data(arguments, report)
        splits = splits_of(arguments, data, usual=2)
        bank = bench.bank(data)
        list(run_all(abs, [(0,)], jobs=arguments.jobs))  # a study imports torch once, so before either is timed
        found: dict[str, dict[str, list[float]]] = {}
        tick = report("plain loop and engine in turn")
        for i, (name, cfg) in enumerate(matched.items()):
            plain, scores = [], []
            for number, split in enumerate(splits):
                started = time.perf_counter()
                scores.append(plain_loop(cfg, bank, data.mos, split, recipe_wanted(arguments), arguments.seed + number))
                plain.append(time.perf_counter() - started)
            started = time.perf_counter()
            records = bench.train({name: cfg}, data, splits)
            engine = (time.perf_counter() - started) / len(splits)
            found[name] = {
                "plain_seconds": plain,
                "engine_seconds": [engine] * len(splits),
                "plain_srocc": scores,
                "engine_srocc": [record["srocc"] for record in records],
            }
            tick(i + 1, len(matched))
    return found


def table(results: dict[str, dict[str, list[float]]], arguments: argparse.Namespace) -> Table:
    rows = []
    for name, found in results.items():
        plain, engine = (statistics.median(found[f"{which}_seconds"]) for which in ("plain", "engine"))
        sroccs = [statistics.mean(found[f"{which}_srocc"]) for which in ("plain", "engine")]
        rows.append(
            [name, f"{plain:.1f}", f"{engine:.1f}", f"{plain / engine:.1f}", *(f"{value:.3f}" for value in sroccs)]
        )
    recipe = recipe_wanted(arguments)
    note = (
        f"Seconds a split, in one run: {recipe.epochs} epochs, batch {recipe.batch_size}. Plain loop: float32, {torch.get_num_threads()} "
        f"threads. Engine: {recipe.precision}, {arguments.jobs} splits at a time, start of the processes included, "
        "the import of torch not."
    )
    columns = ["model", "plain loop, s", "engine, s", "times", "SROCC, plain", "SROCC, engine"]
    return Table("The frozen-feature engine against a plain loop", columns, rows, [note])


if __name__ == "__main__":
    sys.exit(main())
