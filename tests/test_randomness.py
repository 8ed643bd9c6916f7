"""A seeded block gives the same numbers each time and leaves no trace in the generators."""

import random

import numpy as np
import pytest
import torch

from iqa_zoo.randomness import seeded, set_seed


def draw():
    return torch.rand(3).tolist(), np.random.rand(3).tolist(), [random.random() for _ in range(3)]


def test_the_seed_decides_all_three_generators():
    with seeded(1):
        first = draw()
    with seeded(1):
        again = draw()
    with seeded(2):
        other = draw()
    assert first == again
    assert all(ours != theirs for ours, theirs in zip(first, other, strict=True))


@pytest.mark.parametrize("fails", [False, True])
def test_the_states_before_come_back(fails):
    set_seed(5)
    expected = draw()
    set_seed(5)
    try:
        with seeded(1):
            draw()
            if fails:
                raise ValueError("in the block")
    except ValueError:
        pass
    assert draw() == expected


@pytest.mark.parametrize("seed", [-1, 2**40])
def test_any_integer_is_a_seed(seed):
    with seeded(seed):
        first = draw()
    with seeded(seed):
        assert draw() == first
