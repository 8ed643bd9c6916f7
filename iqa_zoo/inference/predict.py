"""The score of an image: of the whole of it, or the mean over crops at fixed positions; the same whatever is scored beside it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.views import cut_views
from iqa_zoo.errors import InputError
from iqa_zoo.inference.scaled_model import ScaledModel, in_eval_mode
from iqa_zoo.inference.workers import compute_in_order
from iqa_zoo.progress import Progress
from iqa_zoo.training.processes import get_rank, get_world


def score_image(scorer: ScaledModel, image_HWC: NDArray[np.uint8], crops: int) -> float:
    """Return the score of one image on the labels' scale: this is the one definition of a score.

    It is the mean over ``crops`` crops at the positions of :func:`iqa_zoo.data.crops.compute_grid_boxes`, none of them mirrored. One
    forward pass in eval mode computes them, in one thread of torch, and holds no other crops. A backbone that sees whole images
    (``spec.view``) scores the whole image instead, whatever ``crops`` is (:func:`iqa_zoo.data.views.cut_views`).

    Args:
        scorer: in any mode; left as it was.
        image_HWC: uint8, enlarged where its short side was below the model's input (:func:`iqa_zoo.data.enlarge.enlarge`).
        crops: per image.
    """

    def cut(image_HWC: NDArray[np.uint8]) -> Tensor:
        return cut_image(image_HWC, scorer.model.spec, crops)[0]

    compute = functools.partial(_mean_score, scorer)
    with in_eval_mode(scorer), closing(compute_in_order(cut, compute, [image_HWC], scorer.device)) as computed:
        return next(computed)[1].result()


def predict(
    scorer: ScaledModel,
    data: RatedImages,
    indices: Sequence[int] | NDArray[np.int64],
    *,
    crops: int,
    images: DecodedImages | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """Return one score per image, each that of :func:`score_image`. Several processes share the images and all get all scores.

    Args:
        scorer: in any mode; left as it was.
        data: the dataset.
        indices: which of its images.
        crops: per image.
        images: where decoded images come from, with ``smallest`` the model's input size; read anew where left out.
        progress: called with (images done, images in all) after each.

    Raises:
        InputError: an image that cannot be read, or whose score is not finite; names the file.
    """
    indices = np.asarray(indices, dtype=np.int64)
    rank, world = get_rank(), get_world()
    spec = scorer.model.spec
    decoded = images or DecodedImages(data, memory_bytes=0, smallest=spec.image_size)

    def load(index: int) -> Tensor:
        return cut_image(decoded[index].transpose(1, 2, 0), spec, crops)[0]

    scores: list[float] = []
    compute, own = functools.partial(_mean_score, scorer), indices[rank::world].tolist()
    with in_eval_mode(scorer), closing(compute_in_order(load, compute, own, scorer.device)) as computed:
        for index, future in computed:
            score = future.result()
            if not math.isfinite(score):
                raise InputError(f"{data.paths[index]}: {describe_not_finite(score)}")
            scores.append(score)
            if progress:
                progress(min(len(scores) * world, len(indices)), len(indices))
    if world == 1:
        return np.array(scores)
    shared: list[list[float]] = [[] for _ in range(world)]
    distributed.all_gather_object(shared, scores)
    result = np.empty(len(indices))
    for other, theirs in enumerate(shared):
        result[other::world] = theirs
    return result


def cut_image(image_HWC: NDArray[np.uint8], spec: FeatureSpec, crops: int) -> tuple[Tensor, str]:
    """Return what a model sees of an image, uint8 crops_BCHW, and a note on a reduction or ""; see :func:`iqa_zoo.data.views.cut_views`."""
    views, note = cut_views(image_HWC, spec, crops)
    return torch.from_numpy(views).permute(0, 3, 1, 2).contiguous(), note


def _mean_score(scorer: ScaledModel, crops_BCHW: Tensor) -> float:
    return scorer.score_crops(crops_BCHW.to(scorer.device)).mean().item()


def describe_not_finite(score: float) -> str:
    """Say why nan or infinity is no score."""
    return f"the model gives {score}, which is no score; its weights are damaged, or they overflow on this image"
