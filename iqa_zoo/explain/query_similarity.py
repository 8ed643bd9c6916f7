"""The cosine similarity of the queries that enter the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from iqa_zoo.explain.observation import Observation

COLLAPSED = 0.99  # mean cosine similarity from which the queries count as one vector


def compute_query_similarity(queries_BND: Tensor) -> NDArray[np.float64]:
    """Compute cosine_NN of every query with every other, averaged over the batch.

    >>> import torch
    >>> compute_query_similarity(torch.tensor([[[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]])).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    unit_BND = F.normalize(queries_BND.detach().double(), dim=-1)
    cosine_NN: NDArray[np.float64] = (unit_BND @ unit_BND.transpose(1, 2)).mean(0).cpu().numpy()
    return cosine_NN


def average_pairs(cosine_NN: NDArray[np.float64]) -> float | None:
    """Average over pairs of different queries; None for a single query.

    >>> average_pairs(np.array([[1.0, 0.5], [0.5, 1.0]]))
    0.5
    """
    count = len(cosine_NN)
    if count < 2:
        return None
    return float(cosine_NN[~np.eye(count, dtype=bool)].mean())


@dataclass(frozen=True)
class QuerySimilarity:
    """The cosine similarity of the queries that enter the head, and of those that enter the first block."""

    cosine_NN: NDArray[np.float64]
    before_NN: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """The similarity as JSON-ready data."""
        return {
            "cosine": self.cosine_NN.tolist(),
            "mean_cosine": average_pairs(self.cosine_NN),
            "mean_cosine_before_the_first_block": average_pairs(self.before_NN),
        }

    def assess(self) -> Observation:
        """Report the mean cosine similarity, with a warning where the queries are one vector.

        A graph convolution with nearly equal rows in its adjacency, such as the initial one of Life-IQA (CVPR 2026), adds
        nearly the same vector to every query. If that vector outgrows their differences, the queries collapse.
        """
        mean, before = average_pairs(self.cosine_NN), average_pairs(self.before_NN)
        if mean is None or before is None:
            return Observation("similarity", "There is only one query, so there is no similarity to report.")
        numbers = (
            f"the mean cosine similarity of the {len(self.cosine_NN)} queries that enter the head is {mean:.4f}, and was "
            f"{before:.4f} before the first block (one vector from {COLLAPSED} on)"
        )
        if mean < COLLAPSED:
            return Observation("similarity", f"The queries differ: {numbers}")
        state = "have collapsed to one vector" if before < COLLAPSED else "are one vector from the beginning"
        return Observation("similarity", f"The queries {state}: {numbers}", warning=True)
