"""Neither trainer nor a scorer makes a tensor on the CPU in a step: on devices without values, for each model of the zoo."""

import pytest
import torch
from torch import nn

from iqa_zoo.build import build_decoder, build_model
from iqa_zoo.config import model_config
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.layers.attention import compute_for_few_queries
from iqa_zoo.registry import MODELS
from iqa_zoo.testing.fake_device import fake_device, make_fake, move_to_fake
from iqa_zoo.testing.inputs import randn
from iqa_zoo.training.averaging import MovingAverage
from iqa_zoo.training.end_to_end.trainable import Trainable
from iqa_zoo.training.frozen.decoder import drop_mirrored_losses
from iqa_zoo.training.label_scale import LabelScale
from iqa_zoo.training.optimizer import make_optimizer
from iqa_zoo.training.recipe import FrozenRecipe

SPEC = FeatureSpec({s: StageInfo(8 * s, 4 * 2**s) for s in (1, 2, 3, 4)}, 32, 32, 128, token_stage=4)


def make_features(batch):
    maps = {s: randn(batch, info.channels, *2 * [128 // info.stride], seed=s) for s, info in SPEC.stages.items()}
    return Features(maps, maps[4].flatten(2).transpose(1, 2), randn(batch, 32, seed=5))


def finish_step(model, loss, kind):
    """Everything of a step after the loss. On CUDA the gradients are made up."""
    recipe = FrozenRecipe()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = make_optimizer(model, recipe, fused=kind == "cuda")
    average = MovingAverage(model, 0.9)
    if kind == "meta":
        loss.backward()
    else:
        for parameter in parameters:
            parameter.grad = torch.empty_like(parameter)
    nn.utils.clip_grad_norm_(parameters, recipe.clip)
    optimizer.step()
    for _ in range(2):  # the second update averages
        average.update(model)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cuda", "meta"])
@pytest.mark.parametrize("name", MODELS.names())
def test_a_step_on_features(name, kind):
    cfg, _ = drop_mirrored_losses({**model_config(name), "dim": 24})
    model = build_decoder(cfg, SPEC).train()
    compute_for_few_queries(model)
    features, mos_B = make_features(4), randn(4)
    with fake_device(kind):
        move_to_fake(model, kind)
        loss = model.loss(make_fake(features, kind), make_fake(mos_B, kind))["total"]
        finish_step(model, loss, kind)
    assert {parameter.device.type for parameter in model.parameters()} | {loss.device.type} == {kind}


@pytest.fixture
def scaled(tiny):
    return ScaledModel(
        build_model({**tiny, "backbone": {**tiny["backbone"], "image_size": 64}}), scale=LabelScale(50.0, 20.0)
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cuda", "meta"])
def test_a_step_on_images(scaled, kind):
    trainable = Trainable(scaled, freeze_batch_norm=True).train()
    image_BCHW = torch.zeros(3, 3, 64, 64, dtype=torch.uint8)
    mos_B = randn(3)
    with fake_device(kind):
        move_to_fake(trainable, kind)
        losses = trainable(make_fake(image_BCHW, kind), make_fake(mos_B, kind))
        loss, logged = trainable.parse_losses(losses)
        finish_step(trainable, loss, kind)
    assert {"l1", "load_balance", "router_z", "loss"} == set(logged)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cuda", "meta"])
def test_a_score(scaled, kind):
    scaled.eval()
    image_BCHW = torch.zeros(3, 3, 64, 64, dtype=torch.uint8)
    with fake_device(kind):
        move_to_fake(scaled, kind)
        assert scaled.score_crops(make_fake(image_BCHW, kind)).device.type == kind
        assert scaled(make_fake(image_BCHW, kind).float()).device.type == kind
