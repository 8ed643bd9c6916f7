"""Timing in turn: every model in every round, the warm-up not counted."""

import torch
from torch import nn

from iqa_zoo.budgets.throughput import measure_speed
from iqa_zoo.contracts import FeatureSpec


class Noted(nn.Module):
    def __init__(self, name, log):
        super().__init__()
        self.name, self.log = name, log
        self.spec = FeatureSpec({}, 1, 1, 8)

    def forward(self, image_BCHW):
        assert not self.training
        self.log.append((self.name, len(image_BCHW)))
        return torch.zeros(len(image_BCHW))


def test_models_take_turns():
    log = []
    speeds = measure_speed({"a": Noted("a", log), "b": Noted("b", log)}, batch=3, rounds=2)
    assert log == [("a", 1), ("a", 3), ("b", 1), ("b", 3)] * 3
    assert speeds["a"].rounds == 2
    assert speeds["a"].batch == 3
    assert speeds["a"].latency_ms > 0
    assert speeds["b"].images_per_second > 0
