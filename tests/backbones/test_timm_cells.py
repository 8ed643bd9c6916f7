import pytest
import timm
import torch

from iqa_zoo.backbones.timm_cells import TimmCells, is_convolutional
from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.budgets import measure_budget
from iqa_zoo.budgets._fvcore import FlopCountAnalysis
from iqa_zoo.build import build_model
from iqa_zoo.config import model_config
from iqa_zoo.contracts import StageInfo
from iqa_zoo.errors import CheckpointError, ConfigError, PartError
from iqa_zoo.weights import load_weights

LITE = "tf_efficientnet_lite0"
RESNET = dict(type="timm_cells", name="test_resnet", cells=3)


@pytest.mark.parametrize(("height", "width"), [(192, 192), (250, 333), (400, 210)])
def test_a_map_is_the_mean_over_each_cells_share(height, width):
    """Pooling written out: cell i of n covers positions floor(i L / n) to ceil((i + 1) L / n) of a length L."""
    torch.manual_seed(0)
    cells = TimmCells(name="test_efficientnet", stages=(3, 4), cells=5).eval()
    plain = TimmFeatures(name="test_efficientnet", stages=(3, 4)).eval()
    plain.model.load_state_dict(cells.model.state_dict(), strict=False)
    image_BCHW = torch.randn(2, 3, height, width)
    with torch.no_grad():
        pooled, whole = cells(image_BCHW), plain(image_BCHW)
    for stage in (3, 4):
        map_BCHW = whole.maps[stage]
        rows, columns = map_BCHW.shape[-2:]
        for i, j in ((0, 0), (2, 4), (4, 1)):
            share = map_BCHW[
                :, :, i * rows // 5 : -(-(i + 1) * rows // 5), j * columns // 5 : -(-(j + 1) * columns // 5)
            ]
            assert torch.allclose(pooled.maps[stage][:, :, i, j], share.mean((2, 3)), atol=1e-5)
    assert torch.equal(pooled.tokens_BLC, pooled.maps[4].flatten(2).mT)
    assert torch.allclose(pooled.global_BC, pooled.maps[4].mean((2, 3)), atol=1e-6)


@pytest.mark.slow
def test_the_spec_is_that_of_cells_of_a_whole_image():
    spec = TimmCells(name=LITE).spec
    assert spec.stages == {3: StageInfo(112, 32), 4: StageInfo(320, 32)}
    assert (spec.image_size, spec.view, spec.fixed_size) == (192, "whole", False)
    assert (spec.token_stage, spec.token_channels, spec.global_channels) == (4, 320, 320)
    assert spec.mean == spec.std == (0.5, 0.5, 0.5)
    assert TimmFeatures(name=LITE).spec.view == "crops"


@pytest.mark.parametrize("stages", [(), (2,), (3, 4)])
def test_tokens_do_not_depend_on_the_stages_that_are_read(stages):
    torch.manual_seed(0)
    backbone = TimmCells(name="test_resnet", stages=stages, cells=2).eval()
    image_BCHW = torch.randn(1, 3, 64, 80, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = backbone(image_BCHW)
        last_BCHW = backbone.model.forward_features(image_BCHW)
    assert torch.allclose(features.global_BC, features.tokens_BLC.mean(1))
    expected_BCHW = torch.nn.functional.adaptive_avg_pool2d(last_BCHW, 2)
    assert torch.allclose(features.tokens_BLC, expected_BCHW.flatten(2).mT, atol=1e-6)


@pytest.mark.slow
def test_the_head_is_neither_counted_nor_computed():
    """fvcore's counts of timm's own model, without its layers after the last stage."""
    full = timm.create_model(LITE).eval()
    counted = FlopCountAnalysis(full, torch.zeros(1, 3, 192, 192)).unsupported_ops_warnings(False)
    counted.tracer_warnings("none")
    convolutions = counted.by_module_and_operator()
    ours = measure_budget({**model_config("deiqt"), "backbone": dict(type="timm_cells", name=LITE, stages=[])}).by_slot
    assert ours["backbone"].macs == convolutions[""]["conv"] - convolutions["conv_head"]["conv"]
    removed = sum(
        p.numel() for name in ("conv_head", "bn2", "classifier") for p in full.get_submodule(name).parameters()
    )
    assert ours["backbone"].params == sum(p.numel() for p in full.parameters()) - removed == 2_958_848


@pytest.mark.slow
@pytest.mark.parametrize("name", [LITE, "resnet10t", "mobilenetv3_small_050"])
def test_plain_weights_of_timm_load(name):
    full = timm.create_model(name)
    model = build_model({**model_config("deiqt"), "backbone": dict(type="timm_cells", name=name)})
    load_weights(model, full.state_dict())
    state = full.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in model.backbone.model.state_dict().items())


def test_weights_with_a_layer_that_no_timm_model_has_are_refused():
    model = build_model({**model_config("deiqt"), "backbone": RESNET})
    with pytest.raises(CheckpointError, match="unknown: extra.weight"):
        load_weights(model, {**timm.create_model("test_resnet").state_dict(), "extra.weight": torch.zeros(1)})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reason"), [("test_vit", "one size only"), ("deepseek_vit_412m", "no stages of different strides")]
)
def test_models_of_one_size_or_without_stages_are_refused_by_name(name, reason):
    with torch.device("meta"), pytest.raises(PartError, match=f"{name}.*{reason}.*timm_features"):
        TimmCells(name=name, stages=())


@pytest.mark.parametrize("name", ["lifeiqa", "deiqt", "vanilla_decoder", "linear_probe"])
def test_models_of_the_zoo_run_on_it(name):
    try:
        model = build_model({**model_config(name), "backbone": {**RESNET, "stages": [3, 4]}}).eval()
    except ConfigError as error:
        pytest.fail(str(error))
    with torch.no_grad():
        assert model(torch.randn(2, 3, 100, 130)).shape == (2,)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (LITE, True),
        ("resnet18.a1_in1k", True),
        ("convnext_atto", True),
        ("swin_tiny_patch4_window7_224", False),  # of one size
        ("caformer_s18", False),  # attention, of any size
        ("nss", False),
    ],
)
def test_convolutional_models_are_recognised(name, expected):
    assert is_convolutional(name) is expected
