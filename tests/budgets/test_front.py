"""A front holds what none beats, by the sizes that the whole models have."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo import measure_budget
from iqa_zoo.budgets import make_front_table, pareto_front
from iqa_zoo.budgets.front import MOST, _Tried, select_front
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.errors import BudgetError

from .test_match import DEIQT, LIFEIQA, on_resnet

GRID = {"head.num_experts": [2, 4, 8], "head.hidden": [96, 384, 1536], "depth": [1, 2]}


def at_depth(cfg, depth, **overrides):
    cfg = {**cfg, "interactions": cfg["interactions"][:2] * depth}
    return apply_overrides(cfg, {name.replace("__", "."): value for name, value in overrides.items()})


def brute(by):
    """Every setting's gain and costs, each counted as a whole model, and those that none beats."""
    sizes = {}
    for experts, hidden, depth in itertools.product(*GRID.values()):
        cfg = at_depth(LIFEIQA, depth, head__num_experts=experts, head__hidden=hidden)
        decoder = measure_budget(cfg).decoder
        sizes[experts, hidden, depth] = tuple(depth if name == "depth" else getattr(decoder, name) for name in by)

    def beats(a, b):
        return a != b and a[0] >= b[0] and all(x <= y for x, y in zip(a[1:], b[1:], strict=True))

    return {key: size for key, size in sizes.items() if not any(beats(other, size) for other in sizes.values())}


@pytest.mark.slow
@pytest.mark.parametrize(
    "by", [("params", "macs"), ("active_params", "macs"), ("params", "active_params", "macs"), ("depth", "params")]
)
def test_it_is_what_brute_force_finds(by):
    front = pareto_front(LIFEIQA, by=by, grid=GRID)
    best = brute(by)
    assert {tuple(point.values.values()) for point in front} <= set(best)
    ours = [
        tuple(p.values["depth"] if name == "depth" else getattr(p.budget.decoder, name) for name in by) for p in front
    ]
    assert set(ours) == set(best.values())
    assert len(set(ours)) == len(ours)
    assert [costs for _, *costs in ours] == sorted(costs for _, *costs in ours)


@pytest.mark.slow
def test_experts_come_free_of_macs():
    """By hand: a token meets two experts however many there are, so eight bring parameters for the router's MACs."""
    front = pareto_front(LIFEIQA, by=("params", "macs"), grid={"head.num_experts": [2, 4, 8]})
    assert [point.values["head.num_experts"] for point in front] == [2, 4, 8]
    macs = [point.budget.decoder.macs for point in front]
    assert macs[2] - macs[1] == 2 * (macs[1] - macs[0]) == 6 * 96 * 4
    assert front[1].budget.moved == {}
    assert front[2].budget.moved == {"head.num_experts": (4, 8)}
    assert front[2].cfg["head"]["num_experts"] == 8
    only = pareto_front(LIFEIQA, by=("active_params", "params"), grid={"head.num_experts": [2, 4, 8]})
    # more experts add their line of the router to what is active, and nothing else
    active = [point.budget.decoder.active_params for point in only]
    assert active[2] - active[1] == 4 * (96 + 1)


@pytest.mark.slow
def test_at_a_size_depth_is_traded_for_width():
    widths = [96, 192, 384, 768, 1536, 3072]
    grid = {"depth": [1, 2, 4], "interactions.*.hidden": widths}
    at = {"params": (400_000, 900_000)}
    fit = {}
    for depth, hidden in itertools.product(grid["depth"], widths):
        cfg = {**DEIQT, "interactions": DEIQT["interactions"] * depth}
        decoder = measure_budget(apply_overrides(cfg, {"interactions.*.hidden": hidden})).decoder
        if 400_000 <= decoder.params <= 900_000:
            fit[depth] = min(fit.get(depth, decoder.macs), decoder.macs)
    front = pareto_front(DEIQT, by=("depth", "macs"), grid=grid, at=at)
    assert len(fit) > 1
    for point in front:
        depth, macs = point.values["depth"], point.budget.decoder.macs
        assert macs == fit[depth]
        assert all(other <= depth or cost > macs for other, cost in fit.items())
    with pytest.raises(BudgetError, match=r"none of the 18 settings .* widen the grid or 'at'"):
        pareto_front(DEIQT, grid=grid, at={"params": (1, 2)})


@pytest.mark.slow
def test_settings_that_make_no_model_are_left_out():
    front = pareto_front(DEIQT, by=("dim", "params"), grid={"dim": [96, 97, 192]})  # six heads do not divide 97
    assert [point.values["dim"] for point in front] == [96, 192]


@pytest.mark.slow
def test_the_default_grid_is_half_once_and_twice():
    front = pareto_front(DEIQT, by=("depth", "params"))
    assert [set(point.values) for point in front] == [{"depth", "interactions.*.hidden", "dim"}] * 2
    assert [point.values["depth"] for point in front] == [1, 2]  # half of one layer is one
    assert {(point.values["interactions.*.hidden"], point.values["dim"]) for point in front} == {(768, 48)}


@pytest.mark.slow
def test_a_table(capsys):
    front = pareto_front(DEIQT, by=("depth", "params"), grid={"depth": [1, 2]})
    table = make_front_table("deiqt", front, ("depth", "params"))
    assert [column.header for column in table.columns] == ["depth", "parameters", "active", "MACs", ""]
    assert list(table.columns[0].cells) == ["1", "2"]
    assert list(table.columns[-1].cells) == ["as it is", ""]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (dict(by="params"), "needs a gain and at least one cost"),
        (dict(by=("params", "mac")), "unknown cost 'mac'; did you mean 'macs'"),
        (dict(by=("parms", "macs")), "unknown gain 'parms'; did you mean 'params'"),
        (dict(by=("params", "params")), "cannot be both the gain and a cost"),
        (dict(grid={"dept": [1]}), "unknown knob 'dept'; did you mean 'depth'"),
        (dict(grid={"depth": [0, 1]}), r"values of depth are positive whole numbers.*got \[0, 1\]"),
        (dict(grid={"depth": "12"}), "values of depth are positive whole numbers"),
        (dict(grid={"depth": range(1, 200), "dim": range(1, 200)}), f"39,601 settings, more than {MOST:,}"),
        (dict(at={"macs": (2, 1)}), r"at\['macs'\] is \(minimum, maximum\)"),
    ],
)
def test_bad_arguments(more, message):
    with pytest.raises(BudgetError, match=message):
        pareto_front(DEIQT, **more)


def test_no_knobs():
    with pytest.raises(BudgetError, match="no knob to turn"):
        pareto_front(on_resnet("linear_probe"))


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), max_size=30))
def test_a_front_beats_all_and_none_of_itself(sizes):
    tried = [_Tried((), {}, gain, costs) for gain, *costs in sizes for costs in [tuple(costs)]]
    front = select_front(tried)

    def as_good(a, b):
        return a.gain >= b.gain and all(x <= y for x, y in zip(a.costs, b.costs, strict=True))

    assert all(any(as_good(one, other) for one in front) for other in tried)
    assert not any(as_good(a, b) for a, b in itertools.permutations(front, 2))
