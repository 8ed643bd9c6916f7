"""A component-swap matrix: which parts can be combined, and the config of each combination. Its statistics are in
:mod:`iqa_zoo.stats.factorial`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iqa_zoo.config import Config, part_parameters
from iqa_zoo.contracts import Fits
from iqa_zoo.errors import ConfigError, UnknownName, not_one_of
from iqa_zoo.registry import SLOTS

FACTORS = {  # slot of a config: its name in tables; in the order in which data flows
    "queries": "queries",
    "interactions": "mixing block",
    "memory": "memory",
    "head": "head",
}
READER = "cross_attention"  # what reads the memory in every layer
NONE = "none"  # the level of interactions that is the reader alone

Levels = dict[str, str]  # of one combination: factor -> level


def list_levels(slot: str, chosen: Sequence[str] | None = None) -> list[str]:
    """The parts of a slot that are swapped, plugins included: all of the registry, or those chosen.

    Raises:
        UnknownName: a chosen name that the slot does not have.

    >>> list_levels("head", ["moe", "linear"])
    ['moe', 'linear']
    """
    names = SLOTS[slot].names()
    if slot == "interactions":
        names = [NONE, *(name for name in names if name != READER)]
    for name in chosen or ():
        if name not in names:
            raise UnknownName(not_one_of(name, names, SLOTS[slot].kind))
    return names if chosen is None else list(dict.fromkeys(chosen))


def explain_refusal(
    slot: str, name: str, available_stages: Sequence[int], *, boxed: bool = False, end_to_end: bool = False
) -> str | None:
    """Why a part cannot be a level at all, or None: it cannot be imported, needs arguments, or reads a stage the backbone lacks.

    With ``boxed``, there are features of these stages only, and a part that reads all stages of a backbone is refused.
    With ``end_to_end``, a head that is fitted in closed form is refused.

    >>> explain_refusal("memory", "grid_pool", [1, 2])
    'reads stage 3, and the backbone has 1, 2'
    """
    if name == NONE:
        return None
    try:
        parameters = part_parameters(slot, name)
    except Exception as error:  # whatever a plugin does wrong costs its own levels only
        return format_error(error)
    if end_to_end and slot == "head" and isinstance(SLOTS[slot].get(name), Fits):
        return "is fitted in closed form on frozen features, and the rest of the decoder is learned"
    needed = [key for key, parameter in parameters.items() if parameter.default is parameter.empty]
    if needed:
        return f"has no default for {', '.join(needed)}"
    read = [parameters[key].default for key in ("stage", "stages") if key in parameters]
    stages = [stage for default in read for stage in (default if isinstance(default, Sequence) else [default])]
    lacking = [str(stage) for stage in stages if isinstance(stage, int) and stage not in available_stages]
    if boxed and "stages" in parameters and parameters["stages"].default is None:
        return f"reads every stage, and the box has {', '.join(map(str, available_stages))}"
    if lacking:
        return f"reads stage {', '.join(lacking)}, and the backbone has {', '.join(map(str, available_stages))}"
    return None


def format_error(error: Exception) -> str:
    """What an error says, on one line.

    >>> format_error(ConfigError(["head: hidden is 0"])), format_error(KeyError("a"))
    ('head: hidden is 0', "KeyError: 'a'")
    """
    if isinstance(error, ConfigError):
        return "; ".join(error.problems)
    message = " ".join(str(error).split())
    return message if isinstance(error, ValueError | ImportError) else f"{type(error).__name__}: {message}"


def make_config(levels: Mapping[str, str], *, dim: int, depth: int) -> Config:
    """A config of one part each with its default settings: ``depth`` layers of the mixing block and cross-attention.

    >>> cfg = make_config(dict(queries="guided", interactions="none", memory="tokens", head="moe"), dim=96, depth=2)
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


def group_refused(refused: Sequence[tuple[Levels, str]], levels: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return combinations that cannot be built, a row for each reason, named by the levels that they have in common.

    >>> levels = dict(queries=["a", "b"], memory=["x", "y"])
    >>> group_refused([(dict(queries="a", memory="x"), "no x"), (dict(queries="b", memory="x"), "no x")], levels)
    [{'what': 'memory x', 'combinations': 2, 'reason': 'no x'}]
    """
    by_reason: dict[str, list[Levels]] = {}
    for row, reason in refused:
        by_reason.setdefault(reason, []).append(row)
    found = []
    for reason, rows in by_reason.items():
        shared = {f: rows[0][f] for f in rows[0] if len({row[f] for row in rows}) == 1 and len(levels[f]) > 1}
        what = ", ".join(f"{FACTORS[factor]} {level}" for factor, level in shared.items()) or "several"
        found.append({"what": what, "combinations": len(rows), "reason": reason})
    return found
