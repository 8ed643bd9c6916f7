"""Compare decoders on one backbone: put them on it, match their budgets, train them on the same splits, take differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iqa_zoo.budgets.measure import backbone_spec
from iqa_zoo.config import Config, resolve_config
from iqa_zoo.registry import BACKBONES

Record = dict[str, Any]


def backbone_config(
    name: str, configs: Sequence[Mapping[str, Any]], options: Mapping[str, Any] | None = None
) -> Config:
    """Return one backbone that serves all configs: a registered backbone or a timm model, with every stage they read.

    That is every stage it has, where a part reads all that there are (``stages`` is None): what such a part computes does
    not hang on the company it is in.
    """
    registered = name in BACKBONES.names() and name != "timm_features"
    backbone = dict(type=name) if registered else dict(type="timm_features", name=name)
    config = {**backbone, "stages": [], **(options or {})}
    parts = [part for cfg in configs for part in _parts_of(cfg)]
    stages = {stage for part in parts for stage in _stages_read(part)}
    if any(part.get("stages", ()) is None for part in parts):
        stages |= set(backbone_spec({**configs[0], "backbone": config}).available_stages)
    return {**config, "stages": sorted(stages)}


def _parts_of(cfg: Mapping[str, Any]) -> list[Config]:
    """What reads the backbone, defaults included."""
    resolved = resolve_config(cfg)
    parts = [resolved["queries"], resolved["memory"], *resolved["interactions"], resolved["head"], *resolved["losses"]]
    return [part for part in parts if part]


def _stages_read(part: Mapping[str, Any]) -> set[int]:
    """The stages that a part names."""
    named = {part["stage"]} if isinstance(part.get("stage"), int) else set()
    return named | set(part["stages"] if isinstance(part.get("stages"), list) else ())
