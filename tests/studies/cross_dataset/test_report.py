"""The report across data sets: matrices, leaks and proxies."""

import itertools

import pytest

from iqa_zoo.studies.cross_dataset.report import make_figures, make_sentences, make_tables


@pytest.fixture
def results():
    srocc = dict(median=0.7, q1=0.6, q3=0.8)
    cells = list(itertools.product(("x", "y"), repeat=2))
    budget = dict(decoder=dict(params=10, active_params=10, macs=5), moved={})

    def described(name, **other):
        return dict(
            name=name, images=20, contents=20, parts=dict(train=14, validation=2, test=4), splits=["s", "t"], **other
        )

    return dict(
        datasets=[
            described("x", label="MOS", higher_is_better=True),
            described("y", label="proxy: made up", higher_is_better=False),
        ],
        rows=[dict(model=m, train=a, test=b, srocc=srocc) for m in ("a", "b") for a, b in cells if (m, a, b) != ("b", "y", "x")],
        differences=[
            dict(first=first, second=second, mean=0.1, low=0.01, high=0.2, wins=2, splits=6, p=0.1, train=a, test=b, margin=0.01,
                 pairs=8, why="", needed="about 9 splits" if a == b else "", verdict="undecided" if a == b else "ahead")
            for first, second in (("a", "b"), ("b", "probe"))
            for a, b in cells
        ],
        matched=[dict(model=m, budget=budget) for m in ("a", "b")],
        leaks=[dict(first="x", second="y", images=3)],
        skipped=[dict(dataset="livec", reason="it is not there")],
        compared=["a", "b"],
        match="params",
        target="a's decoder",
        baseline="probe",
        backbone="nss",
        weights="no weights to load",
        selection="validation",
        recipe=dict(epochs=9, batch_size=16, lr=1e-3, precision="float32"),
        baseline_lr=1e-2,
        crops=1,
    )  # fmt: skip


def test_tables(results):
    text = "\n".join(table.markdown() for table in make_tables(results))
    for words in (
        "LEAK: x and y share images (3",
        "THE LABELS OF Y ARE A PROXY: made up",
        "lower is better",
        "failed",
        "it is not there",
    ):
        assert words in text
    assert text.count("undecided; b has not earned its parameters | about 9 splits |") == 2
    assert text.count("| a ahead | - |") == 2
    assert "adjusted for 8 comparisons" in text
    assert text.count("a: median SROCC") == text.count("b: median SROCC") == 1


def test_sentences_keep_the_own_test_parts_apart_from_other_datasets(results):
    leak, home, away, earned = make_sentences(results)
    assert leak.startswith("LEAK")
    assert home == "a and b at 2 own test parts: undecided at 2."
    assert away == "a and b at 2 pairs of datasets: a ahead at 2."
    assert earned == (
        "b has not earned its parameters at 2 of 4 training and test sets, against probe: within x (undecided), within y "
        "(undecided)."
    )


@pytest.mark.slow
def test_figures(results, tmp_path):
    figures = make_figures(results)
    assert set(figures) == {"matrix_a", "matrix_b", "differences"}
    figures["matrix_b"].savefig(tmp_path / "f.svg")
    assert "<!-- trained on y -->" in (tmp_path / "f.svg").read_text()
    figures["differences"].savefig(tmp_path / "d.svg")
    drawn = (tmp_path / "d.svg").read_text()
    for words in (
        "b - probe",
        "within x",
        "y to x",
        "(filled: ahead; half: equivalent within 0.01; hollow: undecided)",
    ):
        assert f"<!-- {words} -->" in drawn


def test_a_dataset_on_which_every_training_failed_leaves_the_others_standing(results):
    results["rows"] = [row for row in results["rows"] if row["train"] == "x"]
    results["differences"] = [pair for pair in results["differences"] if pair["train"] == "x"]
    results["runs"] = [dict(model="a", split="s", train="y", test="y", error="ValueError: the loss is nan", trace="")]
    text = "\n".join(table.markdown() for table in make_tables(results))
    assert "0.700" in text
    assert "the loss is nan" in text
    assert make_sentences(results)
    assert make_figures(results)
