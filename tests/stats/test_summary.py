"""Median and quartiles of the values that are defined."""

import numpy as np
import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.stats.summary import summarize_values


def test_median_and_quartiles():
    spread = summarize_values([5, 1, 2, 4, 3])
    assert (spread.median, spread.q1, spread.q3) == (3, 2, 4)
    spread = summarize_values([0.8, np.nan, 1.0, None])
    assert (spread.median, spread.undefined) == (pytest.approx(0.9), 2)
    assert np.isnan(summarize_values([np.nan, None]).median)
    with pytest.raises(InputError):
        summarize_values([])
