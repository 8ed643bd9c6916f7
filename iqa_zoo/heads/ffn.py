from torch import Tensor

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.layers.activations import Activation, perceptron
from iqa_zoo.layers.post_posed import PostPosed, Residual
from iqa_zoo.registry import register_head
from iqa_zoo.values import Scale, Share, Size, checked


@register_head("ffn")
class FFNHead(PostPosed):
    """What remains of the moe head when its experts are one perceptron that every query meets.

    Args:
        hidden: width of the hidden layer.
        activation: between its layers.
        residual: ``"paper"``: Y = FFN(X) + gamma X; ``"released"``: Y = X + gamma FFN(X).
        gamma: where the learned scalar starts.
        dropout: inside the block and before the linear layer.

    >>> import torch
    >>> FFNHead(dim=8, hidden=16)(torch.zeros(2, 6, 8)).score_B.shape
    torch.Size([2])
    """

    knobs = ("hidden",)  # what match_budget may move

    @checked
    def __init__(
        self,
        *,
        dim: int,
        hidden: Size = 1536,
        activation: Activation = "relu",
        residual: Residual = "paper",
        gamma: Scale = 1.0,
        dropout: Share = 0.1,
    ):
        super().__init__(dim=dim, residual=residual, gamma=gamma, dropout=dropout)
        self.ffn = perceptron(dim, hidden, activation, dropout)

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        normed_BND = self.norm(queries_BND)
        score_BN = self._score(normed_BND, self.ffn(normed_BND))
        return HeadOutput(score_BN.mean(1), score_BN)
