"""A user's own folder of images with a CSV table of scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import MissingImages, number, read_csv, some
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

OPTIONAL = ("reference", "distortion", "split")
PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
    "": "",
}


@register_dataset("table")
def table(
    root: str | Path,
    *,
    labels: str | None = None,
    higher_is_better: bool = True,
    score_range: tuple[float, float] | None = None,
    name: str | None = None,
    subset: bool = False,
) -> RatedImages:
    """Your own images: a folder and a CSV file with the columns image, mos and, if you have them, reference,
    distortion and split.

    ``image`` is a path from the folder of the CSV file; ``reference`` groups images of one content, which splits
    then keep together; ``split`` says train, validation or test. A header is needed; commas, semicolons and tabs
    separate.

    Args:
        root: the folder with one CSV file, or the CSV file itself.
        labels: the name of the CSV file, where the folder has several.
        higher_is_better: False if small scores are good, as with DMOS.
        score_range: lowest and highest score of your scale; the lowest and highest there are, if not given.
        name: the dataset's name in tables; the folder's, if not given.
        subset: leave out images that are not on disk.

    Raises:
        InputError: no such file or column, an image that is missing, a score that is none.
    """
    path = _label_file(Path(root), labels)
    lines = list(read_csv(path, ("image", "mos")))
    if not lines:
        raise InputError(f"{path} lists no images")
    paths = [path.parent / line["image"] for line in lines]
    missing = [image for image in paths if not image.is_file()]
    if missing and (not subset or len(missing) == len(paths)):
        raise MissingImages(f"{path} lists {len(missing)} images that are not on disk: {some(missing)}", missing)
    lines = [line for line, image in zip(lines, paths, strict=True) if image.is_file()]
    scores = [number(line["mos"], path, line["image"]) for line in lines]
    given = {column: tuple(line[column] for line in lines) for column in OPTIONAL if column in lines[0]}
    return RatedImages(
        name or path.parent.resolve().name,
        tuple(image for image in paths if image.is_file()),
        np.array(scores),
        score_range=score_range or _range(scores, path),
        licence="yours",
        source=str(path),
        references=_references(given.get("reference"), lines, path),
        distortions=given.get("distortion"),
        higher_is_better=higher_is_better,
        label="MOS" if higher_is_better else "DMOS",
        official_split=_parts(given.get("split"), lines, path),
    )


def _label_file(root: Path, labels: str | None) -> Path:
    if root.is_file():
        return root
    if not root.is_dir():
        raise InputError(f"{root} does not exist; give a folder with a CSV file, or the CSV file")
    if labels is not None:
        if not (root / labels).is_file():
            raise InputError(f"{root} has no file {labels}")
        return root / labels
    found = sorted(path for path in root.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
    if len(found) != 1:
        there = f"{len(found)} CSV files ({', '.join(path.name for path in found)})" if found else "no CSV file"
        raise InputError(f"{root} has {there}; give the one with the columns image and mos as the root")
    return found[0]


def _range(scores: list[float], path: Path) -> tuple[float, float]:
    if not min(scores) < max(scores):
        raise InputError(f"{path}: all scores are {scores[0]:g}; give the scale as score_range if that is so")
    return min(scores), max(scores)


def _references(references: tuple[str, ...] | None, lines: list[dict[str, str]], path: Path) -> tuple[str, ...] | None:
    for line, reference in zip(lines, references or (), strict=False):
        if not reference:
            raise InputError(
                f"{path}: {line['image']} has no reference; fill the column for every image, or leave it out"
            )
    return references


def _parts(parts: tuple[str, ...] | None, lines: list[dict[str, str]], path: Path) -> tuple[str, ...] | None:
    if parts is None:
        return None
    for line, part in zip(lines, parts, strict=True):
        if part.casefold() not in PARTS:
            raise InputError(f"{path}: {line['image']} is in split {part!r}; use train, validation or test")
    return tuple(PARTS[part.casefold()] for part in parts)
