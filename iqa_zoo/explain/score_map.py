"""Quality by region: overlapping parts of an image, each scored as if it were a photograph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.enlarge import enlarge
from iqa_zoo.data.views import reduce_image
from iqa_zoo.errors import InputError
from iqa_zoo.inference.inputs import OneImage, name_input, read_pixels
from iqa_zoo.inference.score import UNLIKE, Score
from iqa_zoo.inference.scorer import Scorer

MOST_REGIONS = 400  # of an image; a larger image has regions that overlap less, then gaps between them
OVERLAP = 0.5  # of neighbouring regions, as a share of their side
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """The scores of square regions of an image, on a grid of ``rows`` x ``columns`` regions that overlap.

    The score of a region is what the model gives for these pixels alone, as if they were a photograph. It says how good the region
    looks, not how much it matters for the score of the image: see :meth:`describe`.

    Attributes:
        image_HWC: the image as the model sees it: enlarged if it was too small, reduced if the model sees whole images.
        score: of the whole image, that of ``scorer.score``.
        regions: their scores, row by row.
        tops: of the rows of regions, in pixels of ``image_HWC``.
        lefts: of the columns of regions.
        size: side of a region.
        whole: the model sees whole images; otherwise crops of ``size`` pixels.
        crops: that ``score`` is the mean of; 1 for a model that sees whole images.
    """

    image_HWC: NDArray[np.uint8]
    score: Score
    regions: tuple[Score, ...]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    size: int
    whole: bool
    crops: int

    @property
    def boxes(self) -> list[tuple[int, int]]:
        """The (top, left) corners of the regions, row by row."""
        return [(top, left) for top in self.tops for left in self.lefts]

    @cached_property
    def score_RC(self) -> NDArray[np.float64]:
        """The score of each region, by row and column of the grid of regions."""
        return np.array([float(region) for region in self.regions]).reshape(len(self.tops), len(self.lefts))

    def paint(self, rows: int, columns: int) -> NDArray[np.float64]:
        """Return map_HW: at the centre of each of ``rows`` x ``columns`` cells, the mean score of the regions that cover it.

        A cell that no region covers is nan.
        """
        height, width = self.image_HWC.shape[:2]
        row_covered_RH = _find_covered(self.tops, self.size, height, rows)
        column_covered_CW = _find_covered(self.lefts, self.size, width, columns)
        total_HW = row_covered_RH.T @ self.score_RC @ column_covered_CW
        count_HW = np.outer(row_covered_RH.sum(0), column_covered_CW.sum(0))
        with np.errstate(invalid="ignore"):
            return np.where(count_HW > 0, total_HW / np.where(count_HW > 0, count_HW, 1), np.nan)

    def choose_cells(self, most: int) -> tuple[int, int]:
        """Choose (rows, columns) of nearly square cells, at most ``most`` along the long side."""
        height, width = self.image_HWC.shape[:2]
        scale = min(1.0, most / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def locate(self, index: int) -> str:
        """Describe where a region is, in words.

        >>> image_HWC = np.zeros((64, 64, 3), np.uint8)
        >>> ScoreMap(image_HWC, Score(1.0), (Score(1.0),), (0,), (0,), 64, True, 1).locate(0)
        'middle centre'
        """
        top, left = self.boxes[index]
        height, width = self.image_HWC.shape[:2]
        down, across = (top + self.size / 2) / height, (left + self.size / 2) / width
        return f"{_ROWS[min(2, int(3 * down))]} {_COLUMNS[min(2, int(3 * across))]}"

    def describe(self) -> list[str]:
        """Describe the map in sentences: the range, what the scores mean, how they relate to the score of the image, and doubts."""
        count, score_RC = len(self.regions), self.score_RC
        lowest, highest = int(score_RC.argmin()), int(score_RC.argmax())
        sentences = [
            f"{count} region{'s' if count > 1 else ''} of {self.size}x{self.size} pixels: {score_RC.min():.1f} "
            f"({self.locate(lowest)}) to {score_RC.max():.1f} ({self.locate(highest)}), mean {score_RC.mean():.1f}; "
            f"the whole image: {float(self.score):.1f}.",
            "Each region is scored as if it were a photograph: a plain wall may score low in a good photograph, and a low region "
            "does not have to lower the score of the image.",
        ]
        if self.whole:
            sentences.append(
                "The model sees the whole image at once, so its score is not the mean of the regions; a region shows less than "
                "the photographs that the model was trained on."
            )
        else:
            sentences.append(
                f"The score of the image is the mean over {self.crops} such region{'s' if self.crops > 1 else ''} at fixed positions."
            )
        unlike = sum(UNLIKE in region.flags for region in self.regions)
        if unlike:
            sentences.append(
                f"{unlike} of {count} regions {'is' if unlike == 1 else 'are'} unlike the training photographs: trust their scores less."
            )
        if covered := self._describe_gaps():
            sentences.append(covered)
        return sentences

    def _describe_gaps(self) -> str:
        height, width = self.image_HWC.shape[:2]
        rows = _find_covered(self.tops, self.size, height, height).any(0).mean()
        columns = _find_covered(self.lefts, self.size, width, width).any(0).mean()
        share = float(rows * columns)
        return "" if share == 1 else f"The regions cover {share:.0%} of the image; between them the map is empty."


def compute_score_map(scorer: Scorer, image: OneImage, *, most: int = MOST_REGIONS) -> ScoreMap:
    """Score an image, and overlapping square regions of it as if each were a photograph.

    A region of a model that sees crops is one crop, in the pixels of the image. A model that sees whole images gets regions of half
    the short side of the image as it sees it (its long side at most 1024 pixels), and at least its smallest input.

    Args:
        scorer: of :func:`iqa_zoo.load`.
        image: as :meth:`iqa_zoo.inference.scorer.Scorer.score` takes one.
        most: regions. Neighbours overlap by half, or less where there would be more regions.

    Raises:
        InputError: the image cannot be read or scored, or fewer than one region.
    """
    if most < 1:
        raise InputError(f"{most} regions; take at least 1")
    pixels_HWC = read_pixels(image)
    spec = scorer.model.model.spec
    whole = spec.view == "whole"
    score = scorer.score(pixels_HWC)
    image_HWC, _ = enlarge(pixels_HWC, spec.image_size, Path(name_input(image) or "the image"))
    if whole:
        image_HWC, _ = reduce_image(image_HWC, spec.image_size)
    height, width = image_HWC.shape[:2]
    size = max(spec.image_size, min(height, width) // 2) if whole else spec.image_size
    rows, columns = count_regions(height, width, size, most)
    tops, lefts = _space(height - size, rows), _space(width - size, columns)
    views = (np.ascontiguousarray(image_HWC[top : top + size, left : left + size]) for top in tops for left in lefts)
    regions = []
    for region in scorer.with_crops(1).score_each(views):
        if region.error:
            raise InputError(f"a region of {name_input(image) or 'the image'} has no score: {region.error}")
        regions.append(region)
    return ScoreMap(image_HWC, score, tuple(regions), tops, lefts, size, whole, scorer.meaning.crops)


def count_regions(height: int, width: int, size: int, most: int) -> tuple[int, int]:
    """Return how many rows and columns of regions overlap by half, at most ``most`` in all.

    >>> count_regions(400, 600, 200, 400), count_regions(200, 200, 200, 400), count_regions(4000, 6000, 200, 100)
    ((3, 5), (1, 1), (8, 12))
    """
    step = size * (1 - OVERLAP)
    rows, columns = (math.ceil((side - size) / step) + 1 for side in (height, width))
    if rows * columns > most:
        shrink = math.sqrt(most / (rows * columns))
        rows = min(most, max(1, round(rows * shrink)))
        columns = max(1, min(columns, most // rows))
    return rows, columns


def _space(room: int, count: int) -> tuple[int, ...]:
    """Space ``count`` positions evenly from 0 to ``room``; a single one is in the middle."""
    return (room // 2,) if count == 1 else tuple(round(room * index / (count - 1)) for index in range(count))


def _find_covered(starts: tuple[int, ...], size: int, side: int, cells: int) -> NDArray[np.float64]:
    """Return 1 where a stretch of ``size`` pixels from each start covers the centre of each cell, else 0: (starts, cells)."""
    centres = (np.arange(cells) + 0.5) * side / cells
    first = np.array(starts)[:, None]
    return ((centres >= first) & (centres < first + size)).astype(np.float64)
