"""TReS's head: the mean of the queries beside the pooled last stage."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec, HeadOutput
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.values import Size, checked


class MeanAndStageHead(nn.Module):
    """One linear score of the projected mean of the queries and the mean of a stage map, side by side.

    The transformer's answer and the convolutional network's are weighed together, as in TReS (Golestaneh et al., WACV
    2022, "No-Reference Image Quality Assessment via Transformers, Relative Ranking, and Self-Consistency"). The score is
    of the image; there is none of each query.

    Args:
        stage: the stage that is averaged.
        hidden: what the mean of the queries is projected to.

    Raises:
        PartError: the backbone does not give this stage.

    >>> from iqa_zoo.contracts import StageInfo
    >>> head = MeanAndStageHead(dim=8, features=FeatureSpec({4: StageInfo(5, 32)}, 5, 5, 224), hidden=6)
    >>> head(torch.zeros(2, 49, 8), Features({4: torch.zeros(2, 5, 7, 7)}, None, None)).score_B.shape
    torch.Size([2])
    """

    needs_features = True
    knobs = ("hidden",)  # what match_budget may move

    @checked
    def __init__(self, *, dim: int, features: FeatureSpec, stage: int = 4, hidden: Size = 2048):
        super().__init__()
        self.stage = stage
        self.proj = nn.Linear(dim, hidden)
        self.fc = nn.Linear(hidden + stage_channels(features, stage), 1)

    def forward(self, queries_BND: Tensor, features: Features) -> HeadOutput:
        both_BC = torch.cat([self.proj(queries_BND.mean(1)), features.maps[self.stage].mean((2, 3))], dim=1)
        score_BN = self.fc(both_BC)
        return HeadOutput(score_BN.squeeze(1), score_BN)
