"""Plots: the Pareto front by brute force, and every figure is drawn and holds what it was given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.reports.plots import find_pareto_front, plot_curves, plot_forest, plot_matrix, plot_panels, plot_pareto
from iqa_zoo.stats.estimate import Estimate

POINT = st.tuples(st.integers(1, 6), st.integers(0, 6))
V = Estimate(0.1, 0.0, 0.2)


@pytest.mark.slow
@given(st.lists(POINT, min_size=1, max_size=12))
def test_the_front_is_what_no_other_point_beats(points):
    costs, values = zip(*points, strict=True)
    beaten = {
        i
        for i, (c, v) in enumerate(points)
        if any(cost <= c and value >= v and (cost, value) != (c, v) for cost, value in points)
    }
    front = find_pareto_front(costs, values)
    assert {points[i] for i in front} == {points[i] for i in range(len(points)) if i not in beaten}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("figure", "texts"),
    [
        (plot_forest({"as it is": {"row one": V}, "matched": {"row two": V}}, title="A title", label="SROCC"), ["row one", "SROCC"]),
        (plot_curves({"a": [(1, V), (2, V)], "b": [(1, V)]}, title="A title", x_label="images", y_label="SROCC"), ["images"]),
        (plot_panels({"depth": {"a": [(1, V), (2, V)]}, "dim": {"a": [(3, V)]}}, title="A title", y_label="SROCC", log=True), ["depth", "dim"]),
        (plot_matrix([[0.1, None], [0.2, 0.3]], ["r1", "r2"], ["c1", "c2"], title="A title", label="SROCC"), ["0.100", "0.300", "r2", "c1"]),
        (plot_pareto({"lifeiqa": {"resnet18": (1e6, V), "resnet50": (1e7, V)}}, title="A title", x_label="MACs", y_label="SROCC"), ["resnet50"]),
    ],
)  # fmt: skip
def test_a_figure_says_what_it_was_given(figure, texts, tmp_path):
    figure.savefig(tmp_path / "figure.png")
    figure.savefig(tmp_path / "figure.svg")
    drawn = (tmp_path / "figure.svg").read_text()
    for text in ("A title", *texts):
        assert f"<!-- {text} -->" in drawn
