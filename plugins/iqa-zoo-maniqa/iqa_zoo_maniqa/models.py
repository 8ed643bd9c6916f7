"""MANIQA as parts: the paper's, and what the released code computes."""

from __future__ import annotations

from typing import Any


def maniqa() -> dict[str, Any]:
    """MANIQA on ViT-B/8: transposed attention over the channels of four blocks, scale-Swin, a weight and a score a patch."""
    return _config(layout="paper")


def maniqa_released() -> dict[str, Any]:
    """MANIQA as its released code computes it, with the mixed-up channels of its transposed attention."""
    return _config(layout="released")


def _config(layout: str) -> dict[str, Any]:
    attention = dict(type="transposed_attention", layout=layout)
    # The classifier and the idle convolutions are never run; the published size counts them.
    swin = dict(type="scale_swin", hidden=768, idle=True)
    return dict(
        dim=3072,
        backbone=dict(
            type="timm_features",
            name="vit_base_patch8_224",
            stages=(1, 2, 3, 4),
            stage_blocks=(6, 7, 8, 9),
            model_args=dict(num_classes=1000),
        ),
        queries=dict(type="grid_tokens", grid=28),
        memory=None,
        interactions=[
            attention,
            dict(attention),
            dict(type="token_projection", share=0.25),
            swin,
            dict(attention),
            dict(attention),
            dict(type="token_projection", share=0.5),
            dict(swin),
        ],
        head=dict(type="patch_weighted"),
        losses=[dict(type="mse")],
    )


_SMALL = {
    "dim": 64,
    "backbone.name": "test_resnet",
    "backbone.stages": [3, 4],
    "backbone.stage_blocks": None,
    "backbone.model_args": None,
    "queries.grid": 4,
    "interactions.3.hidden": 8,
    "interactions.7.hidden": 8,
}
maniqa.examples = maniqa_released.examples = (_SMALL,)
