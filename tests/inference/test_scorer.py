"""Scores of images of any kind and size, under any name, beside any others."""

import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import iqa_zoo
from iqa_zoo.data.crops import compute_grid_boxes
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import CheckpointError, InputError, UnknownName
from iqa_zoo.inference import load as loading
from iqa_zoo.inference.load_run import load_run
from iqa_zoo.inference.predict import predict, score_image
from iqa_zoo.inference.score import Score, interpret_score
from iqa_zoo.trained import names
from iqa_zoo.trained.names import DEFAULT, list_trained

SIZE = 32

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def run(tiny, write_run, tmp_path):
    tiny["backbone"]["image_size"] = SIZE
    return write_run(tmp_path / "run", tiny, noise=0.3)


@pytest.fixture
def scorer(run):
    """Of a run: three crops an image, no calibration."""
    return iqa_zoo.load(run, "cpu")


@pytest.fixture
def named(released):
    """Of a trained model with a name: two crops, calibrated."""
    return iqa_zoo.load("tiny.noise", "cpu", folder=released.folder)


@pytest.fixture
def files(tmp_path):
    """Six images: larger than the model's input in several shapes, of just its size, and smaller."""
    rng = np.random.default_rng(0)
    paths = []
    for index, shape in enumerate([(40, 60), (33, 32), (32, 32), (200, 45), (20, 24), (64, 9)]):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def _scores(scorer, paths):
    return {result.path: result.score for result in scorer.score(list(paths))}


@pytest.mark.slow
def test_a_score_does_not_depend_on_what_is_scored_beside_it(scorer, files):
    together = _scores(scorer, files)
    assert list(together) == list(map(str, files))
    assert len(set(together.values())) == len(files)
    assert _scores(scorer, random.Random(1).sample(files, len(files))) == together
    for file in files:
        assert scorer.score(file).score == together[str(file)]


def test_nor_on_the_name_the_folder_or_a_lossless_format(scorer, files, tmp_path):
    copy = tmp_path / "moved" / "another name.png"
    copy.parent.mkdir()
    shutil.copy(files[0], copy)
    bitmap = tmp_path / "again.bmp"
    Image.open(files[0]).save(bitmap)
    first, second, third = scorer.score([files[0], copy, bitmap])
    assert first.score == second.score == third.score


@pytest.mark.slow
def test_nor_on_what_an_image_is_given_as(named, files):
    file = files[0]
    image = Image.open(file)
    pixels_HWC = np.array(image)
    batch_BCHW = torch.from_numpy(pixels_HWC).permute(2, 0, 1)[None]
    forms = [file, str(file), file.read_bytes(), image, pixels_HWC, batch_BCHW[0], pixels_HWC[::1]]
    scores = named.score(forms)
    assert len({score.score for score in scores}) == 1
    assert [score.path for score in scores] == [str(file), str(file), None, None, None, None, None]
    assert named.score(tuple(forms[:2])) == scores[:2]
    assert named.score(iter(forms[:2])) == scores[:2]
    assert [score.score for score in named.score(batch_BCHW)] == [scores[0].score]
    assert [score.score for score in named.score(pixels_HWC[None])] == [scores[0].score]


