"""The rows of a study of backbone sizes, and the pairs that its verdicts are adjusted for."""

import numpy as np

from iqa_zoo.data.splits import Split
from iqa_zoo.studies.scaling.rows import compare_models

SPLIT = Split(np.arange(8), np.arange(8, 10), np.arange(0), "s")
SROCC = {"a on s": 0.9, "b on s": 0.8, "a on l": 0.7, "b on l": 0.6}


def test_the_choice_of_the_best_is_adjusted_for():
    """Of four models there are six pairs; four are compared, three of them with the best."""
    records = [dict(model=name, split=str(i), srocc=srocc) for name, srocc in SROCC.items() for i in range(5)]
    rows = [
        dict(model=name, backbone=name[-1], decoder=name[0], srocc=dict(median=srocc)) for name, srocc in SROCC.items()
    ]
    found = compare_models(records, rows, "a on s", None, [SPLIT], 0.01)
    assert len(found) == 4
    assert {pair["pairs"] for pair in found} == {6}
    failed = {**rows[3], "srocc": None}
    found = compare_models(records[:15], [*rows[:3], failed], "a on s", None, [SPLIT], 0.01)
    assert {pair["pairs"] for pair in found} == {3}
