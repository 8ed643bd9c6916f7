"""Life-IQA's post-posed mixture of experts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import HeadOutput, Routing
from iqa_zoo.errors import PartError
from iqa_zoo.heads.post_posed import Activation, PostPosed, Residual, perceptron
from iqa_zoo.registry import register_head


@register_head("moe")
class MoEHead(PostPosed):
    """A mixture of experts after the decoder, then a linear score per query (Life-IQA, CVPR 2026).

    A linear router picks ``top_k`` experts for every query and weighs them by a softmax over the picked logits. The
    dispatch is sparse: an expert computes only the queries that were sent to it. An expert that got none still
    runs on zero rows, so that all its parameters have a (zero) gradient, as distributed training asks.

    Args:
        dim: model width D. Handed down.
        num_experts: E.
        top_k: K, experts a query meets.
        hidden: width of an expert's hidden layer.
        activation: between an expert's layers.
        residual: ``"paper"``: Y = MoE(X) + gamma X; ``"released"``: Y = X + gamma MoE(X).
        gamma: where the learned scalar starts. The released code starts it at 0.1, on the experts' side.
        dropout: inside an expert and before the linear layer.

    Raises:
        PartError: ``top_k`` is not between 1 and ``num_experts``.

    >>> output = MoEHead(dim=8, hidden=16)(torch.zeros(2, 6, 8))
    >>> output.score_BN.shape, output.routing[0].choice_TK.shape
    (torch.Size([2, 6]), torch.Size([12, 2]))
    """

    routes = True
    knobs = ("hidden", "num_experts")  # what match_budget may move, the gentlest first

    def __init__(
        self,
        *,
        dim: int,
        num_experts: int = 4,
        top_k: int = 2,
        hidden: int = 1536,
        activation: Activation = "relu",
        residual: Residual = "paper",
        gamma: float = 1.0,
        dropout: float = 0.1,
    ):
        super().__init__(dim=dim, residual=residual, gamma=gamma, dropout=dropout)
        if not 1 <= top_k <= num_experts:
            raise PartError(f"top_k={top_k} is not between 1 and num_experts={num_experts}")
        self.top_k = top_k
        self.router = nn.Linear(dim, num_experts)
        self.experts = nn.ModuleList(perceptron(dim, hidden, activation, dropout) for _ in range(num_experts))

    @property
    def inactive_params(self) -> int:
        """Parameters that one query does not meet."""
        an_expert = sum(parameter.numel() for parameter in self.experts[0].parameters())
        return (len(self.experts) - self.top_k) * an_expert

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        normed_BND = self.norm(queries_BND)
        mixed_TD, routing = self._mix(normed_BND.flatten(0, 1))
        score_BN = self._score(normed_BND, mixed_TD.view_as(normed_BND))
        return HeadOutput(score_BN.mean(1), score_BN, [routing])

    def _mix(self, tokens_TD: Tensor) -> tuple[Tensor, Routing]:
        logits_TE = self.router(tokens_TD)
        top_TK, choice_TK = logits_TE.topk(self.top_k, dim=-1)
        gate_TK = top_TK.softmax(-1)
        mixed_TD = torch.zeros_like(tokens_TD)
        for e, expert in enumerate(self.experts):
            token_S, rank_S = torch.where(choice_TK == e)  # the S tokens sent to this expert
            answer_SD = expert(tokens_TD[token_S]) * gate_TK[token_S, rank_S, None]
            mixed_TD = mixed_TD.index_add(0, token_S, answer_SD.to(mixed_TD.dtype))
        weights_TE = torch.zeros_like(logits_TE).scatter(-1, choice_TK, gate_TK.to(logits_TE.dtype))
        return mixed_TD, Routing(logits_TE, weights_TE, choice_TK)
