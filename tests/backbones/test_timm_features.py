import pytest
import timm
import torch
from torch import nn

from iqa_zoo.backbones import timm_features
from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.contracts import StageInfo
from iqa_zoo.errors import CheckpointError, PartError

SMALL_SWIN = {"embed_dim": 12, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 3, 4)}
SWIN = {"name": "swin_tiny_patch4_window7_224", "image_size": 64, "model_args": SMALL_SWIN}
VIT = {"name": "vit_tiny_patch16_224", "image_size": 64, "model_args": {"depth": 8, "embed_dim": 24, "num_heads": 2}}


def features_of(*, seed=0, batch=2, **arguments):
    torch.manual_seed(seed)
    backbone = TimmFeatures(**arguments).eval()
    size = backbone.spec.image_size
    image_BCHW = torch.randn(batch, 3, size, size)
    with torch.no_grad():
        return backbone, image_BCHW, backbone(image_BCHW)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"name": "resnet18", "image_size": 64},
            {1: StageInfo(64, 4), 2: StageInfo(128, 8), 3: StageInfo(256, 16), 4: StageInfo(512, 32)},
        ),
        (
            {"name": "efficientnet_b0", "image_size": 64},
            {1: StageInfo(24, 4), 2: StageInfo(40, 8), 3: StageInfo(112, 16), 4: StageInfo(320, 32)},
        ),
        (
            {"name": "convnext_atto", "image_size": 64},
            {1: StageInfo(40, 4), 2: StageInfo(80, 8), 3: StageInfo(160, 16), 4: StageInfo(320, 32)},
        ),
        (SWIN, {1: StageInfo(12, 4), 2: StageInfo(24, 8), 3: StageInfo(48, 16), 4: StageInfo(96, 32)}),
        (VIT, {stage: StageInfo(24, 16) for stage in (1, 2, 3, 4)}),
    ],
    ids=lambda value: value.get("name", ""),
)
def test_stage_maps_are_what_the_spec_declares(arguments, expected):
    backbone, _, features = features_of(stages=(4, 1, 3, 2), **arguments)
    assert backbone.spec.stages == expected
    for stage, info in expected.items():
        assert features.maps[stage].shape == (2, info.channels, 64 // info.stride, 64 // info.stride)


@pytest.mark.parametrize(("name", "pixels"), [("resnet18", 224), ("convnext_atto", 224), ("test_vit", 160)])
def test_image_size_is_the_models_own_where_left_out(name, pixels):
    spec = TimmFeatures(name=name).spec
    assert spec.image_size == pixels
    assert spec.fixed_size == (name == "test_vit")
    assert spec.stages == {}
    assert spec.available_stages == (1, 2, 3, 4)


@pytest.mark.slow
def test_published_widths():
    """Life-IQA's Swin-B gives 14 x 14 x 512 and 7 x 7 x 1024; checked on the meta device, which computes nothing."""
    with torch.device("meta"):
        spec = TimmFeatures(name="swin_base_patch4_window7_224.ms_in22k_ft_in1k", stages=(3, 4)).spec
    assert spec.stages == {3: StageInfo(512, 16), 4: StageInfo(1024, 32)}
    assert (spec.image_size, spec.fixed_size, spec.token_channels) == (224, True, 1024)
    assert spec.mean == (0.485, 0.456, 0.406)


@pytest.mark.slow
def test_normalisation_is_that_of_the_weights():
    assert TimmFeatures(**VIT).spec.mean == (0.5, 0.5, 0.5)
    assert TimmFeatures(name="resnet18").spec.std == (0.229, 0.224, 0.225)


@pytest.mark.slow
def test_swin_maps_are_timms_own_turned_to_channels_first():
    backbone, image_BCHW, features = features_of(stages=(3, 4), final_norm=False, **SWIN)
    seen = []
    for stage in (2, 3):
        backbone.model.layers[stage].register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        last_BHWC = backbone.model.forward_features(image_BCHW)
    for stage, map_BHWC in zip((3, 4), seen, strict=True):
        assert torch.allclose(features.maps[stage], map_BHWC.movedim(3, 1), atol=1e-6)
    assert torch.allclose(features.tokens_BLC, last_BHWC.reshape(2, 4, 96), atol=1e-6)
    assert torch.allclose(features.global_BC, last_BHWC.mean((1, 2)), atol=1e-6)


@pytest.mark.slow
def test_resnet_maps_are_its_layers():
    backbone, image_BCHW, features = features_of(name="resnet18", stages=(1, 4), image_size=64)
    seen = {}
    for stage, layer in ((1, backbone.model.layer1), (4, backbone.model.layer4)):
        layer.register_forward_hook(lambda _, __, output, stage=stage: seen.update({stage: output}))
    with torch.no_grad():
        last_BCHW = backbone.model.forward_features(image_BCHW)
    assert all(torch.allclose(features.maps[stage], seen[stage], atol=1e-6) for stage in (1, 4))
    assert torch.allclose(features.global_BC, last_BCHW.mean((2, 3)), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnext_atto", "efficientnet_b0"])
def test_global_vector_is_the_mean_of_timms_final_map(name):
    backbone, image_BCHW, features = features_of(name=name, image_size=64)
    with torch.no_grad():
        last_BCHW = backbone.model.forward_features(image_BCHW)
    assert torch.allclose(features.global_BC, last_BCHW.mean((2, 3)), atol=1e-5)
    assert torch.allclose(features.tokens_BLC, last_BCHW.flatten(2).mT, atol=1e-5)


def test_vit_gives_class_token_patch_tokens_and_quarters_of_its_depth():
    backbone, image_BCHW, features = features_of(stages=(1, 2, 3, 4), **VIT)
    seen = []
    for block in backbone.model.blocks:
        block.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        normed_BLC = backbone.model.forward_features(image_BCHW)
    assert torch.allclose(features.global_BC, normed_BLC[:, 0], atol=1e-6)
    assert torch.allclose(features.tokens_BLC, normed_BLC[:, 1:], atol=1e-6)
    for stage, block in ((1, 2), (2, 4), (3, 6), (4, 8)):
        patches_BCHW = seen[block - 1][:, 1:].mT.reshape(2, 24, 4, 4)
        assert torch.allclose(features.maps[stage], patches_BCHW, atol=1e-6)


def test_stage_blocks_say_which_block_each_stage_is():
    backbone, image_BCHW, features = features_of(stages=(3, 1, 2), stage_blocks=(7, 0, 5), **VIT)
    seen = []
    for block in backbone.model.blocks:
        block.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        backbone.model.forward_features(image_BCHW)
    assert list(features.maps) == [3, 1, 2]
    for stage, block in ((3, 7), (1, 0), (2, 5)):
        patches_BCHW = seen[block][:, 1:].mT.reshape(2, 24, 4, 4)
        assert torch.allclose(features.maps[stage], patches_BCHW, atol=1e-6)


def test_stage_blocks_leave_the_rest_as_it_is():
    _, _, plain = features_of(stages=(1, 2), **VIT)
    _, _, same = features_of(stages=(1, 2), stage_blocks=(1, 3), **VIT)
    assert all(torch.equal(plain.maps[stage], same.maps[stage]) for stage in (1, 2))
    assert torch.equal(plain.tokens_BLC, same.tokens_BLC)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            {**VIT, "stages": (1, 2), "stage_blocks": (3,)},
            r"stage_blocks=\(3,\) says a block for each of stages=\(1, 2\)",
        ),
        ({**VIT, "stages": (1,), "stage_blocks": (8,)}, "has no block 8; it has the blocks 0 to 7"),
        ({**VIT, "stages": (1,), "stage_blocks": (-1,)}, "has no block -1"),
        ({"name": "resnet18", "stages": (1,), "stage_blocks": (0,)}, "'resnet18' is no plain transformer"),
    ],
)
def test_stage_blocks_that_do_not_fit(arguments, says):
    with pytest.raises(PartError, match=says):
        TimmFeatures(**arguments)


