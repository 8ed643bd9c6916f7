from torch import Tensor, nn

from iqa_zoo.layers.activations import Activation, activation_layer
from iqa_zoo.registry import register_interaction
from iqa_zoo.values import Share, Size, checked


@register_interaction("feed_forward")
class FeedForward(nn.Module):
    """A two-layer perceptron on each query: x + W2 act(W1 LN(x)). The memory is not read.

    Args:
        hidden: width of the hidden layer.
        activation: between the layers.
        dropout: after each layer.

    >>> import torch
    >>> FeedForward(dim=8, hidden=32)(torch.zeros(2, 6, 8), None).shape
    torch.Size([2, 6, 8])
    """

    knobs = ("hidden",)  # what match_budget may move

    @checked
    def __init__(self, *, dim: int, hidden: Size = 1536, activation: Activation = "gelu", dropout: Share = 0.0):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.act = activation_layer(activation)
        self.fc2 = nn.Linear(hidden, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None) -> Tensor:
        hidden_BNF = self.drop(self.act(self.fc1(self.norm(queries_BND))))
        return queries_BND + self.drop(self.fc2(hidden_BNF))
