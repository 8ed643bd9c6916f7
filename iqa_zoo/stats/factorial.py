"""Effects and interactions of factors, as in a component swap: their values on every split.

:mod:`iqa_zoo.stats.effects` estimates them over the splits.

Scores are an array SROCC[split, combination] (suffix SC). Each combination has a mapping of factor to level.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqa_zoo.errors import InputError

Levels = dict[str, str]  # of one combination: factor -> level
Array = NDArray[np.float64]


def draw_evenly(grid: Sequence[Levels], seed: int = 0) -> Iterator[Levels]:
    """Order all combinations so that any first few hold every level of a factor about equally often.

    The next combination is the one whose levels occurred least often so far. Among equals, its pairs of levels decide, then chance.

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
    scores_CS, table = check_score_table(srocc_SC, levels), _Table(levels)
    fitted = _fit(list(table.coded.values()), scores_CS)
    if fitted is None:
        raise InputError(
            f"the levels of {', '.join(table.factors)} cannot be separated: some only come together in the combinations "
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
    scores_CS, table = check_score_table(srocc_SC, levels), _Table(levels)
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
    mean_C1 = check_score_table(srocc_SC, levels).mean(1, keepdims=True)
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


def check_score_table(srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]]) -> Array:
    """Return the scores with combinations first.

    Raises:
        InputError: an array that does not fit the levels, or a score that is not finite.
    """
    scores = np.asarray(srocc_SC, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(levels) or not scores.size:
        raise InputError(f"scores of shape {scores.shape} and {len(levels)} combinations; give a row a split")
    if not np.isfinite(scores).all():
        raise InputError("a score is not finite; leave out its combination")
    return scores.T
