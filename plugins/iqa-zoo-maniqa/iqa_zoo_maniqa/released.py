"""Checkpoints of MANIQA's released code."""

from __future__ import annotations

import re
from typing import Any

from iqa_zoo.released import ReleasedSystem, Shapes
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
    """How a released checkpoint of MANIQA becomes a model: 4 heads and 4 x 4 windows, as its code has them.

    >>> released().name("interactions.3.layers.1.blocks.0.fc1.weight")
    'swintransformer1.layers.1.blocks.0.mlp.fc1.weight'
    """
    return ReleasedSystem(_config, _name)


def _config(shapes: Shapes) -> dict[str, Any]:
    cfg = maniqa_released()
    cells = shapes["tablock1.0.c_q.weight"][0]
    width, cfg["dim"] = shapes["conv1.weight"][:2]
    narrow = shapes["conv2.weight"][0]
    classes, embedded = shapes["vit.head.weight"]
    patch = shapes["vit.patch_embed.proj.weight"][-1]
    grid = round(cells**0.5)
    cfg["queries"]["grid"] = grid
    cfg["backbone"]["model_args"] = {"num_classes": classes}
    if (embedded, patch) != (768, 8):
        cfg["backbone"]["model_args"] |= dict(embed_dim=embedded, num_heads=max(1, embedded // 64), patch_size=patch)
    if grid * patch != 224:
        cfg["backbone"]["image_size"] = grid * patch
    for block, swin, share in ((2, "swintransformer1", width / cfg["dim"]), (6, "swintransformer2", narrow / width)):
        cfg["interactions"][block]["share"] = share
        cfg["interactions"][block + 1]["hidden"] = shapes[f"{swin}.layers.0.blocks.0.mlp.fc1.weight"][0]
    cfg["head"]["hidden"] = shapes["fc_score.0.weight"][0]
    return cfg


def _name(name: str) -> str:
    ours = next(prefix for prefix in NAMES if name.startswith(prefix))
    theirs = NAMES[ours] + name.removeprefix(ours)
    if theirs.startswith("swintransformer"):
        return re.sub(r"\.(fc[12])\.", r".mlp.\1.", theirs)
    if theirs.startswith("tablock"):
        return re.sub(r"\.(q)uery\.|\.(k)ey\.|\.(v)alue\.", lambda found: f".c_{found[0][1]}.", theirs)
    return theirs
