"""Images that several datasets share: a model trained on one of them may have been shown those it is tested on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.identity import identify_file


def find_shared_images(sets: Mapping[str, RatedImages]) -> list[dict[str, Any]]:
    """Every two datasets with images that are the same byte for byte, and how many of the first are in the second."""
    hashes = {name: [identify_file(path) for path in data.paths] for name, data in sets.items()}
    found = []
    for first, second in itertools.combinations(sets, 2):
        there = set(hashes[second])
        count = sum(digest in there for digest in hashes[first])
        if count:
            found.append({"first": first, "second": second, "images": count})
    return found
