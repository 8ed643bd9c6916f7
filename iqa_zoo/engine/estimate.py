"""What trainings on frozen features will cost, guessed from a training step of a few of the decoders."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from iqa_zoo.budgets.measure import find_backbone_shapes
from iqa_zoo.build import build_decoder
from iqa_zoo.contracts import Features
from iqa_zoo.interactions.attention import compute_for_few_queries
from iqa_zoo.training.devices import in_precision
from iqa_zoo.training.optimizer import make_optimizer
from iqa_zoo.training.recipe import FrozenRecipe

SAMPLE = 4  # decoders that are timed, from the smallest to the largest


def step_seconds(cfg: Mapping[str, Any], recipe: FrozenRecipe, device: str = "cpu") -> float:
    """Seconds of a training step of a config's decoder, on one thread and random features, after a step to warm up."""
    shapes, threads = find_backbone_shapes(dict(cfg)), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = build_decoder(cfg, shapes.spec).to(device)
            compute_for_few_queries(model)
            features, target_B = _batch(shapes.features(), recipe.batch_size, device), torch.randn(recipe.batch_size)
            optimizer = make_optimizer(model, recipe, fused=True)
            for _ in range(2):
                started = time.perf_counter()
                with in_precision(recipe.precision, device):
                    loss = model.loss(features, target_B.to(device))["total"]
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                loss.item()  # waits for an accelerator to finish
            return time.perf_counter() - started
    finally:
        torch.set_num_threads(threads)


def seconds_a_step(cfgs: Sequence[Mapping[str, Any]], macs: Sequence[int], recipe: FrozenRecipe, device: str) -> float:
    """Seconds of one training step of every config together, guessed from a few and everybody's multiply-accumulates.

    Args:
        cfgs: the models; one that cannot be trained is passed over.
        macs: of their decoders.
        recipe: how they are trained.
        device: where.
    """
    order = sorted(range(len(cfgs)), key=lambda i: macs[i])
    timed: dict[int, float] = {}
    for place in range(SAMPLE):
        i = order[place * (len(order) - 1) // (SAMPLE - 1)]
        try:
            timed[i] = timed.get(i) or step_seconds(cfgs[i], recipe, device)
        except Exception:  # whatever a part raises: its trainings will say it
            continue
    measured = sum(macs[i] for i in timed)
    return sum(macs) * sum(timed.values()) / measured if measured else 0.0


def _batch(features: Features, size: int, device: str) -> Features:
    """The features of one image, as often as a batch has images."""

    def repeat(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.repeat_interleave(size, 0).to(device)

    maps = {stage: repeat(stage_map) for stage, stage_map in features.maps.items()}
    return Features(maps, repeat(features.tokens_BLC), repeat(features.global_BC))
