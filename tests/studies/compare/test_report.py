"""The tables say what the results say, and no more."""

import pytest

from iqa_zoo.studies.compare.report import make_figures, make_sentences, make_tables


def pair(first, second, mean, low, high, wins, verdict, **more):
    """A row as ``compute_differences`` makes it, over ten splits."""
    row = dict(first=first, second=second, mean=mean, low=low, high=high, wins=wins, verdict=verdict)
    return dict(splits=10, count=10, p=0.01, margin=0.01, pairs=3, needed="", why="") | row | more


def row(srocc):
    spread = dict(median=srocc, q1=srocc - 0.01, q3=srocc + 0.01)
    return dict(srocc=spread, plcc=spread, plcc_logistic4=spread, krocc=spread, rmse=spread, seconds=3.0, splits=10)


@pytest.fixture
def results():
    return dict(
        baseline="probe",
        backbone="nss",
        weights="no weights to load",
        match="params",
        protocol="frozen",
        selection="validation",
        parts=dict(train=70, validation=10, test=20),
        summary=dict(a=row(0.8), b=row(0.7), probe=row(0.6)),
        compared=["a", "b"],
        differences=[
            pair("a", "b", 0.1, 0.05, 0.15, 10, "ahead"),
            pair("a", "probe", 0.2, 0.1, 0.3, 10, "ahead"),
            pair("b", "probe", -0.002, -0.008, 0.004, 4, "equivalent"),
        ],
        data=dict(name="demo", label="proxy: not human opinion", images=100, contents=5),
        recipe=dict(epochs=8, batch_size=16, lr=3e-4),
        baseline_lr=9e-3,
        crops=1,
        splits=["x"] * 10,
    )


def text(results):
    return "\n".join(table.markdown() for table in make_tables(results))


def verdict(results):
    return "\n".join(make_sentences(results))


def test_ratings_have_tables(results):
    spread = dict(mean=0.25, low=0.2, high=0.3)
    names = ("ordered", "auc_different", "auc_better", "outlier_ratio", "rmse_star")
    results["raters"] = {
        "unknown": "demo: the number of the ratings of an image is not known",
        "counts": None,
        "splits": 10,
        "fit": False,
        "ratings": {},
        "models": {"a": {"mae": spread, "ordered_within_groups": spread, **{key: dict(mean=None) for key in names}}},
        "spreads": [],
    }
    assert "| a | 0.250 [0.200, 0.300] |" in text(results)
    assert "demo: the number of the ratings of an image is not known: what depends" in text(results)


def test_a_proxy_is_called_a_proxy(results):
    assert "LABELS ARE A PROXY: not human opinion." in text(results)
    results["data"]["label"] = "MOS"
    assert "PROXY" not in text(results)


def test_a_sentence_for_every_pair_and_for_every_decoder_and_the_baseline(results):
    assert make_sentences(results) == [
        "a is ahead of b by 0.100 SROCC [0.050, 0.150], in 10 of 10 splits.",
        "a is ahead of probe by 0.200 SROCC [0.100, 0.300], in 10 of 10 splits.",
        "b has not earned its parameters. b and probe are equivalent within 0.01: mean SROCC difference -0.002 "
        "[-0.008, +0.004], b ahead in 4 of 10 splits.",
    ]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            pair("probe", "b", 0.1, 0.05, 0.15, 9, "ahead"),
            "probe is ahead of b by 0.100 SROCC [0.050, 0.150], in 9 of 10 splits.",
        ),
        (
            pair("b", "probe", 0.01, -0.02, 0.04, 7, "undecided", needed="about 40 splits or 3 times the rated images"),
            "b and probe: undecided, mean SROCC difference +0.010 [-0.020, +0.040], b ahead in 7 of 10 splits; about 40 splits "
            "or 3 times the rated images would decide, if mean and spread stay as they are.",
        ),
    ],
)
def test_a_decoder_that_is_not_ahead_of_the_baseline_has_not_earned_its_parameters(results, given, sentence):
    results["differences"][2] = given
    assert make_sentences(results)[2] == f"b has not earned its parameters. {sentence}"
    assert text(results).count("; b has not earned its parameters |") == 1
    assert "a has not earned" not in text(results)


