"""The tables say what the numbers say, and why numbers are missing."""

import json

import numpy as np
import pytest

from iqa_zoo.jsonio import to_json
from iqa_zoo.reports.ratings import make_rater_tables


def spread(mean, low=None, high=None):
    return dict(mean=mean, low=low, high=high)


def agreement(**changes):
    return {
        "ordered": spread(0.912, 0.9, 0.924),
        "auc_different": spread(0.7, 0.68, 0.72),
        "auc_better": spread(0.95, 0.94, 0.96),
        "outlier_ratio": spread(0.8, 0.75, 0.85),
        "rmse_star": spread(9.5, 9, 10),
        "mae": spread(11.25, 11, 11.5),
        "equal_raters": dict(median=2.34, q1=2.0, q3=2.5, at_ceiling=0),
        "ordered_within_groups": spread(None),
        **changes,
    }


@pytest.fixture
def raters():
    return {
        "unknown": "",
        "counts": dict(lowest=175, highest=175, median=175.0, note="the average"),
        "splits": 10,
        "fit": False,
        "ratings": {
            "images": spread(232.3, 230.0, 234.0),
            "pairs": spread(26873.0, 26873.0, 26873.0),
            "distinguished": spread(0.876, 0.87, 0.882),
            "ceiling_srocc": spread(0.9961, 0.995, 0.997),
            "ceiling_plcc": spread(0.9972, 0.996, 0.998),
            "reliability": spread(0.994, 0.99, 0.998),
        },
        "models": {"gcn": agreement(), "ffn": agreement(ordered=spread(0.85, 0.84, 0.86))},
        "spreads": [
            dict(
                first="gcn",
                second="ffn",
                images=1037,
                variance_a=121.0,
                variance_b=144.0,
                t=-3.1,
                freedom=1035,
                p=0.002,
                p_holm=0.002,
            )
        ],
    }


def test_a_row_for_each_model(raters):
    pairs, errors, spreads = make_rater_tables(raters)
    assert pairs.columns == ["model", "in order", "different/similar", "better/worse"]  # no groups, no column
    assert pairs.rows == [
        ["gcn", "0.912 [0.900, 0.924]", "0.700 [0.680, 0.720]", "0.950 [0.940, 0.960]"],
        ["ffn", "0.850 [0.840, 0.860]", "0.700 [0.680, 0.720]", "0.950 [0.940, 0.960]"],
    ]
    assert errors.columns == ["model", "outlier ratio", "RMSE*", "MAE", "as good as the mean of"]
    assert errors.rows[0] == [
        "gcn",
        "0.800 [0.750, 0.850]",
        "9.50 [9.00, 10.00]",
        "11.25 [11.00, 11.50]",
        "2.3 raters [2.0, 2.5]",
    ]
    assert spreads.rows == [["gcn - ffn", "11, 12", "-3.10", "0.002", "gcn smaller"]]
    notes = "\n".join([*pairs.notes, *errors.notes, *spreads.notes])
    assert "People distinguish 87.6% [87.0%, 88.2%] of 26,873 pairs of test images a split" in notes
    assert "reaches SROCC 0.996 and PLCC 0.997 on average" in notes
    assert "Ratings of an image: 175 (the average)." in notes
    assert "Means over 10 splits with 95 % intervals" in notes
    assert "The models predict on the scale of the labels; nothing is mapped." in notes
    assert "on 1037 images, each with the scores of the first split" in notes


def test_pairs_that_are_drawn_are_called_so(raters):
    assert "drawn" not in "\n".join(make_rater_tables(raters)[0].notes)
    raters["ratings"] |= {"images": spread(2015.0), "pairs": spread(100000.0)}
    note = make_rater_tables(raters)[0].notes[0]
    assert "of 100,000 pairs of test images a split, drawn from all 2,029,105 with seed 0, (Welch" in note


def test_without_ratings_a_line_says_so_and_errors_remain(raters):
    raters |= {"unknown": "toy: the number of the ratings of an image is not known", "ratings": {}, "counts": None}
    raters["models"] = {"gcn": dict.fromkeys(agreement(), spread(None)) | {"mae": spread(0.125, 0.12, 0.13)}}
    errors, _ = make_rater_tables(raters)
    assert errors.columns == ["model", "MAE"]
    assert errors.rows == [["gcn", "0.125 [0.120, 0.130]"]]
    assert errors.notes[-1] == (
        "toy: the number of the ratings of an image is not known: what depends on the noise of the ratings is not computed."
    )
    assert "ceiling" not in "\n".join(errors.notes)


def test_groups_have_a_column(raters):
    raters["models"] = {"gcn": agreement(ordered_within_groups=spread(0.8, 0.7, 0.9))}
    pairs = make_rater_tables(raters)[0]
    assert pairs.columns[-1] == "in order within a group"
    assert pairs.rows[0][-1] == "0.800 [0.700, 0.900]"
    assert any(note.startswith("Within a group: ") for note in pairs.notes)


