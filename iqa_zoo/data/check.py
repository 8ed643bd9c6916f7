"""Check a dataset on disk before training."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from iqa_zoo.cache import cache_folder
from iqa_zoo.data.boxed import find_box
from iqa_zoo.data.duplicates import compute_perceptual_hash
from iqa_zoo.data.images import read_image
from iqa_zoo.data.look_alikes import find_pairs, group_look_alikes
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.ratings import count_ratings, describe_ratings
from iqa_zoo.data.release import MissingImages, Release, format_some
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Progress
from iqa_zoo.registry import DATASETS


@dataclass(frozen=True)
class DatasetReport:
    """The result of :func:`check_dataset`.

    Attributes:
        name, root: the checked dataset; the root is the cache where it makes its images, and the folder of its box.
        expected: number of rated images in the release; None if unknown.
        data: rated images on disk; None if no label can be read.
        missing: labelled images that are not on disk.
        unreadable: one line with the reason for each file that cannot be decoded.
        duplicates: pairs of near-duplicate images with different contents.
        smallest: size (height, width) and name of the image with the shortest side.
        problems: error messages of the loader.
        licence, source: of the release.
    """

    name: str
    root: Path
    expected: int | None
    data: RatedImages | None
    missing: tuple[Path, ...]
    unreadable: tuple[str, ...]
    duplicates: tuple[tuple[str, str], ...]
    smallest: tuple[tuple[int, int], str] | None
    problems: tuple[str, ...]
    licence: str
    source: str

    @property
    def usable(self) -> bool:
        """Whether the dataset loads and every image decodes. Duplicates do not count: releases have them."""
        return not (self.problems or self.missing or self.unreadable) and self.data is not None

    def format_lines(self) -> list[str]:
        """Format the report as text lines."""
        count = len(self.data) if self.data is not None else 0
        total = f" of {self.expected}" if self.expected is not None else ""
        box = find_box(self.data) if self.data is not None else None
        text = [f"{self.name} at {self.root}: {'usable' if self.usable else 'not usable as it is'}"]
        text += [f"rated images {'in the box' if box else 'on disk'}: {count}{total}"]
        text += [f"features, no pixels: {box.describe()}"] if box else []
        if self.data is not None:
            text += _describe(self.data)
        if self.smallest is not None:
            (height, width), name = self.smallest
            text += [f"shortest side: {min(height, width)} pixels ({name}, {height}x{width})"]
        text += [f"problem: {problem}" for problem in self.problems]
        if self.missing:
            text += [f"missing: {len(self.missing)} images: {format_some(self.missing)}"]
        text += [f"unreadable: {reason}" for reason in self.unreadable]
        text += [f"look the same: {first} and {second}" for first, second in self.duplicates]
        return [*text, f"release: {self.source}", f"licence: {self.licence}"]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        data, found = self.data, None
        if data is not None:
            official = data.official_split
            found = {
                "images": len(data),
                "label": data.label,
                "lowest": float(data.mos.min()),
                "highest": float(data.mos.max()),
                "score_range": data.score_range,
                "higher_is_better": data.higher_is_better,
                "contents": len(set(data.contents)),
                "distortions": sorted(set(data.distortions or ()) - {""}),
                "deviations": data.deviations is not None,
                "ratings": count_ratings(data),
                "official_split": official and {part: official.count(part) for part in sorted(set(official))},
            }
        size, image = self.smallest or (None, None)
        return {
            "name": self.name,
            "root": str(self.root),
            "usable": self.usable,
            "expected": self.expected,
            "found": found,
            "missing": [str(path) for path in self.missing],
            "unreadable": self.unreadable,
            "duplicates": self.duplicates,
            "smallest": {"image": image, "height": size[0], "width": size[1]} if size else None,
            "problems": self.problems,
            "licence": self.licence,
            "source": self.source,
        }


def check_dataset(
    name: str, root: str | Path | None, /, *, progress: Progress | None = None, **options: Any
) -> DatasetReport:
    """Read a dataset's labels and decode every image; report missing, unreadable and duplicate images.

    ``root`` is None where the dataset makes its images or has a box.
    ``options`` are further arguments of the dataset, such as ``folder``.

    Raises:
        UnknownName: no such dataset. Problems with files are in the report.
    """
    load = DATASETS.get(name)
    release = getattr(sys.modules.get(load.__module__), "RELEASE", None)
    problems: list[str] = []
    missing: tuple[Path, ...] = ()
    data: RatedImages | None = None
    try:
        data = load(root, **options)
    except InputError as error:
        if isinstance(error, MissingImages):
            missing = error.missing
            problems += [error.hint] if error.hint else []
        else:
            problems.append(str(error))
        data = _load_subset(load, root, options)
    origin = release if isinstance(release, Release) else data
    decoded = _decode(data, progress) if data is not None else _Decoded((), (), (), None)
    return DatasetReport(
        name=name,
        root=Path(root) if root is not None else data.box.parent if data is not None and data.box else cache_folder(),
        expected=release.images if isinstance(release, Release) else None,
        data=data,
        missing=missing,
        unreadable=decoded.unreadable,
        duplicates=decoded.duplicates,
        smallest=decoded.smallest,
        problems=tuple(problems),
        licence=origin.licence if origin is not None else "not known",
        source=origin.source if origin is not None else "not known",
    )


def drop_unreadable(data: RatedImages, progress: Progress | None = None) -> tuple[RatedImages, tuple[str, ...]]:
    """Drop images that cannot be decoded; return the reasons.

    Raises:
        InputError: no image can be decoded.
    """
    decoded = _decode(data, progress)
    if not decoded.readable:
        raise InputError(f"{data.name}: no image can be read: {decoded.unreadable[0]}")
    return data.select(decoded.readable), decoded.unreadable


@dataclass(frozen=True)
class _Decoded:
    readable: tuple[int, ...]
    unreadable: tuple[str, ...]
    duplicates: tuple[tuple[str, str], ...]
    smallest: tuple[tuple[int, int], str] | None


def _decode(data: RatedImages, progress: Progress | None) -> _Decoded:
    if data.box is not None:
        return _Decoded(tuple(range(len(data))), (), group_look_alikes(data).pairs, None)
    readable, unreadable, hashes = [], [], []
    smallest: tuple[tuple[int, int], str] | None = None
    for index, path in enumerate(data.paths):
        try:
            image_HWC = read_image(path)
        except InputError as error:
            unreadable.append(str(error))
        else:
            readable.append(index)
            hashes.append(compute_perceptual_hash(image_HWC))
            size = (image_HWC.shape[0], image_HWC.shape[1])
            if smallest is None or min(size) < min(smallest[0]):
                smallest = (size, data.names[index])
        if progress is not None:
            progress(index + 1, len(data))
    contents = [data.contents[index] for index in readable]
    pairs = find_pairs(np.array(hashes), contents) if hashes else []
    duplicates = [(data.names[readable[first]], data.names[readable[second]]) for first, second in pairs]
    return _Decoded(tuple(readable), tuple(unreadable), tuple(duplicates), smallest)


def _load_subset(
    load: Callable[..., RatedImages], root: str | Path | None, options: dict[str, Any]
) -> RatedImages | None:
    if "subset" not in inspect.signature(load).parameters:
        return None
    try:
        return load(root, **{**options, "subset": True})
    except InputError:
        return None


def _describe(data: RatedImages) -> list[str]:
    direction = "higher" if data.higher_is_better else "lower"
    text = [f"scores: {data.label}, {data.mos.min():g}..{data.mos.max():g}, {direction} is better"]
    if data.references is not None:
        text.append(f"contents: {len(set(data.references))}")
    if data.distortions is not None:
        text.append(f"distortions: {len(set(data.distortions) - {''})}")
    if data.official_split is not None:
        parts = [f"{part} {data.official_split.count(part)}" for part in ("train", "validation", "test")]
        text.append(f"official split: {', '.join(parts)}")
    text.append(f"ratings: {describe_ratings(data)}")
    return text
