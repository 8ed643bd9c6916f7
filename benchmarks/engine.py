"""Time the frozen-feature engine against a plain PyTorch loop that gives the same results.

python benchmarks/engine.py deiqt
python benchmarks/engine.py lifeiqa deiqt --data livec --root ChallengeDB_release --backbone resnet18 --pretrained --splits 2

The plain loop has a Dataset of cached features in float32, a DataLoader, torch's attention, AdamW, and every core for each
operation. The engine trains as many splits at a time as there are cores. Both train with the same recipe on the same
features, splits and seeds, in turn in one run.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from iqa_zoo.build import build_decoder
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.commands.study import add_settings
from iqa_zoo.contracts import Features
from iqa_zoo.data.splits import Split
from iqa_zoo.identity import describe_origin
from iqa_zoo.outputs import write_json
from iqa_zoo.program import run_program
from iqa_zoo.progress import Reporter, Terminal
from iqa_zoo.reports.table import Table
from iqa_zoo.stats.metrics import srocc
from iqa_zoo.studies.matching import match_models
from iqa_zoo.studies.models import fit_to_frozen_features
from iqa_zoo.studies.protocol import load_data, make_frozen_recipe, make_study_splits
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.runners import make_trainings
from iqa_zoo.studies.spec import NoOptions, StudySpec
from iqa_zoo.studies.study import plan_study
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.recipe import FrozenRecipe
from iqa_zoo.training.workers import run_all


class CachedFeatures(Dataset[tuple[dict[str, Tensor], Tensor]]):
    """One random crop per image, as float32 tensors."""

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
            assert self.scales is not None
            mean, deviation = self.scales[name]
            values = (array[image, crop] - mean) / deviation
            named[name] = values.permute(2, 0, 1).contiguous() if name.startswith("map") else values
        return named


def make_features(named: Mapping[str, Tensor], bank: FeatureBank) -> Features:
    maps = {int(name[3:]): value for name, value in named.items() if name.startswith("map")}
    if "tokens" in named:
        tokens_BLC = named["tokens"]
    else:
        assert bank.spec.token_stage is not None
        tokens_BLC = maps[bank.spec.token_stage].flatten(2).transpose(1, 2)
    return Features(maps, tokens_BLC, named["global"])


def run_plain_loop(
    cfg: Mapping[str, Any], bank: FeatureBank, mos: NDArray[np.float64], split: Split, recipe: FrozenRecipe, seed: int
) -> float:
    """Train, measure validation after every epoch, predict the test part; return its SROCC."""
    bank = bank.standardise(split.train)
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
            loss = model.loss(make_features(named, bank), target_B)["total"]
            optimizer.zero_grad()
            loss.backward()
            assert recipe.clip is not None
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            schedule.step()
        predict(model, data, bank, split.validation)
    return srocc(predict(model, data, bank, split.test), mos[split.test])


def predict(
    model: nn.Module, data: CachedFeatures, bank: FeatureBank, images: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean score over the crops of each image."""
    model.eval()
    crops = data.arrays["global"].shape[1]
    scores = []
    with torch.no_grad():
        for image in images:
            each = [data.features(int(image), crop) for crop in range(crops)]
            named = {name: torch.stack([one[name] for one in each]) for name in each[0]}
            scores.append(model(make_features(named, bank)).mean().item())
    return np.array(scores)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="zoo names or config files")
    add_settings(parser, NoOptions, without=("budget", "fresh", "out", "dry_run"))
    parser.add_argument("--json", type=parse_path, metavar="FILE", help="every time and SROCC")
    settings = vars(parser.parse_args(argv))
    models, file = settings.pop("models"), settings.pop("json")

    def work() -> int:
        spec = plan_study("compare", models, **settings, fresh=True)  # what was trained before takes no time
        with Terminal().running() as progress:
            results = measure(spec, progress)
        Console(width=None if sys.stdout.isatty() else 150).print(make_table(results, spec).rich())
        if file:
            write_json(file, {**describe_origin(["iqa_zoo.training.frozen.trainings"]), "models": results})
        return 0

    return run_program(work, lambda message: print(f"engine: {message}", file=sys.stderr))


def measure(spec: StudySpec, progress: Reporter) -> dict[str, dict[str, list[float]]]:
    """Return the seconds and the SROCC of each split by model, for the plain loop and for the engine."""
    configs, _ = fit_to_frozen_features(spec.load_models(), progress)
    runner = FrozenRunner.build(spec, list(configs.values()), progress)
    placed = {name: runner.place(cfg) for name, cfg in configs.items()}
    matched = match_models(placed, list(placed), spec.budget, progress).configs
    data = load_data(spec.data, progress)
    splits = make_study_splits(spec, data, 2)
    bank, recipe = runner.load_bank(data), make_frozen_recipe(spec)
    list(run_all(abs, [(0,)], jobs=spec.resources.jobs))  # a study imports torch once, before either is timed
    results: dict[str, dict[str, list[float]]] = {}
    tick = progress.start("plain loop and engine in turn")
    for i, (name, cfg) in enumerate(matched.items()):
        seconds, sroccs = [], []
        for number, split in enumerate(splits):
            started = time.perf_counter()
            sroccs.append(run_plain_loop(cfg, bank, data.mos, split, recipe, spec.training.seed + number))
            seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        records = runner.train(make_trainings(runner, {name: cfg}, splits), data)
        engine = (time.perf_counter() - started) / len(splits)
        results[name] = {
            "plain_seconds": seconds,
            "engine_seconds": [engine] * len(splits),
            "plain_srocc": sroccs,
            "engine_srocc": [record["srocc"] for record in records],
        }
        tick(i + 1, len(matched))
    return results


def make_table(results: dict[str, dict[str, list[float]]], spec: StudySpec) -> Table:
    rows = []
    for name, found in results.items():
        plain, engine = (statistics.median(found[f"{which}_seconds"]) for which in ("plain", "engine"))
        sroccs = [statistics.mean(found[f"{which}_srocc"]) for which in ("plain", "engine")]
        rows.append(
            [name, f"{plain:.1f}", f"{engine:.1f}", f"{plain / engine:.1f}", *(f"{value:.3f}" for value in sroccs)]
        )
    recipe = make_frozen_recipe(spec)
    note = (
        f"Seconds a split, in one run: {recipe.epochs} epochs, batch {recipe.batch_size}. Plain loop: float32, {torch.get_num_threads()} "
        f"threads. Engine: {recipe.precision}, {spec.resources.jobs} splits at a time, start of the processes included, "
        "the import of torch not."
    )
    columns = ["model", "plain loop, s", "engine, s", "times", "SROCC, plain", "SROCC, engine"]
    return Table("The frozen-feature engine against a plain loop", columns, rows, [note])


if __name__ == "__main__":
    sys.exit(main())
