"""Evaluate scores against labels: every metric, the SROCC of each distortion, and the predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.stats.metrics import METRICS, srocc

FEWEST = 5  # images of a distortion; a correlation of fewer means nothing


def evaluate_scores(
    scores: NDArray[np.float64], data: RatedImages, indices: NDArray[np.int64], *, same_direction: bool = True
) -> dict[str, Any]:
    """Return ``metrics``, ``predictions`` by image name, and ``srocc_by_distortion`` where the data names distortions.

    A metric that is not defined, as the SROCC of scores that are all equal, is nan. Predictions keep full precision.

    Args:
        scores: one per image of ``indices``.
        data: the dataset.
        indices: which of its images.
        same_direction: False where scores rise as labels fall (a model of MOS on a set of DMOS). The scores are then
            negated before they are correlated; predictions are not.
    """
    turned, mos = scores if same_direction else -scores, data.mos[indices]
    found: dict[str, Any] = {
        "metrics": compute_metrics(turned, mos),
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


def compute_metrics(scores: NDArray[np.float64], mos: NDArray[np.float64]) -> dict[str, float]:
    """Return every metric of scores against labels, by name."""
    return {name: metric(scores, mos) for name, metric in METRICS.items()}


def evaluate_test_set(scores: NDArray[np.float64], trained_on: RatedImages, data: RatedImages) -> dict[str, Any]:
    """Evaluate scores of all images of another dataset, whichever way its labels run; errors are in units of its scale."""
    same = trained_on.higher_is_better == data.higher_is_better
    return flatten_metrics(evaluate_scores(scores, data, np.arange(len(data)), same_direction=same))


def flatten_metrics(evaluated: dict[str, Any]) -> dict[str, Any]:
    """Return what :func:`evaluate_scores` returns, with each metric beside the other keys.

    >>> flatten_metrics({"metrics": {"srocc": 0.9}, "predictions": {"a.png": 50.0}})
    {'srocc': 0.9, 'predictions': {'a.png': 50.0}}
    """
    return {**evaluated["metrics"], **{key: value for key, value in evaluated.items() if key != "metrics"}}