@pytest.mark.slow
def test_a_classifier_that_model_args_keep_is_there_and_not_used():
    arguments = {**VIT, "model_args": {**VIT["model_args"], "num_classes": 5}}
    backbone, _, features = features_of(**arguments)
    assert backbone.model.head.weight.shape == (5, 24)
    assert features.global_BC.shape == (2, 24)
    assert backbone.spec.global_channels == 24


def test_vit_of_two_blocks_begins_with_its_first():
    arguments = {**VIT, "model_args": {**VIT["model_args"], "depth": 2}}
    _, _, features = features_of(stages=(1, 2, 3, 4), **arguments)
    assert torch.equal(features.maps[1], features.maps[2])
    assert torch.equal(features.maps[3], features.maps[4])
    assert not torch.equal(features.maps[2], features.maps[3])


@pytest.mark.slow
def test_vit_with_registers_leaves_them_out():
    arguments = {**VIT, "model_args": {**VIT["model_args"], "reg_tokens": 3}}
    backbone, image_BCHW, features = features_of(**arguments)
    assert features.tokens_BLC.shape == (2, 16, 24)
    with torch.no_grad():
        normed_BLC = backbone.model.forward_features(image_BCHW)
    assert torch.allclose(features.tokens_BLC, normed_BLC[:, 4:], atol=1e-6)


@pytest.mark.slow
def test_vit_without_class_token_pools_its_patches():
    arguments = {**VIT, "model_args": {**VIT["model_args"], "class_token": False, "global_pool": "avg"}}
    _, _, features = features_of(**arguments)
    assert features.tokens_BLC.shape == (2, 16, 24)
    assert torch.allclose(features.global_BC, features.tokens_BLC.mean(1), atol=1e-6)


def test_order_and_number_of_stages_do_not_move_the_features():
    _, _, both = features_of(stages=(4, 3), **SWIN)
    _, _, sorted_ = features_of(stages=(3, 4), **SWIN)
    _, _, none = features_of(**SWIN)
    assert list(both.maps) == [4, 3]
    assert none.maps == {}
    for other in (sorted_, none):
        assert torch.equal(both.tokens_BLC, other.tokens_BLC)
        assert torch.equal(both.global_BC, other.global_BC)
        assert all(torch.equal(both.maps[stage], other.maps[stage]) for stage in other.maps)


