import pytest
import torch
from torch import nn

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.errors import InputError
from iqa_zoo.losses.ranking import Ranking


def loss(scores, labels):
    return Ranking()(QualityOutput(scores, None, None), labels)


@pytest.mark.parametrize("seed", range(5))
def test_is_two_triplets_of_torch(seed):
    generator = torch.Generator().manual_seed(seed)
    scores, labels = torch.randn(2, 7, generator=generator)
    s, y = scores[labels.argsort()][:, None], labels.sort().values
    low = nn.TripletMarginLoss(margin=(y[-1] - y[1]).item(), p=1, eps=0)(s[:1], s[1:2], s[-1:])
    high = nn.TripletMarginLoss(margin=(y[-2] - y[0]).item(), p=1, eps=0)(s[-1:], s[-2:-1], s[:1])
    torch.testing.assert_close(loss(scores, labels), low + high)


def test_scores_that_are_the_labels_lose_nothing():
    labels = torch.tensor([3.0, 1.0, 9.0, 4.0])
    assert loss(labels, labels) == 0
    assert loss(2 * labels + 7, labels) == 0
    assert loss(-labels, labels) == 0  # it ranks distances; the direction is the business of another loss
    assert loss(0.5 * labels, labels) > 0


def test_two_images_give_zero_and_one_is_refused():
    assert loss(torch.tensor([2.0, 1.0]), torch.tensor([0.0, 5.0])) == 0
    with pytest.raises(InputError, match="at least two images"):
        loss(torch.zeros(1), torch.zeros(1))
