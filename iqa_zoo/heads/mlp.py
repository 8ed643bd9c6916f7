"""A small perceptron per query, from the model width straight to one score."""

from __future__ import annotations

from torch import Tensor, nn

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.layers.activations import Activation, activation_layer
from iqa_zoo.registry import register_head
from iqa_zoo.values import Share, Size, checked


@register_head("mlp")
class MLPHead(nn.Module):
    """Dropout, a linear layer, an activation, dropout and a linear layer: one score per query, averaged over the queries.

    Unlike the ``ffn`` head it has no norm and no residual, so its last layer reads the hidden layer alone. On pooled features of
    a frozen backbone (queries ``stage_means``) it is the smallest decoder that is not linear.

    Args:
        dim: model width D. Handed down.
        hidden: width of the hidden layer.
        activation: after the first layer.
        input_dropout: of the queries.
        dropout: of the hidden layer.

    >>> import torch

    >>> MLPHead(dim=8, hidden=16)(torch.zeros(2, 6, 8)).score_BN.shape
    torch.Size([2, 6])
    """

    knobs = ("hidden",)  # what match_budget may move

    @checked
    def __init__(
        self,
        *,
        dim: int,
        hidden: Size = 128,
        activation: Activation = "gelu",
        input_dropout: Share = 0.2,
        dropout: Share = 0.5,
    ):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(input_dropout),
            nn.Linear(dim, hidden),
            activation_layer(activation),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        score_BN = self.layers(queries_BND).squeeze(-1)
        return HeadOutput(score_BN.mean(1), score_BN)
