"""Images of different contents that look the same, which must not be in different parts of a split."""

from __future__ import annotations

import hashlib
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
from iqa_zoo.data.duplicates import near_duplicates, perceptual_hash
from iqa_zoo.data.images import read_image
from iqa_zoo.data.preflight import read_all
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import some
from iqa_zoo.progress import Progress

# Raise the number when the same file gives another hash; what is kept is then computed anew.
_VERSION = f"1, Pillow {PIL.__version__}"


@dataclass(frozen=True)
class LookAlikes:
    """What :func:`group_look_alikes` found.

    Attributes:
        groups: the content of each image, where contents that look the same are one and bear the name of the first.
        pairs: the names of two images of different contents that look the same.
        merged: how many contents fewer there are than without merging.
    """

    groups: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    merged: int

    def describe(self) -> str:
        """What was merged, in one sentence; empty where nothing was."""
        if not self.pairs:
            return ""
        named = some([f"{first} and {second}" for first, second in self.pairs])
        count = len(set(self.groups))
        return (
            f"{len(self.pairs)} {'pair' if len(self.pairs) == 1 else 'pairs'} of images look the same and count as one "
            f"content each: {named}; {count + self.merged} contents become {count}"
        )


def group_look_alikes(data: RatedImages, progress: Progress | None = None) -> LookAlikes:
    """Find the images of different contents that look the same, and merge their contents.

    Two images look the same where at most ``SAME_IMAGE`` bits of their perceptual hashes differ
    (:mod:`iqa_zoo.data.duplicates`). Hashes are kept in the cache by the content of each file, so that the second time
    files are read and not decoded.

    Args:
        data: the dataset.
        progress: called with (images hashed, images in all) after each image.

    Raises:
        InputError: images cannot be read; names them, with the reasons.
    """
    pairs = find_pairs(_hash_images(data, progress), data.contents)
    groups = merge_contents(data.contents, pairs)
    names = tuple((data.names[first], data.names[second]) for first, second in pairs)
    return LookAlikes(groups, names, len(set(data.contents)) - len(set(groups)))


def find_pairs(hashes_IB: NDArray[np.bool_], contents: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of images, by index, that look the same although their contents differ.

    Distorted versions of one content look the same by design, and are in one part anyway.
    """
    return [(a, b) for a, b in near_duplicates(hashes_IB) if contents[a] != contents[b]]


def merge_contents(contents: Sequence[str], pairs: Iterable[tuple[int, int]]) -> tuple[str, ...]:
    """The content of each image, where the contents of each pair of images (by index) are one: the first by name.

    >>> merge_contents(["d", "c", "b", "a", "c"], [(0, 1), (4, 2)])
    ('b', 'b', 'b', 'a', 'b')
    """
    names, codes = np.unique(np.array(contents), return_inverse=True)  # sorted
    first, second = np.array(list(pairs), dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (codes[first], codes[second])), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    _, leader = np.unique(component, return_index=True)  # the first of each by name
    return tuple(str(names[leader[component[code]]]) for code in codes)


def _hash_images(data: RatedImages, progress: Progress | None) -> NDArray[np.bool_]:
    file = cache_folder() / "look_alikes" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', data.name)[:100]}.json"
    known = _read(file)
    new: dict[str, str] = {}

    def hash_image(index: int) -> str:
        path = data.paths[index]
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            return _hash(path)  # which says what is wrong with it
        if digest not in known:
            known[digest] = new[digest] = _hash(path)
        return known[digest]

    try:
        hashes = read_all(data, range(len(data)), hash_image, progress)
    finally:  # an error or an interruption loses nothing that is hashed
        if new:
            with suppress(OSError):  # a cache that cannot be written costs time, and no result
                write_file(file, json.dumps({"version": _VERSION, "hashes": {**_read(file), **new}}))
    packed_IB = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(data), -1)
    return np.unpackbits(packed_IB, axis=1).astype(bool)


def _hash(path: Path) -> str:
    return np.packbits(perceptual_hash(read_image(path))).tobytes().hex()


def _read(file: Path) -> dict[str, str]:
    """The hashes in a cache file by the digest of the image's file; none where it is damaged or of another version."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        hashes = content["hashes"] if content["version"] == _VERSION else {}
        whole = all(re.fullmatch("[0-9a-f]{64}", hash_) for hash_ in hashes.values())
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # whatever a damaged file can show
        return {}
    return dict(hashes) if whole else {}
