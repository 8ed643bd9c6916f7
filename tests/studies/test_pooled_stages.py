"""The levels of a backbone, averaged over the image."""

from pathlib import Path

import numpy as np
import pytest
import torch

from iqa_zoo.backbones.nss import NaturalSceneStatistics
from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.errors import InputError
from iqa_zoo.studies.pooled_stages import LevelVectors, full_config, level_vectors
from iqa_zoo.training.frozen.features import FeatureBank

IMAGE = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def test_levels_are_the_means_of_the_stage_maps():
    backbone = TimmFeatures(name="test_resnet", stages=(1, 2, 3, 4)).eval()
    levels = LevelVectors(backbone).eval()
    maps = backbone(IMAGE).maps
    found = levels(IMAGE)
    for stage, level in found.maps.items():
        torch.testing.assert_close(level[:, :, 0, 0], maps[stage].flatten(2).mean(2))
    assert levels.spec.stages[3].channels == maps[3].shape[1]
    assert levels.names == {stage: f"stage {stage}" for stage in maps}


def test_every_block_of_a_transformer_is_what_timm_gives():
    backbone = TimmFeatures(name="test_vit", stages=()).eval()
    levels = LevelVectors(backbone, every_block=True).eval()
    expected = backbone.model.forward_intermediates(IMAGE[:, :, :64, :64].repeat(1, 1, 3, 3)[:, :, :160, :160],
                                                    intermediates_only=True, norm=False)  # fmt: skip
    found = levels(IMAGE[:, :, :64, :64].repeat(1, 1, 3, 3)[:, :, :160, :160]).maps
    assert list(levels.names.values()) == [f"block {i + 1}" for i in range(len(expected))]
    for level, block in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(level.flatten(1), block.mean((2, 3)))


def test_every_block_of_a_cnn_is_named_by_its_stride_and_nss_has_none():
    levels = LevelVectors(TimmFeatures(name="resnet18"), every_block=True)
    assert levels.names == {1: "stride 2", 2: "stride 4", 3: "stride 8", 4: "stride 16", 5: "stride 32"}
    with pytest.raises(InputError, match="only timm's backbones give their blocks"):
        LevelVectors(NaturalSceneStatistics(), every_block=True)


def test_the_config_of_a_backbone_has_every_stage_it_can_give():
    assert full_config("nss")["stages"] == [1, 2, 3, 4]
    assert full_config("efficientvit_m0")["stages"] == [3, 4]


def test_vectors_of_a_level_are_means_over_the_crops():
    spec = FeatureSpec({1: StageInfo(5, 64)}, 5, 5, 64, available_stages=(1,), token_stage=1)
    map1 = np.random.default_rng(0).standard_normal((6, 2, 1, 1, 5)).astype(np.float16)
    bank = FeatureBank(spec, {"map1": map1, "global": map1[:, :, 0, 0]}, "made up", Path())
    np.testing.assert_allclose(level_vectors(bank, 1), map1.astype(float)[:, :, 0, 0].mean(1))
