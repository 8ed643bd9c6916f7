"""DEIQT (AAAI 2023): a data-efficient transformer with one decoder layer of quality queries."""

from typing import Any

from iqa_zoo.registry import register_model


@register_model("deiqt")
def deiqt() -> dict[str, Any]:
    """DEIQT on DeiT III-S: class-token queries, one pre-norm transformer decoder layer, a linear score per query."""
    return dict(
        dim=384,
        backbone=dict(type="timm_features", name="deit3_small_patch16_224"),
        queries=dict(type="class_token", num_queries=6),
        memory=dict(type="tokens"),
        interactions=[
            dict(type="self_attention", num_heads=6),
            dict(type="cross_attention", num_heads=6),
            dict(type="feed_forward", hidden=1536, activation="gelu"),
        ],
        head=dict(type="linear", bias=False),
        losses=[dict(type="smooth_l1")],
    )
