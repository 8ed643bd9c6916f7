"""Photographs of one moment, the best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.capture import Capture, read_capture
from iqa_zoo.data.duplicates import compute_perceptual_hash
from iqa_zoo.data.images import read_image
from iqa_zoo.data.listing import escape_path
from iqa_zoo.data.moments import SECONDS, group_moments
from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.errors import InputError
from iqa_zoo.inference.score import Score
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.progress import Progress
from iqa_zoo.stats.better import compute_probability_better


@dataclass(frozen=True)
class Moment:
    """Photographs of one moment.

    Attributes:
        scores: the best first; each has the path of its photograph.
        captures: when each was taken.
        probability: that the first is better than the second (:func:`iqa_zoo.stats.better.compute_probability_better`); None for a
            single photograph, and where the model gives no intervals.
    """

    scores: tuple[Score, ...]
    captures: tuple[Capture, ...]
    probability: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        images = [
            {**score.to_dict(), "path": escape_path(score.path or ""), "time": taken.time and taken.time.isoformat()}
            for score, taken in zip(self.scores, self.captures, strict=True)
        ]
        return {"probability": self.probability, "images": images}


@dataclass(frozen=True)
class Ranking:
    """Moments in the order of their first photograph, and the photographs that have no score, each with its ``error``."""

    moments: tuple[Moment, ...]
    failed: tuple[Score, ...]


def rank_images(
    scorer: Scorer, paths: Sequence[Path], *, seconds: float = SECONDS, progress: Progress | None = None
) -> Ranking:
    """Group photographs of one moment and order each group by score, the best first. Each is decoded once.

    Args:
        scorer: of :func:`iqa_zoo.load`.
        paths: of the photographs.
        seconds: between two photographs of one moment, as :func:`iqa_zoo.data.moments.group_moments` takes it.
        progress: called with (photographs done, photographs in all).
    """
    good: list[tuple[Score, Capture, NDArray[np.bool_]]] = []
    failed: list[Score] = []
    for done, (path, score, seen) in enumerate(_score_all(scorer, paths), start=1):
        if seen is None or score.error:
            failed.append(replace(score, path=str(path)))
        else:
            good.append((replace(score, path=str(path)), seen.capture, seen.hash_B))
        if progress:
            progress(done, len(paths))
    if not good:
        return Ranking((), tuple(failed))
    scores, captures, hashes = zip(*good, strict=True)
    sign = 1 if scorer.meaning.data.higher_is_better else -1
    moments = []
    for group in group_moments(np.stack(hashes), captures, seconds):
        ordered = sorted(group, key=lambda i: -sign * float(scores[i]))
        first, *others = [scores[i] for i in ordered]
        probability = _compare(first, others[0], sign) if others else None
        moments.append(Moment((first, *others), tuple(captures[i] for i in ordered), probability))
    return Ranking(tuple(moments), tuple(failed))


@dataclass(frozen=True)
class _Seen:
    image_HWC: NDArray[np.uint8]
    hash_B: NDArray[np.bool_]
    capture: Capture


def _look(path: Path) -> _Seen:
    image_HWC = read_image(path)
    return _Seen(image_HWC, compute_perceptual_hash(image_HWC), read_capture(path))


def _score_all(scorer: Scorer, paths: Sequence[Path]) -> Iterator[tuple[Path, Score, _Seen | None]]:
    """Yield each path with its score and what was seen of it: None where it cannot be read. The order is not that of the paths."""
    waiting: list[tuple[Path, _Seen]] = []
    failed: list[tuple[Path, Score, None]] = []

    def take(ahead: Iterator[tuple[Path, Future[_Seen]]]) -> Iterator[NDArray[np.uint8]]:
        for path, future in ahead:
            try:
                seen = future.result()
            except InputError as problem:
                failed.append((path, Score(None, error=str(problem)), None))
                continue
            waiting.append((path, replace(seen, image_HWC=seen.image_HWC[:0])))  # the pixels are not kept
            yield seen.image_HWC

    with closing(prefetch(_look, paths)) as ahead:
        for score in scorer.score_each(take(ahead)):
            path, seen = waiting.pop(0)
            yield path, score, seen
    yield from failed


def _compare(first: Score, second: Score, sign: int) -> float | None:
    halves = []
    for score in (first, second):
        if score.low is None or score.high is None or score.coverage is None:
            return None
        # Intervals end where the scale ends: the longer side is the whole one.
        halves.append(max(score.high - float(score), float(score) - score.low))
    coverage = first.coverage
    if not all(halves) or coverage is None:
        return None
    return compute_probability_better(sign * (float(first) - float(second)), halves[0], halves[1], coverage)
