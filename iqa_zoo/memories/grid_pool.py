from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import Features, FeatureSpec, TokenGrid
from iqa_zoo.layers.attention import Projected
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.registry import register_memory
from iqa_zoo.values import Grid, checked


@register_memory("grid_pool")
class GridPool(nn.Module):
    """A stage map, average-pooled to grid x grid cells, each projected to the model width: L = grid^2 tokens.

    The paper (Life-IQA, CVPR 2026) pools stage 3 to N x N cells, N the number of queries; its released code
    to 7 x 7. Neither adds a position embedding or a norm. Cells are those of adaptive average pooling; the
    released code's cells, bounded by ``int(linspace(0, H, grid + 1))``, are the same wherever grid divides H and W.

    Args:
        stage: the stage to read.
        grid: cells per side.

    >>> import torch
    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({3: StageInfo(256, 16)}, 512, 512, 224)
    >>> GridPool(dim=8, features=spec)(Features({3: torch.zeros(2, 256, 14, 14)}, None, None)).shape
    torch.Size([2, 36, 8])
    """

    projects = True  # False: the tokens as they are, for blocks that project them themselves

    @checked
    def __init__(self, *, dim: int, features: FeatureSpec, stage: int = 3, grid: Grid = 6):
        super().__init__()
        self.stage, self.grid = stage, grid
        self.proj = nn.Linear(stage_channels(features, stage), dim)

    def token_grid(self, length: int, height: int, width: int) -> TokenGrid:
        """The grid is the same for an image of any size."""
        return TokenGrid(self.grid, self.grid, f"stage {self.stage}, pooled")

    def forward(self, features: Features) -> Tensor | Projected:
        pooled_BCHW = features.maps[self.stage]
        if pooled_BCHW.shape[-2:] != (self.grid, self.grid):
            pooled_BCHW = F.adaptive_avg_pool2d(pooled_BCHW, self.grid)
        # A linear layer of strided tokens would copy its weights for every image.
        memory = Projected(rearrange(pooled_BCHW, "b c h w -> b (h w) c").contiguous(), self.proj)
        return memory.project() if self.projects else memory
