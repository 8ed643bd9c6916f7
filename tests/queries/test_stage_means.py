import pytest
import torch

from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.queries.stage_means import StageMeans

SPEC = FeatureSpec({2: StageInfo(2, 8), 4: StageInfo(3, 32)}, 3, 3, 64)


def test_means_stand_in_the_order_of_the_stages() -> None:
    maps = {2: torch.arange(16.0).view(1, 2, 4, 2), 4: torch.full((1, 3, 2, 2), 7.0)}
    queries_BND = StageMeans(features=SPEC, stages=(4, 2))(Features(maps, None, None))
    assert queries_BND.tolist() == [[[7.0, 7.0, 7.0, 3.5, 11.5]]]


def test_every_stage_is_read_where_none_is_named() -> None:
    assert StageMeans(features=SPEC).stages == (2, 4)
    assert StageMeans(features=SPEC).out_dim == 5


def test_stages_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(PartError, match="stages is empty"):
        StageMeans(features=SPEC, stages=())
    with pytest.raises(PartError, match="needs stage 3"):
        StageMeans(features=SPEC, stages=(3,))
