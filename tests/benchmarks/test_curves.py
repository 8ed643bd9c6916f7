"""The exponents of curves on made-up seconds."""

import pytest

from benchmarks.speed_rows.curves import Curve, Point, make_table


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5])
def test_the_exponent_of_a_power_law(power):
    points = [Point(n, f"{n}", [0.1 * n**power, 3 * n**power]) for n in (100, 200, 400)]
    curve = Curve("images", "", "", points, "")
    assert curve.exponents == pytest.approx([power, power], abs=1e-9)
    assert curve.growth(points[2]) == pytest.approx(4**power)


def test_a_line_with_a_start_up():
    points = [Point(n, "", [0.3 + 0.004 * n]) for n in (100, 200, 400)]
    assert Curve("images", "", "", points, "").line() == pytest.approx((0.3, 0.004, 0.0), abs=1e-9)
    points[1] = Point(200, "", [5.0])
    assert Curve("images", "", "", points, "").line()[2] > 0.5


def test_groups_are_compared_with_themselves_only():
    """Within each group flat, the larger backbones ten times slower for their wider features."""
    points = [Point(macs, "", [macs_free], group) for macs, macs_free, group in
              [(1, 2.0, "narrow"), (2, 2.0, "narrow"), (10, 20.0, "wide"), (30, 20.0, "wide")]]  # fmt: skip
    curve = Curve("backbones", "", "", points, "")
    assert curve.exponents == pytest.approx([0.0], abs=1e-9)
    assert [curve.growth(point) for point in points] == [1, 1, 1, 1]


def test_groups_of_one_size_have_no_exponent():
    points = [Point(1, "a", [1.0], "narrow"), Point(2, "b", [3.0], "wide")]
    assert "No exponent" in make_table(Curve("backbones", "", "", points, "")).markdown()
