"""Train a decoder on frozen, cached backbone features: the quick and fair way to compare decoders."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iqa_zoo.build import build_decoder
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.features import FeatureBank
from iqa_zoo.engine.metrics import METRICS
from iqa_zoo.engine.selection import choose
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
    """

    epochs: int = 9
    batch_size: int = 16
    lr: float = 3e-4
    weight_decay: float = 0.05
    clip: float = 1.0


@dataclass(frozen=True)
class FrozenRun:
    """What one training gave.

    Attributes:
        predictions: of the test part at the selected epoch, on the labels' scale (mean over the cached crops).
        elsewhere: of all images of other datasets, by name, at the same epoch.
        history: an epoch each: ``loss`` on standardised labels; metrics of the ``validation`` part, by the decoder that was
            trained without it, and of the ``test`` part, by the one that was trained again with it; which is ``selected``.
        seconds: wall clock.
    """

    predictions: NDArray[np.float64]
    elsewhere: dict[str, NDArray[np.float64]]
    history: list[dict[str, Any]]
    seconds: float


def train_frozen(
    cfg: Mapping[str, Any],
    bank: FeatureBank,
    mos: NDArray[np.float64],
    split: Split,
    *,
    recipe: FrozenRecipe,
    seed: int = 0,
    rule: str = "validation",
    elsewhere: Mapping[str, FeatureBank] | None = None,
    device: str = "cpu",
) -> FrozenRun:
    """Train the decoder of a config and predict the test part of a split at the epoch a rule selects.

    First on the training part alone, to measure the validation part after every epoch; then again, with the same seed and
    schedule, on both together. So validation decides how long to train, and no rated image goes unused: a part held out for
    good would cost each decoder more than most decoders differ by. A split without a validation part is trained once.

    Labels and features (each channel) are standardised by what is trained on, predictions put back on the labels' scale.
    The seed sets the initial weights, the order of the images and the crops met; two decoders with equal seeds meet the same.
    Test metrics are noted after every epoch, so that the rules can be compared; only ``test-oracle`` selects by them.

    Args:
        cfg: the model; its backbone is not built.
        bank: the features of all images.
        mos: their labels.
        split: its validation part may be empty where the rule does not read it.
        recipe: how.
        seed: see above.
        rule: of :data:`iqa_zoo.engine.selection.RULES`.
        elsewhere: features of other datasets to predict, from the same backbone.
        device: where the decoder is trained, as torch names it.

    Raises:
        IqaZooError: the loss is not finite; says the step.
        InputError: the rule reads a validation part and there is none.
    """
    started = time.perf_counter()
    decoder = _Decoder(cfg, bank, mos, recipe, seed, device)
    validated: list[dict[str, float] | None] = [None] * recipe.epochs
    if len(split.validation):
        first = decoder.train(split.train)
        validated = [_measure(fitted.predict(bank, split.validation), mos[split.validation]) for fitted in first]
    history: list[dict[str, Any]] = []
    predictions, others = np.empty(0), {}
    for epoch, fitted in enumerate(decoder.train(np.sort(np.concatenate([split.train, split.validation])))):
        scores = fitted.predict(bank, split.test)
        test = _measure(scores, mos[split.test])
        history.append({"loss": fitted.loss, "validation": validated[epoch], "test": test})
        if choose(history, rule) == epoch:
            predictions = scores
            others = {name: fitted.predict(other, np.arange(other.images)) for name, other in (elsewhere or {}).items()}
    chosen = choose(history, rule)
    for i, past in enumerate(history):
        past["selected"] = i == chosen
    return FrozenRun(predictions, others, history, time.perf_counter() - started)


def _measure(scores: NDArray[np.float64], mos: NDArray[np.float64]) -> dict[str, float] | None:
    return {name: metric(scores, mos) for name, metric in METRICS.items()} if len(mos) else None


@dataclass(frozen=True)
class _Fitted:
    """A decoder after an epoch (it goes on training), its mean loss, and the scales that it was trained in."""

    model: QualityModel
    loss: float
    scales: dict[str, tuple[torch.Tensor, torch.Tensor]]
    center: float
    spread: float

    def predict(self, bank: FeatureBank, images: NDArray[np.int64]) -> NDArray[np.float64]:
        """Scores on the labels' scale."""
        return predict_frozen(self.model, replace(bank, scales=self.scales), images) * self.spread + self.center


@dataclass(frozen=True)
class _Decoder:
    """All that two trainings of one decoder share."""

    cfg: Mapping[str, Any]
    bank: FeatureBank
    mos: NDArray[np.float64]
    recipe: FrozenRecipe
    seed: int
    device: str

    def train(self, images: NDArray[np.int64]) -> Iterator[_Fitted]:
        """Train on some images from the start, yielding the decoder after each epoch."""
        recipe, bank = self.recipe, self.bank.standardised(images)
        center, spread = float(self.mos[images].mean()), float(self.mos[images].std())
        targets = (self.mos - center) / spread
        rng = np.random.default_rng(self.seed)
        batch = min(recipe.batch_size, len(images))
        steps_an_epoch = len(images) // batch
        total = recipe.epochs * steps_an_epoch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = build_decoder(self.cfg, bank.spec).to(self.device)
            compute_for_few_queries(model)
            optimizer = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=recipe.lr, fused=True)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, total))
            for epoch in range(recipe.epochs):
                model.train()
                order = rng.permutation(images)
                losses = []
                for i in range(steps_an_epoch):
                    image_B = order[i * batch : (i + 1) * batch]
                    crop_B = rng.integers(bank.crops, size=batch)
                    target_B = torch.from_numpy(targets[image_B]).float().to(self.device)
                    loss = model.loss(bank.take(image_B, crop_B, self.device), target_B)["total"]
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
                yield _Fitted(model, sum(losses) / len(losses), bank.scales, center, spread)


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
    if not len(images):
        return np.empty(0)
    device = next(model.parameters()).device
    model.eval()
    per_batch = max(1, 256 // bank.crops)
    scores = []
    with torch.inference_mode():
        for start in range(0, len(images), per_batch):
            chosen = images[start : start + per_batch]
            repeated, crops = np.repeat(chosen, bank.crops), np.tile(np.arange(bank.crops), len(chosen))
            score_B = model(bank.take(repeated, crops, device))
            scores.append(score_B.double().view(len(chosen), bank.crops).mean(1).cpu().numpy())
    return np.concatenate(scores)
