from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.layers.gated_pool import GatedPool, grid_sides
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.registry import register_query
from iqa_zoo.values import Grid, Size, checked


@register_query("gated_pool")
class GatedPoolQueries(nn.Module):
    """One query a cell of a grid: a stage averaged under a learned gate, projected, with a learned position.

    Where TOPIQ's top-down path begins (Chen et al., IEEE TIP 2024, https://arxiv.org/abs/2308.03060): the deepest stage
    says what is in the image, and ``cross_scale_attention`` lets that look for distortions in the shallower ones, which
    the memory ``gated_scales`` holds. TOPIQ's encoder layer over these tokens is ``self_attention`` and ``feed_forward``.

    Differs from the released code in that the grid is given, so that N is known before an image is seen: 7 are the cells
    of 224 pixels, 12 those of the paper's crops of 384, and an image of another size is shared out over as many. The
    positions are this part's own; the released ones are shared with the memory.

    Args:
        stage: the stage to read.
        grid: cells per side, or rows and columns; N is their product.
        gate_hidden: channels inside the gate.

    Raises:
        PartError: the backbone does not give the stage, or a grid of other than one or two numbers.

    >>> import torch
    >>> from iqa_zoo.contracts import StageInfo
    >>> queries = GatedPoolQueries(dim=8, features=FeatureSpec({4: StageInfo(5, 32)}, 5, 5, 224))
    >>> queries(Features({4: torch.zeros(2, 5, 12, 12)}, None, None)).shape
    torch.Size([2, 49, 8])
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"grid": (2, 3), "gate_hidden": 4})

    @checked
    def __init__(
        self,
        *,
        dim: int,
        features: FeatureSpec,
        stage: int = 4,
        grid: Grid | Sequence[Grid] = 7,
        gate_hidden: Size = 64,
    ):
        super().__init__()
        rows, columns = grid_sides(grid)
        self.stage, self.num_queries = stage, rows * columns
        self.pool = GatedPool(stage_channels(features, stage), dim, (rows, columns), gate_hidden)

    def forward(self, features: Features) -> Tensor:
        queries_BND: Tensor = self.pool(features.maps[self.stage])
        return queries_BND
