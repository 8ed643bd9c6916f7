from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_zoo.backbones.multi_backbone import MultiBackbone
from iqa_zoo.contracts import Features
from iqa_zoo.errors import PartError
from iqa_zoo.registry import register_backbone
from iqa_zoo.values import NestedBackbone, Pixels, checked

_EXAMPLE_RESNET = {"type": "timm_features", "name": "test_resnet", "image_size": 64}
_EXAMPLE_NSS = {"type": "nss", "image_size": 64}


@register_backbone("two_scale")
class TwoScale(MultiBackbone):
    """The global vectors of an image and of the same image at half its size, each brought to length one.

    ``global_BC`` is the vectors of all branches for the image, then those for its half, joined: 2 x 2048 channels with the
    one ResNet-50 of ARNIQA (Agnolucci et al., WACV 2024, https://arxiv.org/abs/2310.14918), 2 x 4096 with the two of Re-IQA
    (Saha et al., CVPR 2023, https://arxiv.org/abs/2304.00451). Both papers freeze them and fit the head ``ridge`` on the
    ``global_vector``. Maps and tokens are those of the image itself, numbered as in ``multi_backbone``.

    Differs from the released code of ARNIQA in what is halved: there the photograph is, and crops of 224 pixels are then
    cut from it and from its half; here the crop that the model is given is, so that ``image_size=448`` shows the network
    224 pixels of the half. Halving is bilinear with antialiasing, as there, but not rounded to whole grey levels.

    Args:
        branches: the config of each backbone, of any that takes more than one image size.
        stages: which stage maps to give, numbered as in ``multi_backbone``.
        image_size: height and width of the input in pixels, which the builder sets in the branches.
        freeze: whether the weights of the branches are not trained, for all of them or one flag a branch.

    Raises:
        NestedPartError: a branch whose stages cannot be numbered.
        PartError: a branch that takes one image size only, or flags that do not fit the branches.

    >>> from iqa_zoo.build import build_part
    >>> branches = [dict(type="timm_features", name="resnet18")]
    >>> backbone = build_part("backbone", dict(type="two_scale", branches=branches), {}).eval()
    >>> features = backbone(torch.zeros(1, 3, 64, 96))
    >>> features.global_BC.shape, backbone.spec.global_channels
    (torch.Size([1, 1024]), 1024)
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"branches": (_EXAMPLE_RESNET,), "stages": (3, 4)},
        {"branches": (_EXAMPLE_RESNET, _EXAMPLE_NSS), "freeze": (False, True)},
    )

    @checked
    def __init__(
        self,
        *,
        branches: Sequence[NestedBackbone],
        stages: Sequence[int] | None = None,
        image_size: Pixels | None = None,
        freeze: bool | Sequence[bool] = True,
    ):
        super().__init__(branches=branches, stages=stages, image_size=image_size, freeze=freeze)
        if self.spec.fixed_size:
            raise PartError("a branch takes one image size only, and the half of an image is another; choose a CNN")
        self.spec = replace(self.spec, global_channels=2 * self.spec.global_channels)

    def forward(self, image_BCHW: Tensor) -> Features:
        height, width = image_BCHW.shape[-2:]
        half_BCHW = F.interpolate(
            image_BCHW, (height // 2, width // 2), mode="bilinear", align_corners=False, antialias=True
        )
        features, of_half = super().forward(image_BCHW), super().forward(half_BCHW)
        return replace(features, global_BC=torch.cat((features.global_BC, of_half.global_BC), dim=1))

    def _joined(self, found: Sequence[Features]) -> Tensor:
        return torch.cat([F.normalize(features.global_BC, dim=1) for features in found], dim=1)
