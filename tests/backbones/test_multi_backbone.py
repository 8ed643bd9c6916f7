import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import iqa_zoo
from iqa_zoo.backbones.nss import NaturalSceneStatistics
from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.budgets.measure import find_backbone_shapes
from iqa_zoo.build import build_backbone, build_model, build_part
from iqa_zoo.config import check_config, model_config, resolve_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import CheckpointError, ConfigError, PartError
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.training.end_to_end.trainable import Trainable
from iqa_zoo.training.frozen.extraction import extract_features
from iqa_zoo.training.optimizer import make_optimizer
from iqa_zoo.training.recipe import load_recipe
from iqa_zoo.weights import load_weights

RESNET = {"type": "timm_features", "name": "test_resnet", "image_size": 64}
NSS = {"type": "nss", "image_size": 64}
VIT = {"type": "timm_features", "name": "test_vit", "image_size": 64}


def config(**arguments):
    backbone = {"type": "multi_backbone", "branches": [RESNET, NSS], "stages": (3, 13), **arguments}
    cfg = {**model_config("linear_probe"), "backbone": backbone}
    return {**cfg, "queries": {"type": "global_vector"}}


def multi_backbone(**arguments):
    return build_part("backbone", {"type": "multi_backbone", **arguments}, {})


def image(batch=2, size=64):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_gives_what_its_branches_give():
    torch.manual_seed(0)
    backbone = multi_backbone(branches=[RESNET, RESNET], stages=(12, 4)).eval()
    first, second = (branch(image()) for branch in backbone.branches)
    features = backbone(image())
    assert list(features.maps) == [12, 4]
    assert torch.equal(features.maps[4], first.maps[4])
    assert torch.equal(features.maps[12], second.maps[2])
    assert torch.equal(features.tokens_BLC, first.tokens_BLC)
    assert torch.equal(features.global_BC, torch.cat((first.global_BC, second.global_BC), 1))
    assert backbone.spec.available_stages == (1, 2, 3, 4, 11, 12, 13, 14)


def test_one_branch_alone_is_that_branch():
    torch.manual_seed(0)
    several = multi_backbone(branches=[{**RESNET, "stages": (3, 4)}]).eval()
    alone = several.branches[0]
    assert several.spec == alone.spec
    given, expected = several(image()), alone(image())
    assert all(torch.equal(given.maps[stage], expected.maps[stage]) for stage in (3, 4))
    assert torch.equal(given.tokens_BLC, expected.tokens_BLC)


def test_each_branch_sees_the_image_as_it_wants_it():
    backbone = multi_backbone(branches=[RESNET, NSS], stages=(13,)).eval()
    rgb_BCHW = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (backbone.spec.mean, backbone.spec.std))
    expected = NaturalSceneStatistics(stages=(3,), image_size=64)(rgb_BCHW)
    torch.testing.assert_close(backbone((rgb_BCHW - mean) / std).maps[13], expected.maps[3], atol=1e-3, rtol=1e-3)
    seen = []
    backbone.branches[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image_BCHW = image()
    backbone(image_BCHW)
    assert seen[0] is image_BCHW


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, -1])
def test_the_image_size_suits_all(order):
    branches = [RESNET, {**VIT, "image_size": 96}][::order]
    backbone = multi_backbone(branches=branches)
    assert (backbone.spec.image_size, backbone.spec.fixed_size) == (96, True)
    with pytest.raises(PartError, match=r"takes exactly 64 x 64 pixels and another one 96 or more; set image_size"):
        multi_backbone(branches=[VIT, {**RESNET, "image_size": 96}][::order])
    assert multi_backbone(branches=branches, image_size=128).spec.image_size == 128


# Freezing


def batch_norms(module):
    return [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm2d)]


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(
    ("arguments", "trained", "moves"),
    [
        ({}, (True, True), (True, True)),
        ({"freeze": True}, (False, False), (False, False)),
        ({"freeze": (True, False)}, (False, True), (False, True)),
        ({"freeze": (False, True), "freeze_batch_norm": False}, (True, False), (True, True)),
        ({"freeze_batch_norm": (False, True)}, (True, True), (True, False)),
    ],
)
def test_freezing_holds_weights_and_statistics(arguments, trained, moves, again):
    backbone = multi_backbone(branches=[RESNET, RESNET], **arguments)
    if again:
        backbone.eval().train()
    before = [[norm.running_mean.clone() for norm in batch_norms(branch)] for branch in backbone.branches]
    backbone(image())
    for number, branch in enumerate(backbone.branches):
        assert all(parameter.requires_grad == trained[number] for parameter in branch.parameters())
        held = [
            torch.equal(norm.running_mean, was) for norm, was in zip(batch_norms(branch), before[number], strict=True)
        ]
        assert not any(held) if moves[number] else all(held)


