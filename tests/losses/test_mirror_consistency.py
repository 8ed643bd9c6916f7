import pytest
import torch
from torch.nn import functional as F

from iqa_zoo.contracts import Features, FeatureSpec, QualityOutput, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.losses.mirror_consistency import MirrorConsistency

SPEC = FeatureSpec({4: StageInfo(2, 32)}, 2, 2, 64, available_stages=(3, 4))
SCORES = torch.zeros(2)


def view(queries, stage, dtype=torch.float64):
    queries_BND = torch.tensor(queries, dtype=dtype).reshape(2, 1, -1).requires_grad_()
    map_BCHW = torch.tensor(stage, dtype=dtype).reshape(2, 2, 1, -1).requires_grad_()
    return QualityOutput(SCORES, SCORES[:, None], queries_BND, features=Features({4: map_BCHW}, None, None))


def both_views():
    return view([1, 2, 3, 4], [0, 0, 1, 1, 2, 2, 3, 3]), view([1, 0, 3, 8], [0, 1, 1, 1, 2, 2, 3, 4])


def test_by_hand():
    image, mirrored = both_views()
    assert MirrorConsistency(features=SPEC)(image, SCORES, mirrored).item() == (0 + 2 + 0 + 4) / 4
    assert MirrorConsistency(features=SPEC, stage=4)(image, SCORES, mirrored).item() == 6 / 4 + (1 + 1) / 8


def test_no_gradient_flows_into_the_mirrored_view():
    image, mirrored = both_views()
    MirrorConsistency(features=SPEC, stage=4)(image, SCORES, mirrored).backward()
    assert image.queries_BND.grad.flatten().tolist() == [0, 1 / 4, 0, -1 / 4]
    assert image.features.maps[4].grad.flatten().tolist() == [0, -1 / 8, 0, 0, 0, 0, 0, -1 / 8]
    assert mirrored.queries_BND.grad is None
    assert mirrored.features.maps[4].grad is None


def test_both_ways_has_the_gradients_of_each_view_against_the_other_held_fixed():
    image, mirrored = both_views()
    given = MirrorConsistency(features=SPEC, stage=4, both_ways=True)(image, SCORES, mirrored)
    given.backward()
    assert given.item() == 6 / 4 + (1 + 1) / 8
    for read in (lambda view: view.queries_BND, lambda view: view.features.maps[4]):
        one, other = (read(view).detach().requires_grad_() for view in (image, mirrored))
        (F.l1_loss(one, other.detach()) + F.l1_loss(other, one.detach())).backward()
        assert torch.equal(read(image).grad, one.grad)
        assert torch.equal(read(mirrored).grad, other.grad)


def test_features_are_asked_for_where_a_stage_is_compared():
    assert not MirrorConsistency(features=SPEC).needs_features
    assert MirrorConsistency(features=SPEC, stage=4).needs_features


def test_half_precision_is_compared_in_single():
    image, mirrored = view([1, 2, 3, 4], [0] * 8, torch.bfloat16), view([1, 2, 3, 4.03125], [0] * 8, torch.bfloat16)
    given = MirrorConsistency(features=SPEC)(image, SCORES, mirrored)
    assert given.dtype == torch.float32
    assert given.item() == 0.03125 / 4


def test_a_stage_that_is_not_there_is_refused():
    with pytest.raises(
        PartError, match=r"needs stage 3, and backbone.stages asks for 4; set backbone.stages to \(3, 4\)"
    ):
        MirrorConsistency(features=SPEC, stage=3)
