"""LIQE (CVPR 2023): quality as what CLIP would say of an image, with its scene and its distortion."""

from __future__ import annotations

from typing import Any


def liqe() -> dict[str, Any]:
    """LIQE on CLIP's ViT-B/32: an image of 224 x 224 against 495 prompts of quality, scene and distortion."""
    return dict(
        dim=None,  # the backbone's 512
        backbone=dict(type="clip_image", name="vit_base_patch32_clip_quickgelu_224.openai", width=512),
        queries=dict(type="global_vector"),
        memory=None,
        interactions=[],
        head=dict(type="joint_prompts", normalise=False, text_width=512, text_layers=12),
        losses=[dict(type="fidelity")],
    )


def liqe_released() -> dict[str, Any]:
    """LIQE as its authors hand it out: images of any size from 224 on, windows by the rule of the released code."""
    cfg = liqe()
    cfg["backbone"].update(type="clip_windows", crops=15, step=32, choice="released")
    cfg["losses"] = [dict(type="fidelity", deviation=1.0)]
    return cfg


_SMALL = {"backbone.name": "test_vit", "backbone.width": 16, "head.text_width": 16, "head.text_layers": 1}
liqe.examples = ({**_SMALL, "backbone.image_size": 64},)
liqe_released.examples = (_SMALL,)
