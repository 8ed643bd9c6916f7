"""How far the scores of an exported file are from those of the scorer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.demo import PHOTOGRAPHS
from iqa_zoo.data.images import read_image
from iqa_zoo.inference.inputs import OneImage, read_pixels
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.progress import Progress

Pixels = NDArray[np.uint8]
Runner = Callable[[Pixels], NDArray[np.float32]]

TOLERANCE = 1e-4  # of the range of the scores: rounding of single precision
TOLERANCE_RESIZED = 1e-3  # of an image that was resized: torch rounds the filter of Pillow to fewer bits
BATCHES = (3, 8)
FILES = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "hubble_deep_field.jpg",
    "camera.png",
    "brick.png",
    "gravel.png",
)  # of scikit-image


@dataclass(frozen=True)
class Parity:
    """The differences between an exported file and the scorer that it was made from, in points of the scale.

    Attributes:
        runtime: that ran the file, with its version.
        images: how many were scored alone, and ``batches``: the sizes of the batches that others were scored in.
        batches: see above.
        largest: difference of an image that fits the model, and ``tolerance``: the largest that is accepted.
        tolerance: see above.
        resized: how many of the images were enlarged or reduced.
        largest_resized: difference of such an image, and ``tolerance_resized``: the largest that is accepted.
        tolerance_resized: see above.
    """

    runtime: str
    images: int
    batches: tuple[int, ...]
    largest: float
    tolerance: float
    resized: int
    largest_resized: float
    tolerance_resized: float

    @property
    def holds(self) -> bool:
        """Whether every difference is within its tolerance; nan is not."""
        return self.largest <= self.tolerance and self.largest_resized <= self.tolerance_resized

    def describe(self) -> str:
        """Describe the differences in one phrase."""
        batches = " and ".join(map(str, self.batches))
        text = f"{self.images} images alone and in batches of {batches} by {self.runtime}: at most {self.largest:.2g} points"
        if self.resized:
            text += f", {self.largest_resized:.2g} where an image is resized ({self.resized})"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return {**asdict(self), "holds": self.holds}


def measure_parity(
    run: Runner,
    scorer: Scorer,
    images: Sequence[OneImage] | None = None,
    *,
    runtime: str,
    progress: Progress | None = None,
) -> Parity:
    """Score images by an exported file and by the scorer.

    Args:
        run: from image_BHWC to score_B, by the file.
        scorer: that the file was made from.
        images: scored alone; photographs of scikit-image where left out, some of them too small and too large. Crops of such
            photographs are scored in batches.
        runtime: what runs the file.
        progress: called with (images done, images in all).

    Raises:
        InputError: an image cannot be read or scored.
    """
    size = scorer.model.model.spec.image_size
    alone = [read_pixels(image) for image in images] if images is not None else make_photographs(size)
    crops_BHWC = np.stack(cut_same_size(max(BATCHES)))
    total = len(alone) + len(crops_BHWC)
    differences: dict[bool, list[float]] = {False: [], True: []}
    for done, image_HWC in enumerate(alone, 1):
        expected = scorer.score(image_HWC)
        differences[bool(expected.note)].append(abs(float(run(image_HWC[None])[0]) - float(expected)))
        if progress:
            progress(done, total)
    scores = scorer.score(list(crops_BHWC))
    for count in BATCHES:
        score_B = run(crops_BHWC[:count])
        for found, expected in zip(score_B, scores[:count], strict=True):
            differences[bool(expected.note)].append(abs(float(found) - float(expected)))
    if progress:
        progress(total, total)
    low, high = scorer.meaning.data.score_range
    return Parity(
        runtime=runtime,
        images=len(alone),
        batches=BATCHES,
        largest=float(np.max(differences[False], initial=0.0)),
        tolerance=TOLERANCE * (high - low),
        resized=len(differences[True]),
        largest_resized=float(np.max(differences[True], initial=0.0)),
        tolerance_resized=TOLERANCE_RESIZED * (high - low),
    )


def make_photographs(size: int) -> list[Pixels]:
    """Return twelve photographs for a model of an input size: nine as they are, one too small, one narrow, one large."""
    whole = [read_image(PHOTOGRAPHS / name) for name in FILES]
    small = whole[0][: size * 2 // 3, : size * 3 // 4]
    narrow = np.tile(whole[2], (1, 3, 1))[: size * 3 // 4]
    large = np.tile(whole[1], (3, 4, 1))[:1100, :1701]
    return [*whole, small, narrow, large]


def cut_same_size(count: int) -> list[Pixels]:
    """Cut crops of one size, each out of another photograph."""
    return [np.ascontiguousarray(read_image(PHOTOGRAPHS / name)[-288:, -384:]) for name in FILES[:count]]
