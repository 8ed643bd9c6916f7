from typing import ClassVar

import pytest

from iqa_zoo.contracts import Features, FeatureSpec

from .contract import STAGES, PartContract, randn


def features(batch, seed=0):
    maps = {stage: randn(batch, info.channels, 6, 8, seed=seed + stage) for stage, info in STAGES.items()}
    return Features(maps, randn(batch, 13, 10, seed=seed + 5), randn(batch, 12, seed=seed + 6))


class TestQueries(PartContract):
    slot = "queries"
    handed: ClassVar = {
        "dim": 24,
        "features": FeatureSpec(STAGES, token_channels=10, global_channels=12, image_size=64),
    }

    def inputs(self, part, batch, seed=0):
        return (features(batch, seed),)

    def tensors(self, output):
        return {"queries": output}

    def test_shape_and_number(self, name, arguments):
        part = self.make(name, arguments)
        assert self.run(part)["queries"].shape == (3, part.num_queries, 24)

    @pytest.mark.parametrize("count", [1, 2, 9])
    def test_any_number_of_queries(self, name, arguments, count):
        try:
            part = self.make(name, {**arguments, "num_queries": count})
        except TypeError:
            pytest.skip("its number is its own")
        assert part.num_queries == count
        assert self.run(part)["queries"].shape == (3, count, 24)


class TestQueriesOfTheBackbonesWidth(TestQueries):
    handed: ClassVar = {
        "dim": 12,
        "features": FeatureSpec(STAGES, token_channels=12, global_channels=12, image_size=64),
    }

    def test_shape_and_number(self, name, arguments):
        part = self.make(name, arguments)
        assert self.run(part)["queries"].shape == (3, part.num_queries, 12)

    test_any_number_of_queries = None
