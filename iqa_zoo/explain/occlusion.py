"""How much the score changes when a region is covered: a check of a score map that is independent of it."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iqa_zoo.data.crops import compute_grid_boxes
from iqa_zoo.errors import InputError
from iqa_zoo.explain.score_map import ScoreMap
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.stats.metrics import srocc

CELLS = 48  # along the long side, for the agreement of two maps


def compute_occlusion(scorer: Scorer, score_map: ScoreMap) -> NDArray[np.float64]:
    """Return drop_HW: by how much the score falls, on its own scale, when the place is covered with the image's mean colour.

    Squares of the size of the map's regions are covered in turn, in steps of half their side; a pixel has the mean over the squares
    that cover it (``captum.attr.Occlusion``). Positive: covered, the image scores lower, so the region is better than a plain
    grey area would be. The score of the image is computed as ever, from the same crops or from the whole image.

    Args:
        scorer: that made the map.
        score_map: of the image.

    Raises:
        InputError: captum is not installed.
    """
    try:
        from captum.attr import Occlusion
    except ImportError:
        raise InputError('occlusion needs captum: pip install "iqa-zoo[explain]"') from None
    size = score_map.size
    image_BCHW = torch.from_numpy(score_map.image_HWC.copy()).permute(2, 0, 1)[None].float().div(255)
    image_BCHW = image_BCHW.to(scorer.model.device)
    height, width = image_BCHW.shape[2:]
    boxes = compute_grid_boxes(height, width, size, score_map.crops)

    def score_image(image_BCHW: Tensor) -> Tensor:
        if score_map.whole:
            return scorer(image_BCHW)
        crops = [image_BCHW[:, :, top : top + size, left : left + size] for top, left in boxes]
        return scorer(torch.cat(crops)).mean()[None]

    step = max(1, size // 2)
    mean_BCHW = image_BCHW.mean((2, 3), keepdim=True).expand_as(image_BCHW)
    covering = Occlusion(score_image)
    drop_BCHW = covering.attribute(
        image_BCHW, sliding_window_shapes=(3, size, size), strides=(3, step, step), baselines=mean_BCHW
    )
    drop_HW: NDArray[np.float64] = drop_BCHW[0, 0].double().cpu().numpy()
    return drop_HW


def compute_agreement(score_map: ScoreMap, drop_HW: NDArray[np.float64]) -> float | None:
    """Return Spearman's correlation over the image of the map's scores and the drops; None where one of them is constant.

    Near 1: the regions that score high are those whose covering lowers the score. It describes one image; neighbouring places are
    not independent, so no p value belongs to it.
    """
    rows, columns = score_map.choose_cells(CELLS)
    map_HW = score_map.paint(rows, columns)
    height, width = drop_HW.shape
    down = ((np.arange(rows) + 0.5) * height / rows).astype(int)
    across = ((np.arange(columns) + 0.5) * width / columns).astype(int)
    covered = np.isfinite(map_HW)
    first, second = map_HW[covered], drop_HW[np.ix_(down, across)][covered]
    if first.size < 3:
        return None
    correlation = srocc(first, second)
    return correlation if math.isfinite(correlation) else None
