"""cost.py as a user runs it at its smallest, and its exponents on made-up seconds."""

import csv
import json

import pytest
import yaml


@pytest.fixture(scope="module")
def cost(load_script):
    return load_script("cost")


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5])
def test_the_exponent_of_a_power_law(cost, power):
    points = [cost.Point(n, f"{n}", [0.1 * n**power, 3 * n**power]) for n in (100, 200, 400)]
    curve = cost.Curve("images", "", "", points, "")
    assert curve.exponents == pytest.approx([power, power], abs=1e-9)
    assert curve.growth(points[2]) == pytest.approx(4**power)


def test_a_line_with_a_start_up(cost):
    points = [cost.Point(n, "", [0.3 + 0.004 * n]) for n in (100, 200, 400)]
    assert cost.Curve("images", "", "", points, "").line() == pytest.approx((0.3, 0.004, 0.0), abs=1e-9)
    points[1] = cost.Point(200, "", [5.0])
    assert cost.Curve("images", "", "", points, "").line()[2] > 0.5


def test_groups_are_compared_with_themselves_only(cost):
    """Within each group flat, the larger backbones ten times slower for their wider features."""
    points = [cost.Point(macs, "", [macs_free], group) for macs, macs_free, group in
              [(1, 2.0, "narrow"), (2, 2.0, "narrow"), (10, 20.0, "wide"), (30, 20.0, "wide")]]  # fmt: skip
    curve = cost.Curve("backbones", "", "", points, "")
    assert curve.exponents == pytest.approx([0.0], abs=1e-9)
    assert [curve.growth(point) for point in points] == [1, 1, 1, 1]


def test_every_curve_is_measured_and_written(cost, tiny, tmp_path, capsys, one_thread):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    out = tmp_path / "cost"
    arguments = ["--model", str(tmp_path / "tiny.yaml"), "--images", "50", "60"]
    arguments += ["--backbones", "test_resnet", "resnet18"]
    arguments += ["--splits", "1", "2", "--experts", "2", "4", "--tokens", "8", "--rounds", "2", "--json"]
    assert cost.main([*arguments, "--out", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "cost.json").read_text())
    assert [curve["name"] for curve in printed["results"]] == ["experts", "images", "splits", "backbones"]
    assert all(len(p["seconds"]) == 2 for curve in printed["results"] for p in curve["points"])
    with (out / "cost.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4 * 2 * 2
    markdown = (out / "cost.md").read_text()
    assert markdown.count("Exponent") == 3
    assert "No exponent" in markdown  # the two backbones' features differ in shape
    assert (out / "cost.png").stat().st_size > 1000
    assert (out / "cost.svg").read_text().startswith("<?xml")


def test_a_curve_needs_two_sizes(cost, capsys):
    with pytest.raises(SystemExit):
        cost.main(["--curves", "experts", "--experts", "4"])
    assert "--experts: give two sizes or more" in capsys.readouterr().err
