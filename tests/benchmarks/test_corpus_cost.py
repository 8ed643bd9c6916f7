"""What a corpus costs, against cases whose cost is known."""

import math

import pytest


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("corpus_cost")


def make(script, **changes):
    even = dict(images=8000, rate=10, workers=4, shard=100, start=0, spread_workers=0, spread_shards=0, mtbf=math.inf)
    return script.Plan(**{**even, **changes})


def test_equal_workers_without_failures_lose_nothing(script):
    outcome = script.simulate(make(script))
    assert outcome.hours == pytest.approx(8000 / 10 / 4 / 3600)
    assert (outcome.lost, outcome.idle) == pytest.approx((0, 0))


def test_the_last_shard_is_waited_for(script):
    outcome = script.simulate(make(script, workers=3, shard=2000))  # four shards, three workers: two rounds
    assert outcome.hours == pytest.approx(2 * 200 / 3600)
    assert outcome.idle == pytest.approx(1 - 4 / 6)


def test_failures_cost_what_theory_says(script):
    """Work of T seconds that starts anew at each failure of rate r takes (exp(rT) - 1) / r."""
    plan = make(script, images=2_000_000, workers=1, shard=100, mtbf=20 / 3600, restart=0)  # T = 10 s, r = 1 / 20 s
    expected = 20_000 * (math.exp(0.5) - 1) * 20 / 3600
    outcome = script.simulate(plan)
    assert outcome.hours == pytest.approx(expected, rel=0.03)
    assert outcome.lost == pytest.approx(1 - 20_000 * 10 / 3600 / expected, abs=0.02)


def test_smaller_shards_wait_less_for_stragglers(script):
    spread = dict(images=200_000, workers=20, spread_workers=0.5, spread_shards=0.3, mtbf=10)
    large, small = (script.simulate(make(script, shard=size, **spread)) for size in (5000, 500))
    assert small.hours < large.hours
    assert small.idle < large.idle


def test_a_billion_images_are_simulated_in_proportion(script):
    plan = make(script, images=1e9, rate=40, workers=1000, shard=10_000, spread_workers=0.15, spread_shards=0.2)
    outcome = script.simulate(plan)
    assert plan.ideal_hours == pytest.approx(6.94, abs=0.01)
    assert 1 < outcome.hours / plan.ideal_hours < 1.1


def test_the_table(script, capsys):
    assert (
        script.main(["--rate", "10", "--price", "0.5", "--images", "1e6", "--workers", "2", "4", "--repeats", "1"]) == 0
    )
    rows = capsys.readouterr().out.splitlines()[4:]
    assert [row.split(" | ")[0] for row in rows] == ["| 2", "| 4"]
    assert rows[0].split(" | ")[1] == "13.9"
