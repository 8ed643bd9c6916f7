"""Life-IQA (CVPR 2026): the paper's model in three sizes, and what the released code computes."""

from typing import Any

from iqa_zoo.registry import register_model


@register_model("lifeiqa")
def lifeiqa() -> dict[str, Any]:
    """Life-IQA as the paper describes it, on Swin-B.

    GCN-guided queries over stage 4, 6 x 6 tokens of stage 3 as memory, four decoder layers, a post-posed mixture of
    four experts. What the paper leaves open follows the released code: see the model card.
    """
    return dict(
        dim=384,
        backbone=dict(
            type="timm_features",
            name="swin_base_patch4_window7_224.ms_in22k_ft_in1k",
            stages=(3, 4),
            final_norm=False,
        ),
        queries=dict(type="guided", num_queries=6, stage=4),
        memory=dict(type="grid_pool", stage=3, grid=6),
        interactions=[
            dict(type="query_gcn", adjacency="learned", hidden=(192, 96), activate_last=True),
            dict(type="cross_attention", num_heads=6),
        ]
        * 4,
        head=dict(type="moe", num_experts=4, top_k=2, hidden=1536, residual="paper"),
        losses=[
            dict(type="l1"),
            dict(type="load_balance", weight=0.01),
            dict(type="router_z", weight=0.001),
        ],
    )


@register_model("lifeiqa_small")
def lifeiqa_small() -> dict[str, Any]:
    """Life-IQA as the paper describes it, on Swin-S."""
    cfg = lifeiqa()
    cfg["backbone"]["name"] = "swin_small_patch4_window7_224.ms_in22k_ft_in1k"
    return cfg


@register_model("lifeiqa_tiny")
def lifeiqa_tiny() -> dict[str, Any]:
    """Life-IQA as the paper describes it, on Swin-T."""
    cfg = lifeiqa()
    cfg["backbone"]["name"] = "swin_tiny_patch4_window7_224.ms_in22k_ft_in1k"
    return cfg


@register_model("lifeiqa_released")
def lifeiqa_released() -> dict[str, Any]:
    """Life-IQA as its released code computes it: constant adjacency, 49 memory tokens, gamma on the experts' side."""
    cfg = lifeiqa()
    cfg["memory"]["grid"] = 7
    cfg["interactions"] = [
        dict(type="query_gcn", adjacency="released", hidden=(192, 96), activate_last=False),
        dict(type="cross_attention", num_heads=6),
    ] * 4
    cfg["head"].update(residual="released", gamma=0.1)
    cfg["losses"] = [
        dict(type="smooth_l1"),
        dict(type="load_balance", weight=0.01, probabilities="selected"),
        dict(type="router_z", weight=0.001),
    ]
    return cfg
