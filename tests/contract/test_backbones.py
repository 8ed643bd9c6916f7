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
        "nss": [{"stages": (3, 4), "image_size": 64}],
    }
