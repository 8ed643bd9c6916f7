import pytest
import torch

from iqa_zoo.build import build_model


@pytest.mark.slow
def test_parameters():
    with torch.device("meta"):
        model = build_model("deiqt")
    slots = {
        name: sum(p.numel() for p in getattr(model, name).parameters()) for name in ("queries", "interactions", "head")
    }
    assert slots == {"queries": 6 * 384, "interactions": 2_366_592, "head": 384}
    assert not list(model.memory.parameters())
    assert sum(p.numel() for p in model.parameters()) == 24_043_776
