"""The scale of labels: mean 0 and deviation 1 over the training part, or an error where there is nothing to learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.errors import InputError
from iqa_zoo.training.label_scale import LabelScale, fit_label_scale


@pytest.mark.slow
@given(st.lists(st.floats(0, 100, width=32), min_size=2, max_size=30).filter(lambda mos: max(mos) - min(mos) > 1e-3))
def test_labels_come_back(mos):
    mos = np.array(mos)
    scale = fit_label_scale(mos, "photos")
    standardised = (mos - scale.center) / scale.spread
    assert standardised.mean() == pytest.approx(0, abs=1e-6)
    assert standardised.std() == pytest.approx(1)
    np.testing.assert_allclose(standardised * scale.spread + scale.center, mos, atol=1e-9)


@given(st.floats(-100, 100), st.integers(1, 40))
def test_equal_labels_are_an_error_even_where_their_deviation_is_off_zero_by_rounding(value, count):
    with pytest.raises(InputError, match="photos: all training labels are .*; there is nothing to learn"):
        fit_label_scale(np.full(count, value), "photos")


def test_rounding_does_make_such_a_deviation():
    assert np.full(7, 0.1).std() > 0


def test_raw_labels_stay():
    assert LabelScale() == LabelScale(center=0.0, spread=1.0)
