"""A trained decoder of frozen features, and its predictions."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iqa_zoo.contracts import Features, Fits
from iqa_zoo.training.devices import use_precision
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.label_scale import LabelScale


@dataclass(frozen=True)
class FittedDecoder:
    """A decoder at a measured epoch, and what its predictions need.

    Attributes:
        model: the decoder.
        epoch: counted from 1.
        loss: mean on standardised labels since the previous measured epoch.
        scales: mean and deviation of each channel of the features that it takes, by array.
        labels: score * spread + center is on the labels' scale.
        precision: of matrix products in its predictions.
    """

    model: nn.Module
    epoch: int
    loss: float
    scales: dict[str, tuple[torch.Tensor, torch.Tensor]] | None
    labels: LabelScale
    precision: str

    def predict(self, bank: FeatureBank, images: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one score per image on the labels' scale."""
        with use_precision(self.precision, next(self.model.parameters()).device):
            scores = predict_frozen(self.model, replace(bank, scales=self.scales), images)
        return scores * self.labels.spread + self.labels.center

    def copy(self) -> FittedDecoder:
        """Return the same with a copy of the decoder, which further training does not change."""
        return replace(self, model=copy.deepcopy(self.model))


def predict_frozen(model: nn.Module, bank: FeatureBank, images: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one score per image, the mean over its cached crops, on the model's own scale."""
    if not len(images):
        return np.empty(0)
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        score_B = torch.cat([model(features).cpu().double() for features in iterate_crops(bank, images, device)])
    scores: NDArray[np.float64] = score_B.view(len(images), bank.crops).mean(1).numpy()
    return scores


def iterate_crops(bank: FeatureBank, images: NDArray[np.int64], device: torch.device) -> Iterator[Features]:
    """Yield the features of every crop of some images, image by image, in batches."""
    per_batch = max(1, 64 // bank.crops)
    for start in range(0, len(images), per_batch):
        chosen = images[start : start + per_batch]
        yield bank.take(np.repeat(chosen, bank.crops), np.tile(np.arange(bank.crops), len(chosen)), device)


def fit_head(
    model: nn.Module, bank: FeatureBank, images: NDArray[np.int64], target_I: NDArray[np.float64]
) -> nn.Module:
    """Return the decoder, or for a head in closed form a copy whose head is fitted to some images, each the mean of its crops."""
    if not isinstance(model.head, Fits):
        return model
    fitted: Any = copy.deepcopy(model).eval()
    device = next(fitted.parameters()).device
    with torch.no_grad():
        queries = torch.cat([fitted.output(features).queries_BND for features in iterate_crops(bank, images, device)])
    queries_BND = queries.unflatten(0, (len(images), bank.crops)).mean(1)
    fitted.head.fit(queries_BND, torch.from_numpy(target_I[images]).float())
    return fitted
