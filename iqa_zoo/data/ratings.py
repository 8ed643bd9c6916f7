"""What is known of the ratings behind the scores of a dataset: their deviation and their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.stats.ratings import Ratings


def make_ratings(data: RatedImages, indices: Sequence[int] | NDArray[np.int64] | None = None) -> Ratings:
    """Return scores, deviations and numbers of ratings of a dataset, or of the images at ``indices``.

    Raises:
        InputError: the deviation or the number of the ratings is not known, an image has a single rating, or all deviations
            are 0.
    """
    if data.deviations is None or data.ratings is None:
        raise InputError(f"{data.name}: {describe_missing(data)}")
    if not data.deviations.any():
        raise InputError(f"{data.name}: all deviations of ratings are 0, so that nothing is known of their noise")
    if (single := data.ratings < 2).any():
        raise InputError(
            f"{data.name}: {data.names[int(np.argmax(single))]} has 1 rating; the noise of a score shows in 2 or more"
        )
    chosen = slice(None) if indices is None else indices
    return Ratings(data.mos[chosen], data.deviations[chosen], data.ratings[chosen])


def describe_missing(data: RatedImages) -> str:
    """Say what is not known of the ratings; empty where both are known."""
    missing = [
        what for what, known in (("standard deviation", data.deviations), ("number", data.ratings)) if known is None
    ]
    return (
        f"the {' and the '.join(missing)} of the ratings of an image {'are' if len(missing) > 1 else 'is'} not known"
        if missing
        else ""
    )


def describe_ratings(data: RatedImages) -> str:
    """Say what is known of the ratings behind the scores, in a line."""
    known = ["the standard deviation of each image"] if data.deviations is not None else []
    if (counts := count_ratings(data)) is not None:
        low, high = counts["lowest"], counts["highest"]
        note = f" ({counts['note']})" if counts["note"] else ""
        known.append(
            f"{low} an image{note}"
            if low == high
            else f"{low} to {high} an image, {counts['median']:g} at the median{note}"
        )
    return "; ".join([*known, *([describe_missing(data)] if len(known) < 2 else [])])


def count_ratings(data: RatedImages) -> dict[str, Any] | None:
    """Return lowest, highest and median number of ratings of an image, and where they come from; None where it is not known."""
    if data.ratings is None:
        return None
    return {
        "lowest": int(data.ratings.min()),
        "highest": int(data.ratings.max()),
        "median": float(np.median(data.ratings)),
        "note": data.ratings_note,
    }
