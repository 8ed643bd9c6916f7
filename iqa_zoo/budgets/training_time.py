"""Estimate how long decoders train on frozen features, from timed steps of a few of them.

This module imports ``training``; ``training`` imports nothing of ``budgets``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from iqa_zoo.budgets.measure import find_backbone_shapes
from iqa_zoo.budgets.timing import time_in_turn
from iqa_zoo.build import build_decoder
from iqa_zoo.contracts import Features
from iqa_zoo.layers.attention import compute_for_few_queries
from iqa_zoo.training.devices import use_precision
from iqa_zoo.training.optimizer import make_optimizer
from iqa_zoo.training.recipe import FrozenRecipe

SAMPLE = 4  # timed decoders, from the smallest to the largest


def time_training_step(cfg: Mapping[str, Any], recipe: FrozenRecipe, device: str = "cpu") -> float:
    """Return the seconds of a training step of a config's decoder, on one thread and random features, after a warm-up step."""
    shapes, threads = find_backbone_shapes(dict(cfg)), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = build_decoder(cfg, shapes.spec).to(device)
            compute_for_few_queries(model)
            features, target_B = _repeat(shapes.features(), recipe.batch_size, device), torch.randn(recipe.batch_size)
            optimizer = make_optimizer(model, recipe, fused=True)

            def step() -> None:
                with use_precision(recipe.precision, device):
                    loss = model.loss(features, target_B.to(device))["total"]
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                loss.item()  # waits for an accelerator to finish

            [[seconds]] = time_in_turn([step], rounds=1)
            return seconds
    finally:
        torch.set_num_threads(threads)


def estimate_step_seconds(
    cfgs: Sequence[Mapping[str, Any]], macs: Sequence[int], recipe: FrozenRecipe, device: str
) -> float:
    """Estimate the seconds of one training step of every config together, extrapolated by MACs from a few timed decoders.

    Configs that cannot be trained are skipped.
    """
    order = sorted(range(len(cfgs)), key=lambda i: macs[i])
    timed: dict[int, float] = {}
    for place in range(SAMPLE):
        i = order[place * (len(order) - 1) // (SAMPLE - 1)]
        try:
            timed[i] = timed.get(i) or time_training_step(cfgs[i], recipe, device)
        except Exception:  # any part may fail; its trainings will report why
            continue
    measured = sum(macs[i] for i in timed)
    return sum(macs) * sum(timed.values()) / measured if measured else 0.0


def _repeat(features: Features, size: int, device: str) -> Features:
    """Return a batch that repeats the features of one image."""
    maps = {stage: stage_map.repeat_interleave(size, 0).to(device) for stage, stage_map in features.maps.items()}
    tokens_BLC, global_BC = (t.repeat_interleave(size, 0).to(device) for t in (features.tokens_BLC, features.global_BC))
    return Features(maps, tokens_BLC, global_BC)
