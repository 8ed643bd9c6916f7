"""The demo set: photographs from scikit-image, degraded in seven ways and rated by a proxy.

Photographs. Eleven photographs in the scikit-image wheel, so nothing is downloaded or redistributed. Their terms, as stated by
scikit-image: astronaut and the Hubble deep field (NASA) and the rocket (SpaceX) are in the public domain; camera, chelsea,
coffee, brick, grass and gravel are CC0; coins (Brooklyn Museum) has no known copyright restrictions; motorcycle is from the
Middlebury stereo benchmark (Scharstein et al., GCPR 2014), offered for research. The two medical images of the wheel (retina,
ihc) are left out, because they are not photographs of scenes. This makes the set easier across contents.

References. Two square crops of each photograph, reduced to 224 x 224 to hide compression and sensor noise. Both crops, and both
views of the motorcycle, are one content, so splits go by photograph.

Degradations. Gaussian blur, white noise, JPEG, JPEG 2000, down-scaling, reduced contrast and increased saturation (colour
photographs only), at five levels each (``LEVELS``).

Labels. A proxy computed from each image and its reference (:mod:`iqa_zoo.data.proxy`). **No person rated these images.** The
labels allow tests and comparisons without a dataset; they do not measure agreement with human opinion.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iqa_zoo.cache import cache_folder, hold_lock, make_cache_error
from iqa_zoo.data.proxy import compute_mdsi, compute_proxy_scores
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Progress
from iqa_zoo.registry import register_dataset

PHOTOGRAPHS = (
    Path(str(getattr(importlib.util.find_spec("skimage"), "origin", ""))).parent / "data"
)  # found, not imported
SIZE = 224
RECIPE = 1  # increase it when the same tables give other pixels or labels, to invalidate the cache
MANIFEST = "manifest.json"
LICENCE = "photographs: public domain, CC0, or no known restrictions; motorcycle: Middlebury stereo benchmark"
LABEL = "proxy: difference from the pristine reference (MDSI), not human opinion"

Pixels = NDArray[np.uint8]


class Reference(NamedTuple):
    """A square of a photograph: the content it shows, the file in scikit-image, left, top and side in pixels."""

    content: str
    file: str
    left: int
    top: int
    side: int


REFERENCES = (
    Reference("astronaut", "astronaut.png", 0, 0, 512),
    Reference("astronaut", "astronaut.png", 120, 0, 300),
    Reference("brick", "brick.png", 0, 0, 512),
    Reference("brick", "brick.png", 212, 212, 300),
    Reference("camera", "camera.png", 0, 0, 512),
    Reference("camera", "camera.png", 110, 20, 300),
    Reference("chelsea", "chelsea.png", 0, 0, 300),
    Reference("chelsea", "chelsea.png", 151, 0, 300),
    Reference("coffee", "coffee.png", 100, 0, 400),
    Reference("coffee", "coffee.png", 300, 100, 300),
    Reference("coins", "coins.png", 0, 0, 303),
    Reference("coins", "coins.png", 81, 0, 303),
    Reference("grass", "grass.png", 0, 0, 512),
    Reference("grass", "grass.png", 212, 212, 300),
    Reference("gravel", "gravel.png", 0, 0, 512),
    Reference("gravel", "gravel.png", 212, 212, 300),
    Reference("hubble", "hubble_deep_field.jpg", 0, 0, 448),
    Reference("hubble", "hubble_deep_field.jpg", 500, 400, 448),
    Reference("motorcycle", "motorcycle_left.png", 120, 0, 500),
    Reference("motorcycle", "motorcycle_right.png", 60, 170, 320),
    Reference("rocket", "rocket.jpg", 106, 0, 427),
    Reference("rocket", "rocket.jpg", 0, 127, 300),
)

# The parameter of each kind, from barely visible to very annoying.
LEVELS: dict[str, tuple[float, ...]] = {
    "gaussian_blur": (0.6, 1.0, 1.6, 2.6, 4.2),  # standard deviation in pixels
    "white_noise": (5, 10, 18, 30, 50),  # standard deviation in grey levels, independent for R, G and B
    "jpeg": (50, 25, 14, 8, 4),  # quality
    "jpeg2000": (36, 32, 29, 26, 23),  # target PSNR in dB
    "downscaling": (1.5, 2.0, 3.0, 4.5, 7.0),  # factor, bicubic down and up again
    "contrast": (0.7, 0.5, 0.35, 0.22, 0.12),  # factor on the distance to the mean colour
    "saturation": (1.6, 2.4, 3.6, 5.5, 8.0),  # factor on the distance to grey of the same luma
}


def read_reference(reference: Reference) -> tuple[Pixels, bool]:
    """Read a reference as HWC pixels, and whether its photograph is in colour.

    Raises:
        InputError: scikit-image lacks the photograph.
    """
    path = PHOTOGRAPHS / reference.file
    if not path.is_file():
        raise InputError(
            f"{path} is missing: this installation of scikit-image lacks a photograph of the demo set. "
            "Install it from its wheel: pip install --force-reinstall scikit-image"
        )
    left, top, side = reference.left, reference.top, reference.side
    with Image.open(path) as image:
        in_colour = image.mode != "L"
        square = image.convert("RGB").crop((left, top, left + side, top + side))
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.LANCZOS)), in_colour


def _to_pixels(values_HWC: NDArray[np.float64]) -> Pixels:
    return np.clip(np.rint(values_HWC), 0, 255).astype(np.uint8)


def _recode(image_HWC: Pixels, file_format: str, **options: Any) -> Pixels:
    coded = io.BytesIO()
    Image.fromarray(image_HWC).save(coded, file_format, **options)
    with Image.open(coded) as decoded:
        return np.asarray(decoded.convert("RGB"))


def degrade(image_HWC: Pixels, kind: str, amount: float, seed: int = 0) -> Pixels:
    """Degrade an RGB image; ``kind`` and the unit of ``amount`` are those of ``LEVELS``.

    ``seed`` is for ``white_noise`` alone.

    >>> grey = np.full((8, 8, 3), 100, np.uint8)
    >>> bool((degrade(grey, "contrast", 0.5) == grey).all())
    True
    """
    values = image_HWC.astype(np.float64)
    height, width = image_HWC.shape[:2]
    if kind == "gaussian_blur":
        from scipy import ndimage  # here, so that the datasets can be listed without scipy

        return _to_pixels(ndimage.gaussian_filter(values, (amount, amount, 0)))
    if kind == "white_noise":
        return _to_pixels(values + amount * np.random.default_rng(seed).standard_normal(values.shape))
    if kind == "jpeg":
        return _recode(image_HWC, "JPEG", quality=round(amount))
    if kind == "jpeg2000":
        return _recode(image_HWC, "JPEG2000", quality_mode="dB", quality_layers=[amount], irreversible=True)
    if kind == "downscaling":
        small = (max(1, round(width / amount)), max(1, round(height / amount)))
        reduced = Image.fromarray(image_HWC).resize(small, Image.Resampling.BICUBIC)
        return np.asarray(reduced.resize((width, height), Image.Resampling.BICUBIC))
    if kind == "contrast":
        mean = values.mean(axis=(0, 1))
        return _to_pixels(mean + amount * (values - mean))
    assert kind == "saturation", kind
    luma = values @ np.array([0.299, 0.587, 0.114])
    return _to_pixels(luma[..., None] + amount * (values - luma[..., None]))


def _degrade_all(folder: Path, reference: Reference, levels: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Write every degradation of one reference; return their manifest rows with MDSI."""
    pristine_HWC, in_colour = read_reference(reference)
    rows = []
    for kind, amounts in levels.items():
        if kind == "saturation" and not in_colour:
            continue
        for level, amount in enumerate(amounts, start=1):
            file = f"{reference.content}_{reference.left}_{reference.top}_{reference.side}_{kind}_{level}.png"
            degraded_HWC = degrade(pristine_HWC, kind, amount, seed=zlib.crc32(file.encode()))
            png = io.BytesIO()
            Image.fromarray(degraded_HWC).save(png, "PNG", compress_level=1)
            (folder / file).write_bytes(png.getvalue())
            rows.append(
                dict(
                    file=file,
                    crc32=zlib.crc32(png.getvalue()),
                    content=reference.content,
                    kind=kind,
                    level=level,
                    mdsi=compute_mdsi(pristine_HWC, degraded_HWC),
                )
            )
    return rows


