"""The numbers of the released code, its encoder written again on torch's own layers, and the model as a user meets it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import ClassVar

import iqa_zoo_tres
import numpy as np
import pytest
import torch
from iqa_zoo_tres.mean_and_stage import MeanAndStageHead
from iqa_zoo_tres.mirrored_l1 import MirroredL1
from iqa_zoo_tres.mirrored_ranking import MirroredRanking
from iqa_zoo_tres.ranking_consistency import RankingConsistency
from torch.nn import functional as F

import iqa_zoo
from iqa_zoo.contracts import Features, FeatureSpec, QualityOutput, StageInfo
from iqa_zoo.errors import CheckpointError
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.released import import_released
from iqa_zoo.testing import LossContract
from iqa_zoo.testing.released import filled, noise
from iqa_zoo.testing.witness import macs_by_torch
from iqa_zoo.training.frozen.decoder import drop_mirrored_losses
from iqa_zoo.training.recipe import load_recipe

ORIGIN = "iqa-zoo-tres 0.1.0"
TOLD = json.loads((Path(__file__).parent / "tres_r50.json").read_text(encoding="utf-8"))
TINY = {
    "backbone.name": "test_resnet",
    "backbone.classes": 10,
    "dim": 32,
    "interactions.*.num_heads": 4,
    "head.hidden": 16,
}


@pytest.fixture(scope="module")
def imported():
    return import_released("tres", filled(TOLD["manifest"]))


def test_parity_with_the_authors_code(imported):
    image_BCHW = noise(*TOLD["input_shape"], seed=TOLD["input_seed"])
    with torch.no_grad():
        output, mirrored = imported.output(image_BCHW), imported.output(image_BCHW.flip(3))
        stage_BCHW, mirrored_BCHW = (imported.backbone(image).maps[4] for image in (image_BCHW, image_BCHW.flip(3)))
    expected, (consistency,) = (np.array(value) for value in TOLD["outputs"])
    assert np.abs(output.score_B.numpy() - expected).max() < 1e-5 * np.abs(expected).max()
    given = F.l1_loss(output.queries_BND, mirrored.queries_BND) + F.l1_loss(stage_BCHW, mirrored_BCHW)
    assert given.item() == pytest.approx(consistency, abs=1e-5)
    losses = imported.loss(image_BCHW, torch.zeros(2))
    assert losses["mirror_consistency"].item() == pytest.approx(consistency, abs=1e-5)


def test_number_of_parameters_and_macs(imported):
    budget = iqa_zoo.measure_budget(imported)
    assert budget.params == TOLD["params"] == 152_452_265
    assert budget.params - budget.trainable_params == 1000 * 2048 + 1000  # the classifier
    assert budget.macs == pytest.approx(macs_by_torch(imported, torch.zeros(1, 3, 224, 224)), rel=1e-3)


def released_decoder(state, maps):
    """The released code after its backbone, from its description, on plain tensors."""
    window = torch.tensor(np.outer(np.hanning(5), np.hanning(5))[1:-1, 1:-1], dtype=torch.float32)
    window /= window.sum()
    levels = []
    for stage, cell in ((1, 8), (2, 4), (3, 2), (4, 1)):
        power = (maps[stage] / maps[stage].norm(dim=1, keepdim=True)) ** 2
        smooth = F.conv2d(power.flatten(0, 1)[:, None], window[None, None], padding=1).view_as(power)
        levels.append(F.avg_pool2d((smooth + 1e-12).sqrt(), cell))
    x = torch.cat(levels, 1).flatten(2).transpose(1, 2)
    half = x.shape[2] // 2
    scale = 10000 ** (torch.arange(half).div(2, rounding_mode="floor") * 2 / half)
    angle = torch.arange(1, 8)[:, None] / (7 + 1e-6) * 2 * math.pi / scale
    line = torch.where(torch.arange(half) % 2 == 0, angle.sin(), angle.cos())
    position = torch.cat((line[:, None].expand(7, 7, half), line[None].expand(7, 7, half)), 2).flatten(0, 1)

    def norm(x, prefix):
        return F.layer_norm(x, x.shape[-1:], state[f"{prefix}.weight"], state[f"{prefix}.bias"])

    def linear(x, prefix):
        return x @ state[f"{prefix}.weight"].T + state[f"{prefix}.bias"]

    for layer in (0, 1):
        at = f"transformer.encoder.layers.{layer}"
        value = norm(x, f"{at}.norm1")
        weight, bias = (state[f"{at}.self_attn.in_proj_{kind}"].chunk(3) for kind in ("weight", "bias"))
        q, k, v = (
            (y @ w.T + b).unflatten(-1, (16, -1)).transpose(1, 2)
            for y, w, b in zip((value + position, value + position, value), weight, bias, strict=True)
        )
        mixed = ((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + linear(mixed, f"{at}.self_attn.out_proj")
        x = x + linear(linear(norm(x, f"{at}.norm2"), f"{at}.linear1").relu(), f"{at}.linear2")
    x = norm(x, "transformer.encoder.norm")
    return linear(torch.cat((linear(x.mean(1), "fc2"), maps[4].mean((2, 3))), 1), "fc")[:, 0]


@pytest.mark.parametrize("seed", [1, 2])
def test_is_a_second_implementation_for_other_seeds(seed):
    state = filled(TOLD["manifest"], seed) | {"L2pooling_l1.filter": torch.zeros(256, 1, 3, 3)}
    model = import_released("tres", {"state_dict": state})
    image_BCHW = noise(2, 3, 224, 224, seed=seed)
    with torch.no_grad():
        expected_B = released_decoder(state, model.backbone(image_BCHW).maps)
        given_B = model(image_BCHW)
    assert (given_B - expected_B).abs().max() < 1e-5 * expected_B.abs().max()


def test_same_score_alone_and_in_a_batch(imported):
    image_BCHW = noise(3, 3, 224, 224, seed=5)
    with torch.no_grad():
        together, alone = imported(image_BCHW), imported(image_BCHW[:1])
    torch.testing.assert_close(alone, together[:1], rtol=0, atol=1e-5)


def test_a_checkpoint_that_is_another_s_says_so():
    with pytest.raises(CheckpointError, match=r"not a checkpoint of tres: 'transformer\.encoder\.layers\.0\.linear1"):
        import_released("tres", {"fc.weight": torch.zeros(2, 2)})


def test_every_trained_parameter_has_a_gradient():
    torch.manual_seed(0)
    model = iqa_zoo.build_model("tres", overrides=TINY)
    losses = model.loss(torch.randn(4, 3, 224, 224), torch.tensor([3.0, -2.0, 1.0, 5.0]))
    assert set(losses) - {"total"} == {loss["type"] for loss in model.config["losses"]}
    losses["total"].backward()
    for name, parameter in model.named_parameters():
        if name.startswith("backbone.classifier."):
            assert parameter.grad is None
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.startswith("backbone."):  # whose blocks start at zero
            assert parameter.grad.abs().max() > 0, name


def test_takes_images_of_other_sizes_and_no_classifier():
    model = iqa_zoo.build_model("tres", overrides={**TINY, "backbone.classes": None}).eval()
    assert not hasattr(model.backbone, "classifier")
    with torch.no_grad():
        assert model(torch.randn(2, 3, 288, 352)).isfinite().all()


@pytest.mark.parametrize(
    ("slot", "name"),
    [
        ("backbone", "timm_with_classifier"),
        ("head", "mean_and_stage"),
        ("losses", "mirrored_l1"),
        ("losses", "mirrored_ranking"),
        ("losses", "ranking_consistency"),
        ("models", "tres"),
    ],
)
def test_is_listed_with_its_origin(slot, name):
    listed = {part.name: part for part in iqa_zoo.list_components(slot)}
    assert listed[name].origin == ORIGIN
    assert listed[name].summary.startswith("TReS for iqa-zoo")


def test_the_head_by_hand():
    head = MeanAndStageHead(dim=2, features=FeatureSpec({4: StageInfo(1, 32)}, 1, 1, 224), hidden=2)
    head.proj.weight.data, head.proj.bias.data = torch.eye(2), torch.zeros(2)
    head.fc.weight.data, head.fc.bias.data = torch.tensor([[1.0, 2.0, 10.0]]), torch.tensor([0.5])
    queries_BND, map_BCHW = torch.tensor([[[1.0, 0.0], [3.0, 4.0]]]), torch.tensor([[[[1.0, 5.0]]]])
    assert head(queries_BND, Features({4: map_BCHW}, None, None)).score_B.tolist() == [2 + 2 * 2 + 30 + 0.5]


class TestLosses(LossContract):
    parts: ClassVar = {"mirrored_l1": None, "mirrored_ranking": None, "ranking_consistency": None}


def views(*scores):
    return [QualityOutput(torch.tensor(each, requires_grad=True), None, None) for each in scores]


def test_the_losses_of_the_mirrored_view_by_hand():
    labels = torch.tensor([9.0, 1.0, 4.0])  # in order: 1, 4, 9
    image, mirrored = views([3.0, 0.0, 2.0], [5.0, 1.0, 2.0])
    assert MirroredL1()(image, labels, mirrored).item() == pytest.approx((4 + 0 + 2) / 3)
    # |s1 - s2| - |s1 - s3| + y3 - y2, and |s3 - s2| - |s3 - s1| + y2 - y1
    of_image, of_mirrored = (2 - 3 + 5) + (1 - 3 + 3), (1 - 4 + 5) + (3 - 4 + 3)
    assert MirroredRanking()(image, labels, mirrored).item() == of_mirrored
    assert RankingConsistency()(image, labels, mirrored).item() == of_image - of_mirrored


def test_both_views_are_trained_to_rank_alike():
    labels, (image, mirrored) = torch.tensor([9.0, 1.0, 4.0]), views([3.0, 0.0, 2.0], [5.0, 1.0, 2.0])
    RankingConsistency()(image, labels, mirrored).backward()
    assert image.score_B.grad.abs().sum() > 0
    torch.testing.assert_close(image.score_B.grad, -mirrored.score_B.grad)  # 5 and 4: both in the same region


def test_a_step_has_the_gradients_of_the_released_one():
    """Errors, triplets as torch's own, and each view's encoder, last stage and triplets against the other's, held fixed."""
    torch.manual_seed(0)
    model = iqa_zoo.build_model("tres", overrides=TINY).eval()
    image_BCHW, mos_B = torch.randn(5, 3, 224, 224), torch.tensor([3.0, -2.0, 1.0, 5.0, 0.5])
    first, second = (model.output(each, keep_features=True) for each in (image_BCHW, image_BCHW.flip(3)))
    y, order = mos_B.sort()

    def triplets(score_B):
        s = score_B[order][:, None]
        low = torch.nn.TripletMarginLoss(margin=(y[-1] - y[1]).item(), p=1, eps=0)(s[:1], s[1:2], s[-1:])
        high = torch.nn.TripletMarginLoss(margin=(y[-2] - y[0]).item(), p=1, eps=0)(s[-1:], s[-2:-1], s[:1])
        return low + high

    one, other = triplets(first.score_B), triplets(second.score_B)
    released = F.l1_loss(first.score_B, mos_B) + F.l1_loss(second.score_B, mos_B) + 0.05 * (one + other)
    for mine, its in ((first, second), (second, first)):
        released = released + F.l1_loss(mine.queries_BND, its.queries_BND.detach())
        released = released + F.l1_loss(mine.features.maps[4], its.features.maps[4].detach())
    released = released + 0.5 * ((one - other.detach()).abs() + (other - one.detach()).abs())
    trained = [p for p in model.parameters() if p.requires_grad]
    expected = torch.autograd.grad(released, trained)
    given = torch.autograd.grad(model.loss(image_BCHW, mos_B)["total"], trained)
    torch.testing.assert_close(given, expected)


def test_on_frozen_features_the_losses_of_one_view_stay():
    cfg, left_out = drop_mirrored_losses(iqa_zoo.model_config("tres"))
    assert cfg["losses"] == [{"type": "l1"}, {"type": "ranking", "weight": 0.05}]
    assert left_out == ["mirrored_l1", "mirror_consistency", "mirrored_ranking", "ranking_consistency"]


def test_the_recipe_that_comes_with_it_is_one():
    recipe = load_recipe(Path(iqa_zoo_tres.__file__).parent / "tres.yaml")
    assert (recipe.optimizer, recipe.lr, recipe.batch_size, recipe.crops) == ("adam", 2e-5, 53, 50)


def test_its_wide_decoder_can_be_brought_to_a_small_one_s_budget():
    configs = [drop_mirrored_losses(iqa_zoo.model_config(name))[0] for name in ("tres", "deiqt")]
    backbone = make_backbone_config("nss", configs)
    tres, deiqt = ({**cfg, "backbone": backbone} for cfg in configs)
    _, budget = iqa_zoo.match_budget(tres, to=deiqt, scope="decoder")
    wanted = iqa_zoo.measure_budget(deiqt).decoder.params
    assert abs(budget.decoder.params - wanted) <= 0.01 * wanted
