import numpy as np
import pytest
import torch
from torch.nn import functional as F

import iqa_zoo
from iqa_zoo.backbones.multi_scale_patches import MultiScalePatches, _StandardisedConv
from iqa_zoo.build import build_model
from iqa_zoo.config import model_config
from iqa_zoo.errors import ConfigError
from iqa_zoo.testing.inputs import perturbed
from iqa_zoo.testing.released import fill

SMALL = {"image_size": 64, "longer_sides": (48,), "grid": 4, "width": 8, "depth": 1, "num_heads": 2}


def small(**arguments):
    torch.manual_seed(0)
    return perturbed(MultiScalePatches(**{**SMALL, **arguments})).eval()


def test_a_standardised_convolution_by_hand():
    torch.manual_seed(0)
    conv, image_BCHW = _StandardisedConv(3, 4, 7, stride=2, bias=False), torch.randn(2, 3, 32, 32)
    filters = conv.weight.flatten(1)
    filters = (filters - filters.mean(1, keepdim=True)) / filters.std(1, correction=0, keepdim=True)
    padded = F.pad(image_BCHW, (2, 3, 2, 3))  # five in all, the odd one behind
    expected = F.conv2d(padded, filters.view_as(conv.weight), stride=2)
    torch.testing.assert_close(conv(image_BCHW), expected, atol=1e-3, rtol=1e-3)  # up to the epsilon
    assert expected.shape[-2:] == (16, 16)


def test_tokens_are_those_of_each_size_row_by_row():
    """96 x 64 is 3 x 2 patches; with a longer side of 48 it is 48 x 32, padded to 2 x 1."""
    backbone = small(depth=1)
    given = []
    backbone.blocks.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    image_BCHW = torch.randn(1, 3, 96, 64)
    features = backbone(image_BCHW)
    entered_LC = given[0][0]
    assert entered_LC.shape == (1 + 2 + 6, 8)
    assert features.tokens_BLC.shape == (1, 8, 8)
    assert features.maps == {}
    torch.testing.assert_close(entered_LC[0], backbone.class_token[0, 0])
    places = {
        0: (0, 0),
        1: (0, 2),
        2: (1, 0),
        3: (1, 2),
        4: (2, 0),
        5: (2, 2),
    }  # patch -> row and column of 4 x 4 places
    for number, (row, column) in places.items():
        top, left = 32 * (number // 2), 32 * (number % 2)
        patch = image_BCHW[:, :, top : top + 32, left : left + 32]
        expected = backbone.embed(patch)[0] + backbone.place[4 * row + column] + backbone.scale[1]
        torch.testing.assert_close(entered_LC[3 + number], expected, atol=1e-4, rtol=1e-4)
    half = F.interpolate(image_BCHW, (48, 32), mode="bicubic", align_corners=False)
    padded = F.pad(half, (0, 0, 8, 8))
    for row in (0, 1):
        expected = backbone.embed(padded[:, :, 32 * row : 32 * row + 32])[0]
        expected = expected + backbone.place[8 * row] + backbone.scale[0]
        torch.testing.assert_close(entered_LC[1 + row], expected, atol=1e-4, rtol=1e-4)


def test_a_longer_side_keeps_the_shape():
    backbone = small(longer_sides=(64, 40))
    tokens = {size: backbone(torch.randn(1, 3, *size)).tokens_BLC.shape[1] for size in ((64, 128), (128, 64), (70, 70))}
    # 64 x 32 and 40 x 20 pixels, then the image itself
    assert tokens == {(64, 128): 2 + 2 + 8, (128, 64): 2 + 2 + 8, (70, 70): 4 + 4 + 9}


def test_what_does_not_fit_is_refused():
    cfg = {**model_config("linear_probe"), "backbone": {"type": "multi_scale_patches", **SMALL, "num_heads": 3}}
    with pytest.raises(ConfigError, match="backbone: num_heads=3 does not divide width=8"):
        build_model(cfg)


@pytest.mark.slow
def test_budget_of_musiq():
    budget = iqa_zoo.measure_budget({**model_config("linear_probe"), "backbone": {"type": "multi_scale_patches"}})
    tokens, width = 49 + 49 + 144 + 1, 384  # patches of 224 pixels, twice, and of 384; a class token
    embed = 256 * 3 * 64 * 49 + 64 * (64 * 64 + 64 * 64 * 9 + 2 * 64 * 256) + 64 * 256 * width
    layer = tokens * (4 * width**2 + 2 * 3 * width**2) + 2 * tokens**2 * width
    assert budget.by_slot["backbone"].macs == (tokens - 1) * embed + 14 * layer


# MUSIQ in pyiqa (01ae427): seeded weights under its names, the score of a seeded image.
SCORE = 0.1769556850194931
IMAGE = (1, 3, 256, 320)
NAMES = {  # ours -> theirs
    "embed.conv.": "conv_root.",
    "embed.norm.": "gn_root.",
    "embed.reduce.": "block1.conv1.",
    "embed.reduce_norm.": "block1.gn1.",
    "embed.mix.": "block1.conv2.",
    "embed.mix_norm.": "block1.gn2.",
    "embed.expand.": "block1.conv3.",
    "embed.expand_norm.": "block1.gn3.",
    "embed.shortcut.": "block1.conv_proj.",
    "embed.shortcut_norm.": "block1.gn_proj.",
    "embed.proj.": "embedding.",
    "place": "transformer_encoder.posembed_input.position_emb",
    "scale": "transformer_encoder.scaleembed_input.scale_emb",
    "class_token": "transformer_encoder.cls",
    "norm.": "transformer_encoder.encoder_norm.",
    "blocks.": "transformer_encoder.transformer.encoderblock_",
}


def released(name, shape):
    ours = name.removeprefix("backbone.")
    if ours.startswith("head."):
        return fill(ours.replace(".fc.", "."), shape)
    theirs = next(theirs + ours.removeprefix(prefix) for prefix, theirs in NAMES.items() if ours.startswith(prefix))
    if ".attn.qkv." in theirs:
        third = (shape[0] // 3, *shape[1:])
        parts = ("attention.query", "attention.key", "attention.value")
        return torch.cat([fill(theirs.replace("attn.qkv", part), third) for part in parts])
    if theirs.endswith("position_emb"):
        return fill(theirs, (1, *shape))[0]
    return fill(theirs.replace("attn.proj", "attention.out"), shape)


@pytest.mark.slow
def test_score_of_the_released_musiq():
    image_BCHW = torch.from_numpy(np.random.RandomState(0).standard_normal(IMAGE).astype(np.float32)).sigmoid()
    model = build_model({**model_config("linear_probe"), "backbone": {"type": "multi_scale_patches"}}).eval()
    model.load_state_dict({name: released(name, value.shape) for name, value in model.state_dict().items()})
    assert sum(value.numel() for value in model.parameters()) == 27_125_825
    with torch.no_grad():
        score = model(2 * image_BCHW - 1).item()
    assert abs(score - SCORE) < 2e-6
