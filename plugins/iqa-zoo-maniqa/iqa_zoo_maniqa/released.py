"""Checkpoints of MANIQA's released code."""

from __future__ import annotations

import re
from math import isqrt
from typing import Any

from iqa_zoo.released import ReleasedSystem, Shapes, count_numbered
from iqa_zoo_maniqa.models import maniqa_released

# A prefix of ours -> the released one. The interactions are in the order of ``models``.
NAMES = {
    "backbone.model.": "vit.",
    "interactions.0.": "tablock1.0.",
    "interactions.1.": "tablock1.1.",
    "interactions.2.proj.": "conv1.",
    "interactions.3.": "swintransformer1.",
    "interactions.4.": "tablock2.0.",
    "interactions.5.": "tablock2.1.",
    "interactions.6.proj.": "conv2.",
    "interactions.7.": "swintransformer2.",
    "head.score.": "fc_score.",
    "head.weight.": "fc_weight.",
}


def released() -> ReleasedSystem:
    """How a released checkpoint of MANIQA becomes a model.

    What shows in no shape is the released code's: blocks 6 to 9 of the ViT, 64 channels a head in it, the scale 0.8.

    >>> released().name("interactions.3.layers.1.blocks.0.fc1.weight")
    'swintransformer1.layers.1.blocks.0.mlp.fc1.weight'
    """
    return ReleasedSystem(_config, _name)


def _config(shapes: Shapes) -> dict[str, Any]:
    cfg = maniqa_released()
    cfg["dim"] = shapes["conv1.weight"][1]
    cfg["queries"]["grid"] = isqrt(shapes["tablock1.0.c_q.weight"][0])
    for block, swin, projection in ((2, "swintransformer1", "conv1"), (6, "swintransformer2", "conv2")):
        after, before = shapes[f"{projection}.weight"][:2]
        cfg["interactions"][block]["share"] = after / before
        cfg["interactions"][block + 1] |= _swin(shapes, swin)
    cfg["head"]["hidden"] = shapes["fc_score.0.weight"][0]
    _vit(shapes, cfg)
    return cfg


def _swin(shapes: Shapes, name: str) -> dict[str, int]:
    first = f"{name}.layers.0.blocks.0"
    ways, heads = shapes[f"{first}.attn.relative_position_bias_table"]
    return dict(
        stages=count_numbered(shapes, rf"{name}\.layers\.(\d+)\."),
        blocks=count_numbered(shapes, rf"{name}\.layers\.0\.blocks\.(\d+)\."),
        window=(isqrt(ways) + 1) // 2,  # a window of w cells a side has (2 w - 1)^2 ways from cell to cell
        num_heads=heads,
        hidden=shapes[f"{first}.mlp.fc1.weight"][0],
    )


def _vit(shapes: Shapes, cfg: dict[str, Any]) -> None:
    """Its sizes where they are not those of the ViT-B/8 that the config names."""
    classes, width = shapes["vit.head.weight"]
    patch = shapes["vit.patch_embed.proj.weight"][-1]
    depth, hidden = count_numbered(shapes, r"vit\.blocks\.(\d+)\."), shapes["vit.blocks.0.mlp.fc1.weight"][0]
    cfg["backbone"]["model_args"] = {"num_classes": classes}
    if (width, patch, depth, hidden) != (768, 8, 12, 3072):
        heads = max(1, width // 64)
        cfg["backbone"]["model_args"] |= dict(
            embed_dim=width, num_heads=heads, patch_size=patch, depth=depth, mlp_ratio=hidden / width
        )
    if cfg["queries"]["grid"] * patch != 224:
        cfg["backbone"]["image_size"] = cfg["queries"]["grid"] * patch


def _name(name: str) -> str:
    ours = next(prefix for prefix in NAMES if name.startswith(prefix))
    theirs = NAMES[ours] + name.removeprefix(ours)
    if theirs.startswith("swintransformer"):
        return re.sub(r"\.(fc[12])\.", r".mlp.\1.", theirs)
    if theirs.startswith("tablock"):
        return re.sub(r"\.(q)uery\.|\.(k)ey\.|\.(v)alue\.", lambda found: f".c_{found[0][1]}.", theirs)
    return theirs
