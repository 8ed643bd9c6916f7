"""Make the spec of a study from settings by name."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from iqa_zoo.config import Config
from iqa_zoo.errors import InputError, not_one_of
from iqa_zoo.studies.protocol_spec import ProtocolSpec
from iqa_zoo.studies.spec import (
    BackboneSpec,
    BudgetSpec,
    DataSpec,
    NoOptions,
    ResourceSpec,
    StatisticsSpec,
    StudySpec,
    TrainingSpec,
)
from iqa_zoo.values import value_problem

POSITIVE = ("images", "splits", "crops", "epochs", "batch_size", "jobs", "draw", "depth", "dim")
GROUPS: dict[str, type] = {
    "data": DataSpec,
    "backbone": BackboneSpec,
    "budget": BudgetSpec,
    "protocol": ProtocolSpec,
    "training": TrainingSpec,
    "statistics": StatisticsSpec,
    "resources": ResourceSpec,
}


def list_settings(options: type, without: Sequence[str] = ()) -> Iterator[tuple[str, Field[Any], Any]]:
    """Yield (group, field, type) of every setting that a study takes: its own first, then the shared ones.

    Args:
        options: the study's own dataclass.
        without: groups, or single settings, that it does not take.
    """
    own = {each.name for each in fields(options)}
    for group, kind in {"options": options, **GROUPS}.items():
        hints = typing.get_type_hints(kind)
        for each in () if group in without else fields(kind):
            if group == "options" or (each.name not in without and each.name not in own):
                yield group, each, hints[each.name]


def make_spec(
    study: str,
    models: Mapping[str, str | Config],
    options: type = NoOptions,
    without: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
    **settings: Any,
) -> StudySpec:
    """Return the spec of a study from settings by name.

    Raises:
        InputError: a setting that the study does not take, or a value that cannot be; names the closest.
    """
    known = {each.name: (group, hint) for group, each, hint in list_settings(options, without)}
    values: dict[str, dict[str, Any]] = {group: {} for group in ("options", *GROUPS)}
    for name, value in {**(defaults or {}), **settings}.items():
        if name not in known:
            raise InputError(f"{study}: {not_one_of(name, known, 'setting')}")
        group, hint = known[name]
        values[group][name] = _convert(study, name, value, hint)
    groups = {group: kind(**values[group]) for group, kind in GROUPS.items()}
    return StudySpec(study, dict(models), options=options(**values["options"]), **groups)


def _convert(study: str, name: str, value: Any, hint: Any) -> Any:
    """Return a value as its setting holds it: paths of text, tuples of lists and mappings."""
    kinds = typing.get_args(hint) or (hint,)
    flag = "--" + name.replace("_", "-")
    if typing.get_origin(hint) is tuple or any(typing.get_origin(kind) is tuple for kind in kinds):
        if value is None:
            return None
        pairs = value.items() if isinstance(value, Mapping) else value
        return tuple(tuple(each) if isinstance(each, list) else each for each in pairs)
    if Path in kinds and isinstance(value, str):
        return Path(value)
    if Path in kinds and isinstance(value, Path):
        return value
    if str in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if name == "budget" and isinstance(value, str) and value.lstrip("-").isdigit() and int(value) < 1:
        raise InputError(f"{study}: --budget is a positive number, got {value}")
    if problem := value_problem(value, hint):
        raise InputError(f"{study}: {flag}: {problem}")
    if name in POSITIVE and value is not None and value < 1:
        raise InputError(f"{study}: {flag} is a positive number, got {value}")
    return value
