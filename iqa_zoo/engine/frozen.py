"""Train a decoder on frozen, cached backbone features: the quick and fair way to compare decoders."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from iqa_zoo.build import build_decoder
from iqa_zoo.config import Config
from iqa_zoo.contracts import Features
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.features import FeatureBank
from iqa_zoo.engine.metrics import METRICS
from iqa_zoo.engine.selection import choose
from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.interactions.attention import compute_for_few_queries
from iqa_zoo.registry import LOSSES
from iqa_zoo.training.devices import fast_precision, in_precision

AVERAGE_EVERY = 4


@dataclass(frozen=True)
class FrozenRecipe:
    """How a decoder is trained on frozen features, the same for every decoder that is compared.

    Args:
        epochs: an epoch meets every training image once, as one of its cached crops, drawn anew.
        batch_size: images a step.
        lr: peak learning rate of AdamW; warmed up over the first 5 % of the steps, then cosine to zero.
        weight_decay: on matrices; biases, norms, embeddings and scalars have none.
        clip: gradient norm at most.
        average: weight of the past, a step, in a moving average of the weights, which is then what predicts; 0 for none.
            Taken every few steps, as it costs a step's pass over the weights.
        measurements: how many times the parts are measured, evenly over the epochs and after the last; a rule chooses from
            these epochs. Measuring all of a test part costs as much as half an epoch of training.
        precision: of the matrix products, in training and in prediction; the head, the losses and the optimizer stay in
            float32. ``auto`` is bfloat16 where the processor or the GPU multiplies it natively, float32 elsewhere.
    """

    epochs: int = 12
    batch_size: int = 64
    lr: float = 1.1e-3
    weight_decay: float = 0.05
    clip: float = 1.0
    average: float = 0.98
    measurements: int = 4
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def on(self, device: torch.device | str) -> FrozenRecipe:
        """The recipe with its precision decided for a device."""
        return replace(self, precision=fast_precision(device)) if self.precision == "auto" else self


@dataclass(frozen=True)
class FrozenRun:
    """What one training gave.

    Attributes:
        predictions: of the test part at the selected epoch, on the labels' scale (mean over the cached crops).
        elsewhere: of all images of other datasets, by name, at the same epoch.
        history: each measured ``epoch``, counted from 1: the ``loss`` on standardised labels since the one before; metrics of
            the ``validation`` and the ``test`` part, None where they were not measured; which is ``selected``.
        seconds: wall clock.
    """

    predictions: NDArray[np.float64]
    elsewhere: dict[str, NDArray[np.float64]]
    history: list[dict[str, Any]]
    seconds: float


def on_frozen_features(cfg: Mapping[str, Any]) -> tuple[Config, list[str]]:
    """The config as it can be trained on features, and what it leaves out for that: the losses that read mirrored images.

    Raises:
        InputError: it has no other losses.

    >>> on_frozen_features({"losses": [{"type": "l1"}, {"type": "mirror_consistency"}]})
    ({'losses': [{'type': 'l1'}]}, ['mirror_consistency'])
    """
    losses = cfg.get("losses") or []
    mirrored = [loss["type"] for loss in losses if getattr(LOSSES.get(loss["type"]), "needs_mirrored", False)]
    if not mirrored:
        return dict(cfg), []
    kept = [loss for loss in losses if loss["type"] not in mirrored]
    if not kept:
        raise InputError(
            f"all losses read mirrored images ({', '.join(mirrored)}), of which there are no features: give the config another "
            "loss, or train it from images"
        )
    return {**cfg, "losses": kept}, mirrored


def train_frozen(
    cfg: Mapping[str, Any],
    bank: FeatureBank,
    mos: NDArray[np.float64],
    split: Split,
    *,
    recipe: FrozenRecipe,
    seed: int = 0,
    rule: str = "validation",
    every_rule: bool = True,
    elsewhere: Mapping[str, FeatureBank] | None = None,
    device: str = "cpu",
) -> FrozenRun:
    """Train the decoder of a config on the training part and predict the test part at the epoch a rule selects.

    Labels and features (each channel) are standardised by the training part, predictions put back on the labels' scale.
    The seed sets the initial weights, the order of the images and the crops met; two decoders with equal seeds meet the same.
    Only ``test-oracle`` selects by the test part, whatever is noted of it.

    Args:
        cfg: the model; its backbone is not built.
        bank: the features of all images.
        mos: their labels.
        split: its validation part may be empty where the rule does not read it.
        recipe: how.
        seed: see above.
        rule: of :data:`iqa_zoo.engine.selection.RULES`.
        every_rule: note the test metrics of every measured epoch, so that the rules can be compared.
        elsewhere: features of other datasets to predict, from the same backbone.
        device: where the decoder is trained, as torch names it.

    Raises:
        IqaZooError: the loss is not finite; says the step.
        InputError: the rule reads a validation part and there is none; a loss reads mirrored images
            (:func:`on_frozen_features` leaves it out).
    """
    started = time.perf_counter()
    if rule == "validation" and not len(split.validation):
        raise InputError("the rule 'validation' needs a validation part, and this split has none")
    history: list[dict[str, Any]] = []
    best: _Fitted | None = None
    tested: NDArray[np.float64] | None = None
    for fitted in _epochs(cfg, bank, mos[split.train], split.train, recipe.on(device), seed, device):
        parts = {
            "validation": split.validation,
            "test": split.test if every_rule or rule == "test-oracle" else split.test[:0],
        }
        scores = {part: fitted.predict(bank, images) for part, images in parts.items() if len(images)}
        measured = {part: _measure(scores[part], mos[parts[part]]) for part in scores}
        history.append({"epoch": fitted.epoch, "loss": fitted.loss, **dict.fromkeys(parts), **measured})
        if choose(history, rule) == len(history) - 1:
            best, tested = fitted.kept(), scores.get("test")
    chosen = choose(history, rule)
    for i, past in enumerate(history):
        past["selected"] = i == chosen
    assert best is not None
    others = {name: best.predict(other, np.arange(other.images)) for name, other in (elsewhere or {}).items()}
    predictions = best.predict(bank, split.test) if tested is None else tested
    return FrozenRun(predictions, others, history, time.perf_counter() - started)


def _measure(scores: NDArray[np.float64], mos: NDArray[np.float64]) -> dict[str, float]:
    return {name: metric(scores, mos) for name, metric in METRICS.items()}


@dataclass(frozen=True)
class _Fitted:
    """A decoder after an epoch (it goes on training), its mean loss since the last, and the scales it was trained in."""

    model: nn.Module
    epoch: int
    loss: float
    scales: dict[str, tuple[torch.Tensor, torch.Tensor]] | None
    center: float
    spread: float
    precision: str

    def predict(self, bank: FeatureBank, images: NDArray[np.int64]) -> NDArray[np.float64]:
        """Scores on the labels' scale."""
        with in_precision(self.precision, next(self.model.parameters()).device):
            scores = predict_frozen(self.model, replace(bank, scales=self.scales), images)
        return scores * self.spread + self.center

    def kept(self) -> _Fitted:
        """The same with a copy of the decoder, as it is now."""
        return replace(self, model=copy.deepcopy(self.model))


