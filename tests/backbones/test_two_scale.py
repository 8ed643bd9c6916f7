import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import iqa_zoo
from iqa_zoo.build import build_model, build_part
from iqa_zoo.config import model_config
from iqa_zoo.errors import ConfigError, PartError
from iqa_zoo.testing.released import fill

RESNET = {"type": "timm_features", "name": "test_resnet", "image_size": 64}
NSS = {"type": "nss", "image_size": 64}


def two_scale(**arguments):
    return build_part("backbone", {"type": "two_scale", **arguments}, {})


def image(batch=2, height=64, width=96):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_the_vectors_of_the_image_then_those_of_its_half():
    torch.manual_seed(0)
    backbone = two_scale(branches=[RESNET, RESNET], stages=(3, 14)).eval()
    half = F.interpolate(image(), (32, 48), mode="bilinear", align_corners=False, antialias=True)
    vectors = [branch(given).global_BC for given in (image(), half) for branch in backbone.branches]
    features = backbone(image())
    torch.testing.assert_close(features.global_BC, torch.cat([F.normalize(v, dim=1) for v in vectors], dim=1))
    torch.testing.assert_close(features.global_BC.norm(dim=1), torch.full((2,), 2.0))  # four vectors of length one
    assert list(features.maps) == [3, 14]
    assert torch.equal(features.maps[3], backbone.branches[0](image()).maps[3])
    assert torch.equal(features.tokens_BLC, backbone.branches[0](image()).tokens_BLC)


def test_half_of_a_photograph_is_pillows_half():
    """Up to the grey levels that Pillow rounds to."""
    pixels = np.random.RandomState(0).randint(0, 256, (64, 96, 3), dtype=np.uint8)
    halved = np.asarray(Image.fromarray(pixels).resize((48, 32), Image.Resampling.BILINEAR), dtype=np.float32)
    backbone = two_scale(branches=[{**NSS}])
    seen = []
    backbone.branches[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    backbone(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)
    assert np.abs(seen[1][0].permute(1, 2, 0).numpy() * 255 - halved).max() < 1


@pytest.mark.slow
def test_budget_is_that_of_both_sizes():
    cfg = {**model_config("linear_probe"), "backbone": {"type": "two_scale", "branches": [RESNET], "image_size": 128}}
    one = {**cfg, "backbone": RESNET}
    sizes = [iqa_zoo.measure_budget(one, size).by_slot["backbone"] for size in (128, 64)]
    whole = iqa_zoo.measure_budget(cfg, 128).by_slot["backbone"]
    assert whole.params == sizes[0].params
    assert whole.macs == sizes[0].macs + sizes[1].macs
    assert whole.trainable_params == 0


def test_in_a_model():
    cfg = {**model_config("linear_probe"), "backbone": {"type": "two_scale", "branches": [RESNET, NSS]}}
    model = build_model(cfg).eval()
    assert model.head.fc.in_features == model.backbone.spec.global_channels
    assert model(image()).isfinite().all()
    cfg["backbone"]["branches"] = [{"type": "timm_features", "name": "test_vit"}]
    with pytest.raises(ConfigError, match="backbone: a branch takes one image size only"):
        build_model(cfg)
    with pytest.raises(PartError, match="branches is empty"):
        two_scale(branches=[])


# ARNIQA's encoder in the authors' code (f60c0f2): seeded weights under its names, the first channels of the feature of a
# seeded image, which is brought to length one.
IMAGES = (2, 3, 224, 224)
FEATURE = (
    0.01099613681435585, 0.005975362844765186, 0.053861767053604126, 0.0405556745827198, 0.028848975896835327,
    0.0009527180809527636, 0.006907214876264334, 0.032388120889663696, 0.0015131620457395911, 0.00011152746446896344,
    2.0600014977389947e-05, 0.020002972334623337, 0.026346052065491676, 0.03768854960799217, 0.004139584023505449,
    0.017286645248532295,
)  # fmt: skip
POSITION = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}  # in their Sequential


@pytest.mark.slow
def test_feature_of_the_authors_arniqa():
    image_BCHW = torch.from_numpy(np.random.RandomState(0).standard_normal(IMAGES).astype(np.float32))
    backbone = two_scale(branches=[{"type": "timm_features", "name": "resnet50.tv_in1k"}]).eval()
    network = backbone.branches[0].model
    state = network.state_dict()
    for name, value in state.items():
        if "num_batches" not in name:
            first, rest = name.split(".", 1)
            state[name] = fill(f"model.{POSITION[first]}.{rest}", value.shape)
    network.load_state_dict(state)
    with torch.no_grad():
        global_BC = backbone(image_BCHW).global_BC
    assert global_BC.shape == (2, 4096)
    assert (global_BC[0, :16] - torch.tensor(FEATURE)).abs().max() < 1e-6
    half_BCHW = F.interpolate(image_BCHW, (112, 112), mode="bilinear", align_corners=False, antialias=True)
    with torch.no_grad():
        torch.testing.assert_close(global_BC[:, 2048:], backbone(half_BCHW).global_BC[:, :2048])