@pytest.mark.parametrize("arguments", [SWIN, VIT])
def test_without_final_norm(arguments):
    with_norm, image_BCHW, normed = features_of(stages=(4,), **arguments)
    without, _, features = features_of(stages=(4,), final_norm=False, **arguments)
    assert isinstance(without.model.norm, nn.Identity)
    assert {key for key in with_norm.state_dict() if key not in without.state_dict()} == {
        "model.norm.weight",
        "model.norm.bias",
    }
    without.load_state_dict(with_norm.state_dict(), strict=False)
    with torch.no_grad():
        features = without(image_BCHW)
    cells_BLC = features.maps[4].flatten(2).mT
    assert torch.allclose(features.tokens_BLC, cells_BLC, atol=1e-6)
    assert torch.equal(features.maps[4], normed.maps[4])
    expected = nn.functional.layer_norm(cells_BLC, cells_BLC.shape[-1:], eps=with_norm.model.norm.eps)
    assert torch.allclose(normed.tokens_BLC, expected, atol=1e-5)


def test_final_norm_that_is_not_there():
    with pytest.raises(PartError, match="'resnet18' has no final norm to leave out"):
        TimmFeatures(name="resnet18", final_norm=False)


def test_unknown_model_gives_the_closest():
    with pytest.raises(PartError, match="timm has no model 'resnet81'; did you mean 'resnet18'"):
        TimmFeatures(name="resnet81")


def test_unknown_tag_gives_all():
    with pytest.raises(PartError, match=r"\(a1_in2k\).*did you mean 'resnet18.a1_in1k'.*resnet18.tv_in1k"):
        TimmFeatures(name="resnet18.a1_in2k")


def test_unknown_stage():
    with pytest.raises(PartError, match="'resnet18' has no stage 5; it has the stages 1, 2, 3, 4"):
        TimmFeatures(name="resnet18", stages=(3, 5))


@pytest.mark.parametrize("pretrained", [False, True])
def test_unknown_model_argument(pretrained, monkeypatch):
    monkeypatch.setattr(timm_features, "_reach_hub", lambda name: None)
    with pytest.raises(PartError, match=r"'test_resnet' does not take model_args=.*bogus"):
        TimmFeatures(name="test_resnet", model_args={"bogus": 1}, pretrained=pretrained)


def test_weights_that_do_not_come(monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(timm_features, "_reach_hub", lambda name: None)
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(CheckpointError, match=r"weights of 'resnet18' cannot be fetched .*no route.*weights=FILE"):
        TimmFeatures(name="resnet18", pretrained=True)


def test_hub_that_does_not_answer_is_asked_once(monkeypatch):
    def unreachable(address, timeout):
        asked.append((address, timeout))
        raise OSError("name or service not known")

    asked = []
    monkeypatch.setattr(timm_features.socket, "create_connection", unreachable)
    monkeypatch.setattr(timm_features.urllib.request, "getproxies", dict)
    monkeypatch.setattr(timm_features.huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(timm_features.huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(timm_features.huggingface_hub.constants, "ENDPOINT", "https://hub.example")
    with pytest.raises(CheckpointError, match=r"cannot be fetched from the model hub .*not known"):
        TimmFeatures(name="resnet18", pretrained=True)
    assert asked == [(("hub.example", 443), 10)]


def test_cached_weights_need_no_hub(monkeypatch):
    made = []
    monkeypatch.setattr(timm_features.socket, "create_connection", lambda *_, **__: pytest.fail("asked the hub"))
    monkeypatch.setattr(timm_features.huggingface_hub, "try_to_load_from_cache", lambda *_: "/cache/model.safetensors")
    create = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda name, pretrained, **rest: made.append(pretrained) or create(name, **rest)
    )
    TimmFeatures(name="test_resnet", pretrained=True)
    assert made == [True]


def test_model_args_reach_timm_and_stay_as_given():
    arguments = {"drop_path_rate": 0.5}
    backbone = TimmFeatures(name="test_resnet", model_args=arguments, image_size=64)
    assert arguments == {"drop_path_rate": 0.5}
    rates = [module.drop_prob for module in backbone.modules() if type(module).__name__ == "DropPath"]
    assert max(rates) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "stage"),
    [("test_resnet", 4), ("test_convnext", 4), ("test_nfnet", None), ("test_efficientnet", None), ("test_vit", None)],
)
def test_tokens_are_a_stages_cells_only_where_nothing_follows(name, stage):
    backbone, _, features = features_of(name=name, stages=(4,))
    cells_BLC = features.maps[4].flatten(2).mT
    same = cells_BLC.shape == features.tokens_BLC.shape and torch.equal(cells_BLC, features.tokens_BLC)
    assert backbone.spec.token_stage == stage
    assert same == (stage is not None)
