"""How alike the queries are that enter the head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from iqa_zoo.explain.finding import Finding

ONE_VECTOR = 0.99  # mean mutual cosine from which on queries count as one vector


def mutual_cosine(queries_BND: Tensor) -> NDArray[np.float64]:
    """Return cosine_NN of every query with every other, the mean over the batch.

    >>> import torch
    >>> mutual_cosine(torch.tensor([[[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]])).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    unit_BND = F.normalize(queries_BND.detach().double(), dim=-1)
    cosine_NN: NDArray[np.float64] = (unit_BND @ unit_BND.transpose(1, 2)).mean(0).cpu().numpy()
    return cosine_NN


def mean_between(cosine_NN: NDArray[np.float64]) -> float | None:
    """The mean over pairs of two queries; None where there is one query.

    >>> mean_between(np.array([[1.0, 0.5], [0.5, 1.0]]))
    0.5
    """
    count = len(cosine_NN)
    if count < 2:
        return None
    return float(cosine_NN[~np.eye(count, dtype=bool)].mean())


def judge_likeness(cosine_NN: NDArray[np.float64], before_NN: NDArray[np.float64] | None = None) -> Finding:
    """Say how alike the queries are, with a warning where they are one vector.

    A graph convolution whose adjacency has rows that are nearly alike, as the one that Life-IQA (CVPR 2026) starts from, adds
    nearly the same to every query; where that outgrows what they differ in, they become one.

    Args:
        cosine_NN: of the queries that enter the head.
        before_NN: of the same as they enter the first block, which tells whether the decoder made them so.
    """
    mean = mean_between(cosine_NN)
    if mean is None:
        return Finding("likeness", "There is one query, so that no two can be compared.")
    words = f"the mean mutual cosine of the {len(cosine_NN)} queries that enter the head is {mean:.4f}"
    before = None if before_NN is None else mean_between(before_NN)
    if before is not None:
        words += f", and was {before:.4f} before the first block"
    if mean < ONE_VECTOR:
        return Finding("likeness", f"The queries differ: {words} (from {ONE_VECTOR} on they would count as one vector)")
    fate = (
        "have collapsed to one vector" if before is None or before < ONE_VECTOR else "are one vector from the beginning"
    )
    return Finding("likeness", f"The queries {fate}: {words} (from {ONE_VECTOR} on they count as one)", warning=True)
