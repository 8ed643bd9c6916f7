"""Latency and throughput of several models, measured in turn in one run so that the ratio can be trusted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from iqa_zoo.contracts import spec_of
from iqa_zoo.quality_model import QualityModel


@dataclass(frozen=True)
class Speed:
    """Medians over the rounds: ``latency_ms`` of one image alone, ``images_per_second`` in batches of ``batch``."""

    latency_ms: float
    images_per_second: float
    batch: int
    rounds: int


def measure_speed(
    models: Mapping[str, QualityModel],
    *,
    batch: int = 4,
    rounds: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Speed]:
    """Time the models on random images, one after the other in every round, after one warm-up round.

    Args:
        models: each with ``backbone.spec.image_size``; timed in eval mode where they lie (CPU or an accelerator).
        batch: images a batch for the throughput.
        rounds: how often each is timed; more rounds for noisy machines.
        progress: called with the rounds done and all rounds.
    """
    single: dict[str, list[float]] = {name: [] for name in models}
    batched: dict[str, list[float]] = {name: [] for name in models}
    for model in models.values():
        model.eval()
    with torch.inference_mode():
        for number in range(rounds + 1):
            for name, model in models.items():
                alone, together = _seconds(model, 1), _seconds(model, batch)
                if number:  # round 0 warms up
                    single[name].append(alone)
                    batched[name].append(together)
            if progress:
                progress(number + 1, rounds + 1)
    return {
        name: Speed(
            latency_ms=1000 * statistics.median(single[name]),
            images_per_second=batch / statistics.median(batched[name]),
            batch=batch,
            rounds=rounds,
        )
        for name in models
    }


def _seconds(model: QualityModel, batch: int) -> float:
    size = model.spec.image_size
    parameter = next(model.parameters(), None)
    image_BCHW = torch.rand(batch, 3, size, size, device=None if parameter is None else parameter.device)
    started = time.perf_counter()
    model(image_BCHW).sum().item()  # .item() waits for an accelerator to finish
    return time.perf_counter() - started


def measure_backbone_speed(backbone: nn.Module, batch: int = 8) -> float:
    """Images a second of a backbone in evaluation mode, from one timed forward pass after another to warm up."""
    size = spec_of(backbone).image_size
    tensor = next((tensor for tensor in backbone.state_dict().values()), torch.empty(0))
    image_BCHW = torch.rand(batch, 3, size, size, device=tensor.device)
    backbone.eval()
    with torch.inference_mode():
        for _ in range(2):
            started = time.perf_counter()
            backbone(image_BCHW).global_BC.sum().item()  # .item() waits for an accelerator to finish
            seconds = time.perf_counter() - started
    return batch / seconds