def test_the_verdict_names_the_leader_whatever_the_order(results):
    results["differences"] = [pair("b", "a", -0.1, -0.15, -0.05, 1, "behind")]
    assert verdict(results) == "a is ahead of b by 0.100 SROCC [0.050, 0.150], in 9 of 10 splits."
    assert "| a ahead |" in text(results)


def test_an_undecided_pair_is_shown_with_what_would_decide(results):
    results["differences"] = [pair("a", "b", 0.01, -0.02, 0.04, 6, "undecided", needed="about 23 splits")]
    assert verdict(results) == (
        "a and b: undecided, mean SROCC difference +0.010 [-0.020, +0.040], a ahead in 6 of 10 splits; about 23 splits would "
        "decide, if mean and spread stay as they are."
    )
    assert "| undecided | about 23 splits |" in text(results)
    assert "ahead |" not in text(results)


def test_an_equivalent_pair_names_the_margin(results):
    results["differences"] = [pair("a", "b", 0.001, -0.01, 0.012, 5, "equivalent", margin=0.02)]
    assert verdict(results).startswith("a and b are equivalent within 0.02: mean SROCC difference +0.001")
    assert "| equivalent within 0.02 | - |" in text(results)
    assert "the 90 % interval lies within 0.02 of 0" in text(results)
    assert "adjusted for 3 comparisons (Bonferroni)" in text(results)


def test_there_is_a_table_only_for_what_there_are_numbers_for(results):
    assert len(make_tables(results)) == 2
    assert make_tables(dict(baseline="probe")) == []


def test_quality_is_the_median_with_quartiles(results):
    assert "| a | 0.800 [0.790, 0.810] |" in text(results)


def test_peeking_has_its_price_in_a_column(results):
    rules = dict(validation=0.8, last=0.79, **{"test-oracle": 0.83})
    results["rules"] = {"a": {rule: dict(srocc=value, epoch=3.0) for rule, value in rules.items()}}
    assert "| a | 0.800 (epoch 3) | 0.790 (epoch 3) | 0.830 (epoch 3) | +0.030 |" in text(results)
    assert "no estimate for other images" in text(results)


def test_one_split_is_called_one_split(results):
    results["splits"] = ["x"]
    one = pair("a", "b", 0.1, 0.05, 0.15, 1, "undecided", splits=1, count=1, needed="at least 5 splits")
    results["differences"] = [one]
    assert verdict(results) == (
        "a and b: undecided, mean SROCC difference +0.100 [+0.050, +0.150], a ahead in 1 of 1 split; a verdict needs at least "
        "5 splits."
    )
    assert "| undecided | at least 5 splits |" in text(results)
    assert "One random split" in text(results)
    assert "bootstrap" in text(results)


def test_other_datasets_have_tables_of_their_own(results):
    metrics = dict(srocc=0.7, plcc=0.71, krocc=0.5, predictions={"x.png": 1.0})
    results["runs"] = [dict(model=model, test_sets=dict(koniq10k=metrics)) for model in results["summary"]]
    assert "**Cross-dataset: demo to koniq10k**" in text(results)
    assert "| b | 0.700 [0.700, 0.700] |" in text(results)


def test_a_system_without_a_model_stands_in_the_published_table_with_nothing_counted(results):
    counted = dict(params=10_000_000, active_params=10_000_000, macs=5_000_000, decoder=dict(params=1_000_000))
    results["published_on"] = "livec"
    results["published"] = [dict(model="a", backbone="nss", budget=counted, published=[0.9, 0.91])]
    assert "no model" not in text(results)
    results["published_only"] = {"VISGA": [0.882, 0.912], "FsPN": None}
    (line,) = [line for line in text(results).splitlines() if "VISGA" in line]
    assert [cell.strip() for cell in line.strip("|").split("|")] == ["VISGA (no model)", *["-"] * 8, "0.882 / 0.912"]
    assert "FsPN" not in text(results)  # nothing is known of it: a row of dashes
    assert "its card lists what is known" in text(results)


def test_the_figure_has_every_defined_difference_the_baseline_s_too(results):
    (axes,) = make_figures(results)["differences"].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a - b", "a - probe", "b - probe"]
    assert axes.get_title(loc="left") == "Differences on demo, PROXY LABELS, 10 splits, on nss"
    results["differences"] = [{**pair, "mean": None, "low": None, "high": None} for pair in results["differences"]]
    assert make_figures(results) == {}
    assert make_figures({"published": []}) == {}
