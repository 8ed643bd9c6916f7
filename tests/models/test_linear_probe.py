import torch

from iqa_zoo.build import build_model


def test_is_one_linear_layer_on_the_global_vector():
    model = build_model("linear_probe", overrides={"backbone.name": "test_resnet", "backbone.image_size": 64}).eval()
    image_BCHW = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        global_BC = model.backbone(image_BCHW).global_BC
        expected_B = global_BC @ model.head.fc.weight[0] + model.head.fc.bias
        assert torch.allclose(model(image_BCHW), expected_B, atol=1e-6)
    width = model.backbone.spec.global_channels
    decoder = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("backbone."))
    assert decoder == width + 1
