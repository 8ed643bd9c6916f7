from torch import Tensor, nn

from iqa_zoo.registry import register_interaction


@register_interaction("layer_norm")
class LayerNorm(nn.Module):
    """LayerNorm of each query: the end of a stack of pre-norm layers. The memory is not read.

    >>> import torch
    >>> LayerNorm(dim=8)(torch.zeros(2, 6, 8), None).shape
    torch.Size([2, 6, 8])
    """

    def __init__(self, *, dim: int):
        super().__init__()
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None) -> Tensor:
        normed_BND: Tensor = self.layer_norm(queries_BND)
        return normed_BND
