from typing import ClassVar

import pytest

from iqa_zoo.contracts import Features, FeatureSpec

from .contract import STAGES, PartContract, randn


class TestMemories(PartContract):
    slot = "memory"
    dim = 24
    handed: ClassVar = {
        "dim": dim,
        "features": FeatureSpec(STAGES, token_channels=10, global_channels=12, image_size=64),
    }

    def inputs(self, part, batch, seed=0):
        maps = {stage: randn(batch, info.channels, 6, 8, seed=seed + stage) for stage, info in STAGES.items()}
        return (Features(maps, randn(batch, 13, 10, seed=seed + 5), randn(batch, 12, seed=seed + 6)),)

    def tensors(self, output):
        return {"memory": output}

    def test_shape(self, name, arguments):
        memory_BLD = self.run(self.make(name, arguments))["memory"]
        assert memory_BLD.ndim == 3
        assert memory_BLD.shape[::2] == (3, self.dim)
        assert memory_BLD.shape[1] > 0

    def test_grid_holds_every_token(self, name, arguments):
        part = self.make(name, arguments)
        length = self.run(part)["memory"].shape[1]
        if not hasattr(part, "token_grid"):
            pytest.skip("it does not say where its tokens lie")
        grid = part.token_grid(length, 96, 96)
        assert grid is None or grid.rows * grid.columns == length


class TestMemoriesOfTheBackbonesWidth(TestMemories):
    dim = 10
    handed: ClassVar = {
        "dim": dim,
        "features": FeatureSpec(STAGES, token_channels=10, global_channels=12, image_size=64),
    }
