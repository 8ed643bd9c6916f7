"""Train, validation and test parts: split by content, seeded, named by a hash, stored in shareable files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.foreign_splits import is_foreign, read_foreign_splits
from iqa_zoo.data.rated import PARTS, RatedImages
from iqa_zoo.data.release import format_some
from iqa_zoo.data.split_file import FORMAT, SplitRecord, read_split_file
from iqa_zoo.errors import InputError
from iqa_zoo.outputs import write_text


@dataclass(frozen=True, eq=False)
class Split:
    """Sorted indices of the images in each part; ``id`` is a hash of the image names per part, independent of order."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    validation: NDArray[np.int64]
    id: str


def make_splits(
    data: RatedImages,
    count: int,
    seed: int = 0,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    groups: Sequence[str] | None = None,
) -> list[Split]:
    """Split a dataset at random ``count`` times, with all images of one content in one part.

    The sorted contents are shuffled; the first ``round((1 - test_fraction) * n)`` are for training, the others for testing.
    Split k depends on the seed and k, not on ``count``.

    Args:
        data: the dataset.
        count: number of splits.
        seed: seed of the shuffles.
        test_fraction: share of the contents for testing.
        validation_fraction: share of the *training* contents held out for validation.
        groups: content of each image; default ``data.contents``. :func:`iqa_zoo.data.look_alikes.group_look_alikes` keeps
            near-duplicates together.

    Raises:
        InputError: a fraction is outside its range, or there are too few contents.

    >>> data = RatedImages("toy", tuple(Path(f"{i}.png") for i in range(10)), np.arange(10.0),
    ...                    score_range=(0, 10), licence="CC0", source="made up")
    >>> split = make_splits(data, count=3)[0]
    >>> len(split.train), len(split.test), len(split.validation)
    (8, 2, 0)
    """
    if count < 1:
        raise InputError(f"{data.name}: count is {count}; give at least 1 split")
    if not 0 < test_fraction < 1:
        raise InputError(f"{data.name}: test_fraction is {test_fraction}; give a share between 0 and 1, such as 0.2")
    groups = _check_groups(groups, data)
    contents = np.array(sorted(set(groups)))
    num_train = round((1 - test_fraction) * len(contents))
    splits = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        shuffled = rng.permutation(contents)
        parts = {"test": shuffled[num_train:]}
        parts["train"], parts["validation"] = _hold_out(shuffled[:num_train], validation_fraction, data.name)
        for part in ("train", "test"):
            _check_filled(part, parts[part], len(contents), data.name)
        splits.append(_make_split(data, {part: _find_images(groups, parts[part]) for part in PARTS}))
    return splits


def load_official_split(
    data: RatedImages, validation_fraction: float = 0.0, seed: int = 0, groups: Sequence[str] | None = None
) -> Split:
    """Load the official split of the release.

    If it has no validation part, ``validation_fraction`` of the training contents are held out; ``groups`` as in
    :func:`make_splits`.

    Raises:
        InputError: the dataset has no official split.
    """
    if data.official_split is None:
        raise InputError(f"{data.name} has no official split; use make_splits")
    official = np.array(data.official_split)
    indices = {part: np.flatnonzero(official == part) for part in PARTS}
    for part in ("train", "test"):
        _check_filled(part, indices[part], len(data), data.name)
    if not len(indices["validation"]) and validation_fraction:
        groups = _check_groups(groups, data)
        contents = np.array(sorted({groups[int(index)] for index in indices["train"]}))
        shuffled = np.random.default_rng([seed, 0]).permutation(contents)
        _, held_out = _hold_out(shuffled, validation_fraction, data.name)
        indices["validation"] = np.intersect1d(_find_images(groups, held_out), indices["train"])
        indices["train"] = np.setdiff1d(indices["train"], indices["validation"])
    return _make_split(data, indices)