def test_one_split_has_no_interval(raters):
    raters |= {"splits": 1, "fit": True, "spreads": []}
    raters["models"] = {"gcn": agreement(ordered=spread(0.9), mae=spread(11.0))}
    pairs, errors = make_rater_tables(raters)
    assert pairs.rows[0][1] == "0.900"
    assert errors.rows[0][-2:] == ["11.00", "2.3 raters"]
    assert "Of one test part, so that there are no intervals over splits." in pairs.notes
    assert "mapped to the scale of the labels by a fitted 4-parameter logistic first" in errors.notes[0]


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        (dict(median=np.inf, q1=3.0, q3=np.inf, at_ceiling=6), "at the ceiling [3.0, at the ceiling]"),
        (dict(median=np.nan, q1=np.nan, q3=np.nan, at_ceiling=0), "undefined"),
        (dict(median=0.0, q1=0.0, q3=0.4, at_ceiling=0), "0.0 raters [0.0, 0.4]"),
    ],
)
def test_raters_at_the_ends_also_after_json(raters, values, cell):
    raters["models"] = {"gcn": agreement(equal_raters=values)}
    for each in (raters, json.loads(to_json(raters))):
        assert make_rater_tables(each)[1].rows[0][-1] == cell


def test_an_undefined_number_and_an_undecided_spread(raters):
    raters["models"]["ffn"] = agreement(ordered=spread(None))
    raters["spreads"][0] |= {"p_holm": 0.2, "t": None}
    pairs, _, spreads = make_rater_tables(raters)
    assert pairs.rows[1][1] == "undefined"
    assert spreads.rows[0][2:] == ["-", "0.200", "undecided"]


def test_splits_have_a_column_where_a_training_failed(raters):
    raters["models"] = {"gcn": agreement(splits=10), "ffn": agreement(splits=9)}
    pairs, errors, _ = make_rater_tables(raters)
    assert pairs.columns[:2] == errors.columns[:2] == ["model", "splits"]
    assert [row[:2] for row in pairs.rows] == [row[:2] for row in errors.rows] == [["gcn", "10"], ["ffn", "9"]]
    assert any(
        note.startswith("Means over the splits on which a model was trained (column splits)") for note in pairs.notes
    )
    raters["models"] = {"gcn": agreement(splits=9), "ffn": agreement(splits=9)}
    pairs = make_rater_tables(raters)[0]
    assert "splits" not in pairs.columns
    assert any(note.startswith("Means over 9 splits") for note in pairs.notes)


def test_images_have_a_column_where_pairs_share_different_ones(raters):
    [row] = raters["spreads"]
    raters["spreads"] = [row, {**row, "second": "mlp", "images": 900}]
    spreads = make_rater_tables(raters)[-1]
    assert spreads.columns[-1] == "images"
    assert [row[-1] for row in spreads.rows] == ["1037", "900"]
    assert "on the images that both were tested on, each with" in spreads.notes[0]


def test_a_number_that_is_undefined_on_a_split_says_so(raters):
    worth = dict(median=2.0, q1=2.0, q3=2.0, at_ceiling=0, undefined=3)
    partly = {**spread(0.9, 0.8, 1.0), "count": 7}
    raters["models"] = {"gcn": agreement(splits=10, ordered=partly, equal_raters=worth)}
    pairs, errors, _ = make_rater_tables(raters)
    assert pairs.rows[0][1] == "0.900 [0.800, 1.000], 3 undefined"
    assert errors.rows[0][-1] == "2.0 raters [2.0, 2.0], 3 undefined"


def test_where_people_distinguish_no_pair_a_line_says_so_and_no_table(raters):
    undefined = dict.fromkeys(("ordered", "auc_different", "auc_better"), spread(None))
    raters["models"] = {"gcn": agreement(**undefined)}
    raters["ratings"]["distinguished"] = spread(0.0, 0.0, 0.0)
    errors, _ = make_rater_tables(raters)
    assert errors.title == "What the raters knew: errors"
    said = [note for note in errors.notes if "pairs of test images" in note]
    assert said == [
        "People distinguish none of 26,873 pairs of test images a split (Welch's t test of two MOS at 95 %), so no order of pairs "
        "is compared."
    ]
    raters["models"] = {"gcn": agreement(ordered_within_groups=spread(0.8, 0.7, 0.9), **undefined)}
    pairs = make_rater_tables(raters)[0]
    assert pairs.columns == ["model", "in order within a group"]
    assert pairs.notes[1] == said[0]
    assert not any("Krasula" in note for note in pairs.notes)


def test_equal_scores_have_no_order(raters):
    undefined = dict.fromkeys(
        ("ordered", "auc_different", "auc_better", "outlier_ratio", "rmse_star", "mae"), spread(None)
    )
    worth = dict(median=None, q1=None, q3=None, at_ceiling=0, undefined=10)
    raters["models"] = {"constant": agreement(equal_raters=worth, **undefined)}
    errors = make_rater_tables(raters)[0]
    assert errors.columns == ["model", "MAE", "as good as the mean of"]
    assert errors.rows == [["constant", "undefined", "undefined"]]
    assert "The order of pairs is undefined: each model gives one score to all images." in errors.notes
    assert not any("Krasula" in note or "P.1401" in note for note in errors.notes)


def test_ratings_that_are_all_noise_have_no_ceiling(raters):
    raters["ratings"] |= dict.fromkeys(("ceiling_srocc", "ceiling_plcc"), spread(None))
    worth = dict(median=None, q1=None, q3=None, at_ceiling=0)
    raters["models"] = {"gcn": agreement(equal_raters=worth)}
    errors = make_rater_tables(raters)[1]
    notes = " ".join(errors.notes)
    assert "undefined" not in notes
    assert (
        "The MOS vary no more than the noise of the ratings explains, so no model can be expected to correlate" in notes
    )
    assert errors.columns == ["model", "outlier ratio", "RMSE*", "MAE"]


def test_older_results_have_no_such_tables():
    assert make_rater_tables(None) == make_rater_tables({}) == []
