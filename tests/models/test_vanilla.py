import pytest
import torch

from iqa_zoo.build import build_model
from iqa_zoo.config import model_config


@pytest.mark.slow
def test_a_layer_has_the_published_size_and_all_else_is_lifeiqas():
    with torch.device("meta"):
        model = build_model("vanilla_decoder")
    assert sum(p.numel() for p in model.interactions.parameters()) == 4 * 2_366_592
    cfg, lifeiqa = model_config("vanilla_decoder"), model_config("lifeiqa")
    assert {key for key in cfg if cfg[key] != lifeiqa[key]} == {"interactions", "head", "losses"}
