from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import torch
from timm.layers import LayerNorm  # whose epsilon is 1e-6 too
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.errors import PartError
from iqa_zoo.layers.arguments import check_num_heads
from iqa_zoo.registry import register_backbone
from iqa_zoo.values import Count, Depth, Grid, Pixels, Range, Share, Size, checked

PATCH = 32  # pixels a side
EPSILON = 1e-6  # of every normalisation, as released


@register_backbone("multi_scale_patches")
class MultiScalePatches(nn.Module):
    """A transformer over patches of the image at several sizes, its own among them, for images of any size.

    MUSIQ (Ke et al., ICCV 2021, https://arxiv.org/abs/2108.05997). The image is brought to each of ``longer_sides``, keeping
    its shape, and kept as it is. Each is cut into patches of 32 x 32 pixels, padded with grey (0) on all sides to whole
    ones. A patch becomes a token by one small residual network with standardised weights, to which are added what its size
    of the image is, and where it lies: its row and column on a grid of ``grid`` x ``grid`` places, whatever the image's
    shape. A class token goes before them. The tokens and the class token come after the final norm; there are no stage
    maps. MUSIQ itself is this, the queries ``global_vector`` and the head ``linear``.

    Differs from the released code in that no token is padded and masked: the images of a batch have one size. There are no
    weights to fetch: it starts untrained.

    Args:
        image_size: height and width of the input in pixels that models are trained and measured with; it takes any size
            from that upwards.
        longer_sides: the longer side of each smaller (or larger) version of the image, in pixels.
        grid: places a side.
        width: channels of a token.
        depth: layers of the transformer.
        num_heads: attention heads; divides ``width``.
        mlp_ratio: how many times as wide as a token the hidden layers are.
        dropout: after each attention and inside each perceptron.

    Raises:
        PartError: sizes that do not fit.

    >>> backbone = MultiScalePatches(width=24, depth=1, num_heads=2, longer_sides=(64,))
    >>> backbone(torch.zeros(1, 3, 224, 300)).tokens_BLC.shape  # 2 x 2 patches of the small version, 7 x 10 of the image
    torch.Size([1, 74, 24])
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"image_size": 64, "longer_sides": (32, 48), "width": 24, "depth": 2, "num_heads": 2},
        {"image_size": 40, "longer_sides": (), "grid": 2, "width": 8, "depth": 1, "num_heads": 1, "dropout": 0.2},
    )

    @checked
    def __init__(
        self,
        *,
        image_size: Pixels = 224,
        longer_sides: Sequence[Pixels] = (224, 384),
        grid: Grid = 10,
        width: Size = 384,
        depth: Depth = 14,
        num_heads: Count = 6,
        mlp_ratio: Annotated[float, Range(0.01, 64)] = 3.0,
        dropout: Share = 0.0,
    ):
        super().__init__()
        check_num_heads(num_heads, width, "width")
        if int(width * mlp_ratio) < 1:
            raise PartError(f"mlp_ratio={mlp_ratio} of width={width} leaves no hidden layer")
        self.longer_sides, self.grid = tuple(longer_sides), grid
        self.embed = _PatchNetwork(width)
        self.place = nn.Parameter(torch.empty(grid**2, width))
        self.scale = nn.Parameter(torch.empty(len(self.longer_sides) + 1, width))
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        for learned in (self.place, self.scale, self.class_token):
            nn.init.trunc_normal_(learned, std=0.02)
        self.blocks = nn.Sequential(
            *(
                Block(width, num_heads, mlp_ratio, qkv_bias=True, proj_drop=dropout, norm_layer=LayerNorm)
                for _ in range(depth)
            )
        )
        self.norm = LayerNorm(width)
        self.spec = FeatureSpec(
            stages={},
            token_channels=width,
            global_channels=width,
            image_size=image_size,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            available_stages=(),
        )

    def no_weight_decay(self) -> set[str]:
        """The embeddings of places and of scales, which are added to the tokens; under timm's name for such a list."""
        return {"place", "scale"}

    def forward(self, image_BCHW: Tensor) -> Features:
        versions = [_with_longer_side(image_BCHW, side) for side in self.longer_sides] + [image_BCHW]
        tokens = [self._tokens(version_BCHW) + self.scale[i] for i, version_BCHW in enumerate(versions)]
        class_B1C = self.class_token.expand(image_BCHW.shape[0], -1, -1)
        tokens_BLC = self.norm(self.blocks(torch.cat((class_B1C, *tokens), dim=1)))
        return Features({}, tokens_BLC[:, 1:], tokens_BLC[:, 0])

    def _tokens(self, image_BCHW: Tensor) -> Tensor:
        """One token a patch, row by row, with its place."""
        padded_BCHW = _pad_to_multiple(image_BCHW, PATCH, PATCH)
        batch, channels, height, width = padded_BCHW.shape
        rows, columns = int(height) // PATCH, int(width) // PATCH
        patches_BLCHW = (
            F.unfold(padded_BCHW, PATCH, stride=PATCH).transpose(1, 2).unflatten(2, (channels, PATCH, PATCH))
        )
        tokens_BLC = self.embed(patches_BLCHW.flatten(0, 1)).unflatten(0, (batch, rows * columns))
        row_L = torch.arange(rows, device=image_BCHW.device) * self.grid // rows
        column_L = torch.arange(columns, device=image_BCHW.device) * self.grid // columns
        return tokens_BLC + F.embedding((row_L[:, None] * self.grid + column_L).flatten(), self.place)


