"""Crops and labels in, losses out."""

import pytest
import torch

from iqa_zoo.build import build_model
from iqa_zoo.inference.scaled_model import ScaledModel, in_eval_mode
from iqa_zoo.training.end_to_end.trainable import Trainable
from iqa_zoo.training.label_scale import LabelScale


@pytest.fixture
def trainable(model, one_thread):
    torch.manual_seed(0)
    built = build_model(model)

    def make(scale=LabelScale(), precision="float32", freeze_batch_norm=True):  # noqa: B008  # frozen
        return Trainable(ScaledModel(built, scale=scale), freeze_batch_norm=freeze_batch_norm, precision=precision)

    return make


IMAGES = torch.randint(0, 256, (4, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
MOS = torch.tensor([20.0, 40.0, 60.0, 80.0])


def test_labels_are_standardised(trainable):
    raw, scaled = trainable().eval(), trainable(LabelScale(50.0, 20.0)).eval()
    torch.testing.assert_close(scaled(IMAGES, MOS)["total"], raw(IMAGES, (MOS - 50) / 20)["total"])


def test_the_total_alone_is_minimised(trainable):
    losses = trainable().eval()(IMAGES, MOS)
    total, shown = trainable().parse_losses(losses)
    assert total is losses["total"]
    assert total.requires_grad
    assert set(shown) == {"l1", "load_balance", "router_z", "loss"}
    assert not any(value.requires_grad for value in shown.values())
    assert shown["loss"] == total


@pytest.mark.parametrize("frozen", [True, False])
def test_batch_norm_trains_only_if_it_is_not_frozen(frozen, trainable):
    made = trainable(freeze_batch_norm=frozen).train()
    norms = [module for module in made.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    assert made.training
    assert made.model.head.training
    assert all(norm.training != frozen for norm in norms)
    assert not any(module.training for module in made.eval().modules())


@pytest.mark.slow
def test_in_bfloat16_the_weights_and_gradients_stay_float32(trainable):
    made = trainable(precision="bfloat16").eval()
    loss = made(IMAGES, MOS)["total"]
    assert loss != trainable().eval()(IMAGES, MOS)["total"]
    loss.backward()
    assert {parameter.grad.dtype for parameter in made.parameters() if parameter.grad is not None} == {torch.float32}


def test_scores_are_of_single_precision_whatever_it_is_trained_in(trainable):
    half, full = (trainable(precision=precision).eval() for precision in ("bfloat16", "float32"))
    assert half(IMAGES, MOS)["total"] != full(IMAGES, MOS)["total"]
    assert torch.equal(half.scorer.score_crops(IMAGES), full.scorer.score_crops(IMAGES))


def test_after_scoring_batch_norm_is_as_frozen_as_before(trainable):
    made = trainable(freeze_batch_norm=True).train()
    modes = [module.training for module in made.modules()]
    with in_eval_mode(made.scorer):
        assert not any(module.training for module in made.scorer.modules())
    assert [module.training for module in made.modules()] == modes


def test_the_weights_are_those_it_was_given(trainable):
    made = trainable()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    made.init_weights()
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())


@pytest.mark.slow
def test_a_step_with_the_mirrored_view_minimises_the_loss_of_both(model, one_thread):
    """By hand: |s - y| and twice |q - q'| of two passes over the crops, the second of them turned by hand and not trained."""
    torch.manual_seed(0)
    model["head"]["dropout"], model["backbone"]["model_args"]["drop_path_rate"] = 0.0, 0.0
    model["losses"] = [{"type": "l1"}, {"type": "mirror_consistency", "weight": 2.0}]
    scorer = ScaledModel(build_model(model), scale=LabelScale(50.0, 20.0))
    made = Trainable(scorer, freeze_batch_norm=True).train()
    given, _ = made.parse_losses(made(IMAGES, MOS))
    given.backward()
    gradients = {
        name: parameter.grad.clone() for name, parameter in made.named_parameters() if parameter.grad is not None
    }
    made.zero_grad()

    turned = torch.stack([image_CHW[:, :, torch.arange(47, -1, -1)] for image_CHW in IMAGES])
    with torch.no_grad():
        target_BND = made.model.output(scorer.normalise(turned)).queries_BND
    output = made.model.output(scorer.normalise(IMAGES))
    error = (output.score_B - torch.tensor([-1.5, -0.5, 0.5, 1.5])).abs().mean()
    expected = error + 2 * (output.queries_BND - target_BND).abs().mean()
    torch.testing.assert_close(given, expected)
    expected.backward()
    for name, parameter in made.named_parameters():
        assert (parameter.grad is None) == (name not in gradients), name
        if name in gradients:
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-6)
