from typing import ClassVar

from iqa_zoo.testing import BackboneContract

RESNET = {"type": "timm_features", "name": "test_resnet", "image_size": 64}
NSS = {"type": "nss", "image_size": 64}


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
        "timm_cells": [
            {"name": "test_efficientnet", "cells": 2},
            {"name": "test_resnet", "cells": 3, "stages": (2, 4)},
        ],
        "multi_backbone": [
            {"branches": [RESNET, NSS], "stages": (13, 4, 2)},
            {"branches": [{**NSS, "stages": (3,)}, {**RESNET, "stages": (4, 3)}], "image_size": 96},
            {"branches": [RESNET, {**RESNET, "name": "test_efficientnet"}], "freeze": (True, False)},
        ],
        "nss": [{"stages": (3, 4), "image_size": 64}],
    }