def make_demo(
    folder: Path,
    references: Sequence[Reference] = REFERENCES,
    levels: Mapping[str, Sequence[float]] = LEVELS,
    progress: Progress | None = None,
) -> None:
    """Write the degraded images as PNG files, and a manifest with their labels, into an existing folder.

    Equal library versions write equal bytes. ``progress`` is called with (done, total) after each reference.
    """
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:  # results keep the order of the table
        parts = threads.map(lambda reference: _degrade_all(folder, reference, levels), references)
        for done, part in enumerate(parts, start=1):
            rows += part
            if progress:
                progress(done, len(references))
    scores = compute_proxy_scores([row["mdsi"] for row in rows], [(row["kind"], row["level"]) for row in rows])
    for row, score in zip(rows, scores, strict=True):
        row["score"] = round(float(score), 4)
        row["mdsi"] = round(row["mdsi"], 6)
    (folder / MANIFEST).write_text(json.dumps(rows, indent=0), encoding="utf-8")


def read_manifest(folder: Path) -> list[dict[str, Any]] | None:
    """Read the rows of a complete cache; None if a file is missing or changed."""
    try:
        rows: list[dict[str, Any]] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        whole = all(zlib.crc32((folder / row["file"]).read_bytes()) == row["crc32"] for row in rows)
    except (OSError, ValueError, KeyError, TypeError):  # a partial or damaged cache
        return None
    return rows if whole and rows else None