@pytest.mark.slow
def test_images_of_pillow_are_converted_as_files_are(scorer, tmp_path):
    rng = np.random.default_rng(0)
    turned = Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    exif = turned.getexif()
    exif[274] = 6
    images = {
        "turned.png": (turned, {"exif": exif}),
        "grey.png": (ImageOps.grayscale(turned), {}),
        "clear.png": (Image.fromarray(rng.integers(0, 256, (40, 60, 4), dtype=np.uint8)), {}),
        "palette.png": (turned.quantize(16), {}),
        "deep.png": (Image.fromarray(rng.integers(0, 65536, (40, 60), dtype=np.uint16)), {}),
    }
    for name, (image, options) in images.items():
        image.save(tmp_path / name, **options)
        with Image.open(tmp_path / name) as opened:
            assert scorer.score(opened).score == scorer.score(tmp_path / name).score, name
            assert scorer.score(opened).score == scorer.score(tmp_path / name).score, name  # it is left as it was
    assert scorer.score(tmp_path / "turned.png").height == 60
    grey_HW = np.array(images["grey.png"][0])
    assert scorer.score(grey_HW).score == scorer.score(tmp_path / "grey.png").score
    assert scorer.score(torch.from_numpy(grey_HW)[None]).score == scorer.score(tmp_path / "grey.png").score


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((40, 40, 3)), "the array holds float64; give uint8 in 0..255"),
        (torch.zeros(3, 40, 40), r"the tensor holds torch.float32; .* Gradients of a score are those of scorer"),
        (np.zeros((3, 40, 40), np.uint8), r"an array of shape \(3, 40, 40\) is no image"),
        (torch.zeros(40, 40, 3, dtype=torch.uint8), r"a tensor of shape \(40, 40, 3\) is no image"),
        (np.zeros((0, 4, 3), np.uint8), "is no image"),
        (7, "int is no image; give a path"),
        (b"no image", "is not an image"),
        (Image.new("F", (40, 40)), "floating point samples"),
        ("gone.png", "gone.png does not exist"),
    ],
)
def test_what_is_no_image_is_an_error_alone_and_a_result_among_others(scorer, files, given, message):
    with pytest.raises(InputError, match=message):
        scorer.score(given)
    before, bad, after = scorer.score([files[0], given, files[1]])
    assert (bad.score, bool(bad.error), bad.word) == (None, True, "")
    assert np.isnan(float(bad))
    assert [before, after] == scorer.score(files[:2])


@pytest.mark.slow
def test_files_that_cannot_be_read_are_named_and_the_others_are_scored(scorer, files, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(files[0].read_bytes()[:500])
    text, gone, thread = tmp_path / "text.jpg", tmp_path / "gone.png", tmp_path / "thread.png"
    text.write_text("no image")
    Image.new("RGB", (1, 250_000)).save(thread)
    results = scorer.score([broken, files[0], text, gone, tmp_path, thread, files[1]])
    assert [result.score is None for result in results] == [True, False, True, True, True, True, False]
    for result, reason in zip(
        [results[i] for i in (0, 2, 3, 4, 5)],
        ["truncated or damaged", "not an image", "does not exist", "is a folder", "250000x1 pixels"],
        strict=True,
    ):
        assert str(result.path) in result.error
        assert reason in result.error


@pytest.mark.slow
def test_a_score_is_the_mean_over_crops_at_fixed_positions(scorer, files):
    pixels_HWC = np.array(Image.open(files[3]))
    boxes = compute_grid_boxes(200, 45, SIZE, 5)
    crops_BHWC = np.stack([pixels_HWC[top : top + SIZE, left : left + SIZE] for top, left in boxes])
    single = [scorer(torch.from_numpy(crop_HWC[None]).permute(0, 3, 1, 2) / 255).item() for crop_HWC in crops_BHWC]
    assert scorer.with_crops(5).score(files[3]).score == pytest.approx(np.mean(single), rel=1e-6)
    assert len(set(single)) == 5
    with pytest.raises(InputError, match="0 crops"):
        scorer.with_crops(0)


@pytest.mark.slow
def test_scores_of_datasets_and_of_explanations_are_the_same_to_the_last_bit(scorer, run, files):
    model, _ = load_run(run, "cpu")
    data = RatedImages("few", tuple(files), np.arange(6.0), score_range=(0, 5), licence="", source="")
    scores = list(_scores(scorer, files).values())
    assert predict(model, data, range(6), crops=3).tolist() == scores
    assert [score_image(model, np.array(Image.open(file)), 3) for file in files[:4]] == scores[:4]


def test_a_score_that_is_not_finite_is_an_error_of_its_image(scorer, files):
    with torch.no_grad():
        for parameter in scorer.model.model.head.parameters():
            parameter.fill_(float("nan"))
    results = scorer.score(files[:2])
    assert [result.score for result in results] == [None, None]
    assert all(result.path in result.error and "gives nan" in result.error for result in results)
    assert (results[0].height, results[0].width) == (40, 60)


@pytest.mark.slow
def test_a_small_image_is_enlarged_and_says_so(scorer, files, tmp_path):
    results = scorer.score(files)
    assert [result.note for result in results] == [*[""] * 4, "enlarged from 20x24", "enlarged from 64x9"]
    assert ["enlarged" in result.flags for result in results] == [False] * 4 + [True] * 2
    assert (results[4].height, results[4].width) == (20, 24)
    larger = tmp_path / "larger.png"
    Image.open(files[4]).resize((38, 32), Image.Resampling.BICUBIC).save(larger)
    assert scorer.score(larger).score == results[4].score


def test_it_goes_on_demand(scorer, files):
    asked = []

    def paths():
        for file in files * 10:
            asked.append(file)
            yield file

    results = scorer.score_each(paths())
    next(results)
    assert len(asked) < 10
    results.close()


def test_no_images(scorer):
    assert scorer.score([]) == []


@pytest.mark.slow
def test_threads_may_share_a_scorer(named, files):
    alone = [named.score(file) for file in files]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(named.score, files * 8)) == alone * 8


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["scorer", "named", "whole"])
def test_threads_of_torch_change_no_bit(kind, files, request):
    scorer = request.getfixturevalue(kind)
    one = scorer.score(files * 2)
    torch.set_num_threads(4)
    assert scorer.score(files * 2) == one
    assert [scorer.score(file) for file in files] == one[: len(files)]
    assert torch.get_num_threads() == 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["scorer", "named"])
