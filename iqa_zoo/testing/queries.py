from typing import Any, ClassVar

import pytest
from torch import Tensor

from iqa_zoo.contracts import FeatureSpec, find_width
from iqa_zoo.testing.inputs import STAGES, fake_features
from iqa_zoo.testing.part import PartContract
from iqa_zoo.testing.suite import Arguments


class QueriesContract(PartContract):
    """Queries: Features -> queries_BND of the model's width, as many as ``num_queries`` says."""

    slot = "queries"
    handed: ClassVar[dict[str, Any]] = {
        "dim": 24,
        "features": FeatureSpec(STAGES, token_channels=10, global_channels=12, image_size=64),
    }

    def inputs(self, part: Any, batch: int, seed: int = 0) -> tuple[Any, ...]:
        return (fake_features(batch, seed),)

    def tensors(self, output: Any) -> dict[str, Tensor]:
        return {"queries": output}

    def test_shape_and_number(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        assert self.run(part)["queries"].shape == (3, part.num_queries, find_width(part, 24))

    @pytest.mark.parametrize("count", [1, 2, 9])
    def test_any_number_of_queries(self, name: str, arguments: Arguments, count: int) -> None:
        try:
            part = self.make(name, {**arguments, "num_queries": count})
        except TypeError:
            pytest.skip("its number is its own")
        assert part.num_queries == count
        assert self.run(part)["queries"].shape == (3, count, 24)
