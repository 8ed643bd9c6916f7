"""Near-duplicate images of different contents, which must stay in one part of a split."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from iqa_zoo.cache import cache_folder, write_file
from iqa_zoo.data.boxed import find_box
from iqa_zoo.data.duplicates import compute_perceptual_hash, find_near_duplicates
from iqa_zoo.data.images import read_image
from iqa_zoo.data.preflight import read_all
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import format_some
from iqa_zoo.identity import identify_file
from iqa_zoo.progress import Progress

# Increase the number when the hash of a file changes, to invalidate the cache.
_VERSION = f"1, Pillow {PIL.__version__}"


@dataclass(frozen=True)
class LookAlikes:
    """The result of :func:`group_look_alikes`.

    Attributes:
        groups: content of each image; merged contents have the name of the first.
        pairs: names of near-duplicate images with different contents.
        merged: number of contents removed by merging.
    """

    groups: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    merged: int

    def describe(self) -> str:
        """Describe the merge in one sentence; empty if nothing was merged."""
        if not self.pairs:
            return ""
        examples = format_some([f"{first} and {second}" for first, second in self.pairs])
        count = len(set(self.groups))
        return (
            f"{len(self.pairs)} {'pair' if len(self.pairs) == 1 else 'pairs'} of images look the same and count as one "
            f"content each: {examples}; {count + self.merged} contents become {count}"
        )


def group_look_alikes(data: RatedImages, progress: Progress | None = None) -> LookAlikes:
    """Find near-duplicate images of different contents, and merge their contents.

    Near-duplicates differ in at most ``SAME_IMAGE`` bits of their perceptual hashes (:mod:`iqa_zoo.data.duplicates`). Hashes
    are cached by the bytes of each file; a box keeps them.

    Raises:
        InputError: images cannot be read.
    """
    pairs = find_pairs(hash_images(data, progress), data.contents)
    groups = merge_contents(data.contents, pairs)
    names = tuple((data.names[first], data.names[second]) for first, second in pairs)
    return LookAlikes(groups, names, len(set(data.contents)) - len(set(groups)))


def find_pairs(hashes_IB: NDArray[np.bool_], contents: Sequence[str]) -> list[tuple[int, int]]:
    """Find near-duplicates of different contents, as pairs of indices."""
    return [(a, b) for a, b in find_near_duplicates(hashes_IB) if contents[a] != contents[b]]


def merge_contents(contents: Sequence[str], pairs: Iterable[tuple[int, int]]) -> tuple[str, ...]:
    """Merge the contents of each pair of images (by index), and return each image's content: the first by name.

    >>> merge_contents(["d", "c", "b", "a", "c"], [(0, 1), (4, 2)])
    ('b', 'b', 'b', 'a', 'b')
    """
    names, codes = np.unique(np.array(contents), return_inverse=True)  # sorted
    first, second = np.array(list(pairs), dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (codes[first], codes[second])), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    _, leader = np.unique(component, return_index=True)  # the first by name
    return tuple(str(names[leader[component[code]]]) for code in codes)


def hash_images(data: RatedImages, progress: Progress | None = None) -> NDArray[np.bool_]:
    """Return the perceptual hash of each image, 256 bits; cached by the bytes of each file, or from the box.

    Raises:
        InputError: images cannot be read.
    """
    if (box := find_box(data)) is not None:
        return _unpack([box.by_name[name]["hash"] for name in data.names])
    file = cache_folder() / "look_alikes" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', data.name)[:100]}.json"
    known = _read_hashes(file)
    new: dict[str, str] = {}

    def hash_image(index: int) -> str:
        path = data.paths[index]
        digest = identify_file(path)
        if digest not in known:
            known[digest] = new[digest] = _compute_hash(path)
        return known[digest]

    try:
        hashes = read_all(data, range(len(data)), hash_image, progress)
    finally:  # keep the hashes on errors and interruptions
        if new:
            with suppress(OSError):  # the cache is optional
                write_file(file, json.dumps({"version": _VERSION, "hashes": {**_read_hashes(file), **new}}))
    return _unpack(hashes)


def _unpack(hashes: Sequence[str]) -> NDArray[np.bool_]:
    packed_IB = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    return np.unpackbits(packed_IB, axis=1).astype(bool)


def _compute_hash(path: Path) -> str:
    return np.packbits(compute_perceptual_hash(read_image(path))).tobytes().hex()


def _read_hashes(file: Path) -> dict[str, str]:
    """Read the hashes in a cache file by digest of the image file; empty if damaged or of another version."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        hashes = content["hashes"] if content["version"] == _VERSION else {}
        whole = all(re.fullmatch("[0-9a-f]{64}", hash_) for hash_ in hashes.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # a damaged file
        return {}
    return dict(hashes) if whole else {}
