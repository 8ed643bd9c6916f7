from dataclasses import replace

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


def test_tokens_come_after_the_stages_unless_they_are_the_cells_of_one() -> None:
    maps = {2: torch.zeros(1, 2, 4, 2), 4: torch.full((1, 3, 2, 2), 7.0)}
    features = Features(maps, torch.tensor([[[1.0, 2.0, 3.0], [3.0, 6.0, 5.0]]]), None)
    queries = StageMeans(features=SPEC, stages=(2,), tokens=True)
    assert queries(features).tolist() == [[[0.0, 0.0, 2.0, 4.0, 4.0]]]
    assert queries.out_dim == 5
    alone = StageMeans(features=SPEC, stages=(), tokens=True)
    assert alone(features).tolist() == [[[2.0, 4.0, 4.0]]]
    cells = StageMeans(features=replace(SPEC, token_stage=4), stages=(4,), tokens=True)
    assert cells(features).tolist() == [[[7.0, 7.0, 7.0]]]
