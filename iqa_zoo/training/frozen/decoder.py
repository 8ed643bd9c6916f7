"""Train a decoder on frozen, cached backbone features: the quick and fair way to compare decoders."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iqa_zoo.build import build_decoder
from iqa_zoo.config import Config
from iqa_zoo.contracts import FeatureSpec, Fits, has_flag
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.inference.evaluation import compute_metrics
from iqa_zoo.layers.attention import compute_for_few_queries
from iqa_zoo.registry import HEADS, LOSSES
from iqa_zoo.training.averaging import MovingAverage
from iqa_zoo.training.devices import use_precision
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.frozen.fitted import FittedDecoder, fit_head, predict_frozen
from iqa_zoo.training.label_scale import LabelScale, fit_label_scale
from iqa_zoo.training.optimizer import make_optimizer
from iqa_zoo.training.recipe import FrozenRecipe
from iqa_zoo.training.schedule import compute_rate_factor, set_rates
from iqa_zoo.training.selection import choose_epoch


@dataclass(frozen=True)
class FrozenRun:
    """The result of one training.

    Attributes:
        predictions: of the test part at the selected epoch, on the labels' scale (mean over the cached crops).
        test_sets: predictions of all images of further datasets, by name, at the same epoch.
        history: each measured ``epoch``, counted from 1: the mean ``loss`` on standardised labels since the previous one;
            metrics of the ``validation`` and ``test`` parts, None where not measured; whether it is ``selected``.
        seconds: wall clock.
    """

    predictions: NDArray[np.float64]
    test_sets: dict[str, NDArray[np.float64]]
    history: list[dict[str, Any]]
    seconds: float


def drop_mirrored_losses(cfg: Mapping[str, Any]) -> tuple[Config, list[str]]:
    """Return the config without the losses that read mirrored images, which cached features cannot give, and their names.

    Raises:
        InputError: the config has no other losses.

    >>> drop_mirrored_losses({"losses": [{"type": "l1"}, {"type": "mirror_consistency"}]})
    ({'losses': [{'type': 'l1'}]}, ['mirror_consistency'])
    """
    losses = cfg.get("losses") or []
    mirrored = [loss["type"] for loss in losses if has_flag(LOSSES.get(loss["type"]), "needs_mirrored")]
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
    test_sets: Mapping[str, FeatureBank] | None = None,
    device: str = "cpu",
) -> FrozenRun:
    """Train the decoder of a config on the training part and predict the test part at the epoch a rule selects.

    Labels and features (each channel) are standardised by the training part; predictions are on the labels' scale. The
    seed sets the initial weights, the order of images and the crops: decoders with equal seeds see the same batches.
    Only ``test-oracle`` selects by the test part. A decoder in closed form (nothing is learned but a head with ``fit``) has no
    epoch to select: it is fitted once, to the training and the validation part, in the place of all epochs.

    Args:
        cfg: the model; its backbone is not built.
        bank: features of all images.
        mos: labels of all images.
        split: its validation part may be empty if the rule does not read it.
        recipe: how to train.
        seed: see above.
        rule: of :data:`iqa_zoo.training.selection.RULES`.
        every_rule: measure the test part at every measured epoch, so that the rules can be compared.
        test_sets: features of further datasets to predict, from the same backbone.
        device: as torch names it.

    Raises:
        IqaZooError: the loss is not finite; names the step.
        InputError: the rule needs a validation part and there is none; the training part is empty or its labels are all
            equal; a loss reads mirrored images (:func:`drop_mirrored_losses` removes it).
    """
    started = time.perf_counter()
    history: list[dict[str, Any]] = []
    best: FittedDecoder | None = None
    tested: NDArray[np.float64] | None = None
    if not len(split.train):
        raise InputError(f"the training part of split {split.id} is empty")
    learned = split.train
    if is_in_closed_form(cfg, bank.spec):
        learned, rule = np.concatenate([split.train, split.validation]), "last"
        split = replace(split, validation=split.validation[:0])
    elif rule == "validation" and not len(split.validation):
        raise InputError("the rule 'validation' needs a validation part, and this split has none")
    labels = fit_label_scale(mos[learned], f"split {split.id}")
    for fitted in _fit(cfg, bank, mos, learned, labels, recipe.on(device), seed, device):
        parts = {
            "validation": split.validation,
            "test": split.test if every_rule or rule == "test-oracle" else split.test[:0],
        }
        scores = {part: fitted.predict(bank, images) for part, images in parts.items() if len(images)}
        measured = {part: compute_metrics(scores[part], mos[parts[part]]) for part in scores}
        history.append({"epoch": fitted.epoch, "loss": fitted.loss, **dict.fromkeys(parts), **measured})
        if choose_epoch(history, rule) == len(history) - 1:
            best, tested = fitted.copy(), scores.get("test")
    chosen = choose_epoch(history, rule)
    for i, past in enumerate(history):
        past["selected"] = i == chosen
    assert best is not None
    others = {name: best.predict(other, np.arange(other.images)) for name, other in (test_sets or {}).items()}
    predictions = best.predict(bank, split.test) if tested is None else tested
    return FrozenRun(predictions, others, history, time.perf_counter() - started)


def is_in_closed_form(cfg: Mapping[str, Any], spec: FeatureSpec) -> bool:
    """Return whether a decoder has no parameters but those of a head that is fitted in closed form."""
    if not isinstance(HEADS.get(cfg["head"]["type"]), Fits):
        return False
    with torch.device("meta"):
        model = build_decoder(cfg, spec)
    return {id(p) for p in model.parameters()} == {id(p) for p in model.head.parameters()}


def fit_decoder(
    cfg: Mapping[str, Any],
    bank: FeatureBank,
    mos: NDArray[np.float64],
    images: NDArray[np.int64],
    *,
    recipe: FrozenRecipe,
    seed: int = 0,
    device: str = "cpu",
) -> FittedDecoder:
    """Train the decoder of a config on some images, to the last epoch, as :func:`train_frozen` does with the rule ``last``.

    Args:
        cfg: the model; its backbone is not built.
        bank: features of all images.
        mos: labels of all images.
        images: to train on.
        recipe: how to train.
        seed: of initial weights, order and crops.
        device: as torch names it.

    Raises:
        IqaZooError: the loss is not finite; names the step.
        InputError: the labels are all equal.
    """
    labels = fit_label_scale(mos[images], "the training part")
    recipe = replace(recipe, measurements=1).on(device)
    *_, fitted = _fit(cfg, bank, mos, images, labels, recipe, seed, device)
    return fitted


def _fit(
    cfg: Mapping[str, Any],
    bank: FeatureBank,
    mos: NDArray[np.float64],
    images: NDArray[np.int64],
    labels: LabelScale,
    recipe: FrozenRecipe,
    seed: int,
    device: str,
) -> Iterator[FittedDecoder]:
    """Train a decoder on some images, or fit it in closed form; yield it at each epoch to measure."""
    bank = bank.standardise(images)
    target_I = np.full(len(mos), np.nan)
    target_I[images] = (mos[images] - labels.center) / labels.spread
    learn = _fit_in_closed_form if is_in_closed_form(cfg, bank.spec) else _train_epochs
    for model, epoch, loss in learn(cfg, bank, images, target_I, recipe, seed, device):
        yield FittedDecoder(model, epoch, loss, bank.scales, labels, recipe.precision)


def _train_epochs(
    cfg: Mapping[str, Any],
    bank: FeatureBank,
    images: NDArray[np.int64],
    target_I: NDArray[np.float64],
    recipe: FrozenRecipe,
    seed: int,
    device: str,
) -> Iterator[tuple[nn.Module, int, float]]:
    """Train a decoder; yield it at each epoch to measure, with the epoch and the mean loss since the previous one.

    No step waits for a number from the device. A loss that is not finite is found at the end of its epoch.
    """
    rng = np.random.default_rng(seed)
    batch = min(recipe.batch_size, len(images))
    steps_an_epoch = len(images) // batch
    measured = {-(-recipe.epochs * (i + 1) // recipe.measurements) for i in range(recipe.measurements)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_decoder(cfg, bank.spec).to(device)
        compute_for_few_queries(model)
        parameters = list(model.parameters())
        optimizer = make_optimizer(model, recipe, fused=True)
        average = None if recipe.ema is None else MovingAverage(model, recipe.ema, recipe.ema_every)
        losses: list[Tensor] = []
        since: list[float] = []
        for epoch in range(recipe.epochs):
            model.train()
            order = rng.permutation(images)
            for i in range(steps_an_epoch):
                image_B = order[i * batch : (i + 1) * batch]
                crop_B = rng.integers(bank.crops, size=batch)
                target_B = torch.from_numpy(target_I[image_B]).float().to(device)
                with use_precision(recipe.precision, device):
                    loss = model.loss(bank.take(image_B, crop_B, device), target_B)["total"]
                optimizer.zero_grad()
                loss.backward()
                if recipe.clip is not None:
                    nn.utils.clip_grad_norm_(parameters, recipe.clip)
                set_rates(optimizer, compute_rate_factor(recipe, epoch * steps_an_epoch + i, steps_an_epoch))
                optimizer.step()
                if average is not None:
                    average.step(model, i + 1, of=steps_an_epoch)
                losses.append(loss.detach())
            since += _check_losses(losses, epoch * steps_an_epoch, recipe, steps_an_epoch)
            losses.clear()
            if epoch + 1 in measured:
                decoder = fit_head(_copy_averaged(model, average), bank, images, target_I)
                yield decoder, epoch + 1, sum(since) / len(since)
                since.clear()


def _check_losses(losses: list[Tensor], before: int, recipe: FrozenRecipe, steps_an_epoch: int) -> list[float]:
    """Return the losses of an epoch as numbers.

    Raises:
        IqaZooError: one is not finite; names its step.
    """
    values: list[float] = torch.stack(losses).tolist()
    for step, value in enumerate(values, start=before + 1):
        if not math.isfinite(value):
            raise IqaZooError(
                f"the loss is {value} at step {step} of {recipe.epochs * steps_an_epoch}; lower the learning rate ({recipe.lr})"
            )
    return values


def _fit_in_closed_form(
    cfg: Mapping[str, Any],
    bank: FeatureBank,
    images: NDArray[np.int64],
    target_I: NDArray[np.float64],
    recipe: FrozenRecipe,
    seed: int,
    device: str,
) -> Iterator[tuple[nn.Module, int, float]]:
    """Fit the head of a decoder that has nothing else to learn; yield it once, with its mean squared error as the loss."""
    fitted = fit_head(build_decoder(cfg, bank.spec).to(device), bank, images, target_I)
    errors = predict_frozen(fitted, bank, images) - target_I[images]
    yield fitted, 1, float(np.square(errors).mean())


def _copy_averaged(model: nn.Module, average: MovingAverage | None) -> nn.Module:
    """Return the decoder, or with a moving average a copy that has the averaged weights."""
    if average is None:
        return model
    averaged = copy.deepcopy(model)
    averaged.load_state_dict(average.tensors)
    return averaged
