"""A mixture of experts on a row of tokens, which the moe head and the moe_feed_forward block share."""

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Routing
from iqa_zoo.errors import PartError
from iqa_zoo.layers.activations import perceptron
from iqa_zoo.layers.graphs import is_recorded


class Mixture:
    """Mixed into a module: a linear ``router``, ``experts``, and the sparse sum of the ``top_k`` chosen for each token."""

    routes = True
    top_k: int
    router: nn.Linear
    experts: nn.ModuleList

    def _make_experts(
        self, dim: int, *, num_experts: int, top_k: int, hidden: int, activation: str, dropout: float
    ) -> None:
        """
        Raises:
            PartError: ``top_k`` is not between 1 and ``num_experts``.
        """
        if not 1 <= top_k <= num_experts:
            raise PartError(f"top_k={top_k} is not between 1 and num_experts={num_experts}")
        self.top_k = top_k
        self.router = nn.Linear(dim, num_experts)
        self.experts = nn.ModuleList(perceptron(dim, hidden, activation, dropout) for _ in range(num_experts))

    @property
    def inactive_params(self) -> int:
        """Parameters that one token does not meet."""
        an_expert = sum(parameter.numel() for parameter in self.experts[0].parameters())
        return (len(self.experts) - self.top_k) * an_expert

    def _mix(self, tokens_TD: Tensor) -> tuple[Tensor, Routing]:
        logits_TE = self.router(tokens_TD)
        top_TK, choice_TK = logits_TE.topk(self.top_k, dim=-1)
        gate_TK = top_TK.softmax(-1)
        weights_TE = torch.zeros_like(logits_TE, dtype=gate_TK.dtype).scatter(-1, choice_TK, gate_TK)
        if is_recorded():
            mixed_TD = self._mix_all(tokens_TD, weights_TE)
        else:
            mixed_TD = self._mix_chosen(tokens_TD, choice_TK, gate_TK)
        return mixed_TD, Routing(logits_TE, weights_TE.to(logits_TE.dtype), choice_TK)

    def _mix_chosen(self, tokens_TD: Tensor, choice_TK: Tensor, gate_TK: Tensor) -> Tensor:
        """Each expert on its own tokens: the S = T * K pairs of a token and its expert, sorted by expert and split."""
        expert_S = choice_TK.flatten()
        pair_S = expert_S.argsort(stable=True)
        token_S = pair_S // self.top_k
        parts = tokens_TD.index_select(0, token_S).split(expert_S.bincount(minlength=len(self.experts)).tolist())
        answer_SD = torch.cat([expert(part) for expert, part in zip(self.experts, parts, strict=True)])
        weighed_SD = answer_SD * gate_TK.flatten().index_select(0, pair_S)[:, None]
        return torch.zeros_like(tokens_TD).index_add(0, token_S, weighed_SD.to(tokens_TD.dtype))

    def _mix_all(self, tokens_TD: Tensor, weights_TE: Tensor) -> Tensor:
        """The same sum with every expert on every token: no operator depends on the values of this input."""
        answer_TED = torch.stack([expert(tokens_TD) for expert in self.experts], 1)
        return (answer_TED * weights_TE[..., None]).sum(1).to(tokens_TD.dtype)
