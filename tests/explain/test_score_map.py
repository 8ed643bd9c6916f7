"""Quality by region: a region's score is that of its pixels as a photograph, for models of crops and of whole photographs."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import iqa_zoo
from iqa_zoo.data.crops import cut_grid_crops
from iqa_zoo.errors import InputError
from iqa_zoo.explain.occlusion import compute_agreement, compute_occlusion
from iqa_zoo.explain.score_map import ScoreMap, compute_score_map, count_regions
from iqa_zoo.inference.score import UNLIKE, Score

SIZE = 32


@pytest.fixture(scope="module")
def crops(released):
    """A calibrated model of crops of 32 pixels, the lower its score the stronger the noise."""
    return iqa_zoo.load("tiny.noise", "cpu", folder=released.folder)


@pytest.fixture(scope="module")
def whole(whole_run):
    """A model of whole photographs, from 64 pixels a side."""
    return iqa_zoo.load(whole_run, "cpu")


@pytest.fixture
def half_noisy():
    """An image whose left half has strong noise, and whose right half has little."""
    rng = np.random.default_rng(0)
    noise_HWC = rng.normal(0, 1, (96, 160, 3)) * np.where(np.arange(160) < 80, 55, 4)[None, :, None]
    return (128 + noise_HWC).clip(0, 255).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["crops", "whole"])
def test_a_region_has_the_score_of_its_pixels_as_a_photograph(model, half_noisy, request):
    scorer = request.getfixturevalue(model)
    found = compute_score_map(scorer, half_noisy)
    assert found.score == scorer.score(half_noisy)
    assert found.size == {"crops": SIZE, "whole": 64}[model]
    for (top, left), region in list(zip(found.boxes, found.regions, strict=True))[:: 7 if model == "crops" else 1]:
        pixels = found.image_HWC[top : top + found.size, left : left + found.size]
        assert region == scorer.with_crops(1).score(Image.fromarray(pixels))


def test_the_score_of_a_model_of_crops_is_the_mean_of_such_regions(crops, half_noisy):
    cut = cut_grid_crops(half_noisy, SIZE, crops.meaning.crops)
    regions = [compute_score_map(crops, each).score_RC.item() for each in cut]
    assert crops.score(half_noisy).score == pytest.approx(np.mean(regions), abs=1e-4)


@pytest.mark.slow
def test_the_noisy_half_scores_lower(crops, half_noisy):
    found = compute_score_map(crops, half_noisy)
    rows, columns = found.choose_cells(40)
    map_HW = found.paint(rows, columns)
    assert map_HW.shape == (24, 40)
    assert map_HW[:, :18].max() < map_HW[:, 22:].min()
    assert found.score_RC.min() <= map_HW.min()
    assert map_HW.max() <= found.score_RC.max()
    assert found.locate(int(found.score_RC.argmax())).endswith("right")


def test_occlusion_agrees_that_the_noisy_half_is_the_worse(whole, half_noisy):
    """Independent of the map: covering a place changes the score of the whole image."""
    found = compute_score_map(whole, half_noisy)
    drop_HW = compute_occlusion(whole, found)
    assert drop_HW.shape == found.image_HWC.shape[:2]
    covered = half_noisy.copy()
    covered[:64, :64] = half_noisy.mean((0, 1)).round()
    expected = whole.score(half_noisy).score - whole.score(covered).score
    assert drop_HW[0, 0] == pytest.approx(expected, abs=0.05)  # the corner is in one square only; the mean was rounded
    agreement = compute_agreement(found, drop_HW)
    assert agreement is not None
    assert -1 <= agreement <= 1


@pytest.mark.slow
def test_occlusion_of_a_model_of_crops_is_that_of_its_own_crops(crops, half_noisy):
    found = compute_score_map(crops, half_noisy)
    drop_HW = compute_occlusion(crops, found)
    covered = half_noisy.copy()
    covered[:SIZE, :SIZE] = half_noisy.mean((0, 1)).round()
    expected = crops.score(half_noisy).score - crops.score(covered).score
    assert drop_HW[0, 0] == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("shape", [(20, 24), (64, 64), (65, 300), (1200, 70)])
def test_any_size_has_a_map(whole, shape):
    image_HWC = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = compute_score_map(whole, image_HWC, most=6)
    assert 1 <= len(found.regions) <= 6
    assert all(0 <= top <= found.image_HWC.shape[0] - found.size for top in found.tops)
    assert all(0 <= left <= found.image_HWC.shape[1] - found.size for left in found.lefts)
    assert found.describe()


def make_map(shape, size, tops, lefts, scores):
    regions = tuple(Score(float(score)) for score in scores)
    return ScoreMap(np.zeros((*shape, 3), np.uint8), Score(50.0), regions, tuple(tops), tuple(lefts), size, False, 3)


def test_places_that_no_region_covers_are_empty_and_named():
    found = make_map((10, 30), 10, [0], [0, 20], [10, 30])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found.paint(1, 3)[0].tolist() == pytest.approx([10, np.nan, 30], nan_ok=True)
    assert "67% of the image" in found.describe()[-1]


def test_overlapping_regions_are_averaged():
    found = make_map((10, 15), 10, [0], [0, 5], [10, 30])
    assert found.paint(2, 3).tolist() == [[10, 20, 30], [10, 20, 30]]


@settings(max_examples=30)
@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.lists(st.floats(0, 100), min_size=25, max_size=25),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_a_map_stays_between_its_regions(rows, columns, scores, cells):
    tops, lefts = [10 * row for row in range(rows)], [10 * column for column in range(columns)]
    found = make_map((10 * rows + 10, 10 * columns + 10), 20, tops, lefts, scores[: rows * columns])
    map_HW = found.paint(*cells)
    assert np.isfinite(map_HW).all()
    assert found.score_RC.min() - 1e-9 <= map_HW.min() <= map_HW.max() <= found.score_RC.max() + 1e-9


@given(st.integers(32, 5000), st.integers(32, 5000), st.integers(1, 500))
def test_there_are_never_more_regions_than_allowed(height, width, most):
    rows, columns = count_regions(height, width, 32, most)
    assert 1 <= rows * columns <= most


def test_unlike_regions_are_counted(crops):
    black = np.zeros((48, 48, 3), np.uint8)
    found = compute_score_map(crops, black)
    unlike = sum(UNLIKE in region.flags for region in found.regions)
    assert unlike == len(found.regions)
    assert any(f"{unlike} of {unlike} regions" in each for each in found.describe())


def test_what_cannot_be_a_map_is_refused(crops, tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        compute_score_map(crops, np.zeros((40, 40, 3), np.uint8), most=0)
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a\.png"):
        compute_score_map(crops, tmp_path / "a.png")
