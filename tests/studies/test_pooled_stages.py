"""The layer probe: what it averages, and that its ridge reads what is planted and never the test labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from iqa_zoo.backbones.nss import NaturalSceneStatistics
from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.build import build_decoder
from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError
from iqa_zoo.stats.metrics import srocc
from iqa_zoo.studies.pooled_stages import LevelVectors, full_config, level_vectors, probe_config, ridge_scores
from iqa_zoo.training.frozen.features import FeatureBank

SPLIT = Split(np.arange(60), np.arange(80, 100), np.arange(60, 80), "made up")
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


def bank_of(rng: np.random.Generator, mos: np.ndarray) -> FeatureBank:
    """Two levels of 100 images and 2 crops; only the second holds the label, in a mix of two channels."""
    spec = FeatureSpec({1: StageInfo(5, 64), 2: StageInfo(4, 64)}, 4, 4, 64, available_stages=(1, 2), token_stage=2)
    first, second = rng.standard_normal((100, 2, 1, 1, 5)), rng.standard_normal((100, 2, 1, 1, 4))
    second[..., 0] += 6 * (mos - 50)[:, None, None, None] / 10
    arrays = {"map1": first, "map2": second, "global": second[:, :, 0, 0]}
    return FeatureBank(spec, {k: v.astype(np.float16) for k, v in arrays.items()}, "planted", Path())


def test_a_ridge_reads_a_planted_label_from_its_own_level_only():
    rng = np.random.default_rng(0)
    mos = rng.uniform(20, 80, 100)
    bank = bank_of(rng, mos)
    scores = ridge_scores(bank, 2, mos, SPLIT)
    assert srocc(scores, mos[SPLIT.test]) > 0.95
    assert abs(scores.mean() - mos[SPLIT.test].mean()) < 6
    assert abs(srocc(ridge_scores(bank, 1, mos, SPLIT), mos[SPLIT.test])) < 0.6
    other = mos.copy()
    other[SPLIT.test] = 0.0
    np.testing.assert_array_equal(ridge_scores(bank, 2, other, SPLIT), scores)
    np.testing.assert_allclose(level_vectors(bank, 1), bank.arrays["map1"].astype(float)[:, :, 0, 0].mean(1))


def test_a_probe_is_one_linear_layer_on_its_level():
    bank = bank_of(np.random.default_rng(0), np.full(100, 50.0))
    decoder = build_decoder(probe_config(full_config("nss"), 1, 5), bank.spec)
    assert sum(parameter.numel() for parameter in decoder.parameters()) == 5 + 1
    assert decoder(bank.take(np.arange(3), np.zeros(3, int))).shape == (3,)
