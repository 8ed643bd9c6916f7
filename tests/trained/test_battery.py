"""Distortions of rising strength, and changes that should not matter."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from iqa_zoo.inference.score import Score
from iqa_zoo.trained.battery import CHANGES, DISTORTIONS, load_photographs, measure_order, run_battery


@pytest.fixture
def photograph():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (64, 80, 3), dtype=np.uint8))
    return noise.filter(ImageFilter.GaussianBlur(1.5))


@pytest.mark.parametrize("name", DISTORTIONS)
def test_each_step_is_farther_from_the_photograph(name, photograph):
    distort, strengths = DISTORTIONS[name]
    assert len(strengths) == 5
    before = np.asarray(photograph, dtype=np.float64)
    distorted = [distort(photograph, strength) for strength in strengths]
    assert {image.size for image in distorted} == {photograph.size}
    errors = [np.square(np.asarray(image) - before).mean() for image in distorted]
    assert errors == sorted(errors)
    assert errors[0] > 0
    assert np.array_equal(np.asarray(photograph), before)


def test_changes_are_what_they_are_called(photograph):
    pixels = np.asarray(photograph)
    changed = {name: np.asarray(change(photograph)) for name, change in CHANGES.items()}
    np.testing.assert_array_equal(changed["mirrored"], pixels[:, ::-1])
    np.testing.assert_array_equal(changed["upside down"], pixels[::-1])
    np.testing.assert_array_equal(changed["saved as PNG"], pixels)
    assert changed["half the size"].shape == (32, 40, 3)
    file = io.BytesIO()
    photograph.save(file, "JPEG", quality=95)
    np.testing.assert_array_equal(changed["saved as JPEG 95"], np.asarray(Image.open(file)))


class Brightness:
    """Scores an image by its mean level: only darkening changes it by much."""

    def score(self, images):
        return [Score(float(np.asarray(image).mean())) for image in images]


def test_the_battery_finds_what_a_scorer_sees(photograph):
    battery = run_battery(Brightness(), {"a": np.asarray(photograph), "b": np.asarray(photograph)[:40]})
    assert battery.photographs == ("a", "b")
    assert battery.ordered["darkening"] == 1
    assert battery.ordered["blur"] < 1
    assert [len(row) for row in battery.scores["blur"]] == [6, 6]
    np.testing.assert_allclose(battery.changes["mirrored"], 0, atol=1e-9)
    turned = run_battery(Brightness(), {"a": np.asarray(photograph)}, higher_is_better=False)
    assert turned.ordered["darkening"] == 0


def test_equal_scores_are_not_in_order():
    assert measure_order([[1, 1, 1]], -1) == 0
    assert measure_order([[1, 2], [2, 1]], 1) == 0.5


def test_the_photographs_come_with_scikit_image():
    for pixels in load_photographs().values():
        assert (pixels.dtype, pixels.ndim, pixels.shape[2]) == (np.uint8, 3, 3)
