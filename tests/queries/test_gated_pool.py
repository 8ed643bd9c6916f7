import pytest
import torch

from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.layers.gated_pool import GatedPool
from iqa_zoo.queries.gated_pool import GatedPoolQueries

SPEC = FeatureSpec({3: StageInfo(3, 16), 4: StageInfo(5, 32)}, 5, 5, 224)


def test_reads_its_stage_alone():
    queries = GatedPoolQueries(dim=8, features=SPEC, stage=3, grid=(2, 3))
    maps = {3: torch.randn(2, 3, 12, 12), 4: torch.full((2, 5, 6, 6), float("nan"))}
    assert queries.num_queries == 6
    assert isinstance(queries.pool, GatedPool)
    assert torch.equal(queries(Features(maps, None, None)), queries.pool(maps[3]))


@pytest.mark.parametrize("size", [(7, 7), (12, 12), (8, 10), (3, 5)])
def test_as_many_queries_for_an_image_of_any_size(size):
    queries = GatedPoolQueries(dim=8, features=SPEC)
    assert queries(Features({4: torch.randn(2, 5, *size)}, None, None)).shape == (2, queries.num_queries, 8)


def test_a_stage_that_is_not_given_is_named():
    with pytest.raises(PartError, match=r"needs stage 2, and backbone\.stages asks for 3, 4"):
        GatedPoolQueries(dim=8, features=SPEC, stage=2)
