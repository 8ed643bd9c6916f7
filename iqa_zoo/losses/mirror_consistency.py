from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import FeatureSpec, QualityOutput
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.registry import register_loss


@register_loss("mirror_consistency")
class MirrorConsistency(nn.Module):
    """Mean absolute difference between what an image and its mirror image give; 0 where the model does not tell them apart.

    The self-consistency of TReS (Golestaneh et al., WACV 2022): of the queries that enter the head and, with ``stage``, of that
    stage's map too, each averaged over all its elements and both added. The mirrored view is the target: no gradient flows
    into it, unless it is to be trained as well (``both_ways``). Both are compared cell by cell as they come, so that what is
    wanted is the same answer, not a mirrored one. The units are those of the features; the labels are not read.

    The released training step adds this term for the image and for its mirror image, each against the other, held fixed. That
    has the gradients of ``both_ways`` and twice its value.

    A training step with it runs the model on the mirrored images too, which doubles its cost; it cannot be trained on
    features that were computed before.

    Args:
        stage: the stage whose map is compared as well; none where left out.
        both_ways: each view is the other's target.

    Raises:
        PartError: the backbone does not give this stage.

    >>> from iqa_zoo.contracts import StageInfo

    >>> spec = FeatureSpec({4: StageInfo(5, 32)}, 5, 5, 224)
    >>> image = QualityOutput(torch.zeros(2), torch.zeros(2, 6), torch.zeros(2, 6, 8))
    >>> mirrored = QualityOutput(torch.zeros(2), torch.zeros(2, 6), torch.full((2, 6, 8), 0.5))
    >>> MirrorConsistency(features=spec)(image, torch.zeros(2), mirrored)
    tensor(0.5000)
    """

    needs_mirrored = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"stage": 4, "both_ways": True})

    def __init__(self, *, features: FeatureSpec, stage: int | None = None, both_ways: bool = False):
        super().__init__()
        if stage is not None:
            stage_channels(features, stage)
        self.stage, self.both_ways = stage, both_ways
        self.needs_features = stage is not None

    def forward(self, output: QualityOutput, mos_B: Tensor, mirrored: QualityOutput) -> Tensor:
        apart = self._apart(output.queries_BND, mirrored.queries_BND)
        if self.stage is None:
            return apart
        assert output.features is not None
        assert mirrored.features is not None
        return apart + self._apart(output.features.maps[self.stage], mirrored.features.maps[self.stage])

    def _apart(self, given: Tensor, target: Tensor) -> Tensor:
        """In single precision at least: a mean of bfloat16 has 8 bits."""
        kind = torch.promote_types(given.dtype, torch.float32)
        return F.l1_loss(given.to(kind), (target if self.both_ways else target.detach()).to(kind))
