"""The released checkpoints of DEIQT (AAAI 2023)."""

import re
from typing import Any

from iqa_zoo.config import model_config
from iqa_zoo.registry import register_released
from iqa_zoo.released.system import ReleasedSystem, Shapes, count_numbered, read_shape, rename

DEIT3S = {  # (width, blocks) -> timm's name
    (384, 12): "deit3_small_patch16_224",
    (512, 12): "deit3_medium_patch16_224",
    (768, 12): "deit3_base_patch16_224",
}


@register_released("deiqt")
def deiqt() -> ReleasedSystem:
    """DEIQT's own checkpoints, as models of ``deiqt``."""
    return ReleasedSystem(_read_config, _name_parameter)


def _read_config(shapes: Shapes) -> dict[str, Any]:
    cfg = model_config("deiqt")
    _, cfg["queries"]["num_queries"], cfg["dim"] = read_shape(shapes, "head.bunch_embedding", 3)
    layer = cfg["interactions"]
    layer[2]["hidden"] = read_shape(shapes, "head.bunch_decoder.layers.0.linear1.weight", 2)[0]
    cfg["interactions"] = layer * count_numbered(shapes, r"head\.bunch_decoder\.layers\.(\d+)\.")

    _, patches, width = read_shape(shapes, "pos_embed", 3)
    depth = count_numbered(shapes, r"blocks\.(\d+)\.")
    patch = read_shape(shapes, "patch_embed.proj.weight", 4)[-1]
    cfg["backbone"]["image_size"] = int(patches**0.5) * patch
    if (width, depth) in DEIT3S and patch == 16:
        cfg["backbone"]["name"] = DEIT3S[width, depth]
    else:
        cfg["backbone"]["model_args"] = dict(
            embed_dim=width,
            depth=depth,
            num_heads=max(1, width // 64),
            patch_size=patch,
            mlp_ratio=read_shape(shapes, "blocks.0.mlp.fc1.weight", 2)[0] / width,
        )
    return cfg


def _name_parameter(name: str) -> str:
    name = rename(
        name,
        {
            r"backbone\.model\.(.*)\.ls([12])\.gamma": r"\1.gamma_\2",
            r"backbone\.model\.": "",
            r"queries\.embedding": "head.bunch_embedding",
            r"head\.fc": "head.heads",
            r"interactions\.": "head.bunch_decoder.layers.",
        },
    )
    if found := re.match(r"head\.bunch_decoder\.layers\.(\d+)\.(attn|norm|fc1|fc2)(\..*)", name):
        block, part, rest = found.groups()
        layer, kind = divmod(int(block), 3)  # self-attention, cross-attention, feed-forward
        theirs = {
            "attn": ("self_attn", "multihead_attn")[kind] if kind < 2 else "",
            "norm": f"norm{kind + 1}",
            "fc1": "linear1",
            "fc2": "linear2",
        }[part]
        return f"head.bunch_decoder.layers.{layer}.{theirs}{rest}"
    return name
