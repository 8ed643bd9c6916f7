"""A component-swap matrix: which parts there are to combine, what each adds on average, and which need each other.

The statistics are of an array SROCC[split, combination] (suffix SC) and the level of every factor of each combination.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from iqa_zoo.config import Config, part_parameters
from iqa_zoo.engine.statistics import Difference, holm, paired_difference
from iqa_zoo.errors import ConfigError, InputError, UnknownName, not_one_of
from iqa_zoo.registry import SLOTS

FACTORS = ("queries", "interactions", "memory", "head")  # slots of a config, in the order in which data flows
READER = "cross_attention"  # what reads the memory in every layer
NONE = "none"  # the level of interactions that is the reader alone
LEVEL = 0.05  # adjusted p above which an effect is undecided

Levels = dict[str, str]  # of one combination: factor -> level
Array = NDArray[np.float64]


def level_names(slot: str, chosen: Sequence[str] | None = None) -> list[str]:
    """The parts of a slot that are swapped, plugins included: all of the registry, or those chosen.

    Raises:
        UnknownName: a chosen name that the slot does not have.

    >>> level_names("head", ["moe", "linear"])
    ['moe', 'linear']
    """
    names = SLOTS[slot].names()
    if slot == "interactions":
        names = [NONE, *(name for name in names if name != READER)]
    for name in chosen or ():
        if name not in names:
            raise UnknownName(not_one_of(name, names, SLOTS[slot].kind))
    return names if chosen is None else list(dict.fromkeys(chosen))


def why_not(slot: str, name: str, available_stages: Sequence[int]) -> str | None:
    """Why a part cannot be a level at all, or None: it cannot be imported, needs arguments, or reads a stage the backbone lacks.

    >>> why_not("memory", "grid_pool", [1, 2])
    'reads stage 3, and the backbone has 1, 2'
    """
    if name == NONE:
        return None
    try:
        parameters = part_parameters(slot, name)
    except Exception as error:  # whatever a plugin does wrong costs its own levels only
        return in_a_line(error)
    needed = [key for key, parameter in parameters.items() if parameter.default is parameter.empty]
    if needed:
        return f"has no default for {', '.join(needed)}"
    read = [parameters[key].default for key in ("stage", "stages") if key in parameters]
    stages = [stage for default in read for stage in (default if isinstance(default, Sequence) else [default])]
    lacking = [str(stage) for stage in stages if isinstance(stage, int) and stage not in available_stages]
    if lacking:
        return f"reads stage {', '.join(lacking)}, and the backbone has {', '.join(map(str, available_stages))}"
    return None


def in_a_line(error: Exception) -> str:
    """What an error says, on one line.

    >>> in_a_line(ConfigError(["head: hidden is 0"])), in_a_line(KeyError("a"))
    ('head: hidden is 0', "KeyError: 'a'")
    """
    if isinstance(error, ConfigError):
        return "; ".join(error.problems)
    words = " ".join(str(error).split())
    return words if isinstance(error, ValueError | ImportError) else f"{type(error).__name__}: {words}"


def combination_config(levels: Mapping[str, str], *, dim: int, depth: int) -> Config:
    """A config of one part each with its default settings: ``depth`` layers of the mixing block and cross-attention.

    >>> cfg = combination_config(dict(queries="guided", interactions="none", memory="tokens", head="moe"), dim=96, depth=2)
    >>> cfg["interactions"], cfg["losses"]
    ([{'type': 'cross_attention'}, {'type': 'cross_attention'}], [{'type': 'l1'}])
    """
    block = [] if levels["interactions"] == NONE else [levels["interactions"]]
    return dict(
        dim=dim,
        queries=dict(type=levels["queries"]),
        memory=dict(type=levels["memory"]),
        interactions=[dict(type=name) for _ in range(depth) for name in (*block, READER)],
        head=dict(type=levels["head"]),
        losses=[dict(type="l1")],
    )


def drawn_evenly(grid: Sequence[Levels], seed: int = 0) -> Iterator[Levels]:
    """All combinations, in an order of which any beginning holds each level about as often as another of its factor.

    Next comes the combination whose levels came least often so far; of several the one whose pairs of levels did; of
    several a random one.

    >>> grid = [dict(head=head, memory=memory) for head in "abc" for memory in "xyz"]
    >>> first = list(drawn_evenly(grid))[:3]
    >>> sorted(row["head"] for row in first), sorted(row["memory"] for row in first)
    (['a', 'b', 'c'], ['x', 'y', 'z'])
    """
    level_CL = _one_hot([list(row.items()) for row in grid])
    pair_CP = _one_hot([list(itertools.combinations(row.items(), 2)) for row in grid])
    chance_C = np.random.default_rng(seed).random(len(grid))
    drawn_C = np.zeros(len(grid), dtype=bool)
    for _ in grid:
        levels_met_C, pairs_met_C = (had @ had[drawn_C].sum(0) for had in (level_CL, pair_CP))
        following = int(np.lexsort((chance_C, pairs_met_C, levels_met_C, drawn_C))[0])
        drawn_C[following] = True
        yield grid[following]


def _one_hot(rows: Sequence[Sequence[Any]]) -> Array:
    """Which of all things each row has."""
    things = {thing: i for i, thing in enumerate(dict.fromkeys(itertools.chain.from_iterable(rows)))}
    told = np.zeros((len(rows), len(things)))
    for i, row in enumerate(rows):
        told[i, [things[thing] for thing in row]] = 1
    return told


def factors_of(levels: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """The levels of each factor, in the order in which they come; a factor of one level is none.

    >>> factors_of([dict(head="moe", memory="tokens"), dict(head="ffn", memory="tokens")])
    {'head': ['moe', 'ffn']}
    """
    found = {factor: list(dict.fromkeys(row[factor] for row in levels)) for factor in (levels[0] if levels else ())}
    return {factor: names for factor, names in found.items() if len(names) > 1}


def is_complete(levels: Sequence[Mapping[str, str]]) -> bool:
    """Whether every combination of the levels is there."""
    expected = math.prod(len(names) for names in factors_of(levels).values())
    return len({tuple(row.values()) for row in levels}) == len(levels) == expected


def main_effects(srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]]) -> dict[str, dict[str, Array]]:
    """By factor and level, on every split: the mean over the combinations with the level, minus the grand mean.

    Where combinations are missing, least squares of an additive model whose effects add up to 0 in each factor, which is
    the same on a complete table: a level is not blamed for the company it keeps.

    Raises:
        InputError: an array that does not fit the levels, or levels that cannot be told apart as they only come together.

    >>> levels = [dict(head=head, memory=memory) for head in "ab" for memory in "xy"]
    >>> main_effects([[0.5, 0.7, 0.6, 0.8]], levels)["memory"]["y"].round(3)
    array([0.1])
    """
    scores_CS, table = _checked(srocc_SC, levels), _Table(levels)
    coded = [table.coded[factor] for factor in table.factors]
    fitted = _least_squares(coded, scores_CS)
    if fitted is None:
        raise InputError(
            f"the levels of {', '.join(table.factors)} cannot be told apart: some only come together in the combinations "
            "that there are; leave one of them out"
        )
    effects = {}
    for (factor, names), weights in zip(table.factors.items(), fitted, strict=True):
        effects[factor] = dict(zip(names, _contrasts(len(names)) @ weights, strict=True))
    return effects


def interaction_effects(
    srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]]
) -> dict[tuple[str, str], dict[tuple[str, str], Array]]:
    """By two factors and their levels, on every split: cell mean - row mean - column mean + grand mean.

    Where combinations are missing, least squares as in :func:`main_effects` with this interaction added. A pair of factors
    with a cell that no combination fills is left out: its interactions cannot be known.
    """
    scores_CS, table = _checked(srocc_SC, levels), _Table(levels)
    found: dict[tuple[str, str], dict[tuple[str, str], Array]] = {}
    coded = list(table.coded.values())
    for first, second in itertools.combinations(table.factors, 2):
        fitted = _least_squares([*coded, table.crossed(first, second)], scores_CS)
        if fitted is None:
            continue
        rows, columns = table.factors[first], table.factors[second]
        weights_ABS = fitted[-1].reshape(len(rows) - 1, len(columns) - 1, -1)
        cells = np.einsum("ia,jb,abs->ijs", _contrasts(len(rows)), _contrasts(len(columns)), weights_ABS)
        found[first, second] = {
            (row, column): cells[i, j] for i, row in enumerate(rows) for j, column in enumerate(columns)
        }
    return found


def variance_shares(
    srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]], pairs: Iterable[tuple[str, str]] | None = None
) -> dict[str, float]:
    """The parts of the variance between combinations (means over splits) that go to each factor, each pair, and the rest.

    Of the pairs of factors to those asked for, all where left out.

    A part is the sum of squares that a least-squares fit loses without the factor, divided by the total; a pair's is what
    it adds to the additive fit. They add up to 1 on a complete table. Chance is in all of them.

    >>> levels = [dict(head=head, memory=memory) for head in "ab" for memory in "xy"]
    >>> {name: round(share, 3) for name, share in variance_shares([[0.5, 0.7, 0.5, 0.7]], levels).items()}
    {'head': 0.0, 'memory': 1.0, 'head x memory': 0.0, 'rest': 0.0}
    """
    table = _Table(levels)
    mean_C1 = _checked(srocc_SC, levels).mean(1, keepdims=True)
    total = float(((mean_C1 - mean_C1.mean()) ** 2).sum())
    additive = _left_over([*table.coded.values()], mean_C1)
    parts: dict[str, float] = {}
    for factor in table.factors:
        others = [coded for name, coded in table.coded.items() if name != factor]
        parts[factor] = _left_over(others, mean_C1) - additive
    asked = itertools.combinations(table.factors, 2) if pairs is None else pairs
    crossed = {pair: table.crossed(*pair) for pair in asked}
    for pair, columns in crossed.items():
        parts[" x ".join(pair)] = additive - _left_over([*table.coded.values(), columns], mean_C1)
    parts["rest"] = _left_over([*table.coded.values(), *crossed.values()], mean_C1)
    return {name: max(part, 0.0) / total if total > 1e-18 else 0.0 for name, part in parts.items()}


def effect_over_splits(values_S: ArrayLike, test_train_ratio: float) -> Difference:
    """The mean over splits with the interval of :func:`paired_difference`; ``p`` is that of the same corrected t test.

    >>> effect = effect_over_splits([0.02, 0.03, 0.025, 0.03], 0.25)
    >>> round(effect.mean, 4), round(effect.low, 4), round(effect.p, 4)
    (0.0263, 0.0155, 0.0045)
    """
    values = np.asarray(values_S, dtype=np.float64)
    difference = paired_difference(values, np.zeros_like(values), test_train_ratio=test_train_ratio)
    freedom = len(values) - 1
    error = (difference.high - difference.mean) / float(stats.t.ppf(0.975, freedom))
    if error > 0:
        p = float(2 * stats.t.sf(abs(difference.mean) / error, freedom))
    else:
        p = 0.0 if difference.mean else 1.0
    return replace(difference, p=p)


def analyse(
    srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]], test_train_ratio: float, *, pairs: bool = True
) -> dict[str, Any]:
    """All main effects and two-factor interactions over the splits, as plain dicts; p values Holm-adjusted in each family.

    Without ``pairs`` no interactions are looked for, as where so few combinations were drawn that their fit is mostly chance.

    Returns:
        ``main``: factor, level, combinations, srocc (mean, adjusted where combinations are missing) and effect;
        ``interactions``: factors, levels, combinations and effect, the largest first; ``unknown``: pairs of factors whose
        interactions cannot be known; ``shares``; ``complete``; ``grand``, the mean SROCC. Where the levels cannot be told
        apart, or there are fewer than two combinations, ``why`` says so and the lists are empty.

    Raises:
        InputError: fewer than two splits, or an array that does not fit the levels.
    """
    told: dict[str, Any] = {"complete": is_complete(levels), "combinations": len(levels), "why": ""}
    told |= {"main": [], "interactions": [], "unknown": [], "shares": {}, "grand": None}
    if len(levels) < 2:
        return {**told, "why": "fewer than two combinations have an SROCC on every split"}
    scores_CS = _checked(srocc_SC, levels)
    told["grand"] = float(scores_CS.mean())
    try:
        single = main_effects(srocc_SC, levels)
    except InputError as error:
        return {**told, "why": str(error)}
    # Effects add up to 0 in each factor, so that this is the mean of a table with every combination in it.
    adjustment_C = sum((_of_each(single[factor], factor, levels) for factor in single), start=np.zeros(len(levels)))
    told["grand"] = float((scores_CS.mean(1) - adjustment_C).mean())
    values, rows = [], []
    for factor, effects in single.items():
        for level, effect_S in effects.items():
            held = sum(row[factor] == level for row in levels)
            srocc = told["grand"] + float(effect_S.mean())
            rows.append({"factor": factor, "level": level, "combinations": held, "srocc": srocc})
            values.append(effect_S)
    told["main"] = _with_effects(rows, values, test_train_ratio)

    crossed = interaction_effects(srocc_SC, levels) if pairs else {}
    values, rows = [], []
    for (first, second), cells in crossed.items():
        for (a, b), effect_S in cells.items():
            held = sum(row[first] == a and row[second] == b for row in levels)
            rows.append({"factors": [first, second], "levels": [a, b], "combinations": held})
            values.append(effect_S)
    told["interactions"] = sorted(_with_effects(rows, values, test_train_ratio), key=lambda row: -abs(row["effect"]))
    told["unknown"] = [list(pair) for pair in itertools.combinations(single, 2) if pair not in crossed]
    told["shares"] = variance_shares(srocc_SC, levels, crossed)
    return told


def _of_each(effects: Mapping[str, Array], factor: str, levels: Sequence[Mapping[str, str]]) -> Array:
    return np.array([float(effects[row[factor]].mean()) for row in levels])


def _with_effects(rows: list[dict[str, Any]], values: list[Array], ratio: float) -> list[dict[str, Any]]:
    """Rows with effect, interval, p and verdict. Effects that are one but for the sign, as those of two levels are, are
    adjusted for once."""
    effects = [effect_over_splits(effect_S, ratio) for effect_S in values]
    keys = [_but_for_the_sign(effect_S) for effect_S in values]
    p_of = dict(zip(keys, (effect.p for effect in effects), strict=True))
    adjusted = dict(zip(p_of, holm(list(p_of.values())), strict=True))
    made = []
    for row, effect, key in zip(rows, effects, keys, strict=True):
        p_holm = adjusted[key]
        told = {"effect": effect.mean, "low": effect.low, "high": effect.high, "p": effect.p, "p_holm": p_holm}
        made.append({**row, **told, "tie": effect.is_tie or p_holm >= LEVEL, "verdict": verdict_on(effect, p_holm)})
    return made


def _but_for_the_sign(effect_S: Array) -> tuple[float, ...]:
    rounded = np.round(effect_S, 10)
    return tuple((rounded * (-1 if rounded[np.argmax(rounded != 0)] < 0 else 1) + 0.0).tolist())


def verdict_on(effect: Difference, p_holm: float) -> str:
    """One word for a table.

    >>> verdict_on(Difference(0.02, 0.01, 0.03, p=0.02, count=5), 0.2)
    'undecided, once adjusted'
    """
    if effect.is_tie:
        return "undecided"
    if p_holm >= LEVEL:
        return "undecided, once adjusted"
    return "better" if effect.mean > 0 else "worse"


class _Table:
    """Which level each combination has, in numbers: contrasts that add up to 0 over the levels of a factor."""

    def __init__(self, levels: Sequence[Mapping[str, str]]):
        self.factors = factors_of(levels)
        self.coded: dict[str, Array] = {}
        for factor, names in self.factors.items():
            self.coded[factor] = _contrasts(len(names))[[names.index(row[factor]) for row in levels]]

    def crossed(self, first: str, second: str) -> Array:
        a, b = self.coded[first], self.coded[second]
        return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)


def _contrasts(count: int) -> Array:
    """From count - 1 free numbers to the effects of count levels, which add up to 0."""
    return np.vstack([np.eye(count - 1), -np.ones((1, count - 1))])


def _least_squares(blocks: Sequence[Array], scores_CS: Array) -> list[Array] | None:
    """The weights of each block of columns, on every split; None where they are not determined."""
    design = np.hstack([np.ones((len(scores_CS), 1)), *blocks])
    weights, _, rank, _ = np.linalg.lstsq(design, scores_CS, rcond=None)
    if rank < design.shape[1]:
        return None
    ends = np.cumsum([block.shape[1] for block in blocks])[:-1]
    return np.split(weights[1:], ends) if blocks else []


def _left_over(blocks: Sequence[Array], scores_CS: Array) -> float:
    """The sum of squares that a fit of these columns leaves."""
    design = np.hstack([np.ones((len(scores_CS), 1)), *blocks])
    weights = np.linalg.lstsq(design, scores_CS, rcond=None)[0]
    return float(((scores_CS - design @ weights) ** 2).sum())


def _checked(srocc_SC: ArrayLike, levels: Sequence[Mapping[str, str]]) -> Array:
    scores = np.asarray(srocc_SC, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(levels) or not scores.size:
        raise InputError(f"scores of shape {scores.shape} and {len(levels)} combinations; give a row a split")
    if not np.isfinite(scores).all():
        raise InputError("a score is not finite; leave out the combination that it is of")
    return scores.T
