import numpy as np
import torch

from iqa_zoo.build import build_model
from iqa_zoo.config import model_config


def on_resnet() -> dict:
    return model_config("ridge_baseline") | {
        "backbone": dict(type="timm_features", name="test_resnet", stages=(3, 4), image_size=64)
    }


def test_is_one_linear_layer_on_the_means_of_two_stages() -> None:
    model = build_model(on_resnet()).eval()
    image_BCHW = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps = model.backbone(image_BCHW).maps
        means_BC = torch.cat([maps[3].mean((2, 3)), maps[4].mean((2, 3))], 1)
        expected_B = means_BC @ model.head.fc.weight[0] + model.head.fc.bias
        np.testing.assert_allclose(model(image_BCHW), expected_B, atol=1e-6)
    stages = model.backbone.spec.stages.values()
    decoder = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("backbone."))
    assert decoder == sum(stage.channels for stage in stages) + 1
