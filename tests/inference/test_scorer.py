"""Scores of any images: of any size, under any name, beside any others."""

import random
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_zoo import build_model
from iqa_zoo.data.crops import compute_grid_boxes
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.inference.predict import ScoredImage, predict, score_image, score_images
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.training.label_scale import LabelScale

SIZE = 32

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def scorer(tiny):
    torch.manual_seed(0)
    tiny["backbone"]["image_size"] = SIZE
    model = build_model(tiny)
    return ScaledModel(model, scale=LabelScale(50.0, 20.0)).eval()


@pytest.fixture
def files(tmp_path):
    """Six images: larger than the model's input in several shapes, of just its size, and smaller."""
    rng = np.random.default_rng(0)
    paths = []
    for index, shape in enumerate([(40, 60), (33, 32), (32, 32), (200, 45), (20, 24), (64, 9)]):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def _scores(scorer, paths, crops=3):
    return {result.path: result.score for result in score_images(scorer, paths, crops)}


def test_a_score_does_not_depend_on_what_is_scored_beside_it(scorer, files):
    together = _scores(scorer, files)
    assert list(together) == files
    assert len(set(together.values())) == len(files)
    shuffled = random.Random(1).sample(files, len(files))
    assert _scores(scorer, shuffled) == together
    for file in files:
        assert _scores(scorer, [file]) == {file: together[file]}


def test_nor_on_the_name_the_folder_or_a_lossless_format(scorer, files, tmp_path):
    copy = tmp_path / "elsewhere" / "another name.png"
    copy.parent.mkdir()
    shutil.copy(files[0], copy)
    bitmap = tmp_path / "again.bmp"
    Image.open(files[0]).save(bitmap)
    scores = list(_scores(scorer, [files[0], copy, bitmap]).values())
    assert scores[0] == scores[1] == scores[2]


def test_a_score_is_the_mean_over_crops_at_fixed_positions(scorer, files):
    pixels_HWC = np.array(Image.open(files[3]))
    boxes = compute_grid_boxes(200, 45, SIZE, 5)
    crops_BHWC = np.stack([pixels_HWC[top : top + SIZE, left : left + SIZE] for top, left in boxes])
    single = [
        scorer.score_crops(torch.from_numpy(crop_HWC[None]).permute(0, 3, 1, 2)).item() for crop_HWC in crops_BHWC
    ]
    (score,) = _scores(scorer, [files[3]], 5).values()
    assert score == pytest.approx(np.mean(single), rel=1e-6)
    assert len(set(single)) == 5


def test_crops_of_an_image_of_just_the_size_are_the_image(scorer, files):
    pixels_BHWC = torch.from_numpy(np.array(Image.open(files[2])))[None]
    plain = scorer.score_crops(pixels_BHWC.permute(0, 3, 1, 2)).item()
    assert _scores(scorer, [files[2]], 1)[files[2]] == plain
    assert _scores(scorer, [files[2]], 4)[files[2]] == pytest.approx(plain, rel=1e-6)


def test_files_datasets_and_arrays_are_scored_alike_to_the_last_bit(scorer, files):
    data = RatedImages("few", tuple(files), np.arange(6.0), score_range=(0, 5), licence="", source="")
    scores = list(_scores(scorer, files).values())
    assert predict(scorer, data, range(6), crops=3).tolist() == scores
    large = [np.array(Image.open(file)) for file in files[:4]]
    assert [score_image(scorer, image_HWC, 3) for image_HWC in large] == scores[:4]


def test_a_score_that_is_not_finite_is_an_error_of_its_image(scorer, files):
    with torch.no_grad():
        for parameter in scorer.model.head.parameters():
            parameter.fill_(float("nan"))
    results = list(score_images(scorer, files[:2], 2))
    assert [result.score for result in results] == [None, None]
    assert all(str(result.path) in result.error and "gives nan" in result.error for result in results)
    assert (results[0].height, results[0].width) == (40, 60)
    data = RatedImages("few", tuple(files), np.arange(6.0), score_range=(0, 5), licence="", source="")
    with pytest.raises(InputError, match=r"0\.png: the model gives nan"):
        predict(scorer, data, [0], crops=1)


def test_a_small_image_is_enlarged_and_says_so(scorer, files, tmp_path):
    results = {result.path: result for result in score_images(scorer, files, 2)}
    assert [result.note for result in results.values()] == [*[""] * 4, "enlarged from 20x24", "enlarged from 64x9"]
    assert (results[files[4]].height, results[files[4]].width) == (20, 24)
    larger = tmp_path / "larger.png"
    Image.open(files[4]).resize((38, 32), Image.Resampling.BICUBIC).save(larger)
    (by_hand,) = score_images(scorer, [larger], 2)
    assert by_hand == ScoredImage(larger, results[files[4]].score, 32, 38)


def test_what_cannot_be_scored_is_a_result_that_says_why_and_the_others_are_scored(scorer, files, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(files[0].read_bytes()[:500])
    text, gone, thread = tmp_path / "text.jpg", tmp_path / "gone.png", tmp_path / "thread.png"
    text.write_text("no image")
    Image.new("RGB", (1, 250_000)).save(thread)
    results = list(score_images(scorer, [broken, files[0], text, gone, tmp_path, thread, files[1]], 2))
    assert [result.score is None for result in results] == [True, False, True, True, True, True, False]
    for result, reason in zip(
        [results[i] for i in (0, 2, 3, 4, 5)],
        ["truncated or damaged", "not an image", "does not exist", "is a folder", "250000x1 pixels"],
        strict=True,
    ):
        assert str(result.path) in result.error
        assert reason in result.error
    assert results[1].score == _scores(scorer, [files[0]], 2)[files[0]]


def test_it_goes_on_demand_and_leaves_the_model_as_it_was(scorer, files):
    scorer.train()
    asked = []

    def paths():
        for file in files * 10:
            asked.append(file)
            yield file

    results = score_images(scorer, paths(), 1)
    next(results)
    assert len(asked) < 10
    assert scorer.training
    results.close()


def test_no_crops(scorer, files):
    with pytest.raises(InputError, match="0 crops an image; take at least 1"):
        score_images(scorer, files, 0)


def test_no_images(scorer):
    assert list(score_images(scorer, [], 1)) == []
