"""Effects and interactions of factors, as in a component swap.

Scores are an array SROCC[split, combination] (suffix SC). Each combination has a mapping of factor to level.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqa_zoo.errors import InputError
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.paired import paired
from iqa_zoo.stats.sampling import ImageJackknife, SamplingError

Levels = dict[str, str]  # of one combination: factor -> level
Array = NDArray[np.float64]


def draw_evenly(grid: Sequence[Levels], seed: int = 0) -> Iterator[Levels]:
    """Order all combinations so that any first few hold every level of a factor about equally often.

    The next combination is the one whose levels occurred least often so far. Its pairs of levels break ties, then chance.

    >>> grid = [dict(head=head, memory=memory) for head in "abc" for memory in "xyz"]
    >>> first = list(draw_evenly(grid))[:3]
    >>> sorted(row["head"] for row in first), sorted(row["memory"] for row in first)
    (['a', 'b', 'c'], ['x', 'y', 'z'])
    """
    level_CL = _encode_one_hot([list(row.items()) for row in grid])
    pair_CP = _encode_one_hot([list(itertools.combinations(row.items(), 2)) for row in grid])
    chance_C = np.random.default_rng(seed).random(len(grid))
    drawn_C = np.zeros(len(grid), dtype=bool)
    for _ in grid:
        levels_met_C, pairs_met_C = (had @ had[drawn_C].sum(0) for had in (level_CL, pair_CP))
        following = int(np.lexsort((chance_C, pairs_met_C, levels_met_C, drawn_C))[0])
        drawn_C[following] = True
        yield grid[following]


def _encode_one_hot(rows: Sequence[Sequence[Any]]) -> Array:
    """1 where a row (first axis) holds an item of any row (second axis)."""
    items = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    return np.array([[float(item in row) for item in items] for row in map(set, rows)])


def find_factors(levels: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """The levels of each factor, in their order of occurrence; a factor with a single level is left out.

    >>> find_factors([dict(head="moe", memory="tokens"), dict(head="ffn", memory="tokens")])
    {'head': ['moe', 'ffn']}
    """
    found = {factor: list(dict.fromkeys(row[factor] for row in levels)) for factor in (levels[0] if levels else ())}
    return {factor: names for factor, names in found.items() if len(names) > 1}


def is_complete(levels: Sequence[Mapping[str, str]]) -> bool:
    """Whether every combination of the levels is present, once."""
    expected = math.prod(len(names) for names in find_factors(levels).values())
    return len({tuple(row.values()) for row in levels}) == len(levels) == expected


def fit_main_effects(srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]]) -> dict[str, dict[str, Array]]:
    """By factor and level, on every split: the mean over the combinations with the level, minus the grand mean.

    The fit is least squares of an additive model whose effects add up to 0 in each factor. On a complete table it gives
    these means. Where combinations are missing, a level is still judged independently of the levels it occurs with.

    Raises:
        InputError: an array that does not fit the levels, or levels that only occur together and cannot be separated.

    >>> levels = [dict(head=head, memory=memory) for head in "ab" for memory in "xy"]
    >>> fit_main_effects([[0.5, 0.7, 0.6, 0.8]], levels)["memory"]["y"].round(3)
    array([0.1])
    """
    scores_CS, table = _check_scores(srocc_SC, levels), _Table(levels)
    fitted = _fit(list(table.coded.values()), scores_CS)
    if fitted is None:
        raise InputError(
            f"the levels of {', '.join(table.factors)} cannot be told apart: some only come together in the combinations "
            "that there are; leave one of them out"
        )
    return {
        factor: dict(zip(names, _make_contrasts(len(names)) @ weights, strict=True))
        for (factor, names), weights in zip(table.factors.items(), fitted, strict=True)
    }


def fit_interactions(
    srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]]
) -> dict[tuple[str, str], dict[tuple[str, str], Array]]:
    """By two factors and their levels, on every split: cell mean - row mean - column mean + grand mean.

    The fit is that of :func:`fit_main_effects` with this interaction added. A pair of factors is left out where a pair of
    levels has no combination: its interactions are not determined.
    """
    scores_CS, table = _check_scores(srocc_SC, levels), _Table(levels)
    found: dict[tuple[str, str], dict[tuple[str, str], Array]] = {}
    for first, second in itertools.combinations(table.factors, 2):
        fitted = _fit([*table.coded.values(), table.cross(first, second)], scores_CS)
        if fitted is None:
            continue
        rows, columns = table.factors[first], table.factors[second]
        weights_ABS = fitted[-1].reshape(len(rows) - 1, len(columns) - 1, -1)
        cells = np.einsum("ia,jb,abs->ijs", _make_contrasts(len(rows)), _make_contrasts(len(columns)), weights_ABS)
        found[first, second] = {
            (row, column): cells[i, j] for i, row in enumerate(rows) for j, column in enumerate(columns)
        }
    return found


def compute_variance_shares(
    srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]], pairs: Iterable[tuple[str, str]] | None = None
) -> dict[str, float]:
    """Share of the variance between combinations (means over splits) that each factor, each pair and the rest explain.

    The share of a factor is the sum of squares that a least-squares fit loses without it, over the total. That of a pair
    (all pairs by default) is what it adds to the additive fit. Shares add up to 1 on a complete table and include chance.

    >>> levels = [dict(head=head, memory=memory) for head in "ab" for memory in "xy"]
    >>> {name: round(share, 3) for name, share in compute_variance_shares([[0.5, 0.7, 0.5, 0.7]], levels).items()}
    {'head': 0.0, 'memory': 1.0, 'head x memory': 0.0, 'rest': 0.0}
    """
    table = _Table(levels)
    mean_C1 = _check_scores(srocc_SC, levels).mean(1, keepdims=True)
    total = float(((mean_C1 - mean_C1.mean()) ** 2).sum())
    additive = _sum_residuals([*table.coded.values()], mean_C1)
    parts: dict[str, float] = {}
    for factor in table.factors:
        others = [coded for name, coded in table.coded.items() if name != factor]
        parts[factor] = _sum_residuals(others, mean_C1) - additive
    chosen = itertools.combinations(table.factors, 2) if pairs is None else pairs
    crossed = {pair: table.cross(*pair) for pair in chosen}
    for pair, columns in crossed.items():
        parts[" x ".join(pair)] = additive - _sum_residuals([*table.coded.values(), columns], mean_C1)
    parts["rest"] = _sum_residuals([*table.coded.values(), *crossed.values()], mean_C1)
    return {name: max(part, 0.0) / total if total > 1e-18 else 0.0 for name, part in parts.items()}


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
        effect_S: a contrast of SROCCs on each split, within [-2, 2].
        test_train_ratio, margin, sampling_se: as in ``paired``.
        contrasts: that the verdict is adjusted for.

    >>> effect = estimate_effect([0.02, 0.03, 0.025, 0.03, 0.028], 0.25)
    >>> effect.verdict, round(effect.mean, 4), round(effect.low, 4), round(effect.high, 4)
    ('ahead', 0.0266, 0.0187, 0.0345)
    """
    half_S = np.asarray(effect_S, dtype=np.float64) / 2
    settings = {"margin": margin, "sampling_se": sampling_se, "pairs": contrasts}
    return paired(half_S, -half_S, test_train_ratio=test_train_ratio, **settings)


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
    scores_SC = _check_scores(srocc_SC, levels).T
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
        made.append({**row, **asdict(effect), "verdict": str(effect.verdict)})
    return made


