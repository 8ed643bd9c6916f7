"""Statistics of attention over a memory: how many tokens a query attends to, and how far two maps differ."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.contracts import TokenGrid
from iqa_zoo.explain.observation import Observation

Attention = Mapping[str, NDArray[np.float64]]  # weights_NL by config path of the block

EVEN = 0.98  # share of effective tokens from which attention counts as even


def compute_effective_tokens(weights_NL: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute exp(entropy) of each query's attention: 1 for a single token, L for even attention.

    >>> compute_effective_tokens(np.array([[1.0, 0.0], [0.5, 0.5]])).round(6).tolist()
    [1.0, 2.0]
    """
    positive = np.where(weights_NL > 0, weights_NL, 1.0)
    effective_N: NDArray[np.float64] = np.exp(-(weights_NL * np.log(positive)).sum(-1))
    return effective_N


def compute_attention_distance(first_NL: NDArray[np.float64], second_NL: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the total variation distance of each query's attention: 0 for equal maps, 1 for disjoint ones.

    >>> compute_attention_distance(np.array([[1.0, 0.0]]), np.array([[0.25, 0.75]])).tolist()
    [0.75]
    """
    distance_N: NDArray[np.float64] = np.abs(first_NL - second_NL).sum(-1) / 2
    return distance_N


def assess_attention(attention: Attention) -> list[Observation]:
    """Report how many tokens the queries of each block attend to, with a warning where attention is even."""
    observations = []
    for path, weights_NL in attention.items():
        tokens, widths_N = weights_NL.shape[1], compute_effective_tokens(weights_NL)
        text = (
            f"{path}: a query attends to {widths_N.min():.2f} to {widths_N.max():.2f} of {tokens} tokens (exp(entropy))"
        )
        even = tokens > 1 and bool(widths_N.min() >= EVEN * tokens)
        if even:
            text += f": attention is even (at least {EVEN:.0%} of the tokens), so its map carries little information"
        observations.append(Observation("width", text, warning=even))
    return observations


def explain_missing_map(attention: Attention, grid: TokenGrid | None) -> list[Observation]:
    """Say why there is no attention map; empty where there is one."""
    if not attention:
        return [Observation("no attention", "No block of this model reports its attention: no attention map")]
    if grid is None:
        return [Observation("no grid", "The memory does not report the positions of its tokens: no attention map")]
    return []
