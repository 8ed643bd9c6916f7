from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.errors import PartError
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.registry import register_query

EPSILON = 1e-8  # keeps the gradient of the root finite, and is part of the released numbers


@register_query("bilinear")
class BilinearQuery(nn.Module):
    """One query an image: the products of the channels of two stages, averaged over positions, rooted and normalised.

    The outer product of two maps' vectors at each position, averaged over positions, says which channels of one go with
    which of the other; then each value x becomes sign(x) sqrt(abs(x) + 1e-8), and the whole is brought to length one
    (bilinear pooling: Lin et al., ICCV 2015). DBCNN (Zhang et al., TCSVT 2020, "Blind Image Quality Assessment Using a
    Deep Bilinear Convolutional Neural Network") pairs the last stages of two networks, 512 and 128 channels, and with
    ``dim`` 65536 its linear layer is the ``linear`` head. A linear projection is added only where the product of the
    channels is not the model's width; it has as many parameters as the two widths multiply to.

    Differs from the released code in the sign, which its maps, after ReLU, do not need. A second map of another size is
    brought to that of the first, bilinearly, corners aligned.

    Args:
        stages: the two stages; the same one twice is bilinear pooling of one map with itself. DBCNN's, of a
            ``multi_backbone``, are 4 and 14.

    Raises:
        PartError: not two stages, or one that the backbone does not give.

    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({4: StageInfo(3, 32), 14: StageInfo(2, 32)}, 5, 5, 224)
    >>> query = BilinearQuery(dim=6, features=spec, stages=(4, 14))
    >>> query(Features({4: torch.ones(1, 3, 7, 7), 14: torch.ones(1, 2, 7, 7)}, None, None)).shape
    torch.Size([1, 1, 6])
    """

    num_queries = 1

    def __init__(self, *, dim: int, features: FeatureSpec, stages: Sequence[int] = (4, 4)):
        super().__init__()
        if len(stages) != 2:
            raise PartError(
                f"stages={tuple(stages)} is {len(stages)} stages; give two, the same one twice for one map alone"
            )
        self.stages = tuple(stages)
        first, second = (stage_channels(features, stage) for stage in self.stages)
        self.proj = nn.Identity() if first * second == dim else nn.Linear(first * second, dim)

    def forward(self, features: Features) -> Tensor:
        first_BCHW, second_BCHW = (features.maps[stage] for stage in self.stages)
        size = first_BCHW.shape[-2:]
        if second_BCHW.shape[-2:] != size:
            second_BCHW = F.interpolate(second_BCHW, size, mode="bilinear", align_corners=True)
        products_BCC = first_BCHW.flatten(2) @ second_BCHW.flatten(2).transpose(1, 2) / size.numel()
        products_BN = products_BCC.flatten(1)
        rooted_BN = (products_BN.abs() + EPSILON).sqrt()
        signed_BN = torch.where(products_BN < 0, -rooted_BN, rooted_BN)
        query_BD: Tensor = self.proj(F.normalize(signed_BN, dim=1))
        return query_BD[:, None]
