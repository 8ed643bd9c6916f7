"""A frozen backbone over the images of a dataset: in batches, decoded ahead, in one precision."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from iqa_zoo.build import build_backbone
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.training.frozen import forward
from iqa_zoo.training.frozen.extraction import extract_features

SIDE = 32
CONFIG = dict(type="timm_features", name="test_resnet", stages=[3, 4], image_size=SIDE)
CROPS = 3


@pytest.fixture
def data(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for i, path in enumerate(paths):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (60, 50, 3), dtype=np.uint8)).save(path)
    return rate(paths)


def rate(paths):
    return RatedImages(
        "noise",
        tuple(paths),
        np.arange(len(paths), dtype=float),
        score_range=(0, 99),
        licence="CC0",
        source="drawn",
    )


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return build_backbone(dict(backbone=CONFIG))


class Brightness(nn.Module):
    """Gives a factor times the mean of each crop, and keeps the sizes of the batches and the precision of products."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor))
        stages = {4: StageInfo(1, SIDE)}
        self.spec = FeatureSpec(stages, 1, 1, SIDE, mean=(0, 0, 0), std=(1, 1, 1), token_stage=4)
        self.sizes, self.layouts, self.kinds = [], [], set()

    def forward(self, image_BCHW):
        self.sizes.append(len(image_BCHW))
        self.layouts.append(image_BCHW.is_contiguous(memory_format=torch.channels_last))
        self.kinds.add((image_BCHW.flatten(1) @ image_BCHW.flatten(1).T).dtype)
        map_B111 = self.factor * image_BCHW.mean((1, 2, 3), keepdim=True)
        return Features({4: map_B111}, map_B111.flatten(2), map_B111.flatten(1))


def compute(backbone, data, crops=CROPS, precision="float32"):
    found = []
    forward.compute_features(backbone, data, crops, precision, lambda rows, features: found.append((rows, features)))
    return found


def test_batches_are_full_whatever_the_crops_of_an_image(data, monkeypatch):
    monkeypatch.setattr(forward, "CPU_PIXELS", 4 * SIDE**2)
    backbone = Brightness()
    found = compute(backbone, data)
    assert backbone.sizes == [4, 4, 4, 3]
    assert all(backbone.layouts)
    assert [(rows.start, rows.stop) for rows, _ in found] == [(0, 4), (4, 8), (8, 12), (12, 15)]


@pytest.mark.slow
def test_rows_are_the_crops_image_by_image(tmp_path, monkeypatch):
    monkeypatch.setattr(forward, "CPU_PIXELS", 2 * SIDE**2)
    levels = [10, 200, 90, 255]
    for level in levels:
        Image.new("RGB", (50, 60), (level,) * 3).save(tmp_path / f"{level}.png")
    bank = extract_features(
        Brightness(), CONFIG, rate([tmp_path / f"{level}.png" for level in levels]), crops=3, cache=tmp_path
    )
    expected = np.repeat(np.array(levels)[:, None], 3, 1) / 255
    np.testing.assert_allclose(bank.arrays["global"][:, :, 0], expected, rtol=1e-3)
    np.testing.assert_allclose(bank.arrays["map4"][:, :, 0, 0, 0], expected, rtol=1e-3)


