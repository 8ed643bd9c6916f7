"""The linear probe: a backbone's pooled features without any decoder."""

from typing import Any

from iqa_zoo.registry import register_model


@register_model("linear_probe")
def linear_probe() -> dict[str, Any]:
    """One linear layer on the pooled last stage (of DeiT III-S unless another backbone is set)."""
    return dict(
        dim=None,
        backbone=dict(type="timm_features", name="deit3_small_patch16_224"),
        queries=dict(type="global_vector"),
        memory=None,
        interactions=[],
        head=dict(type="linear"),
        losses=[dict(type="smooth_l1")],
    )
