"""Put models on another backbone."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iqa_zoo.budgets.measure import find_backbone_spec
from iqa_zoo.config import Config, resolve_config
from iqa_zoo.errors import InputError
from iqa_zoo.registry import BACKBONES, SLOTS


@dataclass(frozen=True)
class Reading:
    """What some configs read of a backbone, from what their parts declare.

    Attributes:
        stages: the stages that parts name, in order; None where a part reads every stage (``stages`` is None).
        tokens: whether queries or a memory take the features of the backbone and name no stage, so that they read its
            final tokens or its global vector.
    """

    stages: tuple[int, ...] | None
    tokens: bool


def name_backbone(name: str, view: str = "crops") -> Config:
    """Return the config of a backbone without its stages: a registered one, or a timm model, on crops or on whole images.

    Raises:
        InputError: whole images of a registered backbone, which has its own view.

    >>> name_backbone("nss"), name_backbone("resnet18", "whole")
    ({'type': 'nss'}, {'type': 'timm_cells', 'name': 'resnet18'})
    """
    if name in BACKBONES.names() and name not in ("timm_features", "timm_cells"):
        if view == "whole":
            raise InputError(f"--view whole: {name!r} sees crops; use a convolutional timm model, or leave --view out")
        return dict(type=name)
    return dict(type="timm_cells" if view == "whole" else "timm_features", name=name)


def make_backbone_config(
    name: str, configs: Sequence[Mapping[str, Any]], options: Mapping[str, Any] | None = None, view: str = "crops"
) -> Config:
    """Return one backbone that serves all configs: a registered one or a timm model, with every stage that they read.

    That is every stage it has, where a part reads all stages (``stages`` is None): what such a part computes does not
    depend on the other models of the study. ``view`` is that of :func:`name_backbone`.
    """
    config = {**name_backbone(name, view), "stages": [], **(options or {})}
    stages = find_reading(configs).stages
    if stages is None:
        named = {stage for cfg in configs for part in _list_readers(cfg) for stage in _list_stages(part)}
        spec = find_backbone_spec({**configs[0], "backbone": config})
        stages = tuple(sorted({*named, *spec.available_stages}))
    return {**config, "stages": list(stages)}


def find_reading(configs: Sequence[Mapping[str, Any]]) -> Reading:
    """Find what some configs read of a backbone.

    >>> from iqa_zoo.config import model_config
    >>> find_reading([model_config("lifeiqa"), model_config("deiqt")])
    Reading(stages=(3, 4), tokens=True)
    """
    parts = [part for cfg in configs for part in _list_readers(cfg)]
    every = any(part.get("stages", ()) is None for part in parts)
    stages = {stage for part in parts for stage in _list_stages(part)}
    return Reading(None if every else tuple(sorted(stages)), any(map(_reads_tokens, configs)))


def _reads_tokens(cfg: Mapping[str, Any]) -> bool:
    """Return whether the queries or the memory of a config read the final tokens or the global vector."""
    resolved = resolve_config(cfg)
    named = [(slot, resolved[slot]) for slot in ("queries", "memory") if resolved[slot]]
    return any(
        part.get("tokens") is True
        or (
            not ("stages" in part or isinstance(part.get("stage"), int))
            and "features" in inspect.signature(SLOTS[slot].get(part["type"])).parameters
        )
        for slot, part in named
    )


def _list_readers(cfg: Mapping[str, Any]) -> list[Config]:
    """Return the parts that may read the backbone, defaults included."""
    resolved = resolve_config(cfg)
    parts = [resolved["queries"], resolved["memory"], *resolved["interactions"], resolved["head"], *resolved["losses"]]
    return [part for part in parts if part]


def _list_stages(part: Mapping[str, Any]) -> set[int]:
    """Return the stages that a part names."""
    named = {part["stage"]} if isinstance(part.get("stage"), int) else set()
    return named | set(part["stages"] if isinstance(part.get("stages"), list) else ())
