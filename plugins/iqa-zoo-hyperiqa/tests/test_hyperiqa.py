"""The numbers of the released code, the parts by hand, and the model through iqa_zoo as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from iqa_zoo_hyperiqa.hyper_network import HyperNetworkHead
from iqa_zoo_hyperiqa.local_distortion import LocalDistortion
from torch.nn import functional as F

import iqa_zoo
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import CheckpointError, ConfigError, PartError
from iqa_zoo.released import import_released
from iqa_zoo.testing.released import filled, noise
from iqa_zoo.testing.witness import macs_by_torch

ORIGIN = "iqa-zoo-hyperiqa 0.1.0"
TOLD = json.loads((Path(__file__).parent / "hyperiqa.json").read_text(encoding="utf-8"))
TINY = {"backbone.name": "test_resnet", "head.trunk": [64], "head.channels": 32}


@pytest.fixture(scope="module")
def imported():
    return import_released("hyperiqa", filled(TOLD["manifest"]))


def test_parity_with_the_authors_code(imported):
    with torch.no_grad():
        score_B = imported(noise(*TOLD["input_shape"], seed=TOLD["input_seed"]))
    expected = np.array(TOLD["outputs"][0])
    assert np.abs(score_B.numpy() - expected).max() < 1e-5 * np.abs(expected).max()


def test_number_of_parameters_and_macs(imported):
    budget = iqa_zoo.measure_budget(imported)
    assert budget.params == TOLD["params"] == 27_375_369
    assert budget.by_slot["queries"].params + budget.by_slot["head"].params == budget.decoder.params
    assert budget.macs == pytest.approx(macs_by_torch(imported, torch.zeros(1, 3, 224, 224)), rel=1e-3)


def test_it_is_ready_to_predict(imported):
    assert not imported.training


def test_same_score_alone_and_in_a_batch(imported):
    image_BCHW = noise(3, 3, 224, 224, seed=5)
    with torch.no_grad():
        together, alone = imported(image_BCHW), imported(image_BCHW[:1])
    torch.testing.assert_close(alone, together[:1], rtol=0, atol=1e-5)


def released_decoder(state, maps):
    """The released code after its backbone, written again from its description, one image at a time."""

    def linear(x, prefix):
        return x @ state[f"{prefix}.weight"].T + state[f"{prefix}.bias"]

    scores = []
    for b in range(len(maps[4])):
        vector = []
        for i in (1, 2, 3):
            few = torch.einsum("chw,oc->ohw", maps[i][b], state[f"res.lda{i}_pool.0.weight"][:, :, 0, 0])
            cells = few.unflatten(2, (-1, 7)).unflatten(1, (-1, 7)).mean((2, 4))
            vector.append(linear(cells.flatten(), f"res.lda{i}_fc"))
        vector.append(linear(maps[4][b].flatten(1).mean(1), "res.lda4_fc"))
        x, content = torch.cat(vector), maps[4][b : b + 1]
        for i in (0, 2, 4):
            content = F.conv2d(content, state[f"conv1.{i}.weight"], state[f"conv1.{i}.bias"]).relu()
        mean = content.mean((0, 2, 3))
        for i in (1, 2, 3, 4):
            bias = linear(mean, f"fc{i}b_fc")
            made = F.conv2d(content, state[f"fc{i}w_conv.weight"], state[f"fc{i}w_conv.bias"], padding=1)
            x = (made.reshape(len(bias), len(x)) @ x + bias).sigmoid()
        scores.append((linear(mean, "fc5w_fc") @ x + linear(mean, "fc5b_fc")).squeeze())
    return torch.stack(scores)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_is_a_second_implementation_for_other_seeds(seed):
    state = filled(TOLD["manifest"], seed)
    model = import_released("hyperiqa", {"state_dict": state})
    with torch.no_grad():
        features = model.backbone(noise(2, 3, 224, 224, seed=seed))
        expected_B = released_decoder(state, features.maps)
        given_B = model.head(model.queries(features), features).score_B
    assert (given_B - expected_B).abs().max() < 1e-5 * expected_B.abs().max()


def test_a_checkpoint_that_does_not_fit_says_why():
    state = filled(TOLD["manifest"])
    state["fc9w_conv.weight"] = state.pop("fc1w_conv.bias")
    with pytest.raises(CheckpointError, match=r"missing: fc1w_conv\.bias[\s\S]*unknown: fc9w_conv\.weight"):
        import_released("hyperiqa", state)
    with pytest.raises(CheckpointError, match=r"not a checkpoint of hyperiqa: 'res\.lda1_pool\.0\.weight'"):
        import_released("hyperiqa", {"fc.weight": torch.zeros(2, 2)})


def test_every_parameter_has_a_gradient():
    torch.manual_seed(0)
    model = iqa_zoo.build_model("hyperiqa", overrides=TINY)
    model.loss(torch.randn(2, 3, 224, 224), torch.tensor([30.0, 20.0]))["total"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.startswith("backbone."):  # whose blocks start at zero
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("height", "width"), [(224, 224), (288, 352)])
def test_takes_images_of_other_sizes(height, width):
    model = iqa_zoo.build_model("hyperiqa", overrides=TINY).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, height, width)).isfinite().all()


@pytest.mark.parametrize(
    ("slot", "name"), [("queries", "local_distortion"), ("head", "hyper_network"), ("models", "hyperiqa")]
)
def test_is_listed_with_its_origin(slot, name):
    listed = {part.name: part for part in iqa_zoo.list_components(slot)}
    assert listed[name].origin == ORIGIN
    assert listed[name].summary.startswith("HyperIQA for iqa-zoo")


def test_its_budget_is_matched():
    cfg = iqa_zoo.build_model("hyperiqa", overrides=TINY).config
    target = round(1.2 * iqa_zoo.measure_budget(cfg).decoder.params)
    _, budget = iqa_zoo.match_budget(cfg, target)
    assert abs(budget.decoder.params - target) <= 0.01 * target


def spec(*widths):
    return FeatureSpec({s: StageInfo(width, 2 ** (s + 1)) for s, width in enumerate(widths, 1)}, 4, 4, 224)


def test_the_vector_has_the_stages_in_order():
    queries = LocalDistortion(dim=4, features=spec(2, 3), stages=(1, 2), channels=(1,), grids=(2,), width=1)
    queries.convs[0].weight.data = torch.tensor([1.0, 0.0])[None, :, None, None]
    queries.fcs[0].weight.data, queries.fcs[0].bias.data = torch.tensor([[0.0, 1.0, 0.0, 0.0]]), torch.tensor([0.5])
    queries.fcs[1].weight.data, queries.fcs[1].bias.data = torch.eye(3), torch.zeros(3)
    map1_BCHW, map2_BCHW = torch.randn(1, 2, 4, 4), torch.randn(1, 3, 2, 2)
    query_D = queries(Features({1: map1_BCHW, 2: map2_BCHW}, None, None))[0, 0]
    torch.testing.assert_close(query_D[0], map1_BCHW[0, 0, :2, 2:].mean() + 0.5)  # the upper right cell
    torch.testing.assert_close(query_D[1:], map2_BCHW[0].mean((1, 2)))


def test_entries_that_do_not_share_out_are_cut():
    torch.manual_seed(0)
    head = HyperNetworkHead(dim=5, features=spec(4), stage=1, grid=2, trunk=(), channels=3, hidden=(3,))
    assert head.weights[0].out_channels == 4  # 15 entries over 4 cells
    features = Features({1: torch.rand(2, 4, 2, 2)}, None, None)
    output = head(torch.randn(2, 6, 5), features)
    assert output.score_BN.shape == (2, 6)
    torch.testing.assert_close(output.score_B, output.score_BN.mean(1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": (16, 32)}, r"stages=\(1, 2, 3, 4\) needs 3 channels and grids"),
        ({"width": 80}, r"width=80 for 3 stages leaves nothing of dim=224 for stage 4"),
        ({"width": 0}, r"width: expected int from 1 to 65536 or None, got 0"),
        ({"stages": (1, 2, 3, 5)}, r"needs stage 5"),
    ],
)
def test_what_cannot_work_is_refused(arguments, message):
    with pytest.raises(PartError, match=message):
        LocalDistortion(dim=224, features=spec(2, 3, 4, 5), **arguments)
    overrides = {f"queries.{key}": value for key, value in arguments.items()}
    with pytest.raises(ConfigError, match=rf"queries[.:] ?{message}"):
        iqa_zoo.build_model("hyperiqa", overrides={**TINY, **overrides})
