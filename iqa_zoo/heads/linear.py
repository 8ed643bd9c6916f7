from torch import Tensor, nn

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.registry import register_head
from iqa_zoo.values import Share, checked


@register_head("linear")
class LinearHead(nn.Module):
    """One linear score per query, averaged over the queries (DEIQT, AAAI 2023: without bias or norm).

    Args:
        bias: of the linear layer.
        norm: LayerNorm before it.
        dropout: before it.

    >>> import torch
    >>> LinearHead(dim=8)(torch.zeros(2, 6, 8)).score_BN.shape
    torch.Size([2, 6])
    """

    @checked
    def __init__(self, *, dim: int, bias: bool = True, norm: bool = False, dropout: Share = 0.0):
        super().__init__()
        self.norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(dim, 1, bias=bias)

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        score_BN = self.fc(self.drop(self.norm(queries_BND))).squeeze(-1)
        return HeadOutput(score_BN.mean(1), score_BN)
