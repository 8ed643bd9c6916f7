"""Specs, shapes and costs of usual timm backbones as data, so that they are known without importing timm or building a model.

``known_backbones.json`` holds what counting found for one version of timm. With another version, and for any other backbone
or argument, a backbone is built and counted. ``python -m iqa_zoo.budgets.write_known`` writes the file; a test counts again.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iqa_zoo.contracts import FeatureSpec, StageInfo

FILE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class KnownBackbone:
    """The spec of a backbone, the shapes of its features for one image, and its cost.

    Attributes:
        spec: what it declares.
        tokens: shape of the tokens, (1, L, C).
        vector: shape of the global vector, (1, C).
        maps: shape of each stage map, (1, C, H, W).
        params: parameters, all of them trainable and active.
        macs_by_operator: multiply-accumulates for one image.
        other_ops: other operations that are counted.
    """

    spec: FeatureSpec
    tokens: tuple[int, ...]
    vector: tuple[int, ...]
    maps: Mapping[int, tuple[int, ...]]
    params: int
    macs_by_operator: Mapping[str, int]
    other_ops: Mapping[str, int]


def find_known(part: Mapping[str, Any], image_size: int | None = None) -> KnownBackbone | None:
    """Find a backbone by its resolved config, for images of the size it was made for; None where it is not in the file.

    >>> known = find_known({"type": "timm_features", "name": "resnet18", "stages": [3]})
    >>> None if known is None else known.maps  # None with another version of timm
    {3: (1, 256, 14, 14)}
    """
    rest = {key: value for key, value in part.items() if key not in ("type", "name", "stages", "final_norm")}
    name, stages, final_norm = part.get("name"), part.get("stages", []), part.get("final_norm", True)
    if part.get("type") != "timm_features" or image_size is not None or any(v is not None for v in rest.values()):
        return None
    known = _read_file().get(f"{name} {_describe_norm(final_norm)}")
    if known is None or not all(type(stage) is int and stage in known.maps for stage in stages):
        return None
    spec = replace(known.spec, stages={stage: known.spec.stages[stage] for stage in stages})
    return replace(known, spec=spec, maps={stage: known.maps[stage] for stage in stages})


def write_known(known: Mapping[tuple[str, bool], KnownBackbone], version: str) -> None:
    """Write the file: backbones with all their stages, by timm's name and whether the final norm is kept."""
    lines = []
    for (name, final_norm), each in known.items():
        spec = each.spec
        entry = {
            "image_size": spec.image_size,
            "fixed_size": spec.fixed_size,
            "mean": spec.mean,
            "std": spec.std,
            "token_stage": spec.token_stage,
            "strides": {stage: info.stride for stage, info in spec.stages.items()},
            **{field: getattr(each, field) for field in _SIZES},
        }
        lines.append(f"{json.dumps(f'{name} {_describe_norm(final_norm)}')}: {json.dumps(entry)}")
    FILE.write_text(
        f'{{"timm": {json.dumps(version)}, "backbones": {{\n' + ",\n".join(lines) + "\n}}\n", encoding="utf-8"
    )


_SIZES = ("tokens", "vector", "maps", "params", "macs_by_operator", "other_ops")


def _describe_norm(final_norm: bool) -> str:
    return "with final norm" if final_norm else "without final norm"


@functools.cache
def _read_file() -> dict[str, KnownBackbone]:
    content = json.loads(FILE.read_text(encoding="utf-8"))
    if content["timm"] != importlib.metadata.version("timm"):
        return {}
    return {name: _read_entry(entry) for name, entry in content["backbones"].items()}


def _read_entry(entry: dict[str, Any]) -> KnownBackbone:
    maps = {int(stage): tuple(shape) for stage, shape in entry["maps"].items()}
    strides = entry["strides"]
    spec = FeatureSpec(
        stages={stage: StageInfo(shape[1], strides[str(stage)]) for stage, shape in maps.items()},
        token_channels=entry["tokens"][-1],
        global_channels=entry["vector"][-1],
        image_size=entry["image_size"],
        fixed_size=entry["fixed_size"],
        mean=tuple(entry["mean"]),
        std=tuple(entry["std"]),
        available_stages=tuple(maps),
        token_stage=entry["token_stage"],
    )
    sizes = {field: entry[field] for field in ("params", "macs_by_operator", "other_ops")}
    return KnownBackbone(spec, tuple(entry["tokens"]), tuple(entry["vector"]), maps, **sizes)
