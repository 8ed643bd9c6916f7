from typing import ClassVar

from iqa_zoo.testing import BackboneContract


class TestBackbones(BackboneContract):
    examples: ClassVar = {
        "timm_features": [
            {"name": "test_resnet", "stages": (4, 3), "image_size": 64},
            {"name": "test_efficientnet", "stages": (2, 4), "image_size": 64},
            {"name": "test_vit", "stages": (1, 4), "image_size": 64},
            {
                "name": "swin_tiny_patch4_window7_224",
                "stages": (3, 4),
                "image_size": 64,
                "final_norm": False,
                "model_args": {"embed_dim": 12, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 3, 4)},
            },
        ],
        "timm_with_classifier": [{"name": "test_resnet", "stages": (4, 3), "image_size": 64}],
        "clip_image": [{"name": "test_vit", "stages": (2, 4), "image_size": 64, "width": 8}],
        "clip_windows": [{"name": "test_vit", "width": 8, "crops": 3, "model_args": {"img_size": 64}}],
        "nss": [{"stages": (3, 4), "image_size": 64}],
    }
