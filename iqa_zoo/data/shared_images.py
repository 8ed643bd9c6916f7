"""Images shared by several datasets, which may leak training images into a cross-dataset test."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from iqa_zoo.data.boxed import hash_files
from iqa_zoo.data.rated import RatedImages


def find_shared_images(sets: Mapping[str, RatedImages]) -> list[dict[str, Any]]:
    """Find pairs of datasets that share identical files, and count the files of the first that are in the second."""
    hashes = {name: hash_files(data) for name, data in sets.items()}
    shared = []
    for first, second in itertools.combinations(sets, 2):
        others = set(hashes[second])
        count = sum(digest in others for digest in hashes[first])
        if count:
            shared.append({"first": first, "second": second, "images": count})
    return shared
