"""The time of a model's forward pass in multiples of its backbone's, and of many experts in multiples of few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed_rows.row import Row, Setup, Timed
from iqa_zoo.build import build_model
from iqa_zoo.heads.moe import MoEHead

BATCHES = (1, 4, 8)
TOKENS, FEW, MANY = 4096, 4, 64


def measure_forward(setup: Setup, batch: int) -> Timed:
    """Time Life-IQA and timm's own ``forward_features`` of its backbone on the same images."""
    torch.manual_seed(0)
    model = build_model("lifeiqa").eval()
    backbone: Any = model.backbone
    size = model.spec.image_size
    image_BCHW = torch.randn(batch, 3, size, size)
    with torch.inference_mode():
        jobs = [lambda: model(image_BCHW), lambda: backbone.model.forward_features(image_BCHW)]
        return Timed(*setup.time(f"forward.{batch}", jobs, rounds=21, warm_up=setup.choose(1, 2)))


def make_expert_job(experts: int, tokens: int) -> Callable[[], None]:
    """Return a function that runs a mixture of experts forward and backward on a batch of tokens, at the same top 2."""
    torch.manual_seed(0)
    head = MoEHead(dim=384, num_experts=experts, top_k=2)
    queries_BND: Tensor = torch.randn(tokens, 1, 384).requires_grad_()

    def train() -> None:
        head(queries_BND).score_B.sum().backward()
        head.zero_grad()
        queries_BND.grad = None

    return train


def measure_experts(setup: Setup) -> Timed:
    """Time the same tokens in 64 experts and in 4."""
    jobs = [make_expert_job(MANY, TOKENS), make_expert_job(FEW, TOKENS)]
    return Timed(*setup.time("experts", jobs, rounds=15))


ROWS = [
    *(
        Row(
            f"forward.{batch}",
            f"forward pass of Life-IQA on {batch} image{'s' if batch > 1 else ''}",
            "its backbone (Swin-B) alone",
            "cost",
            1.02,
            0.1 * batch + 0.3,
            lambda setup, batch=batch: measure_forward(setup, batch),
        )
        for batch in BATCHES
    ),
    Row(
        "experts",
        f"{MANY} experts on {TOKENS:,} tokens, forward and backward",
        f"{FEW} experts",
        "cost",
        1.2,
        1,
        measure_experts,
    ),
]
