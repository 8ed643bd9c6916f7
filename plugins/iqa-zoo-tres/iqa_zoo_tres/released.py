"""Checkpoints of the authors' own TReS code: their names and sizes."""

from __future__ import annotations

import re
from typing import Any

from iqa_zoo.released import ReleasedSystem, count_numbered, rename, with_batch_counts
from iqa_zoo_tres.tres import tres

NAMES = {r"backbone\.model": "model", r"backbone\.classifier": "model.fc", r"head\.proj": "fc2", r"head\.fc": "fc"}
PARTS = (  # of a layer: its attention, its perceptron
    {"attn.": "self_attn.", "norm.": "norm1."},
    {"fc1.": "linear1.", "fc2.": "linear2.", "norm.": "norm2."},
)


def released() -> ReleasedSystem:
    """How ``import_released("tres", state_dict)`` reads a checkpoint."""
    return ReleasedSystem(config=config, name=name, left_out=left_out, prepared=with_batch_counts)


def config(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The config of a checkpoint. Heads do not show in a shape; they are the released 16.

    Raises:
        KeyError: a tensor from which a size is read is missing.
    """
    cfg = tres()
    attention, feed_forward, *_, norm = cfg["interactions"]
    feed_forward["hidden"], cfg["dim"] = shapes["transformer.encoder.layers.0.linear1.weight"]
    layers = count_numbered(shapes, r"transformer\.encoder\.layers\.(\d+)\.")
    cfg["interactions"] = [attention, feed_forward] * layers + [norm]
    cfg["head"]["hidden"] = shapes["fc2.weight"][0]
    classifier = shapes.get("model.fc.weight")
    cfg["backbone"]["classes"] = classifier[0] if classifier else None
    return cfg


def name(ours: str) -> str:
    """The released name of a parameter of ours.

    >>> name("interactions.3.fc1.bias"), name("interactions.4.layer_norm.weight"), name("head.proj.weight")
    ('transformer.encoder.layers.1.linear1.bias', 'transformer.encoder.norm.weight', 'fc2.weight')
    """
    if found := re.match(r"interactions\.(\d+)\.(\w+\.)(.*)", ours):
        block, part, rest = found.groups()
        layer, kind = divmod(int(block), 2)
        if part == "layer_norm.":
            return f"transformer.encoder.norm.{rest}"
        return f"transformer.encoder.layers.{layer}.{PARTS[kind][part]}{rest}"
    return rename(ours, NAMES)


def left_out(theirs: str) -> bool:
    """Whether a tensor is a constant of the code: the windows of its L2 pooling."""
    return re.match(r"L2pooling_l\d\.filter$", theirs) is not None