def test_scores_can_be_differentiated_by_the_image(kind, files, request):
    scorer = request.getfixturevalue(kind)
    pixels_BCHW = torch.from_numpy(np.array(Image.open(files[2]))).permute(2, 0, 1)[None]
    image_BCHW = (pixels_BCHW / 255).requires_grad_()
    score_B = scorer(image_BCHW)
    assert score_B.item() == pytest.approx(scorer.with_crops(1).score(files[2]).score, abs=1e-4)
    (gradient_BCHW,) = torch.autograd.grad(score_B.sum(), image_BCHW)
    assert gradient_BCHW.isfinite().all()
    assert gradient_BCHW.abs().sum() > 0
    direction_BCHW = gradient_BCHW / gradient_BCHW.norm()
    with torch.no_grad():
        step = (scorer(image_BCHW + 1e-3 * direction_BCHW) - scorer(image_BCHW - 1e-3 * direction_BCHW)).item()
    assert step / 2e-3 == pytest.approx(gradient_BCHW.norm().item(), rel=0.1)


def test_a_run_has_words_and_no_intervals(scorer, files):
    score = scorer.score(files[0])
    assert (score.low, score.high, score.coverage, score.percentile) == (None,) * 4
    assert score.word in ("bad", "poor", "fair", "good", "excellent")
    assert scorer.meaning.format_signature().endswith(
        "; 3 crops of 32 x 32 pixels; MOS of holiday, 0 to 100, higher is better"
    )


@pytest.mark.slow
def test_a_trained_model_has_an_interval_a_percentile_a_word_and_flags(named, released):
    calibration = released.entry.calibration
    best, worst = (named.score(released.data.paths[i]) for i in (1, 58))
    for score in (best, worst):
        assert score.low < score.score < score.high
        assert score.coverage == calibration.coverage == 0.9
    assert (best.word, worst.word) == ("excellent", "bad")
    assert best.percentile > 90 > 10 > worst.percentile
    assert best.flags[-1] == "look-alike of 1.png"
    inside = [
        s.low <= mos <= s.high for s, mos in zip(named.score(list(released.data.paths)), released.data.mos, strict=True)
    ]
    assert np.mean(inside) > 0.9
    signature = named.meaning.format_signature()
    assert f"tiny.noise; weights {released.entry.sha256[:12]}; 2 crops" in signature
    assert "\n" not in signature


@pytest.mark.parametrize(("value", "size"), [(0, (40, 50)), (255, (40, 50)), (255, (1, 1))])
def test_plain_images_are_unlike_the_training_photographs(named, value, size):
    score = named.score(np.full((*size, 3), value, np.uint8))
    assert "unlike the training photographs" in score.flags
    assert ("enlarged" in score.flags) == (size == (1, 1))
    typical = named.score(np.random.default_rng(3).normal(128, 30, (40, 42, 3)).clip(0, 255).astype(np.uint8))
    assert typical.flags == ()
    assert score.high - score.low > typical.high - typical.low