def test_a_training_step_moves_the_free_branch_alone():
    torch.manual_seed(0)
    model = build_model(config(branches=[RESNET, RESNET], freeze=(True, False)))
    trainable = Trainable(ScaledModel(model), freeze_batch_norm=False).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = make_optimizer(model, load_recipe("quick"))
    pixels = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    trainable(pixels, torch.tensor([1.0, 2.0, 3.0, 4.0]))["total"].backward()
    optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert not any(name.startswith("backbone.branches.0.") for name in moved)
    assert any(name.startswith("backbone.branches.1.") and name.endswith("weight") for name in moved)
    assert any("running_mean" in name for name in moved)


# Budgets


@pytest.mark.slow
def test_budget_is_that_of_the_branches():
    frozen, free = (iqa_zoo.measure_budget(config(branches=[RESNET, NSS, RESNET], freeze=f)) for f in (True, False))
    alone = [iqa_zoo.measure_budget({**config(), "backbone": part}).by_slot["backbone"] for part in (RESNET, NSS)]
    backbone = frozen.by_slot["backbone"]
    assert backbone.params == 2 * alone[0].params
    assert backbone.macs == 2 * alone[0].macs + alone[1].macs
    assert (backbone.trainable_params, free.by_slot["backbone"].trainable_params) == (0, backbone.params)
    assert iqa_zoo.measure_budget(build_model(config(branches=[RESNET, NSS, RESNET], freeze=True))) == frozen


@pytest.mark.slow
def test_shapes_without_computing_are_those_of_the_maps():
    cfg = config(branches=[RESNET, {**RESNET, "name": "test_efficientnet"}], stages=(3, 14))
    shapes, backbone = find_backbone_shapes(cfg), build_backbone(cfg)
    features = backbone.eval()(image(1))
    assert shapes.maps == {stage: tuple(value.shape) for stage, value in features.maps.items()}
    assert (shapes.tokens, shapes.vector) == (tuple(features.tokens_BLC.shape), tuple(features.global_BC.shape))


@pytest.mark.slow
def test_budget_at_another_image_size():
    cfg = config(branches=[{"type": "timm_features", "name": "test_vit"}, {"type": "nss"}])
    small, large = (iqa_zoo.measure_budget(cfg, size) for size in (64, 128))
    assert large.image_size == 128
    assert large.by_slot["backbone"].macs > 3 * small.by_slot["backbone"].macs


# Config


def test_every_problem_of_a_branch_has_its_config_path():
    cfg = config(
        branches=[{**RESNET, "nmae": "x"}, {"type": "ns"}, "nss", {"type": "nss", "pretrained": True}], freeze=1
    )
    assert check_config(cfg) == [
        "backbone.branches.0.nmae: unknown key 'nmae'; did you mean 'name'? "
        "Known: final_norm, image_size, model_args, name, stage_blocks, stages (of 'timm_features')",
        "backbone.branches.1.type: unknown backbone 'ns'; did you mean 'nss'? "
        "Known: " + ", ".join(iqa_zoo.registry.SLOTS["backbone"].names()),
        "backbone.branches.2: expected dict(type=NAME, ...), got 'nss'",
        "backbone.branches.3.pretrained: is handed down to every part and not written here; leave it out",
        "backbone.freeze: expected bool or list of bool, got 1",
    ]
    assert check_config(config(branches="nss"))[0].startswith("backbone.branches: expected list of backbone parts")


def test_what_only_branches_can_judge_has_its_config_path_too():
    with pytest.raises(ConfigError) as caught:
        build_model(config(branches=[{**RESNET, "name": "resnet_18"}, NSS], stages=(3, 15)))
    first, second = caught.value.problems
    assert first.startswith("backbone.branches.0: timm has no model 'resnet_18'; did you mean 'resnet18'?")
    assert second == "backbone.branches.1: 'nss' has no stage 5; it has the stages 1, 2, 3, 4"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"branches": []}, r"backbone: branches is empty; give at least one backbone"),
        ({"stages": (3, 23)}, r"backbone: no branch gives stage 23; .* 1, 2, 3, 4, 11, 12, 13, 14"),
        ({"freeze": (True,)}, r"backbone: freeze=\[True\] is 1 flags for 2 branches"),
        (
            {"branches": [NSS, {"type": "multi_backbone", "branches": [NSS, NSS]}]},
            r"backbone\.branches\.1: has a stage 11",
        ),
    ],
)
def test_what_cannot_work_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build_backbone(config(**arguments))


