"""Check the images of a dataset before long work begins."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.enlarge import compute_enlarged_size
from iqa_zoo.data.images import read_size
from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Progress

if TYPE_CHECKING:
    from iqa_zoo.data.decoded import DecodedImages

T = TypeVar("T")
SHOWN = 10  # maximum number of problems in a message


def check_images(
    data: RatedImages,
    indices: Sequence[int] | NDArray[np.int64],
    size: int,
    *,
    images: DecodedImages | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Check that images can be read and enlarged; return the names of those smaller than ``size``.

    Headers are read first (under a millisecond per image). They show missing files, unknown formats, and sizes that cannot be
    used. Truncated files only show when they are decoded. A box has no images to check.

    Images are also decoded into the cache ``images`` if one is given.

    Raises:
        InputError: lists the files that cannot be used (at most ``SHOWN``), with the reasons.
    """
    if data.box is not None:
        return []
    chosen = np.asarray(indices, dtype=np.int64).tolist()

    def read_header(index: int) -> bool:
        height, width = read_size(data.paths[index])
        compute_enlarged_size(height, width, size, data.paths[index])
        return min(height, width) < size

    small = [data.names[i] for i, is_small in zip(chosen, read_all(data, chosen, read_header), strict=True) if is_small]
    if images is not None:
        read_all(data, chosen, lambda index: images[index] is None, progress)
    return small


def read_all(
    data: RatedImages,
    indices: Sequence[int],
    read: Callable[[int], T],
    progress: Progress | None = None,
) -> list[T]:
    """Read images in threads, and return the results in order.

    Raises:
        InputError: lists the images for which ``read`` raised it (at most ``SHOWN``), with the reasons.
    """
    results: list[T] = []
    problems: list[str] = []
    ahead = prefetch(read, indices, ahead=16, threads=min(4, os.cpu_count() or 1))
    for done, (_, future) in enumerate(ahead, start=1):
        try:
            results.append(future.result())
        except InputError as problem:
            problems.append(str(problem))
        if progress:
            progress(done, len(indices))
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems[:SHOWN])
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise InputError(f"{data.name}: {len(problems)} of {len(indices)} images cannot be used:{lines}{more}")
    return results
