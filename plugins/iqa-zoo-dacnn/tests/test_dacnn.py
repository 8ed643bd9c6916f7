"""The numbers of the released code, the whole of it written again on plain tensors, and the model as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from iqa_zoo_dacnn.gated_fusion import GatedFusion, MultiScaleFeatures, MutualGates
from iqa_zoo_dacnn.prelu_perceptron import PReLUPerceptronHead
from torch import nn
from torch.nn import functional as F

import iqa_zoo
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import CheckpointError, ConfigError, PartError
from iqa_zoo.released import import_released
from iqa_zoo.testing import BackboneContract, HeadContract, QueriesContract
from iqa_zoo.testing.released import filled, noise
from iqa_zoo.testing.witness import macs_by_torch

ORIGIN = "iqa-zoo-dacnn 0.1.0"
TOLD = json.loads((Path(__file__).parent / "dacnn.json").read_text(encoding="utf-8"))
TINY = {
    "backbone.branches.*.name": "test_efficientnet",
    "backbone.branches.*.unread": [[10]],
    "dim": 48,
    "head.hidden": [16, 8],
}


@pytest.fixture(scope="module")
def imported():
    return import_released("dacnn", filled(TOLD["manifest"]))


# The released code


def test_parity_with_the_authors_code(imported):
    with torch.no_grad():
        score_B = imported(noise(*TOLD["input_shape"], seed=TOLD["input_seed"]))
    expected = np.array(TOLD["outputs"][0])
    assert np.abs(score_B.numpy() - expected).max() < 1e-5 * np.abs(expected).max()


def test_number_of_parameters_and_macs(imported):
    budget = iqa_zoo.measure_budget(imported)
    assert budget.params == TOLD["params"] == 14_308_236
    unread = 2 * (1000 * 1280 + 1000) + (512 * 1280 + 512) + (512 * 512 + 512) + (512 + 1)
    assert sum(p.numel() for branch in imported.backbone.branches for p in branch.unread.parameters()) == unread
    assert budget.trainable_params == budget.decoder.params == 2_812_099
    assert iqa_zoo.measure_budget("dacnn") == iqa_zoo.measure_budget("dacnn_released") == budget
    assert budget.macs == pytest.approx(macs_by_torch(imported, torch.zeros(1, 3, 224, 224)), rel=1e-3)


def test_without_what_nobody_reads_the_scores_are_the_same(imported):
    lean = iqa_zoo.build_model("dacnn", overrides={"backbone.branches.*.unread": []}).eval()
    assert iqa_zoo.measure_budget(lean).params == 14_308_236 - 3_481_041
    left = {name: value for name, value in imported.state_dict().items() if ".unread." not in name}
    lean.load_state_dict(left)
    image_BCHW = noise(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(lean(image_BCHW), imported(image_BCHW))


def conv(state, name, x, stride=1, groups=1):
    """A convolution padded as in TensorFlow: the output has the size of the input over the stride, rounded up."""
    weight = state[f"{name}.weight"]
    kernel = weight.shape[-1]
    short = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]]
    x = F.pad(x, (short[1] // 2, short[1] - short[1] // 2, short[0] // 2, short[0] - short[0] // 2))
    return F.conv2d(x, weight, state.get(f"{name}.bias"), stride, groups=groups)


def released_network(state, x):
    """EfficientNet-B0 under the names of efficientnet-pytorch: what DACNN reads of it."""

    def norm(name, x):
        mean, var, weight, bias = (state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        shape = (1, -1, 1, 1)
        return (x - mean.view(shape)) / (var.view(shape) + 1e-3).sqrt() * weight.view(shape) + bias.view(shape)

    x = F.silu(norm("_bn0", conv(state, "_conv_stem", x, 2)))
    ends, blocks = [], 0
    for stride, repeats in ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1)):
        for repeat in range(repeats):
            at, start = f"_blocks.{blocks}", x
            if f"{at}._expand_conv.weight" in state:
                x = F.silu(norm(f"{at}._bn0", conv(state, f"{at}._expand_conv", x)))
            step = 1 if repeat else stride
            x = F.silu(norm(f"{at}._bn1", conv(state, f"{at}._depthwise_conv", x, step, groups=x.shape[1])))
            gate = F.silu(conv(state, f"{at}._se_reduce", x.mean((2, 3), keepdim=True)))
            x = x * conv(state, f"{at}._se_expand", gate).sigmoid()
            x = norm(f"{at}._bn2", conv(state, f"{at}._project_conv", x))
            x = x + start if repeat else x
            blocks += 1
        ends.append(x)
    return ends[1], ends[2], ends[4], F.silu(norm("_bn1", conv(state, "_conv_head", x)))


def released_code(state, image_BCHW):
    """The released code, from its description, on plain tensors."""
    networks = []
    for prefix in ("ADANet.", "SDANet.efficient."):
        own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        networks.append(released_network(own, image_BCHW))

    def plain(name, x, stride=1):
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state[f"{name}.bias"], stride, padding=weight.shape[-1] // 2)

    def msfb(name, x):
        small, middle = plain(f"{name}.conv1_MSFB", x, 2), plain(f"{name}.conv3_MSFB_s2_1", x, 2)
        large = plain(f"{name}.conv3_MSFB_s1", plain(f"{name}.conv3_MSFB_s2_2", x, 2))
        return torch.cat((small, middle, large), 1)

    means = []
    for i, (authentic, synthetic) in enumerate(zip(*networks, strict=True), 1):
        maps = msfb(f"msfb{i}1", authentic), msfb(f"msfb{i}2", synthetic)
        both = torch.cat(maps, 1)
        gated = [m * plain(f"wgb{i}.conv3_s1_{j}", both).sigmoid() for j, m in enumerate(maps, 1)]
        means.append(msfb(f"msfb_{i}", torch.cat(gated, 1)).mean((2, 3)))
    x = torch.cat(means, 1)
    for i in (1, 2):
        x = x @ state[f"fc{i}.weight"].T + state[f"fc{i}.bias"]
        x = torch.where(x > 0, x, x * state[f"prelu{i}.weight"])
    return (x @ state["fc3.weight"].T + state["fc3.bias"])[:, 0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_is_a_second_implementation_for_other_seeds(seed):
    state = filled(TOLD["manifest"], seed)
    model = import_released("dacnn", {"state_dict": state})
    image_BCHW = noise(2, 3, 224, 224, seed=seed)
    with torch.no_grad():
        expected_B = released_code({name: value.double() for name, value in state.items()}, image_BCHW.double())
        rounded_B = released_code(state, image_BCHW)
        single_B, double_B = model(image_BCHW), model.double()(image_BCHW.double())
    # The scores of seed 2 nearly cancel: what float32 can give of them, the second implementation shows on the same processor.
    allowed = max(1e-5 * expected_B.abs().max(), 4 * (rounded_B - expected_B).abs().max())
    assert (single_B - expected_B).abs().max() < allowed
    assert (double_B - expected_B).abs().max() < 1e-12 * expected_B.abs().max()


def test_second_implementation_of_another_image_size(imported):
    state = {name: value.double() for name, value in filled(TOLD["manifest"]).items()}
    image_BCHW = noise(1, 3, 256, 288)
    with torch.no_grad():
        expected_B, given_B = released_code(state, image_BCHW.double()), imported(image_BCHW)
    assert (given_B - expected_B).abs().max() < 1e-5 * expected_B.abs().max()


def test_a_checkpoint_that_does_not_fit_says_why():
    state = filled(TOLD["manifest"])
    state["wgb9.conv3_s1_1.bias"] = state.pop("wgb1.conv3_s1_1.bias")
    with pytest.raises(CheckpointError, match=r"missing: wgb1\.conv3_s1_1\.bias[\s\S]*unknown: wgb9\.conv3_s1_1\.bias"):
        import_released("dacnn", state)
    with pytest.raises(CheckpointError, match=r"not a checkpoint of dacnn: 'fc1\.weight'"):
        import_released("dacnn", {"fc.weight": torch.zeros(2, 2)})


# As a user meets it


def test_same_score_alone_and_in_a_batch(imported):
    image_BCHW = noise(3, 3, 224, 224, seed=5)
    with torch.no_grad():
        together, alone = imported(image_BCHW), imported(image_BCHW[:1])
    torch.testing.assert_close(alone, together[:1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "moves"), [("dacnn", False), ("dacnn_released", True)])
def test_what_is_trained(name, moves):
    torch.manual_seed(0)
    model = iqa_zoo.build_model(name, overrides=TINY).train()
    norms = [m for m in model.backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    model.loss(torch.randn(2, 3, 224, 224), torch.tensor([30.0, 20.0]))["total"].backward()
    assert norms
    for norm, mean in zip(norms, before, strict=True):
        assert torch.equal(norm.running_mean, mean) != moves
    for name, parameter in model.named_parameters():
        if name.startswith("backbone."):
            assert parameter.grad is None, name
        else:
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


def test_dropout_is_left_out_in_evaluation():
    torch.manual_seed(0)
    head = PReLUPerceptronHead(dim=4, hidden=(64,), dropout=0.5)
    queries_BND = torch.randn(2, 1, 4)
    assert not torch.equal(head.train()(queries_BND).score_B, head(queries_BND).score_B)
    assert torch.equal(head.eval()(queries_BND).score_B, head(queries_BND).score_B)


@pytest.mark.parametrize(
    ("slot", "name"),
    [
        ("backbone", "efficientnet_endpoints"),
        ("queries", "gated_fusion"),
        ("head", "prelu_perceptron"),
        ("models", "dacnn"),
        ("models", "dacnn_released"),
    ],
)
def test_is_listed_with_its_origin(slot, name):
    listed = {part.name: part for part in iqa_zoo.list_components(slot)}
    assert listed[name].origin == ORIGIN
    assert listed[name].summary.startswith("DACNN for iqa-zoo")


def test_its_budget_is_matched():
    cfg = iqa_zoo.build_model("dacnn", overrides=TINY).config
    target = round(1.2 * iqa_zoo.measure_budget(cfg).decoder.params)
    _, budget = iqa_zoo.match_budget(cfg, target)
    assert abs(budget.decoder.params - target) <= 0.01 * target


# The parts


class TestEndpoints(BackboneContract):
    parts: ClassVar = {
        "efficientnet_endpoints": [
            {"name": "test_efficientnet", "stages": (5, 2), "image_size": 64},
            {"name": "test_efficientnet", "stages": (1, 3), "image_size": 64, "unread": [[3], [4, 2]]},
        ]
    }


class TestFusion(QueriesContract):
    parts: ClassVar = {"gated_fusion": [{"stages": (1, 1)}, {"stages": (1, 2, 2, 1)}]}

    handed: ClassVar = {
        **QueriesContract.handed,
        "features": FeatureSpec({1: StageInfo(5, 4), 2: StageInfo(7, 4)}, 10, 12, 64),
    }


class TestHead(HeadContract):
    parts: ClassVar = {"prelu_perceptron": [{}, {"hidden": (8,), "dropout": 0.1}, {"hidden": ()}]}


def test_a_block_by_hand():
    block = MultiScaleFeatures(channels=1, width=1)
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.fill_(1.0)
            layer.bias.data.fill_(0.5)
    map_BCHW = torch.arange(16.0).view(1, 1, 4, 4)
    point, near, wide = block(map_BCHW)[0]
    torch.testing.assert_close(point, map_BCHW[0, 0, ::2, ::2] + 0.5)
    torch.testing.assert_close(near[1, 1], map_BCHW[0, 0, 1:, 1:].sum() + 0.5)
    torch.testing.assert_close(wide, (near.sum() + 0.5).expand(2, 2))


def test_gates_by_hand():
    gates = MutualGates(channels=1)
    for gate, bias in ((gates.first, 0.0), (gates.second, 2.0)):
        gate.weight.data.zero_()
        gate.weight.data[0, 1, 1, 1] = 1.0  # both gates read the second map
        gate.bias.data.fill_(bias)
    first, second = torch.tensor([[[[2.0]]]]), torch.tensor([[[[3.0]]]])
    given = gates(first, second)[0, :, 0, 0]
    torch.testing.assert_close(given, torch.tensor([2 * torch.tensor(3.0).sigmoid(), 3 * torch.tensor(5.0).sigmoid()]))


def test_the_query_has_the_pairs_in_order():
    torch.manual_seed(0)
    spec = FeatureSpec({s: StageInfo(c, 4) for s, c in ((1, 2), (2, 3), (11, 4), (12, 5))}, 4, 4, 64)
    maps = {s: torch.randn(2, info.channels, 8, 8) for s, info in spec.stages.items()}
    queries = GatedFusion(dim=12, features=spec, stages=(1, 2, 11, 12))
    before = queries(Features(maps, None, None))
    after = queries(Features({**maps, 12: maps[12] + 1}, None, None))
    changed = (before != after)[:, 0]
    assert not changed[:, :6].any()
    assert changed[:, 6:].all()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"queries.stages": [1, 2, 3]}, r"queries: stages=\(1, 2, 3\) are no pairs"),
        ({"dim": 50}, r"queries: dim=50 does not share out over 4 pairs of 3 fields; the nearest that does is 48"),
        ({"queries.stages": [1, 12]}, r"queries: the stages 1 and 12 are a pair, and have the strides 4 and 8"),
        ({"queries.stages": [4, 12]}, r"queries: needs stage 4, and backbone\.stages asks for"),
        (
            {"backbone.branches.1.name": "test_resnet"},
            r"backbone\.branches\.1: 'test_resnet' is no EfficientNet of timm's",
        ),
        ({"backbone.branches.0.unread": [[0]]}, r"backbone\.branches\.0\.unread: expected list of list of int from 1"),
    ],
)
def test_what_cannot_work_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        iqa_zoo.build_model("dacnn", overrides={**TINY, **overrides})


def test_hidden_widths_are_positive():
    with pytest.raises(PartError, match=r"hidden: expected list of int from 1 to 65536, got \(4, 0\)"):
        PReLUPerceptronHead(dim=4, hidden=(4, 0))