@pytest.mark.parametrize(("precision", "kind"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_are_in_the_precision(precision, kind, data):
    backbone = Brightness()
    compute(backbone, data, precision=precision)
    assert backbone.kinds == {kind}
    assert not torch.is_autocast_enabled("cpu")
    assert not torch.is_inference_mode_enabled()


def test_nothing_of_the_precision_stays_after_an_error(data):
    with pytest.raises(InputError) as kept:  # with its traceback
        extract_features(
            Brightness(float("nan")), CONFIG, data, crops=1, precision="bfloat16", cache=data.paths[0].parent
        )
    assert kept.value
    assert not torch.is_autocast_enabled("cpu")
    assert not torch.is_inference_mode_enabled()


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "rounding"), [("float32", 1e-3), ("bfloat16", 2e-2)])
def test_other_batches_and_another_order_change_features_by_rounding_only(
    precision, rounding, backbone, data, tmp_path, monkeypatch
):
    """Relative to the largest value of an array; where the kernels sum in one order the features are equal."""
    full = extract_features(backbone, CONFIG, data, crops=CROPS, precision=precision, cache=tmp_path)
    order = [3, 0, 2]
    monkeypatch.setattr(forward, "CPU_PIXELS", 2 * SIDE**2)
    part = extract_features(backbone, CONFIG, data.select(order), crops=CROPS, precision=precision, cache=tmp_path)
    for name, array in part.arrays.items():
        expected = full.arrays[name][order].astype(np.float32)
        np.testing.assert_allclose(array, expected, rtol=0, atol=rounding * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_number_of_threads_changes_no_bit(precision, backbone, data, tmp_path, monkeypatch):
    arrays = []
    for threads in (1, 7):
        monkeypatch.setattr(forward.os, "cpu_count", lambda threads=threads: threads)
        bank = extract_features(backbone, CONFIG, data, crops=CROPS, precision=precision, cache=tmp_path / str(threads))
        arrays.append(bank.arrays)
    for name, array in arrays[0].items():
        np.testing.assert_array_equal(array, arrays[1][name])


def test_images_are_decoded_while_the_backbone_runs(data, monkeypatch):
    """The backbone waits for the third image, which is not of its batch."""
    read, load = threading.Event(), forward.load_views

    def load_views(path, *given):
        if path == data.paths[2]:
            read.set()
        return load(path, *given)

    class Waits(Brightness):
        def forward(self, image_BCHW):
            assert read.wait(60)
            return super().forward(image_BCHW)

    monkeypatch.setattr(forward, "load_views", load_views)
    monkeypatch.setattr(forward, "CPU_PIXELS", SIDE**2)
    backbone = Waits()
    compute(backbone, data, crops=1)
    assert backbone.sizes == [1] * 5


def test_what_waits_for_the_backbone_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(forward, "CPU_PIXELS", 2 * SIDE**2)
    monkeypatch.setattr(forward.os, "cpu_count", lambda: 3)
    paths = [tmp_path / f"{i}.png" for i in range(40)]
    for path in paths:
        Image.new("RGB", (50, 60)).save(path)
    loaded, load, excess = [], forward.load_views, []
    monkeypatch.setattr(forward, "load_views", lambda *given: loaded.append(1) or load(*given))

    class Counts(Brightness):
        def forward(self, image_BCHW):
            excess.append(len(loaded) - sum(self.sizes) - len(image_BCHW))
            return super().forward(image_BCHW)

    compute(Counts(), rate(paths), crops=1)
    assert len(loaded) == 40
    assert max(excess) <= 3 + 2 * 2  # the threads, and two batches


def test_float32_and_bfloat16_features_are_near_and_never_mistaken(backbone, data, tmp_path):
    def extract(precision):
        return extract_features(backbone, CONFIG, data, crops=1, precision=precision, cache=tmp_path)

    single, half, again = extract("float32"), extract("bfloat16"), extract("float32")
    assert single.key != half.key
    assert again.key == single.key
    assert again.from_cache
    assert extract_features(backbone, CONFIG, data, crops=1, cache=tmp_path).key == single.key
    for name, array in half.arrays.items():
        expected = single.arrays[name].astype(np.float32)
        assert array.dtype == np.float16
        assert (array != expected).any()
        np.testing.assert_allclose(array, expected, rtol=0, atol=0.03 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_values_that_half_precision_cannot_hold_are_an_error_with_the_image(precision, tmp_path):
    for level in (10, 255):
        Image.new("RGB", (40, 40), (level,) * 3).save(tmp_path / f"{level}.png")
    data = rate([tmp_path / "10.png", tmp_path / "255.png"])

    def extract(factor):
        return extract_features(Brightness(factor), CONFIG, data, crops=1, precision=precision, cache=tmp_path)

    held = extract(65504.0).arrays["global"]
    assert held[1, 0, 0] == 65504
    with pytest.raises(
        InputError, match=r"255\.png: the backbone's map4 reaches 7e\+04, beyond half precision \(65,504\)"
    ):
        extract(70000.0)
    with pytest.raises(InputError, match=r"10\.png: the backbone's map4 is not finite; are these its weights\?"):
        extract(float("inf"))
    assert len(list((tmp_path / "features").iterdir())) == 1
