"""Main effects and interactions of factors, estimated over splits, with verdicts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqa_zoo.errors import InputError
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.factorial import (
    check_score_table,
    compute_variance_shares,
    fit_interactions,
    fit_main_effects,
    is_complete,
)
from iqa_zoo.stats.paired import paired
from iqa_zoo.stats.sampling import ImageJackknife, SamplingError

Array = NDArray[np.float64]


def estimate_effect(
    effect_S: ArrayLike,
    test_train_ratio: float,
    *,
    margin: float = 0.01,
    sampling_se: SamplingError | None = None,
    contrasts: int = 1,
) -> Estimate:
    """Estimate the mean of an effect over splits by :func:`iqa_zoo.stats.paired.paired`, as a difference from 0.

    Args:
        effect_S: a contrast of SROCCs on each split; beyond [-2, 2], the range of a difference, it counts as its end.
        test_train_ratio, margin, sampling_se: as in ``paired``.
        contrasts: that the verdict is adjusted for.

    >>> effect = estimate_effect([0.02, 0.03, 0.025, 0.03, 0.028], 0.25)
    >>> effect.verdict, round(effect.mean, 4), round(effect.low, 4), round(effect.high, 4)
    ('ahead', 0.0266, 0.0187, 0.0345)
    """
    half_S = np.clip(np.asarray(effect_S, dtype=np.float64) / 2, -1, 1)
    return paired(
        half_S, -half_S, test_train_ratio=test_train_ratio, margin=margin, sampling_se=sampling_se, pairs=contrasts
    )


def analyze_factors(
    srocc_SC: ArrayLike,
    levels: Sequence[Mapping[str, str]],
    test_train_ratio: float,
    *,
    margin: float = 0.01,
    sampling: ImageJackknife | None = None,
    interactions: bool = True,
) -> dict[str, Any]:
    """Estimate all main effects and two-factor interactions over the splits, as plain dicts.

    Verdicts and intervals are adjusted for the contrasts of their family: main effects, or interactions. Contrasts that
    differ in sign only, as those of two levels do, count once.

    Args:
        srocc_SC: SROCC of each split and combination.
        levels: of each combination.
        test_train_ratio: of the splits, for the correction of the variance.
        margin: effects below it count as equivalent to none.
        sampling: of the combinations, in the same order; without it, the error of sampling test images is not counted.
        interactions: False leaves them out, where too few combinations were drawn to fit them.

    Returns:
        ``main``: factor, level, combinations, srocc (mean, adjusted where combinations are missing), the fields of its
        :class:`Estimate` and ``verdict``: ``ahead`` is better than the mean of all; ``interactions``: factors, levels,
        combinations, estimate and verdict, the largest first; ``unknown``: pairs of factors whose interactions are not
        determined; ``shares``; ``complete``; ``grand``, the mean SROCC. Where the levels cannot be separated, or there are
        fewer than two combinations, ``why`` gives the reason and the lists are empty.

    Raises:
        InputError: no split, or an array that does not fit the levels.
    """
    found: dict[str, Any] = {"complete": is_complete(levels), "combinations": len(levels), "why": ""}
    found |= {"main": [], "interactions": [], "unknown": [], "shares": {}, "grand": None}
    if len(levels) < 2:
        return {**found, "why": "fewer than two combinations have an SROCC on every split"}
    scores_SC = check_score_table(srocc_SC, levels).T
    found["grand"] = float(scores_SC.mean())
    each_alone_CC = np.eye(len(levels))  # the effects of scores that are 1 at one combination are its weights
    try:
        single = fit_main_effects(each_alone_CC, levels)
    except InputError as error:
        return {**found, "why": str(error)}
    # Effects add up to 0 in each factor: this is the mean of the complete table.
    effects_C = [
        [float((scores_SC @ effects[row[factor]]).mean()) for row in levels] for factor, effects in single.items()
    ]
    found["grand"] = float((scores_SC.mean(0) - np.sum(effects_C, axis=0)).mean())
    rows: list[tuple[dict[str, Any], Array]] = []
    for factor, by_level in single.items():
        for level, weights_C in by_level.items():
            held = sum(row[factor] == level for row in levels)
            srocc = found["grand"] + float((scores_SC @ weights_C).mean())
            rows.append(({"factor": factor, "level": level, "combinations": held, "srocc": srocc}, weights_C))
    found["main"] = _estimate_contrasts(rows, scores_SC, test_train_ratio, margin, sampling)

    crossed = fit_interactions(each_alone_CC, levels) if interactions else {}
    rows = []
    for (first, second), cells in crossed.items():
        for (a, b), weights_C in cells.items():
            held = sum(row[first] == a and row[second] == b for row in levels)
            rows.append(({"factors": [first, second], "levels": [a, b], "combinations": held}, weights_C))
    made = _estimate_contrasts(rows, scores_SC, test_train_ratio, margin, sampling)
    found["interactions"] = sorted(made, key=lambda row: -abs(row["mean"]))
    found["unknown"] = [list(pair) for pair in itertools.combinations(single, 2) if pair not in crossed]
    found["shares"] = compute_variance_shares(srocc_SC, levels, crossed)
    return found


def _estimate_contrasts(
    rows: Sequence[tuple[dict[str, Any], Array]],
    scores_SC: Array,
    ratio: float,
    margin: float,
    sampling: ImageJackknife | None,
) -> list[dict[str, Any]]:
    """Rows with estimate and verdict, from the weights of each contrast; adjusted for the distinct ones."""
    distinct = len({_normalize_sign(weights_C) for _, weights_C in rows})
    made = []
    for row, weights_C in rows:
        sampling_se = None if sampling is None else sampling.estimate(weights_C)
        effect = estimate_effect(
            scores_SC @ weights_C, ratio, margin=margin, sampling_se=sampling_se, contrasts=distinct
        )
        made.append({**row, **asdict(effect), "verdict": effect.verdict, "splits": effect.count})
    return made


def _normalize_sign(weights_C: Array) -> tuple[float, ...]:
    rounded = np.round(weights_C, 10)
    return tuple((rounded * (-1 if rounded[np.argmax(rounded != 0)] < 0 else 1) + 0.0).tolist())
