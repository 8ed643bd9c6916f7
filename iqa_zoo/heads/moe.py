from torch import Tensor

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.layers.activations import Activation
from iqa_zoo.layers.experts import Mixture
from iqa_zoo.layers.post_posed import PostPosed, Residual
from iqa_zoo.registry import register_head
from iqa_zoo.values import Count, Scale, Share, Size, checked


@register_head("moe")
class MoEHead(PostPosed, Mixture):
    """A mixture of experts after the decoder, then a linear score per query (Life-IQA, CVPR 2026).

    A linear router picks ``top_k`` experts for every query and weighs them by a softmax over the picked logits. The
    dispatch is sparse: an expert computes only the queries that were sent to it. An expert that got none still
    runs on zero rows, so that all its parameters have a (zero) gradient, as distributed training asks.
    While a graph is recorded (torch.jit.trace, torch.compile, torch.export) every expert computes every query and the
    weights of those not chosen are zero, as the graph will run on other images: the same answer at E / K times the
    multiply-accumulates of this part. Budgets count the sparse dispatch.

    Args:
        num_experts: E.
        top_k: K, experts a query meets.
        hidden: width of an expert's hidden layer.
        activation: between an expert's layers.
        residual: ``"paper"``: Y = MoE(X) + gamma X; ``"released"``: Y = X + gamma MoE(X).
        gamma: where the learned scalar starts. The released code starts it at 0.1, on the experts' side.
        dropout: inside an expert and before the linear layer.

    Raises:
        PartError: ``top_k`` is not between 1 and ``num_experts``.

    >>> import torch
    >>> output = MoEHead(dim=8, hidden=16)(torch.zeros(2, 6, 8))
    >>> output.score_BN.shape, output.routing[0].choice_TK.shape
    (torch.Size([2, 6]), torch.Size([12, 2]))
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
        residual: Residual = "paper",
        gamma: Scale = 1.0,
        dropout: Share = 0.1,
    ):
        super().__init__(dim=dim, residual=residual, gamma=gamma, dropout=dropout)
        self._make_experts(
            dim, num_experts=num_experts, top_k=top_k, hidden=hidden, activation=activation, dropout=dropout
        )

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        normed_BND = self.norm(queries_BND)
        mixed_TD, routing = self._mix(normed_BND.flatten(0, 1))
        score_BN = self._score(normed_BND, mixed_TD.view_as(normed_BND))
        return HeadOutput(score_BN.mean(1), score_BN, [routing])
