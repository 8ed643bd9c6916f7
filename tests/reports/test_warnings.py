"""What a reader must know before the numbers."""

import pytest

from iqa_zoo.reports.warnings import why_undefined


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"predictions": {"a": 3.0, "b": 3.0}}, "all scores are equal"),
        ({"predictions": {"a": 3.0, "b": 4.0}}, "all labels are equal"),
        ({"predictions": {}}, "all scores or all labels are equal"),
        ({}, "all scores or all labels are equal"),
    ],
)
def test_the_scores_tell_which(record, why):
    assert why_undefined(record) == why
