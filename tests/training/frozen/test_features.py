"""Features that stay in memory are those that are read batch by batch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.training.frozen import features
from iqa_zoo.training.frozen.features import FeatureBank

SPEC = FeatureSpec({3: StageInfo(6, 16), 4: StageInfo(8, 32)}, 8, 8, 128, token_stage=4)


@pytest.fixture
def bank():
    rng = np.random.default_rng(0)
    shapes = {"map3": (20, 2, 4, 4, 6), "map4": (20, 2, 2, 2, 8), "global": (20, 2, 8)}
    arrays = {name: rng.normal(3, 2, shape).astype(np.float16) for name, shape in shapes.items()}
    return FeatureBank(SPEC, arrays, "made up", Path())


def take_all(bank, images):
    taken = bank.take(images, images % 2)
    return [taken.maps[3], taken.maps[4], taken.tokens_BLC, taken.global_BC]


def test_held_features_equal_those_read_batch_by_batch_to_the_last_bit(bank, monkeypatch):
    images = np.array([7, 0, 19, 7])
    held = take_all(bank.standardise(np.arange(10)), images)
    assert set(bank.held) == {"map3", "map4", "global"}
    bank.held.clear()
    monkeypatch.setattr(features, "HELD", 4 * sum(array.size for array in bank.arrays.values()) - 1)
    read = take_all(bank.standardise(np.arange(10)), images)
    assert not bank.held
    assert all(torch.equal(one, other) for one, other in zip(held, read, strict=True))


def test_other_scales_take_the_place_of_the_held_ones(bank):
    images = np.arange(5)
    first, second = bank.standardise(np.arange(10)), bank.standardise(np.arange(10, 20))
    before = take_all(first, images)
    assert not torch.equal(before[0], take_all(second, images)[0])
    assert all(torch.equal(one, other) for one, other in zip(before, take_all(first, images), strict=True))


def test_a_batch_may_be_changed_in_place(bank):
    standardised = bank.standardise(np.arange(10))
    before = take_all(standardised, np.arange(5))[1].clone()
    take_all(standardised, np.arange(5))[1].zero_()
    assert torch.equal(take_all(standardised, np.arange(5))[1], before)
