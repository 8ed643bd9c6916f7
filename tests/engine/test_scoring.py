"""Scores of any images: of any size, under any name, beside any others."""

import random
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_zoo import build_model
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.engine.prediction import predict
from iqa_zoo.engine.scoring import ScoredImage, score_images
from iqa_zoo.engine.trainable import LabelScale, Trainable
from iqa_zoo.errors import InputError

SIZE = 32

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def trainable(tiny):
    torch.manual_seed(0)
    tiny["backbone"]["image_size"] = SIZE
    model = build_model(tiny)
    return Trainable(model, scale=LabelScale(50.0, 20.0), autocast=None, freeze_batch_norm=False).eval()


@pytest.fixture
def files(tmp_path):
    """Six images: larger than the model's input in several shapes, of just its size, and smaller."""
    rng = np.random.default_rng(0)
    paths = []
    for index, shape in enumerate([(40, 60), (33, 32), (32, 32), (200, 45), (20, 24), (64, 9)]):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def _scores(trainable, paths, crops=3):
    return {result.path: result.score for result in score_images(trainable, paths, crops)}


def test_a_score_does_not_depend_on_what_is_scored_beside_it(trainable, files):
    together = _scores(trainable, files)
    assert list(together) == files
    assert len(set(together.values())) == len(files)
    shuffled = random.Random(1).sample(files, len(files))
    assert _scores(trainable, shuffled) == together
    for file in files:
        assert _scores(trainable, [file]) == {file: together[file]}


def test_nor_on_the_name_the_folder_or_a_lossless_format(trainable, files, tmp_path):
    copy = tmp_path / "elsewhere" / "another name.png"
    copy.parent.mkdir()
    shutil.copy(files[0], copy)
    bitmap = tmp_path / "again.bmp"
    Image.open(files[0]).save(bitmap)
    scores = list(_scores(trainable, [files[0], copy, bitmap]).values())
    assert scores[0] == scores[1] == scores[2]


def test_a_score_is_the_mean_over_crops_on_the_scale_of_the_labels(trainable, files):
    """An image of just the model's size: its crops are itself and its mirror image."""
    pixels_HWC = np.array(Image.open(files[2]))
    pair_BHWC = np.stack([pixels_HWC, pixels_HWC[:, ::-1]])
    plain, mirrored = trainable.score(torch.from_numpy(pair_BHWC).permute(0, 3, 1, 2)).tolist()
    count = 40
    (score,) = _scores(trainable, [files[2]], count).values()
    share = (score - plain) / (mirrored - plain)
    assert 0.2 < share < 0.8
    assert share * count == pytest.approx(round(share * count), abs=0.01)
    assert abs(score - 50) < 100


def test_many_crops_agree_with_those_of_the_test_part(trainable, files):
    """Two draws of the same kind of crops."""
    data = RatedImages("few", tuple(files[:1]), np.array([1.0]), score_range=(0, 1), licence="", source="")
    (here,) = _scores(trainable, files[:1], 100).values()
    (there,) = predict(trainable, data, [0], crops=100)
    single = [score for seed in range(8) for score in _scores(trainable, files[:1], seed + 1).values()]
    assert here != there
    assert abs(here - there) < 2 * np.ptp(single)


def test_a_small_image_is_enlarged_and_says_so(trainable, files, tmp_path):
    results = {result.path: result for result in score_images(trainable, files, 2)}
    assert [result.note for result in results.values()] == [*[""] * 4, "enlarged from 20x24", "enlarged from 64x9"]
    assert (results[files[4]].height, results[files[4]].width) == (20, 24)
    larger = tmp_path / "larger.png"
    Image.open(files[4]).resize((38, 32), Image.Resampling.BICUBIC).save(larger)
    (by_hand,) = score_images(trainable, [larger], 2)
    assert by_hand == ScoredImage(larger, results[files[4]].score, 32, 38)


def test_what_cannot_be_scored_is_a_result_that_says_why_and_the_others_are_scored(trainable, files, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(files[0].read_bytes()[:500])
    text, gone, thread = tmp_path / "text.jpg", tmp_path / "gone.png", tmp_path / "thread.png"
    text.write_text("no image")
    Image.new("RGB", (1, 250_000)).save(thread)
    results = list(score_images(trainable, [broken, files[0], text, gone, tmp_path, thread, files[1]], 2))
    assert [result.score is None for result in results] == [True, False, True, True, True, True, False]
    for result, reason in zip(
        [results[i] for i in (0, 2, 3, 4, 5)],
        ["truncated or damaged", "not an image", "does not exist", "is a folder", "250000x1 pixels"],
        strict=True,
    ):
        assert str(result.path) in result.error
        assert reason in result.error
    assert results[1].score == _scores(trainable, [files[0]], 2)[files[0]]


def test_it_goes_on_demand_and_leaves_the_model_as_it_was(trainable, files):
    trainable.train()
    asked = []

    def paths():
        for file in files * 10:
            asked.append(file)
            yield file

    results = score_images(trainable, paths(), 1)
    next(results)
    assert len(asked) < 10
    assert trainable.training
    results.close()


def test_no_crops(trainable, files):
    with pytest.raises(InputError, match="0 crops an image; take at least 1"):
        score_images(trainable, files, 0)


def test_no_images(trainable):
    assert list(score_images(trainable, [], 1)) == []
