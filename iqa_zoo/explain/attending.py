"""Numbers of attention over a memory: how wide a query looks, and how far two looks are apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.explain.finding import Finding

EVEN = 0.98  # share of the tokens from which on a query that looks at so many looks at all alike


def effective_tokens(weights_NL: NDArray[np.float64]) -> NDArray[np.float64]:
    """The number of tokens that each query looks at, exp(entropy): 1 for a single one, L for all alike.

    >>> effective_tokens(np.array([[1.0, 0.0], [0.5, 0.5]])).round(6).tolist()
    [1.0, 2.0]
    """
    positive = np.where(weights_NL > 0, weights_NL, 1.0)
    effective_N: NDArray[np.float64] = np.exp(-(weights_NL * np.log(positive)).sum(-1))
    return effective_N


def distance(one_NL: NDArray[np.float64], other_NL: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each query's attention that lies elsewhere, total variation: 0 for the same, 1 for nothing in common.

    >>> distance(np.array([[1.0, 0.0]]), np.array([[0.25, 0.75]])).tolist()
    [0.75]
    """
    apart_N: NDArray[np.float64] = np.abs(one_NL - other_NL).sum(-1) / 2
    return apart_N


def judge_attention(attention: Mapping[str, NDArray[np.float64]]) -> list[Finding]:
    """Say how many tokens the queries of each block look at, with a warning where all look at all tokens alike.

    Args:
        attention: weights_NL by config path of the block.
    """
    found = []
    for path, weights_NL in attention.items():
        tokens, widths_N = weights_NL.shape[1], effective_tokens(weights_NL)
        words = f"a query looks at {widths_N.min():.2f} to {widths_N.max():.2f} of {tokens} tokens (exp of the entropy)"
        if tokens > 1 and widths_N.min() >= EVEN * tokens:
            words += f": attention is even (from {EVEN:.0%} of the tokens on), and its map says little"
            found.append(Finding("width", f"{path}: {words}", warning=True))
        else:
            found.append(Finding("width", f"{path}: {words}"))
    return found
