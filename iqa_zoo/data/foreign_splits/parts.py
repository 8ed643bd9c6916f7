"""The parts of a foreign split as images of a dataset, from names or from positions in a list."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from iqa_zoo.data.names import normalize_name
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import format_some
from iqa_zoo.errors import InputError

Parts = dict[str, list[int]]  # by part: indices of images of the dataset
MOST_UNKNOWN = 0.01  # of the listed images: LIVEC's seven practice images are 0.6 %


class NameIndex:
    """Find the images of a dataset by the names and paths that other projects write."""

    def __init__(self, data: RatedImages):
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        self._paths = [f"/{normalize_name(path.as_posix())}" for path in data.paths]
        for index, path in enumerate(data.paths):
            self._by_name[normalize_name(path.name)].append(index)
            self._by_stem[normalize_name(path.stem)].append(index)

    def find(self, name: str) -> int | None:
        """Find an image by file name, of several by the folders in ``name``, else by the name without its suffix.

        None if there is none, or if several match.
        """
        wanted = PurePosixPath(normalize_name(name.strip().replace("\\", "/")))
        found = self._by_name.get(wanted.name, [])
        if len(found) > 1:
            found = [index for index in found if self._paths[index].endswith(f"/{wanted}")]
        if not found:
            found = self._by_stem.get(wanted.stem, [])
        return found[0] if len(found) == 1 else None


def select_by_name(parts: Mapping[str, Sequence[str]], index: NameIndex, where: str) -> Parts:
    """Select images by their names; a few that are not in the data are left out with a warning.

    Raises:
        InputError: more than 1 % of the listed images are not in the data.
    """
    selected: Parts = {}
    unknown: list[str] = []
    for part, names in parts.items():
        found = [(name, index.find(name)) for name in names]
        selected[part] = [each for _, each in found if each is not None]
        unknown += [name for name, each in found if each is None]
    listed = sum(map(len, parts.values()))
    if len(unknown) > MOST_UNKNOWN * listed:
        raise InputError(f"{where} lists {len(unknown)} images that are not in the data: {format_some(unknown)}")
    if unknown:
        warnings.warn(
            f"{where}: {len(unknown)} images are not in the data and left out: {format_some(unknown)}", stacklevel=2
        )
    return selected


def select_by_position(parts: Mapping[str, Sequence[int]], data: RatedImages, where: str) -> Parts:
    """Select images by their positions in the label file of the release.

    A position names no image, so the list must be the right one: it has to have each image once, and no content in two parts. Where
    no contents are known, a warning says that the order is assumed.

    Raises:
        InputError: the positions are those of another list.
    """
    if data.box is not None:
        raise InputError(
            f"{where} names images by their positions in the release, and the {data.name} of the package is in another order;"
            " give --root with the release"
        )
    positions = [position for values in parts.values() for position in values]
    if len(set(positions)) != len(positions) or set(positions) != set(range(len(data))):
        official = ", or take the split of the release with --official" if data.official_split is not None else ""
        raise InputError(
            f"{where} has {len(positions)} positions up to {max(positions, default=-1)}, and the data {len(data)} images: they are"
            f" positions in another list; put that list beside it{official}"
        )
    if data.references is None:
        warnings.warn(
            f"{where} names images by their positions; they are taken as those in the label file of {data.name}, which nothing confirms",
            stacklevel=2,
        )
        return {part: list(values) for part, values in parts.items()}
    part_by_content: dict[str, str] = {}
    for part, values in parts.items():
        for position in values:
            content = data.references[position]
            if part_by_content.setdefault(content, part) != part:
                raise InputError(
                    f"{where}: content {content} is in {part_by_content[content]} and {part}; the positions are those of a list in"
                    " another order; put that list beside it"
                )
    return {part: list(values) for part, values in parts.items()}


def check_parts(parts: Parts, data: RatedImages, where: str) -> Parts:
    """Check that each image is in one part and that there is something to train on and to test; return all three parts.

    Some projects call the held-out part validation and have no test part; it is the test part here, with a warning.

    Raises:
        InputError: an image is listed twice, or a part is empty.
    """
    times = Counter(index for indices in parts.values() for index in indices)
    if twice := [data.names[index] for index, count in times.items() if count > 1]:
        raise InputError(f"{where} lists {len(twice)} images more than once: {format_some(twice)}")
    parts = {part: parts.get(part, []) for part in ("train", "validation", "test")}
    if not parts["test"] and parts["validation"]:
        warnings.warn(f"{where}: it has no test part; its validation part is the test part here", stacklevel=2)
        parts["test"], parts["validation"] = parts["validation"], []
    for part in ("train", "test"):
        if not parts[part]:
            raise InputError(f"{where}: the {part} part is empty")
    return parts
