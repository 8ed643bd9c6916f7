"""Features of a dataset that come with the package: what one backbone gives for its photographs, without a pixel of them.

A box is two files in ``iqa_zoo/data/box/``, which ``benchmarks/make_box.py`` makes: a description (names, labels, hashes and
the config of the backbone, JSON) and the stage maps (safetensors, 8 bits a value with an offset and a scale for each channel).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.identity import identify_file

FOLDER = Path(__file__).parent / "box"
LEVELS = 255  # the largest stored value


@dataclass(frozen=True)
class Box:
    """The description of a box.

    Attributes:
        path: of the description.
        backbone: config of the backbone that gave the features, with the stages that the box holds.
        weights: where its weights come from.
        weights_hash: of the loaded weights (:func:`iqa_zoo.identity.identify_weights`).
        features: file of the stage maps.
        sha256: of that file.
        images: name, MOS, deviation of the ratings, SHA-256 of the file and perceptual hash of each photograph.
    """

    path: Path
    backbone: Mapping[str, Any]
    weights: str
    weights_hash: str
    features: Path
    sha256: str
    images: tuple[Mapping[str, Any], ...]

    @property
    def stages(self) -> tuple[int, ...]:
        return tuple(self.backbone["stages"])

    @functools.cached_property
    def by_name(self) -> dict[str, Mapping[str, Any]]:
        """The photographs by name."""
        return {image["name"]: image for image in self.images}

    def describe(self) -> str:
        """Describe which features the box holds."""
        stages = f"stage{'s' if len(self.stages) > 1 else ''} {' and '.join(map(str, self.stages))}"
        return f"{stages} of {self.backbone['type']} {self.backbone['name']} with its ImageNet weights"


@functools.cache
def read_box(path: Path) -> Box:
    """Read the description of a box.

    Raises:
        InputError: a file of the box is missing or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        features = path.with_name(values["features"])
        weights, images = (values["weights"], values["weights_hash"]), tuple(values["images"])
        box = Box(path, values["backbone"], *weights, features, values["sha256"], images)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: the box cannot be read ({error}); install iqa-zoo again") from error
    if identify_file(features) != box.sha256:
        raise InputError(f"{features} is damaged: its SHA-256 is not that of {path.name}; install iqa-zoo again")
    return box


def find_named_box(name: str) -> Box:
    """Return the box of the dataset of this name, which has one."""
    return read_box(FOLDER / f"{name}.json")


def find_box(data: RatedImages) -> Box | None:
    """Return the box of a dataset; None where it has image files."""
    return read_box(data.box) if data.box is not None else None


def require_pixels(data: RatedImages) -> None:
    """Check that a dataset has image files.

    Raises:
        InputError: it is from a box; says what the box holds and what to do.
    """
    if (box := find_box(data)) is not None:
        raise InputError(
            f"{data.name} without --root has no pixels: the box holds {box.describe()} only; use these (frozen "
            f"decoders), or give --root PATH, the folder with the photographs ({data.source})"
        )


def hash_files(data: RatedImages) -> list[str]:
    """Return the SHA-256 of each image file, which a box keeps.

    Raises:
        InputError: a file cannot be read.
    """
    if (box := find_box(data)) is not None:
        return [box.by_name[name]["sha256"] for name in data.names]
    return [identify_file(path) for path in data.paths]


def read_maps(box: Box, stage: int, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Read the maps of a stage: (images, rows, columns, channels) of the photographs of these names, in this order."""
    row_by_name = {image["name"]: row for row, image in enumerate(box.images)}
    with safe_open(box.features, framework="numpy") as file:
        levels = file.get_tensor(f"map{stage}")[[row_by_name[name] for name in names]]
        maps: NDArray[np.float32] = levels * file.get_tensor(f"scale{stage}") + file.get_tensor(f"offset{stage}")
    return maps


def quantize(maps: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return maps (..., channels) in 8 bits, and the scale and the offset of each channel: value = level * scale + offset.

    The levels of a channel run from its least to its greatest value.

    >>> levels, scale, offset = quantize(np.array([[-1.0], [0.02], [1.55]], np.float32))
    >>> levels.ravel().tolist(), [f"{value:.2f}" for value in (levels * scale + offset).ravel()]
    ([0, 102, 255], ['-1.00', '0.02', '1.55'])
    """
    flat = maps.reshape(-1, maps.shape[-1])
    low, high = flat.min(0), flat.max(0)
    scale = ((high - low) / LEVELS).astype(np.float32)
    steps = np.where(scale > 0, scale, 1)
    return np.rint((maps - low) / steps).clip(0, LEVELS).astype(np.uint8), scale, low.astype(np.float32)
