"""Measure the latency and throughput of several models in turn, so that their ratios are comparable."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from iqa_zoo.budgets.timing import time_in_turn
from iqa_zoo.contracts import spec_of
from iqa_zoo.progress import Progress
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.training.devices import use_precision


@dataclass(frozen=True)
class Speed:
    """Medians over the rounds: ``latency_ms`` of one image alone, ``images_per_second`` in batches of ``batch``."""

    latency_ms: float
    images_per_second: float
    batch: int
    rounds: int


def measure_speed(
    models: Mapping[str, QualityModel], *, batch: int = 4, rounds: int = 3, progress: Progress | None = None
) -> dict[str, Speed]:
    """Time the models on random images, one after the other in each round, after one warm-up round.

    The models are timed in eval mode on the device that they are on.
    """
    for model in models.values():
        model.eval()
    jobs = [functools.partial(_score_random, model, size) for model in models.values() for size in (1, batch)]
    with torch.inference_mode():
        medians = [statistics.median(seconds) for seconds in time_in_turn(jobs, rounds, progress=progress)]
    return {
        name: Speed(1000 * single, batch / batched, batch, rounds)
        for name, single, batched in zip(models, medians[::2], medians[1::2], strict=True)
    }


def _score_random(model: QualityModel, batch: int) -> None:
    model(_draw_images(model, model.spec.image_size, batch)).sum().item()  # .item() waits for an accelerator to finish


def _draw_images(module: nn.Module, size: int, batch: int) -> torch.Tensor:
    """Return random images on the device of a module."""
    tensor = next(iter(module.state_dict().values()), torch.empty(0))
    return torch.rand(batch, 3, size, size, device=tensor.device)


def measure_backbone_speed(backbone: nn.Module, precision: str = "float32", batch: int = 8) -> float:
    """Return the images per second of a backbone in eval mode, from one timed forward pass after a warm-up pass.

    It is put into the channels-last layout, in which features are computed.
    """
    image_BCHW = _draw_images(backbone, spec_of(backbone).image_size, batch)
    image_BCHW = image_BCHW.contiguous(memory_format=torch.channels_last)
    backbone.eval().to(memory_format=torch.channels_last)
    with torch.inference_mode(), use_precision(precision, image_BCHW.device):
        [[seconds]] = time_in_turn([lambda: backbone(image_BCHW).global_BC.sum().item()], rounds=1)
    return batch / seconds
