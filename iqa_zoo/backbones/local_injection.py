import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from einops import rearrange
from timm.layers import Mlp
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.backbones.multi_backbone import MultiBackbone
from iqa_zoo.backbones.timm_features import TimmFeatures, one_feature_a_block
from iqa_zoo.contracts import Features, spec_of
from iqa_zoo.errors import NestedPartError, PartError
from iqa_zoo.layers.arguments import check_num_heads
from iqa_zoo.registry import register_backbone
from iqa_zoo.values import Count, Grid, NestedBackbone, Pixels, Size, checked

_EXAMPLE_VIT = {"type": "timm_features", "name": "test_vit", "image_size": 64}
_EXAMPLE_RESNET = {"type": "timm_features", "name": "test_resnet", "image_size": 64, "stages": (3, 4)}


@register_backbone("local_injection")
class LocalInjection(MultiBackbone):
    """A vision transformer that meets local features of a second network before each of its blocks.

    LoDa (Xu et al., CVPR 2024, https://arxiv.org/abs/2308.12001) adapts a large frozen transformer with few parameters: the
    stages of a frozen convolutional network become a few local tokens (1x1 convolution, GELU, 3x3 convolution, average on
    a grid), and before block i each token x of the transformer, the class token too, becomes x + s_i up(z + attention(z,
    local)) with z = down(x) in a narrow width. The features are those of the transformer. LoDa itself is this, the
    queries ``global_vector``, the head ``cosine`` with dropout 0.1 and the loss ``plcc``. The injections are trained with the
    whole model, end to end; on features that are computed once they stay as they start.

    Differs from the released code in that the image is brought to the second network's normalisation where the two differ
    (there both take the same tensor), and in that batch normalisation of a frozen network does not move in training.

    Args:
        branches: the config of the transformer, a ``timm_features``, and of the local network, whose ``stages`` are what
            is injected. LoDa's are a ViT-B/16 and a ResNet-50 with stages 1 to 4.
        stages: which stage maps of the transformer to give, in the place of its own ``stages``.
        image_size: height and width of the input in pixels, which the builder sets in the branches.
        freeze: whether the weights of the branches are not trained, for both or one flag each.
        width: channels of the local tokens, and of the attention.
        grid: cells per side to which each local stage is averaged.
        num_heads: attention heads; divides ``width``.

    Raises:
        NestedPartError: a first branch that is no plain transformer of timm's, or a second one without stages.
        PartError: not two branches, or sizes that do not fit.

    >>> from iqa_zoo.build import build_part
    >>> local = dict(type="timm_features", name="test_resnet", stages=(1, 2, 3, 4), image_size=160)
    >>> branches = [dict(type="timm_features", name="test_vit"), local]
    >>> backbone = build_part("backbone", dict(type="local_injection", branches=branches), {})
    >>> features = backbone(torch.zeros(1, 3, 160, 160))
    >>> features.global_BC.shape, features.tokens_BLC.shape
    (torch.Size([1, 64]), torch.Size([1, 100, 64]))
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"branches": (_EXAMPLE_VIT, _EXAMPLE_RESNET), "width": 8, "grid": 2},
        {"branches": (_EXAMPLE_VIT, {**_EXAMPLE_RESNET, "stages": (2, 4)}), "stages": (4, 1), "freeze": (False, True)},
    )

    @checked
    def __init__(
        self,
        *,
        branches: Sequence[NestedBackbone],
        stages: Sequence[int] | None = None,
        image_size: Pixels | None = None,
        freeze: bool | Sequence[bool] = True,
        width: Size = 64,
        grid: Grid = 7,
        num_heads: Count = 4,
    ):
        if len(branches) != 2:
            raise PartError(f"{len(branches)} branches; give two, a transformer and the network of the local features")
        check_num_heads(num_heads, width, "width")
        super().__init__(branches=branches, image_size=image_size, freeze=freeze)
        transformer, local = self.branches
        if not (isinstance(transformer, TimmFeatures) and one_feature_a_block(transformer.model)):
            raise NestedPartError(["branches.0: is no plain transformer of timm's; choose a ViT, vit_base_patch16_224"])
        given = spec_of(local).stages
        if not given:
            available = tuple(spec_of(local).available_stages)
            raise NestedPartError([f"branches.1: has no stages to inject; set its stages, {available} or some of them"])
        self.grid = grid
        self.extractors = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(info.channels, width, 1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1, bias=False)
            )
            for info in given.values()
        )
        dim = spec_of(transformer).token_channels
        self.injections = nn.ModuleList(_Injection(dim, width, num_heads) for _ in transformer.model.blocks)
        self.spec = replace(spec_of(transformer), image_size=self.spec.image_size, fixed_size=self.spec.fixed_size)

    @classmethod
    def nested_keys(cls, number: int, config: Mapping[str, Any]) -> dict[str, Any]:
        """The ``image_size`` of both branches and the ``stages`` of the transformer, where they are set here."""
        given = config.get("stages") if number == 0 else None
        keys = super().nested_keys(number, {**config, "stages": None})
        return keys if given is None else {**keys, "stages": tuple(given)}

    def forward(self, image_BCHW: Tensor) -> Features:
        transformer: Any  # whose model is timm's own class
        transformer, local = self.branches
        local_BLC = self._local_tokens(local(self._renormalised(image_BCHW, 1)))
        hooks = [
            block.register_forward_pre_hook(functools.partial(_inject, injection, local_BLC))
            for block, injection in zip(transformer.model.blocks, self.injections, strict=True)
        ]
        try:
            features: Features = transformer(image_BCHW)
        finally:
            for hook in hooks:
                hook.remove()
        return features

    def _local_tokens(self, features: Features) -> Tensor:
        """The local features on the grid, the cells of each stage after those of the one before."""
        tokens = [
            F.adaptive_avg_pool2d(extractor(map_BCHW), self.grid).flatten(2)
            for extractor, map_BCHW in zip(self.extractors, features.maps.values(), strict=True)
        ]
        return torch.cat(tokens, dim=2).transpose(1, 2).contiguous()


class _Injection(nn.Module):
    """What happens before one block: x + scale * up(z + attention(z, local)), z = down(x)."""

    def __init__(self, dim: int, width: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.down = Mlp(dim, width, width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self.up = Mlp(width, dim, dim)
        self.scale = nn.Parameter(torch.empty(dim))
        nn.init.trunc_normal_(self.scale, std=0.02)

    def forward(self, tokens_BND: Tensor, local_BLC: Tensor) -> Tensor:
        narrow_BNC = self.down(tokens_BND)
        query_BHNc = rearrange(self.query(narrow_BNC), "b n (h c) -> b h n c", h=self.num_heads)
        key_BHLc, value_BHLc = rearrange(
            self.key_value(local_BLC), "b l (two h c) -> two b h l c", two=2, h=self.num_heads
        )
        met_BHNc = F.scaled_dot_product_attention(query_BHNc, key_BHLc, value_BHLc)
        narrow_BNC = narrow_BNC + self.proj(rearrange(met_BHNc, "b h n c -> b n (h c)").contiguous())
        return tokens_BND + self.scale * self.up(narrow_BNC)


def _inject(
    injection: nn.Module, local_BLC: Tensor, block: nn.Module, arguments: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """A hook before a block of the transformer."""
    tokens_BND, *others = arguments
    return (injection(tokens_BND, local_BLC), *others)
