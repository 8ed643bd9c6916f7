"""Exported files give the scores of the scorer, and files that do not are not written."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import iqa_zoo
from iqa_zoo.cli import main
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.crops import compute_grid_boxes
from iqa_zoo.data.enlarge import enlarge
from iqa_zoo.data.views import reduce_image
from iqa_zoo.errors import ExportError, InputError
from iqa_zoo.inference.export import export as exporting
from iqa_zoo.inference.export import onnx_file
from iqa_zoo.inference.export.boxes import compute_boxes
from iqa_zoo.inference.export.onnx_file import OnnxRunner, make_resize
from iqa_zoo.inference.export.parity import BATCHES, cut_same_size, make_photographs, measure_parity
from iqa_zoo.inference.export.resize import compute_fitted_size, fit_images
from iqa_zoo.inference.export.same_padding import pad_same
from iqa_zoo.registry import MODELS

SIZE = 64
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "score_onnx.py"

pytestmark = pytest.mark.usefixtures("one_thread")


def shrink(name):
    """The config of a model of the zoo on a small backbone, of a small width, each layer once."""
    cfg = iqa_zoo.model_config(name)
    stages = cfg["backbone"].get("stages", (3, 4))
    if cfg["queries"]["type"] == "class_token":
        cfg["backbone"] = dict(type="timm_features", name="test_vit", image_size=SIZE)
    else:
        cfg["backbone"] = dict(type="timm_features", name="test_resnet", stages=stages, image_size=SIZE)
    cfg["dim"] = cfg["dim"] and 24
    cfg["interactions"] = [part for i, part in enumerate(cfg["interactions"]) if part not in cfg["interactions"][:i]]
    for part in (*cfg["interactions"], cfg["head"]):
        if "hidden" in part:
            part["hidden"] = (12, 8) if isinstance(part["hidden"], list | tuple) else 16
    return cfg


@pytest.fixture
def noisy(tmp_path):
    """Images that fit the model, are too small, and are too narrow."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((80, 97), (97, 70), (40, 50), (30, 150))]


@pytest.fixture
def run(tiny, write_run, tmp_path):
    tiny["backbone"]["image_size"] = SIZE
    return write_run(tmp_path / "run", tiny, noise=0.3)


def check(exported, scorer, images):
    """Score images by the file, alone and as a batch, and compare."""
    runner = OnnxRunner(exported.file.read_bytes())
    low, high = scorer.meaning.data.score_range
    for image in images:
        expected = scorer.score(image)
        allowed = (1e-3 if expected.note else 1e-5) * (high - low)
        assert runner(image[None])[0] == pytest.approx(expected.score, abs=allowed)
    batch = [np.ascontiguousarray(np.roll(images[0], turn, 0)[:, ::flip]) for turn in range(4) for flip in (1, -1)]
    expected = [score.score for score in scorer.score(batch)]
    assert np.ptp(expected) > 1e-3  # else the order would not matter
    for count in (1, 3, 8):
        np.testing.assert_allclose(runner(np.stack(batch[:count])), expected[:count], atol=1e-5 * (high - low))


# Three sizes of one model are the same on a small backbone.
NAMES = sorted(set(MODELS.built_in()) - {"lifeiqa_small", "lifeiqa_tiny"})


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_model_gives_its_scores(name, write_run, tmp_path, noisy):
    run = write_run(tmp_path / "run", shrink(name), noise=0.1, test_crops=1 + (name == "deiqt"))
    exported = iqa_zoo.export(run, tmp_path / "m.onnx", images=noisy)
    assert exported.parity.images == 4
    check(exported, iqa_zoo.load(run, "cpu"), noisy)


def test_sizes_of_a_model_are_one_on_a_small_backbone():
    assert shrink("lifeiqa") == shrink("lifeiqa_small") == shrink("lifeiqa_tiny")


