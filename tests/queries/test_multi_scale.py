import pytest
import torch

from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.queries.multi_scale import MultiScaleQueries

SPEC = FeatureSpec({3: StageInfo(2, 16), 4: StageInfo(3, 32)}, 3, 3, 64)


def features(batch=2):
    torch.manual_seed(0)
    return Features({3: torch.randn(batch, 2, 4, 4), 4: torch.randn(batch, 3, 2, 2)}, None, None)


def test_by_hand():
    queries = MultiScaleQueries(dim=5, features=SPEC, stages=(3, 4), grid=2).eval()
    given = features()
    answer_BND = queries(given)
    assert answer_BND.shape == (2, 4, 5)
    assert queries.num_queries == 4
    assert not list(queries.parameters())
    map_CHW = given.maps[3][0]
    squared_HW = (map_CHW[1] / map_CHW.norm(dim=0)) ** 2
    padded_HW = torch.nn.functional.pad(squared_HW, (1, 1, 1, 1))
    weights = [1.0, 2.0, 1.0]
    smooth_HW = torch.zeros(4, 4)
    for i in range(3):
        for j in range(3):
            smooth_HW += weights[i] * weights[j] / 16 * padded_HW[i : i + 4, j : j + 4]
    torch.testing.assert_close(answer_BND[0, 1, 1], smooth_HW.sqrt()[:2, 2:].mean())  # the upper right cell


def test_empty_maps_have_a_finite_gradient():
    queries = MultiScaleQueries(dim=8, features=SPEC, stages=(3, 4), grid=2)
    maps = {stage: torch.zeros_like(value).requires_grad_() for stage, value in features().maps.items()}
    queries(Features(maps, None, None)).sum().backward()
    assert all(value.grad.isfinite().all() for value in maps.values())


def test_a_stage_that_is_not_given():
    with pytest.raises(PartError, match="needs stage 1"):
        MultiScaleQueries(dim=8, features=SPEC)
