"""What will be read is checked before what takes long begins."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.enlarge import enlarged_size
from iqa_zoo.data.images import read_size
from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Progress

if TYPE_CHECKING:
    from iqa_zoo.data.loader import DecodedImages

T = TypeVar("T")
SHOWN = 10  # problems that the message lists


def check_images(
    data: RatedImages,
    indices: Sequence[int] | NDArray[np.int64],
    size: int,
    *,
    images: DecodedImages | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Check that images can be read and enlarged where they must be; return the names of those smaller than ``size``.

    The headers are read first, which takes less than a millisecond an image and shows most of what can be wrong: missing
    files, other formats, too many pixels, images too narrow to be enlarged. A file that is cut off behind its header shows
    only when it is decoded.

    Args:
        data: the dataset.
        indices: which of its images will be read.
        size: pixels that the short side of an image needs.
        images: decode each image as well, and keep it here where there is room, so that it is not decoded again.
        progress: called with (images decoded, all of them) after each that is decoded.

    Raises:
        InputError: names every file that cannot be used (the first ``SHOWN`` of many), with the reasons.
    """
    chosen = np.asarray(indices, dtype=np.int64).tolist()

    def read_header(index: int) -> bool:
        height, width = read_size(data.paths[index])
        enlarged_size(height, width, size, data.paths[index])
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
    """Return what a function reads of each image, in threads.

    Args:
        data: the dataset.
        indices: which of its images.
        read: called with the index of an image.
        progress: called with (images done, all of them) after each.

    Raises:
        InputError: names every image for which ``read`` raised one (the first ``SHOWN`` of many), with the reasons.
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
