"""Everything random hangs on the seed: the same arguments give the same numbers, another seed gives others."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from iqa_zoo.build import build_backbone
from iqa_zoo.contracts import Features, spec_of
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.identity import identify_weights
from iqa_zoo.progress import Silent
from iqa_zoo.randomness import seeded
from iqa_zoo.registry import register_backbone, register_head
from iqa_zoo.studies.layer_probe import probing
from iqa_zoo.studies.layer_probe.probing import build_probed
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.scaling.study import build_runners
from iqa_zoo.studies.weights import describe_weights, needs_weights
from iqa_zoo.training.frozen.extraction import extract_features
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.frozen.trainings import Training, train_one
from iqa_zoo.training.recipe import FrozenRecipe

DATA = ("--data", "table", "--root", "d", "--selection", "last")


def disturb() -> None:
    """As though something else had drawn before."""
    torch.rand(3)
    np.random.rand(5)
    random.random()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compare", "ablate", "data_efficiency", "swap"])
def test_a_backbone_without_weights_is_that_of_the_seed(name, plan_command, tiny):
    hashes = []
    model = [] if name == "swap" else ["lifeiqa_tiny"]
    for seed in (0, 0, 1):
        disturb()
        spec = plan_command(name, *model, "--backbone", "test_resnet", "--seed", seed, *DATA)
        hashes.append(identify_weights(FrozenRunner.build(spec, [tiny], Silent()).backbone))
        assert describe_weights(spec.backbone, spec.training.seed) == f"random weights (seed {seed})"
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_registered_backbone_that_has_weights_is_said_to_be_random_as_well():
    assert [needs_weights(name) for name in ("nss", "multi_scale_patches", "resnet18")] == [False, True, True]


@pytest.mark.slow
def test_scaling_builds_every_backbone_from_the_seed(plan_command, tiny):

    found = []
    for seed in (0, 0, 1):
        disturb()
        spec = plan_command("scaling", "--backbones", "test_resnet", "test_vit", "--seed", seed, *DATA)
        cfg = {**tiny, "queries": {"type": "learned"}, "memory": {"type": "tokens"}}
        runners, _ = build_runners(spec, {"m": cfg}, Silent())
        found.append([identify_weights(runner.backbone) for runner in runners.values()])
    assert found[0] == found[1]
    assert not set(found[0]) & set(found[2])


def test_probes_build_the_control_from_the_seed(plan_command, monkeypatch):
    found = []
    for seed in (0, 0, 1):
        disturb()
        spec = plan_command("layer_probe", "--backbones", "test_resnet", "--pretrained", "--seed", seed)
        real = probing.build_model
        monkeypatch.setattr(probing, "build_model", lambda cfg, pretrained, weights, real=real: real(cfg))
        probed, _ = build_probed(spec)
        monkeypatch.undo()
        found.append([identify_weights(each.levels) for each in probed])
    assert found[0] == found[1]
    assert not set(found[0]) & set(found[2])


def rated(folder: Path) -> RatedImages:
    from PIL import Image

    paths = []
    for i in range(12):
        paths.append(folder / f"{i}.png")
        pixels = np.random.default_rng(i).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(paths[-1])
    return RatedImages("set", tuple(paths), np.arange(12.0), score_range=(0, 99), licence="CC0", source="drawn")


@pytest.mark.slow
def test_a_backbone_that_draws_in_its_forward_pass_gives_the_features_of_the_seed(tmp_path, scratch_registry):
    nss = build_backbone(dict(backbone=dict(type="nss", image_size=32, stages=[4])))

    @register_backbone("noisy")
    class Noisy(nn.Module):
        """Noise on everything, with dropout that is never off."""

        def __init__(self):
            super().__init__()
            self.spec = spec_of(nss)

        def forward(self, image_BCHW):
            found = nss(image_BCHW)
            noise = torch.rand(()) + np.random.rand() + random.random()
            maps = {stage: nn.functional.dropout(stage_map + noise) for stage, stage_map in found.maps.items()}
            return Features(maps, found.tokens_BLC, found.global_BC)

    data, banks = rated(tmp_path), []
    for place, seed in (("a", 0), ("b", 0), ("c", 1)):
        disturb()
        banks.append(extract_features(Noisy(), dict(type="noisy"), data, crops=1, seed=seed, cache=tmp_path / place))
    first, again, other = (np.array(bank.arrays["map4"]) for bank in banks)
    np.testing.assert_array_equal(first, again)
    assert banks[0].key == banks[1].key != banks[2].key
    assert not np.array_equal(first, other)


@pytest.mark.slow
def test_a_part_that_draws_with_numpy_or_random_trains_alike(tmp_path, scratch_registry):
    from iqa_zoo.contracts import HeadOutput

    @register_head("drawn")
    class Drawn(nn.Module):
        """A factor from each generator."""

        def __init__(self, *, dim: int):
            super().__init__()
            self.linear, self.factor = nn.Linear(dim, 1), 1 + np.random.rand() + random.random()

        def forward(self, queries_BND):
            score_BN = self.factor * self.linear(queries_BND).squeeze(2)
            return HeadOutput(score_BN.mean(1), score_BN)

    data, backbone = rated(tmp_path), build_backbone(dict(backbone=dict(type="nss", image_size=32, stages=[3, 4])))
    config = dict(type="nss", image_size=32, stages=[3, 4])
    bank: FeatureBank = extract_features(backbone, config, data, crops=1, cache=tmp_path / "cache")
    cfg = dict(
        dim=8,
        backbone=config,
        queries=dict(type="guided", num_queries=2, stage=4),
        memory=dict(type="grid_pool", stage=3, grid=2),
        interactions=[dict(type="cross_attention", num_heads=2)],
        head=dict(type="drawn"),
        losses=[dict(type="l1")],
    )
    split = Split(np.arange(7), np.arange(7, 12), np.arange(0), "s")
    recipe, found = FrozenRecipe(epochs=1, batch_size=4, precision="float32"), []
    for seed in (0, 0, 1):
        disturb()
        found.append(train_one(Training("m", cfg, split, recipe, seed, "last"), bank, data)["predictions"])
    assert found[0] == found[1] != found[2]


def test_what_is_seeded_leaves_the_generators_as_they_were():
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    expected = torch.rand(1).item(), np.random.rand(), random.random()
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    with seeded(-3):
        disturb()
    assert (torch.rand(1).item(), np.random.rand(), random.random()) == expected


def test_options_that_change_a_number_are_in_the_seeded_conditions(plan_command):
    assert plan_command("compare", "lifeiqa_tiny", "--seed", 7, *DATA).folder() != (
        plan_command("compare", "lifeiqa_tiny", *DATA).folder()
    )