@register_dataset("demo")
def demo(root: str | Path | None = None, progress: Progress | None = None) -> RatedImages:
    """Photographs from scikit-image, degraded in seven ways; labels are a proxy, not human opinion.

    Generated on first use (20 s of one core, 60 MB) and cached; regenerated if a file is missing or changed.

    Args:
        root: the cache folder; default ``cache_folder()``.
        progress: called with (done, total) during generation.

    Returns:
        720 images of 224 x 224 of 11 contents; scores in 0..100, higher is better.

    Raises:
        InputError: scikit-image lacks a photograph, or the folder cannot be written.
    """
    base = Path(root) if root is not None else cache_folder()
    recipe = zlib.crc32(repr((RECIPE, SIZE, REFERENCES, LEVELS)).encode())
    folder = base / f"demo-{recipe:08x}"
    rows = read_manifest(folder)
    if rows is None:
        with hold_lock(base, folder.name):
            rows = read_manifest(folder)  # another process may have been first
            if rows is None:
                _regenerate(folder, progress)
                rows = read_manifest(folder)
                assert rows is not None
    return RatedImages(
        name="demo",
        paths=tuple(folder / row["file"] for row in rows),
        mos=np.array([row["score"] for row in rows]),
        references=tuple(row["content"] for row in rows),
        distortions=tuple(row["kind"] for row in rows),
        higher_is_better=True,
        score_range=(0.0, 100.0),
        label=LABEL,
        licence=LICENCE,
        source="the photographs inside the scikit-image wheel, degraded by iqa_zoo",
    )


def _regenerate(folder: Path, progress: Progress | None) -> None:
    """Build beside the cache and rename, so that no process ever sees half a set; the caller holds the set's lock."""
    fresh = folder.with_name(f".{folder.name}.partial")  # what a process that was killed left of it goes first
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        make_demo(fresh, REFERENCES, LEVELS, progress)
        shutil.rmtree(folder, ignore_errors=True)  # what is there is damaged
        fresh.rename(folder)
    except OSError as error:
        raise make_cache_error(folder.parent, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
