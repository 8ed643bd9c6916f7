import pytest
import torch

from iqa_zoo.errors import PartError
from iqa_zoo.heads.patch_weighted import PatchWeightedHead


def test_weighted_mean_by_hand():
    torch.manual_seed(0)
    head = PatchWeightedHead(dim=4, hidden=3).eval()
    queries_BND = torch.randn(2, 5, 4)
    score, weight = head.score, head.weight
    score_BN = score[3](score[0](queries_BND).relu()).relu()[..., 0]
    weight_BN = weight[3](weight[0](queries_BND).relu()).sigmoid()[..., 0]
    output = head(queries_BND)
    torch.testing.assert_close(output.score_BN, score_BN)
    torch.testing.assert_close(output.score_B, (score_BN * weight_BN).sum(1) / weight_BN.sum(1))


def test_scores_are_not_negative_unless_allowed():
    torch.manual_seed(0)
    queries_BND = torch.randn(4, 50, 8)
    for positive in (True, False):
        torch.manual_seed(1)
        lowest = PatchWeightedHead(dim=8, positive=positive)(queries_BND).score_BN.min()
        assert (lowest == 0) if positive else (lowest < 0)


def test_equal_weights_give_the_mean():
    head = PatchWeightedHead(dim=4).eval()
    torch.nn.init.zeros_(head.weight[3].weight)
    output = head(torch.randn(3, 6, 4))
    torch.testing.assert_close(output.score_B, output.score_BN.mean(1))


def test_number_of_parameters_and_width():
    parameters = sum(p.numel() for p in PatchWeightedHead(dim=384).parameters())
    assert parameters == 2 * (384 * 384 + 384 + 384 + 1)
    with pytest.raises(PartError, match="hidden: expected int from 1 to 65536 or None, got 0"):
        PatchWeightedHead(dim=4, hidden=0)