def _normalize_sign(weights_C: Array) -> tuple[float, ...]:
    rounded = np.round(weights_C, 10)
    return tuple((rounded * (-1 if rounded[np.argmax(rounded != 0)] < 0 else 1) + 0.0).tolist())


class _Table:
    """The level of each combination as contrasts, which add up to 0 over the levels of a factor."""

    def __init__(self, levels: Sequence[Mapping[str, str]]):
        self.factors = find_factors(levels)
        self.coded: dict[str, Array] = {}
        for factor, names in self.factors.items():
            self.coded[factor] = _make_contrasts(len(names))[[names.index(row[factor]) for row in levels]]

    def cross(self, first: str, second: str) -> Array:
        a, b = self.coded[first], self.coded[second]
        return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)


def _make_contrasts(count: int) -> Array:
    """The matrix from count - 1 free numbers to the effects of count levels, which add up to 0."""
    return np.vstack([np.eye(count - 1), -np.ones((1, count - 1))])


def _fit(blocks: Sequence[Array], scores_CS: Array) -> list[Array] | None:
    """The weights of each block of columns, on every split; None where they are not determined."""
    design = _stack_design(blocks, scores_CS)
    weights, _, rank, _ = np.linalg.lstsq(design, scores_CS, rcond=None)
    if rank < design.shape[1]:
        return None
    ends = np.cumsum([block.shape[1] for block in blocks])[:-1]
    return np.split(weights[1:], ends) if blocks else []


def _stack_design(blocks: Sequence[Array], scores_CS: Array) -> Array:
    return np.hstack([np.ones((len(scores_CS), 1)), *blocks])


def _sum_residuals(blocks: Sequence[Array], scores_CS: Array) -> float:
    """The residual sum of squares of a least-squares fit of these columns."""
    design = _stack_design(blocks, scores_CS)
    weights = np.linalg.lstsq(design, scores_CS, rcond=None)[0]
    return float(((scores_CS - design @ weights) ** 2).sum())


def _check_scores(srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]]) -> Array:
    scores = np.asarray(srocc_SC, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(levels) or not scores.size:
        raise InputError(f"scores of shape {scores.shape} and {len(levels)} combinations; give a row a split")
    if not np.isfinite(scores).all():
        raise InputError("a score is not finite; leave out its combination")
    return scores.T
