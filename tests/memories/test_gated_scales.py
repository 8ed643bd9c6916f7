import pytest
import torch

from iqa_zoo.budgets import count_macs
from iqa_zoo.budgets.knobs import KnobBoard
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.memories.gated_scales import GatedScales

SPEC = FeatureSpec({2: StageInfo(3, 8), 3: StageInfo(5, 16)}, 5, 5, 224)


def memory(**arguments):
    torch.manual_seed(0)
    return GatedScales(
        dim=8, features=SPEC, **{"stages": (3, 2), "grid": (2, 3), "num_heads": 2, "hidden": 16, **arguments}
    )


def features(batch=2):
    torch.manual_seed(1)
    return Features({2: torch.randn(batch, 3, 8, 12), 3: torch.randn(batch, 5, 4, 6)}, None, None)


def test_stages_lie_one_after_another_as_given():
    part, given = memory().eval(), features()
    whole = part(given)
    moved = part(Features({**given.maps, 2: torch.randn(2, 3, 8, 12)}, None, None))
    assert whole.shape == (2, 12, 8)
    assert torch.equal(whole[:, :6], moved[:, :6])
    assert (whole[:, 6:] - moved[:, 6:]).abs().max() > 1e-3


def test_each_stage_goes_through_one_pre_norm_encoder_layer():
    """torch's own layer, with the same weights."""
    part, given = memory().eval(), features()
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    attention, feed_forward = part.attentions[1], part.feed_forwards[1]
    pairs = [(layer.self_attn, attention.attn), (layer.norm1, attention.norm), (layer.norm2, feed_forward.norm)]
    pairs += [(layer.linear1, feed_forward.fc1), (layer.linear2, feed_forward.fc2)]
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(part(given)[:, 6:], layer(part.pools[1](given.maps[2])))


def test_macs_by_hand():
    part = memory(stages=(2,)).eval()

    class OnMap(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.part = part

        def forward(self, map_BCHW):
            return self.part(Features({2: map_BCHW}, None, None))

    cells, tokens, dim = 8 * 12, 6, 8
    gate = 3 * 64 + 64 * 64 * 9 + 64 * 9
    pooling = cells * (3 * 6 + gate) + tokens * 3 * dim
    layer = tokens * (4 * dim**2 + 2 * dim * 16) + 2 * tokens**2 * dim
    assert count_macs(OnMap(), features(1).maps[2]) == pooling + layer


def test_where_tokens_lie():
    assert memory().token_grid(12, 224, 224) is None  # two stages in one place
    grid = memory(stages=(3,)).token_grid(6, 224, 224)
    assert (grid.rows, grid.columns, grid.source) == (2, 3, "stage 3, pooled under a gate")


def test_stages_are_needed():
    with pytest.raises(PartError, match="stages is empty; give the stages to read, the deepest first"):
        memory(stages=())
    with pytest.raises(PartError, match=r"needs stage 1, and backbone\.stages asks for 2, 3"):
        memory(stages=(3, 1))


def test_match_budget_moves_its_hidden_width(tiny):
    tiny |= {"memory": {"type": "gated_scales", "stages": [3], "grid": 2, "hidden": 16}}
    assert "memory.hidden" in [knob.name for knob in KnobBoard(tiny).knobs]