@pytest.mark.slow
def test_a_program_for_torch_scores_whole_images_and_says_so(write_run, tiny, tmp_path, noisy):
    """On a backbone with "same" padding, whose shapes depend on whether sides are even."""
    tiny["backbone"] = dict(type="timm_cells", name="test_efficientnet", cells=2, stages=tiny["backbone"]["stages"])
    run = write_run(tmp_path / "run", tiny, noise=0.1)
    exported = iqa_zoo.export(run, tmp_path / "m.pt2", images=noisy)
    assert exported.parity.resized >= 2
    extra = {"iqa_zoo.json": ""}
    program = torch.export.load(exported.file, extra_files=extra).module()
    assert json.loads(extra["iqa_zoo.json"]) == exported.metadata
    batch = np.stack([noisy[0], noisy[0][::-1], noisy[0][:, ::-1]])
    scores = [score.score for score in iqa_zoo.load(run, "cpu").score(list(batch))]
    np.testing.assert_allclose(program(torch.from_numpy(batch)).detach(), scores, atol=1e-3)


@pytest.mark.slow
@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 12))
def test_crops_are_where_the_scorer_takes_them(taller, wider, count):
    expected = compute_grid_boxes(20 + taller, 20 + wider, 20, count)
    assert [tuple(box) for box in compute_boxes(20 + taller, 20 + wider, 20, count).tolist()] == list(expected)


@pytest.mark.slow
@pytest.mark.parametrize("view", ["whole", "crops"])
def test_a_resize_is_that_of_pillow(view):
    """But for a level of 255 where sums are rounded, in few pixels; torch has fewer bits."""
    spec = FeatureSpec({}, 8, 8, 192, view=view)
    session = onnxruntime.InferenceSession(make_resize(spec, 10).SerializeToString())
    rng = np.random.default_rng(0)
    large = np.tile(make_photographs(192)[1], (4, 4, 1))
    sizes = [(128, 144), (144, 1800), (900, 1701), (193, 1024), *rng.integers(2, 900, (3, 2))]
    for height, width in sizes:
        image_HWC = np.ascontiguousarray(large[:height, :width])
        fitted_HWC = enlarge(image_HWC, 192, Path("a"))[0]
        if view == "whole":
            fitted_HWC = reduce_image(fitted_HWC, 192)[0]
        expected = fitted_HWC.astype(int)
        difference = np.abs(session.run(None, {"image": image_HWC[None]})[0][0] - expected)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 3e-3
        by_torch = fit_images(torch.from_numpy(image_HWC)[None], spec)[0].numpy()
        assert np.abs(by_torch - expected).max() <= 2
        assert compute_fitted_size(height, width, spec).tolist() == list(expected.shape[:2])


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding_is_that_of_timm(kernel, stride, dilation):
    from timm.layers.padding import pad_same as expected

    sizes, strides, dilations = (kernel, kernel), (stride, stride), (dilation, dilation)
    weight = torch.randn(3, 2, *sizes)
    for height in range(6, 12):
        maps_BCHW = torch.randn(1, 2, height, height + 3)
        own, theirs = (
            torch.nn.functional.conv2d(
                pad(maps_BCHW, sizes, strides, dilations), weight, stride=stride, dilation=dilation
            )
            for pad in (pad_same, expected)
        )
        torch.testing.assert_close(own, theirs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", [lambda score_B: score_B[::-1], lambda score_B: score_B + np.nan, lambda score_B: score_B + 0.02]
)
def test_parity_sees_another_order_and_other_numbers(run, noisy, wrong):
    scorer = iqa_zoo.load(run, "cpu")

    def right(image_BHWC):
        return np.array([score.score for score in scorer.score(list(image_BHWC))], np.float32)

    assert measure_parity(right, scorer, noisy[:1], runtime="a").holds
    assert not measure_parity(lambda image_BHWC: wrong(right(image_BHWC)), scorer, noisy[:1], runtime="a").holds
    assert max(BATCHES) == len({image.tobytes() for image in cut_same_size(max(BATCHES))})


