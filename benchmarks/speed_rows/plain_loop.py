"""A plain PyTorch loop that trains a decoder on frozen features, and the engine of the studies against it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.speed_rows.row import Row, Setup, Timed
from iqa_zoo.build import build_backbone, build_decoder
from iqa_zoo.config import load_config, resolve_config
from iqa_zoo.contracts import Features
from iqa_zoo.data.livec import livec
from iqa_zoo.data.look_alikes import group_look_alikes
from iqa_zoo.data.splits import Split, make_splits
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.stats.metrics import srocc
from iqa_zoo.training.frozen.boxed_bank import unpack_box
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.frozen.trainings import Training, train_many
from iqa_zoo.training.recipe import FrozenRecipe
from iqa_zoo.training.selection import choose_epoch
from iqa_zoo.training.workers import run_all

BACKBONE = "tf_efficientnet_lite0"  # of the box
MODELS = ("lifeiqa", "deiqt")


class CachedFeatures(Dataset[tuple[dict[str, Tensor], Tensor]]):
    """The standardised features of the one crop of each image, as float32 tensors in memory."""

    def __init__(self, bank: FeatureBank, targets: NDArray[np.float64]):
        self.tensors, self.targets = {}, torch.from_numpy(targets).float()
        for name, array in bank.arrays.items():
            assert bank.scales is not None
            mean, deviation = bank.scales[name]
            values = (torch.from_numpy(np.array(array[:, 0], dtype=np.float32)) - mean) / deviation
            self.tensors[name] = values.permute(0, 3, 1, 2).contiguous() if name.startswith("map") else values

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[dict[str, Tensor], Tensor]:
        return {name: tensor[index] for name, tensor in self.tensors.items()}, self.targets[index]


def make_features(named: Mapping[str, Tensor], bank: FeatureBank) -> Features:
    """Return a batch as decoders take it."""
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
    """Train in float32 on the batches of the engine, measure validation as often, return its SROCC at the epoch that the same rule selects.

    A Dataset, a DataLoader, AdamW and a cosine schedule, on every core for each operation.
    """
    bank = bank.standardise(split.train)
    center, spread = mos[split.train].mean(), mos[split.train].std()
    data = CachedFeatures(bank, (mos - center) / spread)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = build_decoder(dict(cfg), bank.spec)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    steps = recipe.count_steps(len(split.train))
    total, found = recipe.epochs * steps, []
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / max(1, total // 20), 0.5 * (1 + math.cos(math.pi * step / total)))
    )
    measured = {-(-recipe.epochs * (i + 1) // recipe.measurements) for i in range(recipe.measurements)}
    for epoch in range(recipe.epochs):
        model.train()
        batches = []
        order = rng.permutation(split.train)
        for i in range(steps):
            batches.append(order[i * recipe.batch_size : (i + 1) * recipe.batch_size].tolist())
            rng.integers(bank.crops, size=recipe.batch_size)  # the crops of the engine: each image has one
        for named, target_B in DataLoader(data, batch_sampler=batches):
            loss = model.loss(make_features(named, bank), target_B)["total"]
            optimizer.zero_grad()
            loss.backward()
            assert recipe.clip is not None
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            schedule.step()
        if epoch + 1 in measured:
            found.append(srocc(predict(model, data, bank, split.validation), mos[split.validation]))
    return found[choose_epoch([{"validation": {"srocc": value}} for value in found], "validation")]


def predict(
    model: nn.Module, data: CachedFeatures, bank: FeatureBank, images: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the score of each image."""
    model.eval()
    batches = [part.tolist() for part in np.array_split(images, -(-len(images) // 64))]
    with torch.no_grad():
        scores = [model(make_features(named, bank)) for named, _ in DataLoader(data, batch_sampler=batches)]
    return torch.cat(scores).double().numpy()


def measure_training(setup: Setup, name: str) -> Timed:
    """Time as many splits as there are cores, in the plain loop one by one and in the engine, on the features of the box."""
    data = livec()
    cfg = load_config(name)
    cfg["backbone"] = make_backbone_config(BACKBONE, [cfg], view="whole")
    backbone = build_backbone(cfg, pretrained=True).eval()
    bank = unpack_box(backbone, resolve_config(cfg)["backbone"], data, cache=setup.scratch / f"box-{name}")
    recipe = FrozenRecipe(epochs=setup.choose(1, FrozenRecipe().epochs))
    splits = make_splits(data, setup.cores, validation_fraction=0.2, groups=group_look_alikes(data).groups)
    splits = [replace(split, test=split.validation) for split in splits]  # both measure the validation part alone
    trainings = [Training(name, cfg, split, recipe, seed, every_rule=False) for seed, split in enumerate(splits)]
    sroccs: dict[str, list[float]] = {"engine": [], "plain loop": []}
    list(run_all(abs, [(0,)] * setup.cores, jobs=setup.cores))  # a study imports torch once, before either is timed

    def train() -> None:
        records = [record for _, record in train_many(trainings, bank, data, None, jobs=setup.cores)]
        sroccs["engine"] += [record["srocc"] for record in records]

    def run_plain() -> None:
        for seed, split in enumerate(splits):
            sroccs["plain loop"].append(run_plain_loop(cfg, bank, data.mos, split, recipe, seed))

    times = setup.time(f"training.{name}", [train, run_plain], rounds=3, warm_up=0)
    figures = {f"validation SROCC of the {way}": round(float(np.mean(found)), 4) for way, found in sroccs.items()}
    return Timed(*times, {"splits": len(splits), "precision": recipe.on("cpu").precision, **figures})


ROWS = [
    Row(
        f"training.{name}",
        f"training the decoder of {name} on the box",
        "a plain PyTorch loop on the same batches",
        "speed",
        4,
        3,
        lambda setup, name=name: measure_training(setup, name),
    )
    for name in MODELS
]
