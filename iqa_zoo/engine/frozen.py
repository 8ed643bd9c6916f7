"""Train a decoder on frozen, cached backbone features: the quick and fair way to compare decoders."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iqa_zoo.build import build_decoder
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.features import FeatureBank
from iqa_zoo.errors import IqaZooError
from iqa_zoo.interactions.attention import compute_for_few_queries
from iqa_zoo.quality_model import QualityModel


@dataclass(frozen=True)
class FrozenRecipe:
    """How a decoder is trained on frozen features, the same for every decoder that is compared.

    Args:
        epochs: an epoch meets every training image once, as one of its cached crops, drawn anew.
        batch_size: images a step.
        lr: peak learning rate of AdamW; warmed up over the first 5 % of the steps, then cosine to zero.
        weight_decay: on matrices; biases, norms, embeddings and scalars have none.
        clip: gradient norm at most.

    The last epoch is what is tested: nothing is selected, so nothing is held out to select by.
    """

    epochs: int = 9
    batch_size: int = 16
    lr: float = 3e-4
    weight_decay: float = 0.05
    clip: float = 1.0


@dataclass(frozen=True)
class FrozenRun:
    """What one training gave: test predictions on the labels' scale (mean over the cached crops), the loss of the
    last epoch on standardised labels, and wall-clock seconds."""

    predictions: NDArray[np.float64]
    last_loss: float
    seconds: float


def train_frozen(
    cfg: Mapping[str, Any],
    bank: FeatureBank,
    mos: NDArray[np.float64],
    split: Split,
    *,
    recipe: FrozenRecipe,
    seed: int = 0,
) -> FrozenRun:
    """Train the decoder of a config on a split's training part and predict its test part.

    Labels and features (each channel) are standardised by the training part, predictions put back on the labels' scale. The seed sets the
    initial weights, the order of the images and the crops met; two decoders with equal seeds meet the same.

    Raises:
        IqaZooError: the loss is not finite; says the step.
    """
    started = time.perf_counter()
    bank = bank.standardised(split.train)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_decoder(cfg, bank.spec)
        compute_for_few_queries(model)
        last_loss = _fit(model, bank, mos, split.train, recipe, np.random.default_rng(seed))
    scores = predict_frozen(model, bank, split.test)
    train_mos = mos[split.train]
    predictions = scores * train_mos.std() + train_mos.mean()
    return FrozenRun(predictions, last_loss, time.perf_counter() - started)


def _fit(
    model: QualityModel,
    bank: FeatureBank,
    mos: NDArray[np.float64],
    train: NDArray[np.int64],
    recipe: FrozenRecipe,
    rng: np.random.Generator,
) -> float:
    center, spread = mos[train].mean(), mos[train].std()
    batch = min(recipe.batch_size, len(train))
    steps_an_epoch = len(train) // batch
    total = recipe.epochs * steps_an_epoch
    optimizer = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=recipe.lr, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, total))
    model.train()
    mean_loss = math.nan
    for epoch in range(recipe.epochs):
        order = rng.permutation(train)
        losses = []
        for i in range(steps_an_epoch):
            image_B = order[i * batch : (i + 1) * batch]
            crop_B = rng.integers(bank.crops, size=batch)
            target_B = torch.from_numpy((mos[image_B] - center) / spread).float()
            loss = model.loss(bank.take(image_B, crop_B), target_B)["total"]
            if not torch.isfinite(loss):
                step = epoch * steps_an_epoch + i + 1
                raise IqaZooError(
                    f"the loss is {loss.item()} at step {step} of {total}; lower the learning rate ({recipe.lr})"
                )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        mean_loss = sum(losses) / len(losses)
    return mean_loss


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; vectors, scalars and query embeddings do not."""
    decay = [p for p in model.parameters() if p.ndim == 2]
    plain = [p for p in model.parameters() if p.ndim != 2]
    return [{"params": decay, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def _rate(step: int, total: int) -> float:
    """Linear warm-up over 5 % of the steps, then a half cosine to zero."""
    warmup = max(1, total // 20)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def predict_frozen(model: QualityModel, bank: FeatureBank, images: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one score an image, the mean over its cached crops, on the model's own scale."""
    model.eval()
    per_batch = max(1, 256 // bank.crops)
    scores = []
    with torch.inference_mode():
        for start in range(0, len(images), per_batch):
            chosen = images[start : start + per_batch]
            features = bank.take(np.repeat(chosen, bank.crops), np.tile(np.arange(bank.crops), len(chosen)))
            scores.append(model(features).double().view(len(chosen), bank.crops).mean(1).numpy())
    return np.concatenate(scores)
