"""How a trained model behaves: scores under distortions of rising strength, and under changes that should not matter."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

Pixels = NDArray[np.uint8]
SEED = 0  # of the noise


def blur(image: Image.Image, sigma: float) -> Image.Image:
    """Blur with a Gaussian of a deviation in pixels."""
    return image.filter(ImageFilter.GaussianBlur(sigma))


def add_noise(image: Image.Image, deviation: float) -> Image.Image:
    """Add white Gaussian noise of a deviation in levels of 255."""
    pixels = np.asarray(image, dtype=np.float64)
    noisy = pixels + np.random.default_rng(SEED).normal(0, deviation, pixels.shape)
    return Image.fromarray(np.rint(noisy).clip(0, 255).astype(np.uint8))


def compress(image: Image.Image, quality: float) -> Image.Image:
    """Save as JPEG of a quality from 1 to 95 and read it again."""
    return save_again(image, "JPEG", quality=int(quality))


def darken(image: Image.Image, factor: float) -> Image.Image:
    """Multiply all levels by a factor."""
    return image.point([round(level * factor) for level in range(256)] * 3)


def lose_resolution(image: Image.Image, factor: float) -> Image.Image:
    """Reduce both sides by a factor and enlarge to the former size (bicubic)."""
    return scale(image, 1 / factor).resize(image.size, Image.Resampling.BICUBIC)


def scale(image: Image.Image, factor: float) -> Image.Image:
    """Scale both sides by a factor (bicubic)."""
    size = tuple(max(1, round(side * factor)) for side in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.BICUBIC)


def save_again(image: Image.Image, form: str, **options: Any) -> Image.Image:
    """Save in a format and read it again."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return Image.open(file).convert("RGB")


# Each with five strengths, from weak to strong.
DISTORTIONS: dict[str, tuple[Callable[[Image.Image, float], Image.Image], tuple[float, ...]]] = {
    "blur": (blur, (0.7, 1.2, 2.0, 3.3, 5.5)),
    "noise": (add_noise, (5, 10, 20, 40, 80)),
    "JPEG": (compress, (60, 40, 25, 15, 8)),
    "darkening": (darken, (0.8, 0.6, 0.45, 0.3, 0.18)),
    "down-scaling": (lose_resolution, (1.5, 2, 3, 5, 8)),
}
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "3/4 of the size": lambda image: scale(image, 0.75),
    "half the size": lambda image: scale(image, 0.5),
    "1.5 times the size": lambda image: scale(image, 1.5),
    "saved as PNG": lambda image: save_again(image, "PNG"),
    "saved as JPEG 95": lambda image: save_again(image, "JPEG", quality=95),
}


@dataclass(frozen=True)
class Battery:
    """Scores of a few photographs under distortions and changes.

    Attributes:
        photographs: their names.
        scores: by distortion, of each photograph: without it, and at each of its strengths.
        ordered: by distortion, share of the steps from one strength to the next at which the score falls (of quality) or rises
            (of distortion).
        changes: by change, the scores of each photograph under it minus those without.
    """

    photographs: tuple[str, ...]
    scores: dict[str, list[list[float]]]
    ordered: dict[str, float]
    changes: dict[str, list[float]]


class ScoresImages(Protocol):
    """A scorer."""

    def score(self, images: Any) -> Any: ...


def run_battery(scorer: ScoresImages, photographs: Mapping[str, Pixels], *, higher_is_better: bool = True) -> Battery:
    """Score photographs under every distortion and change.

    Args:
        scorer: scores a list of images.
        photographs: uint8 image_HWC by name.
        higher_is_better: of its scores.
    """
    images = [Image.fromarray(pixels) for pixels in photographs.values()]
    plain = _score(scorer, images)
    scores = {}
    for name, (distort, strengths) in DISTORTIONS.items():
        by_strength = [
            plain,
            *(_score(scorer, [distort(image, strength) for image in images]) for strength in strengths),
        ]
        scores[name] = [list(each) for each in zip(*by_strength, strict=True)]
    changes = {}
    for name, change in CHANGES.items():
        changed = _score(scorer, [change(image) for image in images])
        changes[name] = [after - before for after, before in zip(changed, plain, strict=True)]
    sign = -1 if higher_is_better else 1
    ordered = {name: measure_order(rows, sign) for name, rows in scores.items()}
    return Battery(tuple(photographs), scores, ordered, changes)


def measure_order(scores: Sequence[Sequence[float]], sign: int) -> float:
    """Return the share of steps at which scores change in the direction of ``sign``.

    >>> measure_order([[60, 50, 55, 40]], -1)
    0.6666666666666666
    """
    steps = np.diff(np.asarray(scores, dtype=np.float64), axis=1)
    return float((sign * steps > 0).mean())


def load_photographs() -> dict[str, Pixels]:
    """Return the photographs of scikit-image that the battery and the golden scores are computed on."""
    from skimage import data

    return {name: getattr(data, name)() for name in ("astronaut", "coffee", "chelsea")}


def _score(scorer: ScoresImages, images: list[Image.Image]) -> list[float]:
    return [score.score for score in scorer.score(images)]