def check_leaks(data: RatedImages, split: Split, near_duplicates: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Check a split for images, contents and near-duplicates in more than one part; return a line per leak.

    ``near_duplicates`` are pairs of image names, from :attr:`iqa_zoo.data.look_alikes.LookAlikes.pairs`.
    """
    leaks = []
    labels = [("image", data.names)] + ([("content", data.references)] if data.references is not None else [])
    for what, names in labels:
        parts_by_name = _list_parts(split, names)
        leaks += [
            f"{what} {name} is in {' and '.join(parts)}" for name, parts in parts_by_name.items() if len(parts) > 1
        ]
    parts_by_name = _list_parts(split, data.names)
    for first, second in near_duplicates:
        parts = {*parts_by_name.get(first, []), *parts_by_name.get(second, [])}
        if len(parts) > 1:
            where = " and ".join(part for part in PARTS if part in parts)
            leaks.append(f"images {first} and {second} look the same and are in {where}")
    return leaks


def save_splits(path: str | Path, data: RatedImages, splits: Sequence[Split]) -> None:
    """Write splits as JSON lists of image names, for :func:`load_splits`.

    Raises:
        InputError: the file cannot be written.
    """
    records = []
    for split in splits:
        used = np.concatenate([getattr(split, part) for part in PARTS])
        unused = np.setdiff1d(np.arange(len(data)), used)
        records.append(
            {"id": split.id}
            | {part: _list_names(data, getattr(split, part)) for part in PARTS}
            | {"unused": _list_names(data, unused)}
        )
    content = {"format": FORMAT, "dataset": data.name, "splits": records}
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def load_splits(path: str | Path, data: RatedImages) -> list[Split]:
    """Load splits written by :func:`save_splits`, for the same images in any order, or those of another project.

    The files and folders of ARNIQA, LIQE and pyiqa are described in :mod:`iqa_zoo.data.foreign_splits`.

    Raises:
        InputError: the file is not a split file, belongs to another dataset, was changed, leaks, or lists other images.
    """
    path = Path(path)
    if is_foreign(path):
        return [_make_foreign_split(data, parts, path) for parts in read_foreign_splits(path, data)]
    index_by_name = {name: index for index, name in enumerate(data.names)}
    splits = []
    for record in read_split_file(path, data.name):
        _check_images(record, index_by_name, path)
        indices = {
            part: np.array(sorted(index_by_name[name] for name in record.parts[part]), np.int64) for part in PARTS
        }
        split = _make_split(data, indices)
        if split.id != record.id:
            raise InputError(f"{path}: split {record.id} was changed after it was written; it hashes to {split.id}")
        if leaks := check_leaks(data, split):
            raise InputError(f"{path}: split {split.id} leaks: {format_some(leaks)}")
        splits.append(split)
    return splits


def _make_foreign_split(data: RatedImages, parts: dict[str, list[int]], path: Path) -> Split:
    split = _make_split(data, {part: np.array(sorted(parts[part]), np.int64) for part in PARTS})
    if leaks := check_leaks(data, split):
        raise InputError(f"{path}: split {split.id} leaks: {format_some(leaks)}")
    return split


def _hold_out(train: NDArray[np.str_], fraction: float, name: str) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    if not 0 <= fraction < 1:
        raise InputError(f"{name}: validation_fraction is {fraction}; give a share from 0 to below 1, such as 0.1")
    held_out = round(fraction * len(train))
    if fraction and not held_out:
        raise InputError(
            f"{name}: {fraction:g} of {len(train)} training contents is no content; raise validation_fraction"
        )
    return train[: len(train) - held_out], train[len(train) - held_out :]


def _list_parts(split: Split, names: Sequence[str]) -> dict[str, list[str]]:
    parts_by_name: dict[str, list[str]] = {}
    for part in PARTS:
        for name in sorted({names[index] for index in getattr(split, part)}):
            parts_by_name.setdefault(name, []).append(part)
    return parts_by_name


def _check_filled(part: str, members: Sequence[object] | NDArray, available: int, name: str) -> None:
    if not len(members):
        raise InputError(f"{name}: the {part} part is empty; {available} contents are too few for these fractions")


def _check_groups(groups: Sequence[str] | None, data: RatedImages) -> Sequence[str]:
    if groups is None:
        return data.contents
    if len(groups) != len(data):
        raise InputError(f"{data.name}: {len(groups)} groups for {len(data)} images; give the content of each image")
    return groups


def _find_images(groups: Sequence[str], contents: Iterable[str]) -> NDArray[np.int64]:
    wanted = set(contents)
    return np.array([index for index, content in enumerate(groups) if content in wanted], dtype=np.int64)


def _make_split(data: RatedImages, indices: dict[str, NDArray[np.int64]]) -> Split:
    parts = {part: _list_names(data, indices[part]) for part in PARTS}
    digest = hashlib.sha256(json.dumps([data.name, parts], sort_keys=True).encode()).hexdigest()
    return Split(**indices, id=digest[:12])


def _list_names(data: RatedImages, indices: NDArray[np.int64]) -> list[str]:
    return sorted(data.names[index] for index in indices)


def _check_images(record: SplitRecord, index_by_name: dict[str, int], path: Path) -> None:
    listed = {name for names in record.parts.values() for name in names}
    if missing := sorted(listed - index_by_name.keys()):
        raise InputError(f"{path} lists {len(missing)} images that are not in the data: {format_some(missing)}")
    if new := sorted(index_by_name.keys() - listed):
        raise InputError(f"{path} does not list {len(new)} images of the data: {format_some(new)}")
