from torch import Tensor, nn

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.registry import register_head
from iqa_zoo.values import Share, Size, checked


@register_head("patch_weighted")
class PatchWeightedHead(nn.Module):
    """A score and a weight per query from two small MLPs, and the weighted mean: sum_n w_n s_n / sum_n w_n.

    MANIQA's dual branch (Yang et al., CVPRW 2022, https://arxiv.org/abs/2204.08958), after the weighting of WaDIQaM
    (Bosse et al., 2018). Each branch is Linear, ReLU, dropout, Linear; weights end in a sigmoid and scores, as in the
    released code, in a ReLU, so that they suit labels that are not negative.

    Args:
        hidden: width of both hidden layers; D where left out.
        dropout: in both, after the hidden layer.
        positive: scores end in a ReLU. Where labels are below 0, leave it off.

    >>> import torch
    >>> PatchWeightedHead(dim=8)(torch.zeros(2, 6, 8)).score_BN.shape
    torch.Size([2, 6])
    """

    knobs = ("hidden",)

    @checked
    def __init__(self, *, dim: int, hidden: Size | None = None, dropout: Share = 0.1, positive: bool = True):
        super().__init__()
        width = dim if hidden is None else hidden
        self.score = _branch(dim, width, dropout, nn.ReLU() if positive else nn.Identity())
        self.weight = _branch(dim, width, dropout, nn.Sigmoid())

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        score_BN = self.score(queries_BND).squeeze(-1)
        weight_BN = self.weight(queries_BND).squeeze(-1)
        return HeadOutput((weight_BN * score_BN).sum(1) / weight_BN.sum(1), score_BN)


def _branch(dim: int, hidden: int, dropout: float, last: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1), last)
