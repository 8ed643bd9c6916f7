import torch
from torch import Tensor, nn

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.registry import register_loss


@register_loss("router_z")
class RouterZ(nn.Module):
    """mean(logsumexp(router logits)^2) over the tokens (ST-MoE, Zoph et al. 2022); 0 is best.

    With several mixtures in a model their mean.
    """

    needs_routing = True

    def forward(self, output: QualityOutput, mos_B: Tensor) -> Tensor:
        return torch.stack([routing.logits_TE.logsumexp(-1).square().mean() for routing in output.routing]).mean()
