"""scoring.py: its ratio on made-up seconds, and all of its ways on a small model."""

import pytest
import torch
from PIL import Image

import iqa_zoo


@pytest.fixture(scope="module")
def scoring(load_script):
    return load_script("scoring")


def test_the_ratio_pairs_the_rounds_with_the_faster_reference(scoring):
    seconds = {scoring.DECODING: [1.0] * 3, scoring.SHARED: [4.0, 40.0, 9.0], scoring.APART: [5.0, 30.0, 8.0]}
    speed = scoring.ScoringSpeed(10, 2, {**seconds, scoring.SCORING: [5.0, 40.0, 8.0]}, [0, 0, 0])
    assert speed.compute_ratios() == pytest.approx([0.8, 0.75, 1.0])
    assert speed.ratio == pytest.approx(0.8)


def test_photographs_are_spread_over_a_folder(scoring, tmp_path):
    for number in range(7):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    assert [path.name for path in scoring.find_photographs(tmp_path, 3)] == ["0.png", "3.png", "6.png"]
    assert len(scoring.find_photographs(tmp_path, 100)) == 7
    without_folder = scoring.find_photographs(None, 7)
    assert len(without_folder) == 7
    assert all(path.is_file() for path in without_folder)


def test_all_ways_take_turns(scoring, released, tmp_path, one_thread):
    for number in range(3):
        Image.effect_noise((48, 40), 20 + number).save(tmp_path / f"{number}.png")
    scorer = iqa_zoo.load("tiny.noise", "cpu", folder=released.folder)
    paths = scoring.find_photographs(tmp_path, 3)
    speed = scoring.measure_scoring(paths, scorer=scorer, threads=2, rounds=2, warm_up=0)
    assert (speed.images, speed.threads) == (3, 2)
    assert {len(seconds) for seconds in speed.seconds.values()} == {2}
    assert all(second > 0 for seconds in speed.seconds.values() for second in seconds)
    assert torch.get_num_threads() == 1
    assert f"{speed.ratio:.2f} (" in scoring.make_table(speed).notes[0]
