"""The released checkpoints of Life-IQA (CVPR 2026)."""

import re
from typing import Any

from iqa_zoo.config import model_config
from iqa_zoo.registry import register_released
from iqa_zoo.released.system import ReleasedSystem, Shapes, count_numbered, read_shape, rename

SWINS: dict[tuple[int, tuple[int, ...]], str] = {  # (width, blocks per stage) -> timm's name
    (96, (2, 2, 6, 2)): "swin_tiny_patch4_window7_224.ms_in22k_ft_in1k",
    (96, (2, 2, 18, 2)): "swin_small_patch4_window7_224.ms_in22k_ft_in1k",
    (128, (2, 2, 18, 2)): "swin_base_patch4_window7_224.ms_in22k_ft_in1k",
    (192, (2, 2, 18, 2)): "swin_large_patch4_window7_224.ms_in22k_ft_in1k",
}


@register_released("lifeiqa")
def lifeiqa() -> ReleasedSystem:
    """Life-IQA's own checkpoints, as models of ``lifeiqa_released``."""
    return ReleasedSystem(_read_config, _name_parameter)


def _read_config(shapes: Shapes) -> dict[str, Any]:
    cfg = model_config("lifeiqa_released")
    _, num_queries, cfg["dim"] = read_shape(shapes, "bunch_embedding", 3)
    cfg["queries"]["num_queries"] = num_queries
    gcn, attention = cfg["interactions"][:2]
    layers = count_numbered(shapes, r"bunch_decoder\.layers\.0\.GCN\.gcn(\d+)\.") - 1
    gcn["hidden"] = [read_shape(shapes, f"bunch_decoder.layers.0.GCN.gcn{i}.weight", 2)[1] for i in range(1, layers)]
    cfg["interactions"] = [gcn, attention] * count_numbered(shapes, r"bunch_decoder\.layers\.(\d+)\.")
    experts = read_shape(shapes, "MOE.router.linear.weight", 2)[0]
    cfg["head"].update(num_experts=experts, hidden=read_shape(shapes, "MOE.experts.0.net.0.weight", 2)[0])

    swin = "pretrain_model.layers"
    stages = count_numbered(shapes, rf"{re.escape(swin)}\.(\d+)\.")
    depths = tuple(count_numbered(shapes, rf"{re.escape(swin)}\.{s}\.blocks\.(\d+)\.") for s in range(stages))
    width = read_shape(shapes, "pretrain_model.patch_embed.proj.weight", 4)[0]
    name = SWINS.get((width, depths))
    if name is not None:
        cfg["backbone"]["name"] = name
    else:
        heads = [
            read_shape(shapes, f"{swin}.{s}.blocks.0.attn.relative_position_bias_table", 2)[1] for s in range(stages)
        ]
        cfg["backbone"]["model_args"] = dict(embed_dim=width, depths=depths, num_heads=heads)
    return cfg


def _name_parameter(name: str) -> str:
    name = rename(
        name,
        {
            r"backbone\.model\.": "pretrain_model.",
            r"queries\.embedding": "bunch_embedding",
            r"queries\.proj": "proj_layer4",
            r"memory\.proj": "proj_layer3",
            r"head\.gamma": "gamma",
            r"head\.norm": "norm3",
            r"head\.fc": "fc",
            r"head\.router": "MOE.router.linear",
            r"head\.experts\.(\d+)": r"MOE.experts.\1.net",
            r"interactions\.": "bunch_decoder.layers.",
        },
    )
    if found := re.match(r"bunch_decoder\.layers\.(\d+)\.(?:layers\.(\d+)|(attn|norm))(\..*)", name):
        block, graph_layer, attention, rest = found.groups()
        part = {"attn": "multihead_attn", "norm": "norm2"}[attention] if attention else f"GCN.gcn{int(graph_layer) + 1}"
        return f"bunch_decoder.layers.{int(block) // 2}.{part}{rest}"
    return name
