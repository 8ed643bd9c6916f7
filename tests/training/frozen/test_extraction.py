"""Frozen features: those of the backbone, kept, found again, and made anew when the files are damaged."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_zoo.build import build_backbone
from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.views import load_views
from iqa_zoo.errors import InputError
from iqa_zoo.training.frozen.extraction import extract_features
from iqa_zoo.training.frozen.features import FeatureBank, compute_bank_shapes

BACKBONES = {
    "map": dict(type="timm_features", name="test_resnet", stages=[3, 4], image_size=64),
    "tokens": dict(type="timm_features", name="test_vit", stages=[4]),
}


def dataset(folder: Path, count: int = 5, size: int = 200) -> RatedImages:
    rng = np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
    return RatedImages(
        "noise",
        tuple(paths),
        np.arange(count, dtype=float),
        score_range=(0, 100),
        licence="CC0",
        source="drawn by chance",
    )


@pytest.fixture
def data(tmp_path):
    return dataset(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", BACKBONES)
def test_they_are_what_the_backbone_gives_for_the_same_crop(kind, data, tmp_path):
    backbone = build_backbone(dict(backbone=BACKBONES[kind]))
    bank = extract_features(backbone, BACKBONES[kind], data, crops=3, cache=tmp_path)
    taken = bank.take(np.array([4, 1]), np.array([2, 0]))
    spec = backbone.spec
    for row, (image, crop) in enumerate([(4, 2), (1, 0)]):
        pixels = load_views(data.paths[image], spec, 3)[crop]
        image_CHW = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        image_CHW = (image_CHW - torch.tensor(spec.mean)[:, None, None]) / torch.tensor(spec.std)[:, None, None]
        with torch.no_grad():
            expected = backbone(image_CHW[None])
        for stage, expected_map in expected.maps.items():
            torch.testing.assert_close(taken.maps[stage][row], expected_map[0], rtol=2e-3, atol=2e-3)
        torch.testing.assert_close(taken.tokens_BLC[row], expected.tokens_BLC[0], rtol=2e-3, atol=2e-3)
        torch.testing.assert_close(taken.global_BC[row], expected.global_BC[0], rtol=2e-3, atol=2e-3)


def test_the_declared_shapes_are_the_stored_ones(data, tmp_path):
    backbone = build_backbone(dict(backbone=BACKBONES["map"]))
    bank = extract_features(backbone, BACKBONES["map"], data, crops=2, cache=tmp_path)
    assert {name: array.shape for name, array in bank.arrays.items()} == compute_bank_shapes(
        backbone.spec, len(data), 2
    )


@pytest.mark.slow
def test_a_second_call_computes_nothing_and_other_inputs_have_other_keys(data, tmp_path, monkeypatch):
    backbone = build_backbone(dict(backbone=BACKBONES["map"]))
    first = extract_features(backbone, BACKBONES["map"], data, crops=2, cache=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(type(backbone), "forward", lambda *_: pytest.fail("computed again"))
        assert extract_features(backbone, BACKBONES["map"], data, crops=2, cache=tmp_path).key == first.key
    keys = {first.key, extract_features(backbone, BACKBONES["map"], data, crops=3, cache=tmp_path).key}
    keys.add(extract_features(backbone, BACKBONES["map"], data, crops=2, seed=1, cache=tmp_path).key)
    with torch.no_grad():
        next(backbone.parameters())[0] += 1
    keys.add(extract_features(backbone, BACKBONES["map"], data, crops=2, cache=tmp_path).key)
    Image.new("RGB", (200, 200), "red").save(data.paths[0])
    keys.add(extract_features(backbone, BACKBONES["map"], data, crops=2, cache=tmp_path).key)
    assert len(keys) == 5


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest"])
def test_a_damaged_cache_is_made_anew(damage, data, tmp_path):
    backbone = build_backbone(dict(backbone=BACKBONES["map"]))
    bank = extract_features(backbone, BACKBONES["map"], data, crops=1, cache=tmp_path)
    expected = np.array(bank.arrays["map4"])
    file = bank.path / ("manifest.json" if damage == "manifest" else "map4.npy")
    content = bytearray(file.read_bytes())
    if damage == "remove":
        file.unlink()
    elif damage == "flip":
        content[-1] ^= 1
        file.write_bytes(content)
    else:
        file.write_bytes(content[: len(content) // 2])
    again = extract_features(backbone, BACKBONES["map"], data, crops=1, cache=tmp_path)
    np.testing.assert_array_equal(again.arrays["map4"], expected)


def test_a_broken_image_is_named_and_leaves_no_partial_cache(data, tmp_path):
    data.paths[3].write_bytes(data.paths[3].read_bytes()[:500])
    backbone = build_backbone(dict(backbone=BACKBONES["map"]))
    with pytest.raises(InputError, match=r"3\.png"):
        extract_features(backbone, BACKBONES["map"], data, crops=1, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache" / "features").iterdir())


def test_features_that_are_not_finite_are_refused(data, tmp_path):
    backbone = build_backbone(dict(backbone=BACKBONES["map"]))
    with torch.no_grad():
        next(backbone.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="not finite"):
        extract_features(backbone, BACKBONES["map"], data, crops=1, cache=tmp_path)


def test_standardised_channels_have_mean_zero_and_deviation_one_over_the_chosen_images():
    rng = np.random.default_rng(0)
    scale, offset = 10.0 ** rng.uniform(-2, 2, 6), rng.uniform(-5, 5, 6)
    map4 = (rng.standard_normal((100, 2, 3, 3, 6)) * scale + offset).astype(np.float16)
    map4[..., 5] = 7.0  # a dead channel
    spec = FeatureSpec({4: StageInfo(6, 32)}, 6, 6, 96, token_stage=4)
    bank = FeatureBank(spec, {"map4": map4, "global": map4.astype(np.float32).mean((2, 3))}, "made up", Path())
    chosen = np.arange(10, 90)
    taken = bank.standardise(chosen).take(chosen, chosen % 2)
    flat = taken.maps[4].permute(0, 2, 3, 1).reshape(-1, 6)
    torch.testing.assert_close(flat.mean(0), torch.zeros(6), atol=1e-2, rtol=0)
    torch.testing.assert_close(flat.std(0)[:5], torch.ones(5), atol=1e-2, rtol=0)
    assert flat[:, 5].abs().max() < 1e-3
    torch.testing.assert_close(taken.tokens_BLC.reshape(-1, 6), flat)
    torch.testing.assert_close(taken.global_BC[:, :5].std(0), torch.ones(5), atol=2e-2, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_whole_images_of_any_size_do_not_depend_on_their_neighbours(precision, tmp_path):
    """Every image goes through the backbone alone: its features are the same to the last bit in any order."""
    paths = []
    for i, shape in enumerate([(70, 90), (64, 64), (70, 90), (40, 50), (64, 1100)]):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (*shape, 3), dtype=np.uint8)).save(paths[-1])
    config = dict(type="timm_cells", name="test_resnet", cells=2, stages=[3])
    torch.manual_seed(0)
    backbone = build_backbone(dict(backbone=config))

    def extract(order):
        data = RatedImages(
            "any",
            tuple(paths[i] for i in order),
            np.arange(len(order), dtype=float),
            score_range=(0, 9),
            licence="",
            source="",
        )
        return extract_features(backbone, config, data, crops=1, precision=precision, cache=tmp_path)

    every, turned = extract(range(5)), extract([4, 2, 0])
    shapes = {name: array.shape for name, array in every.arrays.items()}
    assert shapes.pop("tokens") == (5, 1, 4, backbone.spec.token_channels)
    assert shapes == compute_bank_shapes(backbone.spec, 5, 1)
    for name, array in turned.arrays.items():
        np.testing.assert_array_equal(array, every.arrays[name][[4, 2, 0]])
    views = load_views(paths[4], backbone.spec, 1)
    assert views.shape == (1, 64, 1100, 3)
    image_BCHW = (
        torch.from_numpy(views).permute(0, 3, 1, 2) / 255 - torch.tensor(backbone.spec.mean).view(3, 1, 1)
    ) / (torch.tensor(backbone.spec.std).view(3, 1, 1))
    with torch.no_grad():
        expected = backbone(image_BCHW).maps[3][0].permute(1, 2, 0)
    rounding = 2e-3 if precision == "float32" else 0.03 * expected.abs().max().item()
    torch.testing.assert_close(torch.tensor(every.arrays["map3"][4, 0]).float(), expected, rtol=2e-3, atol=rounding)
