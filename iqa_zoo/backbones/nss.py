from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import PartError, closest
from iqa_zoo.layers.scene_statistics import (
    CHROMA_OCTAVES,
    LUMA_OCTAVES,
    NUM_CHANNELS,
    Maps,
    average_window,
    measure_chroma,
    measure_levels,
    measure_luma,
    opponents,
    standardise_means,
)
from iqa_zoo.registry import register_backbone
from iqa_zoo.values import Pixels, checked

STAGE_STRIDES = {1: 4, 2: 8, 3: 16, 4: 32}
SMALLEST_IMAGE = 32


@register_backbone("nss")
class NaturalSceneStatistics(nn.Module):
    """Natural scene statistics of luma and colour in cells of an image: no weights, nothing to train.

    Pristine photographs, divided by their local contrast, are close to Gaussian noise; degradations change
    this in ways of their own (Mittal et al., "No-reference image quality assessment in the spatial domain"
    (BRISQUE), IEEE TIP 2012; with gradients and colour opponents: Zhang et al., "A feature-enriched
    completely blind image quality evaluator" (IL-NIQE), IEEE TIP 2015). Per pixel, at full, half and quarter
    size: mean-subtracted contrast-normalised (MSCN) coefficients of luma, their products with four
    neighbours, local contrast, gradient magnitude and Laplacian; at half and quarter size MSCN, contrast and
    magnitude of the red-green and blue-yellow opponents; at full size levels of luma, and steps that
    repeat every 8 pixels. Moments of these are averaged over windows of 3 x 3 cells, turned into logarithms
    and ratios, and standardised with constants. Luma statistics of a coarser size are given as
    differences from those of the size above.

    Differs from BRISQUE: moments and their ratios in place of fitted (asymmetric) generalised Gaussians, which
    are the same information in a differentiable form; a map of local statistics in place of one vector.

    The input is RGB in 0..1, of at least 32 x 32. ``global_BC`` are the same statistics over the whole image;
    ``tokens_BLC`` is stage 4, flattened. Every stage has the same channels, of different windows. Under autocast too
    the statistics are computed in single precision.

    Args:
        stages: which stage maps to give, of 1 to 4 (strides 4, 8, 16 and 32).
        image_size: height and width of the input in pixels.

    Raises:
        PartError: a stage outside 1 to 4, or an image size below 32.

    >>> backbone = NaturalSceneStatistics(stages=(3, 4))
    >>> features = backbone(torch.rand(2, 3, 224, 224))
    >>> features.maps[3].shape[-2:], features.tokens_BLC.shape[1], features.global_BC.shape == (2, 121)
    (torch.Size([14, 14]), 49, True)
    """

    window: Tensor

    @checked
    def __init__(self, *, stages: Sequence[int] = (3, 4), image_size: Pixels = 224):
        super().__init__()
        available = ", ".join(map(str, STAGE_STRIDES))
        for stage in stages:
            if stage not in STAGE_STRIDES:
                hint = closest(stage, STAGE_STRIDES)
                raise PartError(f"'nss' has no stage {stage!r}{hint}; it has the stages {available}")
        if image_size < SMALLEST_IMAGE:
            raise PartError(f"image_size {image_size} is too small for 'nss'; set it to {SMALLEST_IMAGE} or more")
        offset = torch.arange(-3, 4, dtype=torch.float64)
        window = torch.exp(-offset.square() / (2 * (7 / 6) ** 2))
        self.register_buffer("window", (window / window.sum()).float(), persistent=False)
        self.stages = tuple(stages)
        self.spec = FeatureSpec(
            stages={stage: StageInfo(NUM_CHANNELS, STAGE_STRIDES[stage]) for stage in self.stages},
            token_channels=NUM_CHANNELS,
            global_channels=NUM_CHANNELS,
            image_size=image_size,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            available_stages=tuple(STAGE_STRIDES),
        )

    def forward(self, image_BCHW: Tensor) -> Features:
        kind = image_BCHW.device.type
        if torch.is_autocast_enabled(kind):  # a local variance is a small difference of large numbers
            with torch.autocast(kind, enabled=False):
                return self.forward(image_BCHW.float())
        luma_B1HW, chroma_B2HW = opponents(image_BCHW)
        finest = min((*self.stages, 4))
        whole: list[Maps] = []
        cells: list[Maps] = []

        def pool(moments: Maps, octave: int) -> None:
            stride = STAGE_STRIDES[finest] >> octave
            whole.append({name: value.mean((2, 3), keepdim=True) for name, value in moments.items()})
            cells.append({name: F.avg_pool2d(value, stride, ceil_mode=True) for name, value in moments.items()})

        pool(measure_levels(luma_B1HW), 0)
        for octave in LUMA_OCTAVES:
            if octave:
                luma_B1HW = F.avg_pool2d(luma_B1HW, 2, ceil_mode=True)
            pool(measure_luma(luma_B1HW, self.window), octave)
        for octave in CHROMA_OCTAVES:
            chroma_B2HW = F.avg_pool2d(chroma_B2HW, 2, ceil_mode=True)
            pool(measure_chroma(chroma_B2HW, self.window), octave)

        maps: dict[int, Tensor] = {}
        for stage in range(finest, 5):
            if stage > finest:
                cells = [{name: F.avg_pool2d(value, 2, ceil_mode=True) for name, value in m.items()} for m in cells]
            if stage in self.stages or stage == 4:
                maps[stage] = standardise_means(
                    [{name: average_window(value) for name, value in m.items()} for m in cells]
                )
        tokens_BLC = maps[4].flatten(2).transpose(1, 2)
        return Features({stage: maps[stage] for stage in self.stages}, tokens_BLC, standardise_means(whole).flatten(1))
