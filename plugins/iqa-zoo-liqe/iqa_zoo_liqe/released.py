"""Checkpoints of the authors' own LIQE code, and of CLIP, which has the same names: names and sizes."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from iqa_zoo.released import ReleasedSystem
from iqa_zoo_liqe.liqe import liqe_released

TRANSPOSED = ("visual.proj", "text_projection")  # applied from the right
CONSTANTS = ("input_resolution", "context_length", "vocab_size")  # which CLIP's own checkpoints hold
WIDTH, LAYERS, PATCH = 768, 12, 32  # of ViT-B/32's image tower

# Our names, and the released ones, of what the two towers have each and of what a layer of either has.
OUTER = {
    "backbone.model.patch_embed.proj.weight": "visual.conv1.weight",
    "backbone.model.cls_token": "visual.class_embedding",
    "backbone.model.pos_embed": "visual.positional_embedding",
    "backbone.model.norm_pre": "visual.ln_pre",
    "backbone.model.norm": "visual.ln_post",
    "backbone.model.blocks": "visual.transformer.resblocks",
    "backbone.proj.weight": "visual.proj",
    "head.text.tower.layers": "transformer.resblocks",
    "head.text.tower.norm": "ln_final",
    "head.text.tower.proj.weight": "text_projection",
    "head.text.tower.token_embedding": "token_embedding",
    "head.text.tower.positional_embedding": "positional_embedding",
    "head.logit_scale": "logit_scale",
}
INNER = {
    "attn.qkv.weight": "attn.in_proj_weight",
    "attn.qkv.bias": "attn.in_proj_bias",
    "attn.proj": "attn.out_proj",
    "self_attn": "attn",
    "norm1": "ln_1",
    "norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "linear1": "mlp.c_fc",
    "linear2": "mlp.c_proj",
}


def released() -> ReleasedSystem:
    """How ``import_released("liqe", state_dict)`` reads a checkpoint, LIQE's or CLIP's."""
    return ReleasedSystem(config=config, name=name, left_out=CONSTANTS.__contains__, prepared=prepared)


def config(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The config of a checkpoint. Heads are 64 wide in both towers, which does not show in a shape.

    Raises:
        KeyError: a tensor from which a size is read is missing.
    """
    cfg = liqe_released()
    cfg["backbone"]["width"], width = shapes["visual.proj"]
    patch = shapes["visual.conv1.weight"][-1]
    image_size = round((shapes["visual.positional_embedding"][-2] - 1) ** 0.5) * patch
    layers = _layers(shapes, "visual.transformer.resblocks")
    if (width, layers, patch, image_size) != (WIDTH, LAYERS, PATCH, 224):
        heads = max(1, width // 64)
        cfg["backbone"]["model_args"] = dict(
            embed_dim=width, depth=layers, num_heads=heads, patch_size=patch, img_size=image_size
        )
    cfg["head"]["text_width"] = shapes["token_embedding.weight"][1]
    cfg["head"]["text_layers"] = _layers(shapes, "transformer.resblocks")
    return cfg


def _layers(shapes: dict[str, tuple[int, ...]], prefix: str) -> int:
    numbers = [int(found[1]) for key in shapes if (found := re.match(rf"{re.escape(prefix)}\.(\d+)\.", key))]
    if not numbers:
        raise KeyError(f"{prefix}.*")
    return max(numbers) + 1


def name(ours: str) -> str:
    """The released name of a parameter of ours.

    >>> name("backbone.model.blocks.3.attn.qkv.bias"), name("head.text.tower.layers.0.linear1.weight")
    ('visual.transformer.resblocks.3.attn.in_proj_bias', 'transformer.resblocks.0.mlp.c_fc.weight')
    """
    part = next(part for part in OUTER if ours == part or ours.startswith(f"{part}."))
    theirs, rest = OUTER[part], ours.removeprefix(part)
    if found := re.fullmatch(r"(\.\d+)\.(.*)", rest):
        number, inner = found.groups()
        part = next(part for part in INNER if inner == part or inner.startswith(f"{part}."))
        return f"{theirs}{number}.{INNER[part]}{inner.removeprefix(part)}"
    return theirs + rest


def prepared(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state with projections as linear layers have them, and with timm's dimensions of class token and positions."""
    state = {key: value.T if key in TRANSPOSED and value.ndim == 2 else value for key, value in state.items()}
    leading = {"visual.class_embedding": 2, "visual.positional_embedding": 1}
    return {key: value[(None,) * leading.get(key, 0)] for key, value in state.items()}
