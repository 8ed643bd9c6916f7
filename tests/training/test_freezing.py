"""Which parameters a pattern freezes, and what it may not."""

import pytest
from torch import nn

from iqa_zoo.errors import ConfigError
from iqa_zoo.training.freezing import freeze


def test_freeze_names_the_closest_and_leaves_something():
    model = nn.ModuleDict({"backbone": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    assert freeze(model, ["backbone", "*.bias"]) == ["backbone.weight", "backbone.bias", "head.bias"]
    with pytest.raises(ConfigError, match="no parameter is named 'bakbone'; did you mean 'backbone'"):
        freeze(model, ["bakbone"])
    with pytest.raises(ConfigError, match="nothing is left to train"):
        freeze(model, ["*"])


def test_a_pattern_freezes_what_it_names_and_nothing_else():
    model = nn.ModuleDict({"backbone": nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), "backbones": nn.Linear(1, 1)})
    assert freeze(model, ["backbone.1", "backbone.1.bias"]) == ["backbone.1.weight", "backbone.1.bias"]
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained == ["backbone.0.weight", "backbone.0.bias", "backbones.weight", "backbones.bias"]
