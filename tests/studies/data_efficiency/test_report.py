"""Interpolation by hand, and tables that say where nothing is reached."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.studies.data_efficiency.report import (
    images_to_reach,
    make_figures,
    make_sentences,
    make_tables,
    reached,
)

SROCC = {"a": [0.6, 0.7, 0.8], "b": [0.5, 0.55, 0.65]}
IMAGES = [100, 200, 300]


@pytest.fixture
def results():
    rows, runs, differences = [], [], []
    for i, (fraction, images) in enumerate(zip((0.3, 0.6, 1.0), IMAGES, strict=True)):
        for model, values in SROCC.items():
            srocc = dict(median=values[i], q1=values[i] - 0.01, q3=values[i] + 0.01)
            rows.append(dict(model=model, fraction=fraction, images=images, srocc=srocc, splits=2))
            runs += [dict(model=model, fraction=fraction, whole=s, srocc=values[i], images=images) for s in ("s", "t")]
        differences.append(
            dict(first="a", second="b", mean=SROCC["a"][i] - SROCC["b"][i], low=0.05, high=0.2, wins=6, splits=6, p=0.5,
                 verdict="ahead", needed="", margin=0.01, pairs=6, why="", fraction=fraction, images=images)
        )  # fmt: skip
        shown = dict(verdict="equivalent") if fraction == 1 else dict(verdict="undecided", needed="about 12 splits")
        differences.append(
            {**differences[-1], "first": "probe", "second": "b", "mean": 0.0, "low": -0.01, "high": 0.01, **shown}
        )
    budget = dict(decoder=dict(params=10, active_params=10, macs=5), moved={})
    return dict(
        rows=rows,
        runs=runs,
        differences=differences,
        matched=[dict(model=model, budget=budget) for model in SROCC],
        match="params",
        target="a's decoder",
        baseline="probe",
        equal="steps",
        shares=[dict(fraction=f, images=n, epochs=9, steps=90) for f, n in zip((0.3, 0.6, 1.0), IMAGES, strict=True)],
        backbone="nss",
        weights="no weights to load",
        protocol="frozen",
        selection="validation",
        data=dict(name="toy", label="MOS", images=400, contents=40),
        parts=dict(train=300, validation=20, test=80),
        splits=["s", "t"],
        recipe=dict(epochs=9, batch_size=16, lr=1e-3),
        baseline_lr=1e-2,
        crops=1,
    )


def test_interpolated_by_hand(results):
    one, other = reached(results)
    assert (one["model"], one["other"], one["images"]) == ("a", "b", pytest.approx(150))
    assert (one["in_splits"], one["splits"]) == (2, 2)
    assert (other["images"], other["in_splits"]) == (None, 0)


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 1))
def test_what_is_reached_lies_on_the_curve(values, target):
    curve = [(100 * (i + 1), value) for i, value in enumerate(values)]
    images = images_to_reach(curve, target)
    assert (images is None) == (max(values) < target)
    if images is not None:
        assert 100 <= images <= next(n for n, value in curve if value >= target)


def test_tables_and_sentences(results):
    text = "\n".join(table.markdown() for table in make_tables(results))
    assert text.count("undecided; b has not earned its parameters | about 12 splits |") == 2
    assert text.count("equivalent within 0.01; b has not earned its parameters | - |") == 1
    for words in ("not reached", "150 (50%)", "drawn by content", "Steps are held equal", "60 % (200)"):
        assert words in text
    assert make_sentences(results) == [
        "a and b at 3 shares: a ahead at 3.",
        "b has not earned its parameters at 3 of 3 shares, against probe: 30 % (undecided), 60 % (undecided), 100 % "
        "(equivalent within 0.01).",
        "a reaches what b has with all of the data with 150 (50%) images (interpolated).",
    ]
    results["equal"] = "epochs"
    assert "cannot be distinguished" in make_tables(results)[1].markdown()


@pytest.mark.slow
def test_figures(results, tmp_path):
    for name, figure in make_figures(results).items():
        figure.savefig(tmp_path / f"{name}.svg")
    assert "<!-- images to train on -->" in (tmp_path / "data_efficiency.svg").read_text()
    drawn = (tmp_path / "differences.svg").read_text()
    for words in (
        "Differences: toy, nss, 2 splits",
        "a - b",
        "probe - b",
        "(filled: ahead; half: equivalent within 0.01; hollow: undecided)",
    ):
        assert f"<!-- {words} -->" in drawn
