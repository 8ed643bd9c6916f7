from typing import ClassVar

from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.testing import STAGES, MemoryContract


class TestMemories(MemoryContract):
    pass


class TestMemoriesOfTheBackbonesWidth(TestMemories):
    dim = 10
    handed: ClassVar = {
        "dim": dim,
        "features": FeatureSpec(STAGES, token_channels=10, global_channels=12, image_size=64),
    }
