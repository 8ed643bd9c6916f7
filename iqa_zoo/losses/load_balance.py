from typing import Literal

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.layers.gathering import over_processes
from iqa_zoo.registry import register_loss


@register_loss("load_balance")
class LoadBalance(nn.Module):
    """E * sum_e mean(p_e) * mean(n_e) over the tokens; K where the load is even, up to E * K where it is not.

    p_e is the probability of expert e and n_e whether it is among the chosen K (Switch Transformers, Fedus et al.
    2022, with the count summed over K). With several mixtures in a model their mean; where processes share a batch, over
    the tokens of all.

    Args:
        probabilities: ``"router"``: the softmax over all experts, as in Switch; ``"selected"``: the weights after
            the choice, 0 for the experts left out, as Life-IQA's released code computes. With E = K the
            latter is constant and has no gradient.
    """

    needs_routing = True

    def __init__(self, *, probabilities: Literal["router", "selected"] = "router"):
        super().__init__()
        self.probabilities = probabilities

    def forward(self, output: QualityOutput, mos_B: Tensor) -> Tensor:
        losses = []
        for routing in output.routing:
            probability_TE = routing.logits_TE.softmax(-1) if self.probabilities == "router" else routing.weights_TE
            chosen_TE = torch.zeros_like(probability_TE).scatter(-1, routing.choice_TK, 1.0)
            probability_TE, chosen_TE = over_processes(probability_TE), over_processes(chosen_TE)
            num_experts = probability_TE.shape[-1]
            losses.append(num_experts * (probability_TE.mean(0) * chosen_TE.mean(0)).sum())
        return torch.stack(losses).mean()
