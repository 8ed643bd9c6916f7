from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec, TokenGrid
from iqa_zoo.errors import PartError
from iqa_zoo.interactions.feed_forward import FeedForward
from iqa_zoo.interactions.self_attention import SelfAttention
from iqa_zoo.layers.gated_pool import GatedPool, grid_sides
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.registry import register_memory
from iqa_zoo.values import Count, Grid, Share, Size, checked


@register_memory("gated_scales")
class GatedScales(nn.Module):
    """Several stages as tokens: each averaged under a gate on the same grid, then one encoder layer of its own.

    What TOPIQ's cross-scale attention reads (Chen et al., IEEE TIP 2024, https://arxiv.org/abs/2308.03060): each stage is
    weighed by a learned gate, averaged to the cells of the deepest stage, projected, placed, and goes through one
    pre-norm transformer layer. The memory is the tokens of all stages, in the order of ``stages``, as many of each:
    ``cross_scale_attention`` with ``scale`` 1 reads those of the first. The released model reads five stages of a
    ResNet-50, the deepest as queries and four as memory, one of them its stem, which ``timm_features`` does not give.

    Differs from the released code in that the grid is given (see the queries ``gated_pool``), that each stage has
    learned positions of its own, and that dropout is on the attention weights and inside the feed-forward block only.

    Args:
        stages: the stages to read, the deepest first.
        grid: cells per side, or rows and columns, of every stage.
        num_heads: of the encoder layers; divides ``dim``.
        hidden: width of their hidden layer.
        gate_hidden: channels inside the gates.
        dropout: in the encoder layers.

    Raises:
        PartError: the backbone does not give one of the stages, there are none, or sizes that do not fit.

    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({2: StageInfo(3, 8), 3: StageInfo(5, 16)}, 5, 5, 224)
    >>> memory = GatedScales(dim=8, features=spec, stages=(3, 2))
    >>> memory(Features({2: torch.zeros(2, 3, 28, 28), 3: torch.zeros(2, 5, 14, 14)}, None, None)).shape
    torch.Size([2, 98, 8])
    """

    knobs = ("hidden",)  # what match_budget may move
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"num_heads": 2},
        {"stages": (4,), "grid": (2, 3), "num_heads": 1, "hidden": 8, "dropout": 0.2},
    )

    @checked
    def __init__(
        self,
        *,
        dim: int,
        features: FeatureSpec,
        stages: Sequence[int] = (3, 2, 1),
        grid: Grid | Sequence[Grid] = 7,
        num_heads: Count = 4,
        hidden: Size = 1024,
        gate_hidden: Size = 64,
        dropout: Share = 0.0,
    ):
        super().__init__()
        if not stages:
            raise PartError("stages is empty; give the stages to read, the deepest first")
        self.stages, self.grid, self.num_scales = tuple(stages), grid_sides(grid), len(stages)
        self.pools = nn.ModuleList(
            GatedPool(stage_channels(features, stage), dim, self.grid, gate_hidden) for stage in self.stages
        )
        self.attentions = nn.ModuleList(SelfAttention(dim=dim, num_heads=num_heads, dropout=dropout) for _ in stages)
        self.feed_forwards = nn.ModuleList(FeedForward(dim=dim, hidden=hidden, dropout=dropout) for _ in stages)

    def token_grid(self, length: int, height: int, width: int) -> TokenGrid | None:
        """The grid, the same for an image of any size; None where several stages share it."""
        if len(self.stages) > 1:
            return None
        return TokenGrid(*self.grid, f"stage {self.stages[0]}, pooled under a gate")

    def forward(self, features: Features) -> Tensor:
        scales = []
        layers = zip(self.stages, self.pools, self.attentions, self.feed_forwards, strict=True)
        for stage, pool, attention, feed_forward in layers:
            scales.append(feed_forward(attention(pool(features.maps[stage]), None), None))
        return torch.cat(scales, dim=1)