def test_overrides_reach_a_branch():
    cfg = apply_overrides(config(), {"backbone.branches.1.image_size": 96, "backbone.branches.0.final_norm": False})
    assert cfg["backbone"]["branches"] == [{**RESNET, "final_norm": False}, {**NSS, "image_size": 96}]
    every = apply_overrides(config(), {"backbone.branches.*.image_size": 32})
    assert [branch["image_size"] for branch in every["backbone"]["branches"]] == [32, 32]
    whole = apply_overrides(config(), {"backbone.branches.0": NSS, "backbone.freeze": True})
    assert whole["backbone"]["branches"] == [NSS, NSS]
    with pytest.raises(ConfigError) as caught:
        apply_overrides(
            config(), {"backbone.branches.2.name": "x", "backbone.branches.0.nam": "x", "backbone.name": "x"}
        )
    assert caught.value.problems[0] == "backbone.branches.2.name: 'branches' has the items 0 to 1 (or *), not '2'"
    assert caught.value.problems[1].startswith("backbone.branches.0.nam: unknown key 'nam'; did you mean 'name'?")
    assert caught.value.problems[2].startswith("backbone.name: unknown key 'name'")


@pytest.mark.slow
def test_defaults_of_branches_are_written_out_and_hashed():
    resolved = resolve_config(config())
    assert resolved["backbone"]["branches"][0] == {
        **RESNET, "stages": [], "stage_blocks": None, "final_norm": True, "model_args": None
    }  # fmt: skip
    assert resolve_config(resolved) == resolved
    assert config_hash(config()) == config_hash(config(branches=[{**RESNET, "final_norm": True}, NSS]))
    other = config(branches=[{**RESNET, "image_size": 96}, NSS])
    assert config_hash(config()) != config_hash(other)
    assert json.loads(json.dumps(resolved)) == resolved
    assert build_model(resolved).config == build_model(config()).config


# Weights


@pytest.mark.parametrize("kind", ["whole model", "backbone", "timm"])
def test_weights_of_every_branch(kind):
    torch.manual_seed(1)
    trained = build_model(config(branches=[RESNET, NSS, {**RESNET, "name": "test_efficientnet"}]))
    torch.manual_seed(2)
    model = build_model(trained.config)
    state = (trained if kind == "whole model" else trained.backbone).state_dict()
    if kind == "timm":
        state = {name.replace(".model.", "."): value for name, value in state.items()}
        state["branches.0.fc.weight"] = torch.zeros(10, 256)  # the classifier, which is left out
    load_weights(model, state)
    ours, theirs = model.backbone.state_dict(), trained.backbone.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_weights_that_do_not_fit_say_of_which_branch():
    model = build_model(config(branches=[RESNET, RESNET]))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = dict(model.backbone.state_dict())
    state["branches.1.model.conv9.weight"] = state.pop("branches.1.model.conv1.weight", torch.zeros(1))
    state["branches.2.x"] = state["stem.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, state)
    assert "branches.1: unknown: model.conv9.weight" in str(caught.value)
    assert "unknown: branches.2.x, stem.weight" in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# Cached features


@pytest.mark.slow
def test_key_of_cached_features_is_of_every_branch(tmp_path):
    torch.manual_seed(0)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)).save(tmp_path / "0.png")
    paths, mos = (tmp_path / "0.png",), np.zeros(1)
    data = RatedImages("noise", paths, mos, score_range=(0, 100), licence="CC0", source="drawn by chance")
    cfg = config(branches=[RESNET, {**RESNET, "name": "test_efficientnet"}], stages=(4, 14))
    model = build_model(cfg)

    def key():
        bank = extract_features(model.backbone, model.config["backbone"], data, crops=1, cache=tmp_path)
        assert {"map4", "map14", "global"} <= set(bank.arrays)
        return bank.key

    first = key()
    assert key() == first
    with torch.no_grad():
        next(model.backbone.branches[1].parameters()).add_(1)
    assert key() != first


def test_is_what_two_backbones_compute_apart():
    torch.manual_seed(0)
    backbone = multi_backbone(branches=[VIT, RESNET], stages=(4, 14)).eval()
    vit, resnet = (TimmFeatures(name=branch["name"], stages=(4,), image_size=64).eval() for branch in (VIT, RESNET))
    vit.load_state_dict(backbone.branches[0].state_dict())
    resnet.load_state_dict(backbone.branches[1].state_dict())
    features, (mean, std) = (
        backbone(image()),
        zip(*[(spec.mean, spec.std) for spec in (vit.spec, resnet.spec)], strict=True),
    )
    mean, std = torch.tensor(mean).view(2, 3, 1, 1), torch.tensor(std).view(2, 3, 1, 1)
    seen = (image() * std[0] + mean[0] - mean[1]) / std[1]
    torch.testing.assert_close(features.maps[4], vit(image()).maps[4])
    torch.testing.assert_close(features.maps[14], resnet(seen).maps[4])