class _PatchNetwork(nn.Module):
    """Patches of 32 x 32 pixels -> vectors: a 7x7 convolution, max pooling, one bottleneck block, a linear layer."""

    def __init__(self, width: int, channels: int = 64, expanded: int = 256):
        super().__init__()
        self.conv = _StandardisedConv(3, channels, 7, stride=2, bias=False)
        self.norm = _norm(channels)
        self.reduce, self.reduce_norm = _StandardisedConv(channels, channels, 1, bias=False), _norm(channels)
        self.mix, self.mix_norm = _StandardisedConv(channels, channels, 3, bias=False), _norm(channels)
        self.expand, self.expand_norm = _StandardisedConv(channels, expanded, 1, bias=False), _norm(expanded)
        self.shortcut, self.shortcut_norm = _StandardisedConv(channels, expanded, 1, bias=False), _norm(expanded)
        self.proj = nn.Linear(expanded * (PATCH // 4) ** 2, width)

    def forward(self, patch_BCHW: Tensor) -> Tensor:
        root_BCHW = F.relu(self.norm(self.conv(patch_BCHW)))
        root_BCHW = F.max_pool2d(_pad_to_multiple(root_BCHW, 2, 3), 3, 2)
        x_BCHW = F.relu(self.reduce_norm(self.reduce(root_BCHW)))
        x_BCHW = F.relu(self.mix_norm(self.mix(x_BCHW)))
        x_BCHW = F.relu(self.expand_norm(self.expand(x_BCHW)) + self.shortcut_norm(self.shortcut(root_BCHW)))
        vector_BC: Tensor = self.proj(x_BCHW.permute(0, 2, 3, 1).flatten(1))
        return vector_BC


class _StandardisedConv(nn.Conv2d):
    """A convolution whose filters have mean 0 and deviation 1, padded so that the stride alone shrinks the map."""

    def forward(self, input: Tensor) -> Tensor:
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        variance = self.weight.var((1, 2, 3), keepdim=True, correction=0)
        weight = (self.weight - mean) / (variance + EPSILON).sqrt()
        return F.conv2d(_pad_to_multiple(input, self.stride[0], self.kernel_size[0]), weight, stride=self.stride)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels, eps=EPSILON)


def _pad_to_multiple(map_BCHW: Tensor, stride: int, kernel: int) -> Tensor:
    """Zeros around a map, evenly and one more behind, so that windows at each stride cover all of it."""
    padding = []
    for size in (int(map_BCHW.shape[-1]), int(map_BCHW.shape[-2])):
        needed = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        padding += [needed // 2, needed - needed // 2]
    return F.pad(map_BCHW, padding)


def _with_longer_side(image_BCHW: Tensor, side: int) -> Tensor:
    """The image with a longer side of so many pixels, in its shape up to a pixel."""
    height, width = int(image_BCHW.shape[-2]), int(image_BCHW.shape[-1])
    ratio = side / max(height, width)
    size = max(round(height * ratio), 1), max(round(width * ratio), 1)
    return F.interpolate(image_BCHW, size, mode="bicubic", align_corners=False)