def test_an_interval_ends_with_the_scale_and_holds_the_score(named):
    def interpret(score):
        keep = dict(data=named.meaning.data, calibration=calibration, distance=1.0, note="", look_alike="")
        return interpret_score(score, **keep)

    calibration = replace(named.photographs.calibration, quantile=10.0, median_distance=1.0)
    assert [(f["low"], f["high"]) for f in map(interpret, (50, 3, 104))] == [(40, 60), (0, 13), (94, 104)]
    assert "outside the range of the ratings" in interpret(104)["flags"]


def test_no_such_model(run, tmp_path, released):
    with pytest.raises(UnknownName, match=r"unknown trained model 'tiny.noize'; did you mean 'tiny.noise'\?"):
        iqa_zoo.load("tiny.noize", folder=released.folder)
    with pytest.raises(UnknownName, match=r"unknown trained model 'rum'; did you mean 'run'\?"):
        iqa_zoo.load(tmp_path / "rum")
    with pytest.raises(CheckpointError, match=r"no run\.json"):
        iqa_zoo.load(tmp_path)


def test_a_model_is_not_built_with_the_weights_of_a_trained_one(run, tiny, released, monkeypatch):
    """It would lose the scale of the scores."""
    with pytest.raises(CheckpointError, match=r"the folder of a training; .* Load it with iqa_zoo\.load\('.*run'\)"):
        iqa_zoo.build_model(tiny, weights=run)
    monkeypatch.setattr(names, "FOLDER", released.folder)
    with pytest.raises(CheckpointError, match=r"name of a trained model; .* iqa_zoo\.load\('tiny\.noise'\)"):
        iqa_zoo.build_model(tiny, weights="tiny.noise")
    iqa_zoo.build_model(tiny, weights=run / "weights.safetensors")  # to start a training


def test_the_default_model_is_loaded_once(released, files, monkeypatch):
    calls = []
    load = loading.load

    def count(name):
        calls.append(name)
        return load("tiny.noise", "cpu", folder=released.folder)

    monkeypatch.setattr(loading, "load", count)
    monkeypatch.setattr(loading, "_DEFAULT", {})
    assert isinstance(iqa_zoo.score(files[0]), Score)
    assert len(iqa_zoo.score(files)) == len(files)
    assert calls == [DEFAULT]


@pytest.mark.parametrize("found", ["", "f" * 64])
def test_the_weights_of_another_backbone_are_refused(released, monkeypatch, found):
    entry = replace(released.entry, backbone_sha256="0" * 64)
    monkeypatch.setattr(loading, "find_packaged_hash", lambda cfg: found)
    with pytest.raises(CheckpointError, match=f"SHA-256 {'0' * 64}; .* knows {found or 'no package'} for it"):
        loading.load_trained(entry, "cpu", folder=released.folder)


@pytest.fixture
def whole(tiny, write_run, tmp_path):
    tiny["backbone"] = dict(type="timm_cells", name="test_resnet", cells=1, stages=tiny["backbone"]["stages"])
    return iqa_zoo.load(write_run(tmp_path / "run", tiny), "cpu")


@pytest.mark.slow
def test_a_whole_image_has_one_score_that_every_pixel_counts_in(whole, files):
    alone = [whole.score(path).score for path in files]
    assert [result.score for result in whole.score(files[::-1])] == alone[::-1]
    pixels_HWC = np.array(Image.open(files[0]))
    pixels_HWC[-1, -1] = 255 - pixels_HWC[-1, -1]
    assert whole.score(pixels_HWC).score != alone[0]
    with pytest.raises(InputError, match="sees the whole of each image"):
        whole.with_crops(2)
    assert "; whole image, its long side at most 1024 pixels; " in whole.meaning.format_signature()


def test_a_reduced_image_has_a_note(whole):
    result = whole.score(np.random.default_rng(0).integers(0, 256, (40, 1500, 3), dtype=np.uint8))
    assert (result.height, result.width, result.note) == (40, 1500, "reduced from 40x1500")


@pytest.mark.slow
@pytest.mark.parametrize("name", list_trained())
def test_scores_of_photographs_are_those_of_the_release(name):
    """``golden`` of a description are the scores of three photographs of scikit-image at its release."""
    from skimage import data

    from iqa_zoo.trained.entry import read_trained

    scorer = iqa_zoo.load(name, "cpu")
    for photograph, expected in read_trained(name).golden.items():
        assert scorer.score(getattr(data, photograph)()).score == pytest.approx(expected, abs=1e-4)
