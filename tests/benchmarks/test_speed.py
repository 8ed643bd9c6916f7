"""speed.py as a user runs it at its smallest, and the ratios of a row on made-up seconds."""

import json

import pytest

from benchmarks.speed_rows.command import CURVES, ROWS, choose_names, main
from benchmarks.speed_rows.row import Measured, Quartiles, Row, Timed, find_quartiles
from iqa_zoo.errors import InputError


def measured(kind, limit, ours, reference):
    return Measured(Row("a", "", "", kind, limit, 1, lambda setup: None), Timed(ours, reference))


def test_a_ratio_pairs_the_rounds():
    """The machine slows down for both."""
    slow_half = [1.0] * 5 + [10.0] * 5
    each = measured("cost", 1.02, [1.01 * s for s in slow_half], slow_half)
    assert each.ratios == pytest.approx([1.01] * 10)
    assert each.holds


def test_the_direction_of_a_ratio_and_of_its_limit():
    assert measured("speed", 4, [1.0], [5.0]).ratios == [5.0]
    assert measured("speed", 4, [1.0], [5.0]).holds
    assert not measured("speed", 4, [1.0], [3.0]).holds
    assert measured("cost", 1.2, [1.0], [5.0]).ratios == [0.2]
    assert not measured("cost", 1.2, [1.3], [1.0]).holds
    assert measured("seconds", 2, [1.5], [0.1]).holds
    assert not measured("seconds", 2, [2.5], [100.0]).holds
    assert measured("speed", None, [1.0], [1.0]).holds is None


def test_quartiles():
    assert find_quartiles([5.0, 1.0, 4.0, 2.0, 3.0]) == Quartiles(3.0, 2.0, 4.0)


def test_a_plan_names_all_and_measures_nothing(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["--dry-run"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*ROWS, *CURVES) if name != "compare.livec")
    assert "compare.livec" not in out  # without --root


def test_only_takes_beginnings_of_names(capsys):
    assert choose_names(["forward", "experts"], None) == ["forward.1", "forward.4", "forward.8", "experts"]
    assert main(["--only", "forwart.1"]) == 2
    assert "did you mean 'forward.1'" in capsys.readouterr().err


def test_a_row_and_curves_are_measured_and_written(tmp_path, capsys, one_thread):
    out = tmp_path / "speed"
    arguments = ["--only", "loading", "curve.images", "curve.experts", "--quick", "--rounds", "2", "--threads", "1"]
    assert main([*arguments, "--json", "--out", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "speed.json").read_text())
    assert [row["name"] for row in printed["rows"]] == ["loading.decoded", "loading.kept"]
    for row in printed["rows"]:
        assert len(row["ours"]) == len(row["reference"]) == row["rounds"] == 2
        assert 0 < row["ratio"]["low"] <= row["ratio"]["median"] <= row["ratio"]["high"]
    assert [curve["name"] for curve in printed["curves"]] == ["curve.images", "curve.experts"]
    assert all(len(point["seconds"]) == 2 for curve in printed["curves"] for point in curve["points"])
    assert printed["cores"] >= printed["threads"] == 1
    assert "these numbers mean nothing" in (out / "speed.md").read_text()
    assert (out / "speed.png").stat().st_size > 1000
    assert (out / "speed.svg").read_text().startswith("<?xml")


def test_a_row_that_fails_costs_no_other(monkeypatch, capsys, one_thread):
    def fail(setup):
        raise InputError("no folder")

    monkeypatch.setenv("COLUMNS", "200")

    made = Timed([1.0], [4.0], {"SROCC": 0.8})
    monkeypatch.setitem(ROWS, "experts", Row("experts", "many", "few", "cost", 1.2, 1, fail))
    monkeypatch.setitem(ROWS, "forward.1", Row("forward.1", "ours", "theirs", "speed", 2, 1, lambda setup: made))
    assert main(["--only", "experts", "forward.1", "--threads", "1"]) == 1
    out, err = capsys.readouterr()
    assert "experts: no folder" in err
    assert all(text in out for text in ("theirs", "4 x speed", "at least 2", "SROCC 0.8"))
