"""The plain transformer decoder that Life-IQA's parts are compared with."""

from typing import Any

from iqa_zoo.models.lifeiqa import lifeiqa
from iqa_zoo.registry import register_model


@register_model("vanilla_decoder")
def vanilla_decoder() -> dict[str, Any]:
    """Life-IQA's backbone, queries and memory with a standard decoder: self-attention, cross-attention, feed-forward."""
    cfg = lifeiqa()
    cfg["interactions"] = [
        dict(type="self_attention", num_heads=6),
        dict(type="cross_attention", num_heads=6),
        dict(type="feed_forward", hidden=1536, activation="gelu"),
    ] * 4
    cfg["head"] = dict(type="linear")
    cfg["losses"] = [dict(type="l1")]
    return cfg
