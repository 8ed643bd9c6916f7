"""The parts that a component swap combines, and the config of a combination."""

import pytest
from torch import nn

from iqa_zoo import registry
from iqa_zoo.build import build_model
from iqa_zoo.errors import UnknownName
from iqa_zoo.studies.swap import levels as swaps


def test_levels_come_from_the_registry():
    assert swaps.list_levels("interactions")[0] == "none"
    assert "cross_attention" not in swaps.list_levels("interactions")
    assert {"learned", "guided", "class_token"} <= set(swaps.list_levels("queries"))
    with pytest.raises(UnknownName, match="did you mean 'linear'"):
        swaps.list_levels("head", ["linaer"])


def test_a_part_that_cannot_be_a_level_says_why(monkeypatch):
    class Demanding(nn.Module):
        def __init__(self, *, dim: int, width: int):
            super().__init__()

    monkeypatch.setitem(registry.HEADS.module_dict, "demanding", Demanding)
    assert "demanding" in swaps.list_levels("head")
    assert swaps.explain_refusal("head", "demanding", [3, 4]) == "has no default for width"
    assert swaps.explain_refusal("queries", "guided", [1, 2, 3]) == "reads stage 4, and the backbone has 1, 2, 3"
    assert swaps.explain_refusal("queries", "guided", [3, 4]) is None
    assert swaps.explain_refusal("interactions", "none", []) is None


def test_a_combination_builds_with_the_block_before_cross_attention():
    levels = dict(queries="guided", interactions="feed_forward", memory="grid_pool", head="ffn")
    cfg = swaps.make_config(levels, dim=24, depth=2)
    assert [block["type"] for block in cfg["interactions"]] == ["feed_forward", "cross_attention"] * 2
    model = build_model({**cfg, "backbone": dict(type="nss", stages=[3, 4])})
    assert type(model.head).__name__ == "FFNHead"