@pytest.fixture
def cheap(monkeypatch):
    """Instead of a graph of torch, one that gives the mean pixel: fast, and other scores than those of a model."""

    def make(model, crops):
        text = """<ir_version: 8, opset_import: ["" : 18]> mean (uint8[batch, height, width, 3] image) => (float[batch] score)
        <int64[3] axes = {1, 2, 3}> { real = Cast <to = 1> (image) score = ReduceMean <keepdims = 0> (real, axes) }"""
        return onnx.parser.parse_model(text)

    monkeypatch.setattr(onnx_file, "make_onnx", make)


@pytest.mark.slow
def test_a_file_with_other_scores_is_not_written(run, cheap, noisy, tmp_path):
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(ExportError, match=r"gives other scores after its export to \.onnx .*m\.onnx is not written"):
        iqa_zoo.export(run, tmp_path / "m.onnx", images=noisy[:1])
    assert (tmp_path / "m.onnx").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "run"]


@pytest.mark.slow
def test_a_file_says_what_its_scores_mean_and_the_example_reads_it(run, cheap, noisy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(exporting, "measure_parity", lambda *a, runtime, **k: measure_parity(*a, runtime=runtime, **k))
    monkeypatch.setattr("iqa_zoo.inference.export.parity.Parity.holds", True)
    Image.fromarray(noisy[0]).save(tmp_path / "a.png")
    words = ["export", str(run), "-o", str(tmp_path / "m.onnx"), "--images", str(tmp_path / "a.png"), "--json"]
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out)
    held = {each.key: each.value for each in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert held == printed["metadata"]
    assert json.loads(held["iqa_zoo.parity"]) == printed["parity"]
    assert json.loads(held["iqa_zoo.card"])["data"]["name"] == "holiday"
    assert "run; weights" in held["iqa_zoo.signature"]
    assert str(tmp_path) not in held["iqa_zoo.signature"] + held["iqa_zoo.card"]
    clear = Image.new("RGBA", (5, 4), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    command = [sys.executable, str(EXAMPLE), "m.onnx", "a.png", "clear.png", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    scores = json.loads(done.stdout)["scores"]
    assert scores["a.png"] == pytest.approx(noisy[0].mean(), rel=1e-5)
    assert scores["clear.png"] == 255  # white


def test_the_example_is_short_and_needs_three_packages():
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) <= 60
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= {"argparse", "json", "numpy", "onnxruntime", "PIL"}


def test_what_cannot_be_exported_is_one_message(run, tmp_path, monkeypatch, capsys):
    def fail(*words):
        assert main(["export", *map(str, words)]) == 2
        return capsys.readouterr().err

    assert "m.pb: give a file that ends in .onnx or .pt2" in fail(run, "-o", "m.pb")
    assert "there is no folder" in fail(run, "-o", tmp_path / "no" / "m.pt2")
    assert "unknown trained model 'rum'; did you mean 'run'?" in fail(run.parent / "rum", "-o", tmp_path / "m.pt2")
    assert "101 crops an image are too many for a graph" in fail(run, "-o", tmp_path / "m.pt2", "--crops", 101)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert 'pip install "iqa-zoo[export]"' in fail(run, "-o", tmp_path / "m.onnx")


def test_torch_s_reason_is_given(run, tmp_path, monkeypatch):
    def refuse(model, crops):
        raise RuntimeError("no such operator\nand more")

    monkeypatch.setattr("iqa_zoo.inference.export.torch_file.make_program", refuse)
    with pytest.raises(ExportError, match=r"cannot be exported to \.pt2: no such operator; the other format"):
        iqa_zoo.export(run, tmp_path / "m.pt2")

    def say_why(model, crops):
        raise InputError("head cannot be traced or exported: why")

    monkeypatch.setattr("iqa_zoo.inference.export.torch_file.make_program", say_why)
    with pytest.raises(InputError, match="head cannot be traced"):
        iqa_zoo.export(run, tmp_path / "m.pt2")
