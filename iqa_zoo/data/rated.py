"""Rated images: the common form of all datasets."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.errors import InputError

PARTS = ("train", "validation", "test")
NUMBERS = {"mos": np.float64, "deviations": np.float64, "ratings": np.int64}  # fields with one number an image
TEXTS = ("references", "distortions", "official_split")  # fields with one text an image


@dataclass(frozen=True, eq=False)
class RatedImages:
    """Image files with one quality score each.

    Args:
        name: name of the dataset in tables and split files.
        paths: one distinct file per image.
        mos: float64, one score per image; a read-only copy is kept.
        score_range: lowest and highest score of the scale, inclusive.
        licence: terms of the release.
        source: where to get the release.
        references: source content of each image, by which splits are grouped; None if every image is its own content.
        distortions: kind of distortion of each image; None if not labelled.
        higher_is_better: False for DMOS.
        label: kind of score: "MOS", "DMOS", or "proxy: ..." if not human opinion.
        official_split: "train", "validation", "test" or "" (none) for each image; None if the release has no split.
        deviations: float64, standard deviation of the ratings of each image, on the scale of the scores; None if the release
            has none.
        ratings: int64, number of ratings behind each score, or one number for all images; None if it is not known.
        ratings_note: where ``ratings`` comes from, if not from the labels of each image.
        box: the description of features that come with the package (:mod:`iqa_zoo.data.boxed`). Then ``paths`` are names, and
            there are no image files. None for image files.

    Raises:
        InputError: different lengths, a score that is not finite or outside ``score_range``, a negative deviation, a number of
            ratings that is not whole or below 1, a duplicate file, or no image.

    >>> data = RatedImages("two", (Path("a/1.png"), Path("a/2.png")), np.array([3.0, 4.5]),
    ...                    score_range=(1, 5), licence="CC0", source="drawn by hand")
    >>> len(data), data.names, data.contents
    (2, ('1.png', '2.png'), ('1.png', '2.png'))
    """

    name: str
    paths: tuple[Path, ...]
    mos: NDArray[np.float64]
    _: KW_ONLY
    score_range: tuple[float, float]
    licence: str
    source: str
    references: tuple[str, ...] | None = None
    distortions: tuple[str, ...] | None = None
    higher_is_better: bool = True
    label: str = "MOS"
    official_split: tuple[str, ...] | None = None
    deviations: NDArray[np.float64] | None = None
    ratings: NDArray[np.int64] | None = None
    ratings_note: str = ""
    box: Path | None = None

    def __post_init__(self) -> None:
        paths = tuple(Path(path) for path in self.paths)
        object.__setattr__(self, "paths", paths)
        if self.ratings is not None:
            self._check_ratings()
        for field_name, kind in NUMBERS.items():
            if (value := getattr(self, field_name)) is not None:
                numbers = np.array(value, dtype=kind)
                numbers.setflags(write=False)
                object.__setattr__(self, field_name, numbers)
        mos = self.mos
        if not paths:
            raise InputError(f"{self.name}: no images; at least one image with a score is needed")
        if mos.ndim != 1:
            raise InputError(f"{self.name}: mos has shape {mos.shape}; give one number an image")
        for field_name in (*NUMBERS, *TEXTS):
            value = getattr(self, field_name)
            if value is None:
                continue
            if len(value) != len(paths):
                unpaired = _describe_unpaired(paths, len(value))
                raise InputError(f"{self.name}: {len(paths)} images and {len(value)} {field_name}; {unpaired}")
            if field_name in TEXTS:
                object.__setattr__(self, field_name, tuple(str(item) for item in value))
        self._check_scores()
        self._check_files()
        if self.deviations is not None and (bad := ~(np.isfinite(self.deviations) & (self.deviations >= 0))).any():
            first = int(np.argmax(bad))
            raise InputError(
                f"{self.name}: the deviation of the ratings of {paths[first]} is {self.deviations[first]:g}; give 0 or more"
            )

    def _check_ratings(self) -> None:
        """Check the numbers of ratings before they become integers, and repeat one that is for all images."""
        given = np.asarray(self.ratings, dtype=np.float64)
        if not given.ndim:
            given = np.full(len(self.paths), given)
        if (bad := ~(np.isfinite(given) & (given >= 1) & (given == np.round(given)))).any():
            first = int(np.argmax(bad))
            where = f" of {self.paths[first]}" if first < len(self.paths) else ""
            raise InputError(
                f"{self.name}: the number of ratings{where} is {given[first]:g}; give a whole number, 1 or more"
            )
        object.__setattr__(self, "ratings", given)

    def _check_scores(self) -> None:
        low, high = self.score_range
        if not low < high:
            raise InputError(f"{self.name}: score_range {self.score_range} must be (lowest, highest)")
        finite = np.isfinite(self.mos)
        if not finite.all():
            first = int(np.argmin(finite))
            raise InputError(
                f"{self.name}: the score of {self.paths[first]} is {self.mos[first]}; every image needs a number"
            )
        outside = (self.mos < low) | (self.mos > high)
        if outside.any():
            first = int(np.argmax(outside))
            raise InputError(
                f"{self.name}: the score of {self.paths[first]} is {self.mos[first]:g}, outside {low:g}..{high:g}"
                f" ({int(outside.sum())} such images); is this the right label file or scale?"
            )

    def _check_files(self) -> None:
        seen: set[Path] = set()
        for path in self.paths:
            if path in seen:
                raise InputError(f"{self.name}: {path} is listed twice; give each image one score")
            seen.add(path)
        for path, part in zip(self.paths, self.official_split or (), strict=False):
            if part and part not in PARTS:
                raise InputError(f"{self.name}: {path} is in part {part!r}; the parts are {', '.join(PARTS)}")

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A distinct name for each image, independent of the dataset's location: its file name, or if file names repeat, its
        path from the common folder."""
        files = tuple(path.name for path in self.paths)
        if len(set(files)) == len(files):
            return files
        common = os.path.commonpath([path.parent for path in self.paths])
        return tuple(path.relative_to(common).as_posix() for path in self.paths)

    @property
    def contents(self) -> tuple[str, ...]:
        """The group of each image for splitting: its reference, or itself."""
        return self.references if self.references is not None else self.names

    def select(self, indices: Iterable[int]) -> RatedImages:
        """Select the images at ``indices``, in that order, with all their labels."""
        chosen = [int(index) for index in indices]
        values = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in NUMBERS and value is not None:
                value = value[chosen]
            elif each.name in ("paths", *TEXTS) and value is not None:
                value = tuple(value[index] for index in chosen)
            values[each.name] = value
        return RatedImages(**values)


def _describe_unpaired(paths: tuple[Path, ...], count: int) -> str:
    if count < len(paths):
        return f"the first image without one is {paths[count]}"
    return f"the last image is {paths[-1]}"
