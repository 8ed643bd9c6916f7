from torch import Tensor, nn

from iqa_zoo.contracts import Routing
from iqa_zoo.layers.activations import Activation
from iqa_zoo.layers.experts import Mixture
from iqa_zoo.registry import register_interaction
from iqa_zoo.values import Count, Share, Size, checked


@register_interaction("moe_feed_forward")
class MoEFeedForward(nn.Module, Mixture):
    """A sparse mixture of experts on each query: x + MoE(LN(x)), as in Switch Transformers. The memory is not read.

    What Life-IQA (CVPR 2026) puts after its decoder, here inside every layer: the alternative that the paper's ablation
    compares its post-posed mixture with. It returns the queries and its routing, which the losses read as they read the
    head's.

    Args:
        num_experts: E.
        top_k: K, experts a query meets.
        hidden: width of an expert's hidden layer.
        activation: between an expert's layers.
        dropout: inside an expert and on the block's answer.

    Raises:
        PartError: ``top_k`` is not between 1 and ``num_experts``.

    >>> import torch
    >>> queries_BND, routing = MoEFeedForward(dim=8, hidden=16)(torch.zeros(2, 6, 8), None)
    >>> queries_BND.shape, routing.choice_TK.shape
    (torch.Size([2, 6, 8]), torch.Size([12, 2]))
    """

    knobs = ("hidden", "num_experts")  # what match_budget may change, the smallest effect first

    @checked
    def __init__(
        self,
        *,
        dim: int,
        num_experts: Count = 4,
        top_k: Count = 2,
        hidden: Size = 1536,
        activation: Activation = "relu",
        dropout: Share = 0.0,
    ):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self._make_experts(
            dim, num_experts=num_experts, top_k=top_k, hidden=hidden, activation=activation, dropout=dropout
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None) -> tuple[Tensor, Routing]:
        mixed_TD, routing = self._mix(self.norm(queries_BND).flatten(0, 1))
        return queries_BND + self.drop(mixed_TD.view_as(queries_BND)), routing
