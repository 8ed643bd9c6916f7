from typing import ClassVar

from iqa_zoo.contracts import FeatureSpec, find_width
from iqa_zoo.testing import STAGES, QueriesContract


class TestQueries(QueriesContract):
    examples: ClassVar = {"bilinear": [{}, {"stages": (3, 1)}]}


class TestQueriesOfTheBackbonesWidth(TestQueries):
    handed: ClassVar = {
        "dim": 12,
        "features": FeatureSpec(STAGES, token_channels=12, global_channels=12, image_size=64),
    }

    def test_shape_and_number(self, name, arguments):
        part = self.make(name, arguments)
        assert self.run(part)["queries"].shape == (3, part.num_queries, find_width(part, 12))

    test_any_number_of_queries = None
