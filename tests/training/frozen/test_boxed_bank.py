import numpy as np
import pytest
import torch

from iqa_zoo.build import build_backbone
from iqa_zoo.config import model_config, resolve_config
from iqa_zoo.data.boxed import find_box, read_maps
from iqa_zoo.data.livec import livec
from iqa_zoo.errors import InputError
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.studies.pooled_stages import LevelVectors
from iqa_zoo.training.frozen.boxed_bank import unpack_box
from iqa_zoo.training.frozen.extraction import extract_features
from iqa_zoo.training.frozen.features import compute_bank_shapes

LITE = dict(type="timm_cells", name="tf_efficientnet_lite0", stages=[3, 4], cells=6)


def build(pretrained=True, **changes):
    config = {**LITE, **changes}
    return build_backbone({"backbone": config}, pretrained=pretrained), config


@pytest.fixture(scope="module")
def data():
    return livec().select(range(0, 1162, 10))


@pytest.fixture(scope="module")
def pretrained():
    return build()[0]


@pytest.mark.slow
def test_the_bank_is_that_of_the_maps_in_half_precision(data, pretrained, tmp_path):
    bank = unpack_box(pretrained, LITE, data, cache=tmp_path)
    assert not bank.from_cache
    assert {name: array.shape for name, array in bank.arrays.items()} == compute_bank_shapes(
        pretrained.spec, len(data), 1
    )
    for stage in (3, 4):
        expected = read_maps(find_box(data), stage, data.names)
        np.testing.assert_allclose(bank.arrays[f"map{stage}"][:, 0], expected, rtol=1e-3, atol=1e-4)
    features = bank.take(np.array([7]), np.array([0]))
    torch.testing.assert_close(features.global_BC, features.maps[4].mean((2, 3)), rtol=1e-3, atol=2e-3)
    assert unpack_box(pretrained, LITE, data, cache=tmp_path).from_cache


@pytest.mark.slow
def test_one_stage_has_tokens_of_its_own(data, tmp_path):
    backbone, config = build(stages=[3])
    arrays = unpack_box(backbone, config, data, cache=tmp_path).arrays
    assert set(arrays) == {"map3", "tokens", "global"}
    assert arrays["tokens"].shape == (len(data), 1, 36, 320)


def test_levels_are_means_of_the_maps(data, pretrained, tmp_path):
    bank = unpack_box(LevelVectors(pretrained), LITE, data, cache=tmp_path)
    expected = read_maps(find_box(data), 3, data.names).mean((1, 2))
    np.testing.assert_allclose(bank.arrays["map3"][:, 0, 0, 0], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stages": [2, 4]}, "not stage 2"),
        ({"cells": 5}, "not of timm_cells tf_efficientnet_lite0"),
        ({"name": "resnet10t"}, "not of timm_cells resnet10t"),
        ({"pretrained": False}, "not with other weights"),
    ],
)
def test_another_backbone_stage_or_weights_are_refused(data, changes, reason, tmp_path):
    changes = dict(changes)
    backbone, config = build(changes.pop("pretrained", not changes.get("name")), **changes)
    with pytest.raises(
        InputError,
        match=f"holds stages 3 and 4 of .*{reason}; use --backbone tf_efficientnet_lite0 --pretrained, or give --root",
    ):
        unpack_box(backbone, config, data, cache=tmp_path)


def test_features_of_photographs_cannot_be_computed(data, pretrained, tmp_path):
    with pytest.raises(InputError, match="livec without --root has no pixels"):
        extract_features(pretrained, LITE, data, crops=1, cache=tmp_path)


def test_the_config_of_a_study_is_that_of_the_box(data):
    config = make_backbone_config(LITE["name"], [model_config("lifeiqa"), model_config("deiqt")], view="whole")
    assert resolve_config({**model_config("deiqt"), "backbone": config})["backbone"] == dict(find_box(data).backbone)
