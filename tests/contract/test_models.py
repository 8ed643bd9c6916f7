from typing import ClassVar

from iqa_zoo.testing import ModelContract

CNN = {"backbone": {"type": "timm_features", "name": "test_resnet", "stages": [3, 4], "image_size": 64}}
SMALL = {**CNN, "dim": 24}


class TestModels(ModelContract):
    examples: ClassVar = {
        "deiqt": [SMALL],
        "lifeiqa": [SMALL],
        "lifeiqa_released": [SMALL],
        "lifeiqa_small": [SMALL],
        "lifeiqa_tiny": [SMALL],
        "linear_probe": [CNN],
        "vanilla_decoder": [SMALL],
    }

    test_budget_of_the_model_itself_is_known = None  # of ours: tests/budgets and the model cards
