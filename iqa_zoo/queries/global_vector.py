from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.registry import register_query


@register_query("global_vector")
class GlobalVector(nn.Module):
    """One query: the backbone's global vector, or the mean of a stage map; nothing is learned unless the widths differ.

    Args:
        stage: the stage whose map is averaged; the backbone's own global vector where left out.

    Raises:
        PartError: the backbone does not give this stage.

    >>> import torch
    >>> queries = GlobalVector(dim=8, features=FeatureSpec({}, 8, 8, 224))
    >>> queries(Features({}, None, torch.zeros(2, 8))).shape
    torch.Size([2, 1, 8])
    """

    num_queries = 1

    def __init__(self, *, dim: int, features: FeatureSpec, stage: int | None = None):
        super().__init__()
        self.stage = stage
        width = features.global_channels if stage is None else stage_channels(features, stage)
        self.proj = nn.Identity() if width == dim else nn.Linear(width, dim)

    def forward(self, features: Features) -> Tensor:
        vector_BC = features.global_BC if self.stage is None else features.maps[self.stage].mean((2, 3))
        return self.proj(vector_BC)[:, None]