def _epochs(
    cfg: Mapping[str, Any],
    bank: FeatureBank,
    mos: NDArray[np.float64],
    images: NDArray[np.int64],
    recipe: FrozenRecipe,
    seed: int,
    device: str,
) -> Iterator[_Fitted]:
    """Train a decoder on some images and their labels, yielding it where it is to be measured."""
    bank = bank.standardised(images)
    center, spread = float(mos.mean()), float(mos.std())
    target_of = dict(zip(images.tolist(), ((mos - center) / spread).tolist(), strict=True))
    rng = np.random.default_rng(seed)
    batch = min(recipe.batch_size, len(images))
    steps_an_epoch = len(images) // batch
    total = recipe.epochs * steps_an_epoch
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_decoder(cfg, bank.spec).to(device)
        compute_for_few_queries(model)
        optimizer = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=recipe.lr, fused=True)
        averaged = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average**AVERAGE_EVERY), use_buffers=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, total))
        measured = {-(-recipe.epochs * (i + 1) // recipe.measurements) for i in range(recipe.measurements)}
        losses: list[float] = []
        for epoch in range(recipe.epochs):
            model.train()
            order = rng.permutation(images)
            for i in range(steps_an_epoch):
                image_B = order[i * batch : (i + 1) * batch]
                crop_B = rng.integers(bank.crops, size=batch)
                target_B = torch.tensor([target_of[image] for image in image_B.tolist()], device=device)
                with in_precision(recipe.precision, device):
                    loss = model.loss(bank.take(image_B, crop_B, device), target_B)["total"]
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
                if (i + 1) % AVERAGE_EVERY == 0 or i == steps_an_epoch - 1:
                    averaged.update_parameters(model)
                losses.append(loss.item())
            if epoch + 1 in measured:
                loss_since = sum(losses) / len(losses)
                decoder = _with_head_fitted(averaged.module, bank, images, target_of)
                yield _Fitted(decoder, epoch + 1, loss_since, bank.scales, center, spread, recipe.precision)
                losses.clear()


def _with_head_fitted(
    model: nn.Module, bank: FeatureBank, images: NDArray[np.int64], target_of: Mapping[int, float]
) -> nn.Module:
    """The decoder, or where its head is fitted in closed form a copy whose head was, to all crops of some images."""
    if not hasattr(model.head, "fit"):
        return model
    fitted: Any = copy.deepcopy(model).eval()
    device = next(fitted.parameters()).device
    with torch.no_grad():
        queries = [fitted.output(features).queries_BND for features in _all_crops(bank, images, device)]
    target_B = torch.tensor([target_of[image] for image in images.tolist()]).repeat_interleave(bank.crops)
    fitted.head.fit(torch.cat(queries), target_B)
    return fitted


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


def predict_frozen(model: nn.Module, bank: FeatureBank, images: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one score an image, the mean over its cached crops, on the model's own scale."""
    if not len(images):
        return np.empty(0)
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        score_B = torch.cat([model(features).double() for features in _all_crops(bank, images, device)])
    scores: NDArray[np.float64] = score_B.view(len(images), bank.crops).mean(1).cpu().numpy()
    return scores


def _all_crops(bank: FeatureBank, images: NDArray[np.int64], device: torch.device) -> Iterator[Features]:
    """The features of every crop of some images, image by image, in batches."""
    per_batch = max(1, 64 // bank.crops)
    for start in range(0, len(images), per_batch):
        chosen = images[start : start + per_batch]
        yield bank.take(np.repeat(chosen, bank.crops), np.tile(np.arange(bank.crops), len(chosen)), device)
