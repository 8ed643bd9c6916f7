from math import ceil, floor

from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec, TokenGrid
from iqa_zoo.layers.attention import Projected
from iqa_zoo.registry import register_memory


@register_memory("tokens")
class Tokens(nn.Module):
    """The backbone's final tokens, without the class token, as they are (DEIQT, AAAI 2023).

    Where a backbone has no tokens of its own they are the cells of its last stage. A linear projection is added
    only where the backbone's width is not the model's.

    >>> import torch
    >>> memory = Tokens(dim=8, features=FeatureSpec({}, 8, 8, 224))
    >>> memory(Features({}, torch.zeros(2, 196, 8), None)).shape
    torch.Size([2, 196, 8])
    """

    projects = True  # False: the tokens as they are, for blocks that project them themselves

    def __init__(self, *, dim: int, features: FeatureSpec):
        super().__init__()
        width = features.token_channels
        self.stage = features.token_stage
        self.proj = nn.Identity() if width == dim else nn.Linear(width, dim)

    def token_grid(self, length: int, height: int, width: int) -> TokenGrid | None:
        """The grid of square cells of as many image pixels, if there is one; found from their number, as no backbone says."""
        side = (height * width / length) ** 0.5
        for rows in (floor(height / side), ceil(height / side)):
            columns = length // max(rows, 1)
            if rows * columns == length and abs(height / rows - width / columns) < side / 4:
                return TokenGrid(rows, columns, f"stage {self.stage}" if self.stage else "the backbone's tokens")
        return None

    def forward(self, features: Features) -> Tensor | Projected:
        tokens_BLC = features.tokens_BLC.contiguous()  # a linear layer of strided tokens would copy its weights
        if self.projects or not isinstance(self.proj, nn.Linear):
            return self.proj(tokens_BLC)
        return Projected(tokens_BLC, self.proj)
