"""Scores against labels: every metric, by distortion too, and the predictions themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.stats.metrics import METRICS, srocc

FEWEST = 5  # images of a distortion, below which a correlation says nothing


def evaluate_scores(
    scores: NDArray[np.float64], data: RatedImages, indices: NDArray[np.int64], *, same_direction: bool = True
) -> dict[str, Any]:
    """Return ``metrics``, ``predictions`` by image name, and ``srocc_by_distortion`` where the data names distortions.

    A metric that is not defined, as the SROCC of scores that are all equal, is nan. Predictions keep full precision.

    Args:
        scores: one an image of ``indices``.
        data: the dataset.
        indices: which of its images.
        same_direction: False where the scores rise as the labels fall (a model of MOS on a set of DMOS): the scores are
            negated before they are correlated. Predictions stay as the model gave them.
    """
    turned, mos = scores if same_direction else -scores, data.mos[indices]
    found: dict[str, Any] = {
        "metrics": {name: metric(turned, mos) for name, metric in METRICS.items()},
        "predictions": {data.names[i]: float(score) for i, score in zip(indices, scores, strict=True)},
    }
    if data.distortions is not None:
        kinds = np.array(data.distortions)[indices]
        found["srocc_by_distortion"] = {
            str(kind): srocc(turned[kinds == kind], mos[kinds == kind])
            for kind in np.unique(kinds)
            if (kinds == kind).sum() >= FEWEST
        }
    return found
