from typing import Any, ClassVar

import pytest
from torch import Tensor

from iqa_zoo.contracts import FeatureSpec, HasTokenGrid
from iqa_zoo.testing.inputs import STAGES, fake_features
from iqa_zoo.testing.part import PartContract
from iqa_zoo.testing.suite import Arguments


class MemoryContract(PartContract):
    """Memories: Features -> memory_BLD of the model's width."""

    slot = "memory"
    dim = 24
    handed: ClassVar[dict[str, Any]] = {
        "dim": dim,
        "features": FeatureSpec(STAGES, token_channels=10, global_channels=12, image_size=64),
    }

    def inputs(self, part: Any, batch: int, seed: int = 0) -> tuple[Any, ...]:
        return (fake_features(batch, seed),)

    def tensors(self, output: Any) -> dict[str, Tensor]:
        return {"memory": output}

    def test_shape(self, name: str, arguments: Arguments) -> None:
        memory_BLD = self.run(self.make(name, arguments))["memory"]
        assert memory_BLD.ndim == 3
        assert memory_BLD.shape[::2] == (3, self.dim)
        assert memory_BLD.shape[1] > 0

    def test_grid_holds_every_token(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        length = self.run(part)["memory"].shape[1]
        if not isinstance(part, HasTokenGrid):
            pytest.skip("it does not say where its tokens lie")
        grid = part.token_grid(length, 96, 96)
        assert grid is None or grid.rows * grid.columns == length
