"""The published facts of a dataset, and the check of label rows against them and the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError

NOT_STATED = "not stated in the release; ask its authors about any use beyond research"


@dataclass(frozen=True)
class Release:
    """The published facts of a dataset, kept as RELEASE in its module.

    Args:
        name: registered name.
        images: number of rated images.
        score_range: lowest and highest score of the scale.
        licence: licence terms.
        source: where to get it.
        contents: number of source contents; None to skip this check.
        higher_is_better, label: as in :class:`RatedImages`.
        deviations: whether the release gives the standard deviation of the ratings of each image.
        ratings: ratings behind each score, where the release states one number for all images.
        ratings_note: where the number of ratings comes from; empty where it is not known.
        box: description of the features that come with the package; None if there are none.
    """

    name: str
    images: int
    score_range: tuple[float, float]
    licence: str
    source: str
    contents: int | None = None
    higher_is_better: bool = True
    label: str = "MOS"
    deviations: bool = False
    ratings: int | None = None
    ratings_note: str = ""
    box: Path | None = None


@dataclass(frozen=True)
class Row:
    """One line of a label file: the expected image path and its labels; ``deviation`` and ``ratings`` are the standard
    deviation and the number of its ratings."""

    path: Path
    mos: float
    reference: str = ""
    distortion: str = ""
    part: str = ""
    deviation: float | None = None
    ratings: float | None = None


class MissingImages(InputError):
    """Labelled images that are not on disk.

    Attributes:
        missing: expected paths.
        hint: a sentence on a similar file for the first of them; "" if there is none.
    """

    def __init__(self, message: str, missing: Sequence[Path], hint: str = ""):
        super().__init__(f"{message}; {hint}" if hint else message)
        self.missing = tuple(missing)
        self.hint = hint


def make_rated_images(
    release: Release, rows: Iterable[Row], subset: bool = False, label: str | None = None
) -> RatedImages:
    """Check label rows against the release and the disk.

    ``subset`` accepts fewer labels and images than the release has.

    Raises:
        InputError: the number of labels or contents differs from the release.
        MissingImages: images are not on disk.
    """
    rows = list(rows)
    if not subset and len(rows) != release.images:
        raise InputError(
            f"{release.name}: the labels list {len(rows)} images, the release has {release.images};"
            f" restore the label file ({release.source}), or allow a subset (subset=True)"
        )
    missing = [row.path for row in rows if not os.path.isfile(row.path)]
    if missing and (not subset or len(missing) == len(rows)):
        raise MissingImages(
            f"{release.name}: {len(missing)} of {len(rows)} images are missing: {format_some(missing)};"
            f" get them from {release.source}" + ("" if subset else ", or allow a subset (subset=True)"),
            missing,
        )
    gone = set(missing)
    rows = [row for row in rows if row.path not in gone]
    contents = len({row.reference for row in rows})
    counts = [row.ratings for row in rows]
    counted = None not in counts
    if release.contents is not None and not subset and contents != release.contents:
        raise InputError(
            f"{release.name}: the labels name {contents} source contents, the release has {release.contents};"
            f" restore the label file ({release.source})"
        )
    return RatedImages(
        release.name,
        tuple(row.path for row in rows),
        np.array([row.mos for row in rows]),
        score_range=release.score_range,
        licence=release.licence,
        source=release.source,
        references=tuple(row.reference for row in rows) if all(row.reference for row in rows) else None,
        distortions=tuple(row.distortion for row in rows) if any(row.distortion for row in rows) else None,
        higher_is_better=release.higher_is_better,
        label=label or release.label,
        official_split=tuple(row.part for row in rows) if any(row.part for row in rows) else None,
        deviations=np.array(deviations) if None not in (deviations := [row.deviation for row in rows]) else None,
        ratings=np.array(counts if counted else release.ratings) if counted or release.ratings else None,
        ratings_note=release.ratings_note if not counted and release.ratings else "",
    )


def parse_name(name: str, pattern: str, example: str, where: str) -> tuple[str, ...]:
    """Parse an image name with a regular expression over its lower-case form; return the groups.

    Raises:
        InputError: the name does not match; the message gives its place in the label file.
    """
    found = re.fullmatch(pattern, name.casefold())
    if found is None:
        raise InputError(f"{where}: {name!r} is not an image name like {example}")
    return found.groups()


def format_some(items: Sequence[object], most: int = 5) -> str:
    """Format the first few items of a list, and the number of the others."""
    rest = len(items) - most
    return ", ".join(str(item) for item in items[:most]) + (f" and {rest} more" if rest > 0 else "")
