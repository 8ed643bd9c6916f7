"""Extract the features of a frozen backbone once and keep them on disk for every study."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iqa_zoo.cache import FULL, cache_folder, hold_lock, make_cache_error
from iqa_zoo.contracts import Features, FeatureSpec, spec_of
from iqa_zoo.data.boxed import require_pixels
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.identity import (
    digest,
    find_part_modules,
    identify_code,
    identify_images,
    identify_libraries,
    identify_weights,
)
from iqa_zoo.progress import Progress
from iqa_zoo.randomness import seeded
from iqa_zoo.training.frozen import forward
from iqa_zoo.training.frozen.features import FeatureBank, compute_checksum, open_bank

FORMAT = 3  # part of every key: raise it when what is stored changes
HALF = torch.finfo(torch.float16).max
PARTIAL = ".partial"  # the end of the name of a bank's folder while it is computed


def extract_features(
    backbone: nn.Module,
    config: dict[str, Any],
    data: RatedImages,
    *,
    crops: int,
    seed: int = 0,
    precision: str = "float32",
    cache: Path | None = None,
    progress: Progress | None = None,
) -> FeatureBank:
    """Return the features of a dataset's crops, from the cache if it holds them.

    Each image is decoded once for all its crops, which are those of a score (:func:`iqa_zoo.data.views.cut_views`), not
    mirrored; a whole image is one crop and goes through the backbone alone, so its features depend on no other image. Crops
    go through it in batches, so the features of a crop depend on the other images at most by rounding. A
    smaller image is enlarged. The features are kept in half precision (float16): of the formats of 16 bits it has the smaller
    rounding error, 1/2048 of a value, and a value beyond its range is an error. The key is a hash of the backbone's config,
    weights, code and kind of device, the precision, the names and content of the images, the number of crops, the seed and
    the versions of libraries. Partial or damaged features are computed again. If several processes need the same features, one
    computes them and the others wait.

    Args:
        backbone: in any mode, on any device; it is put into eval mode.
        config: the resolved backbone config, for the key.
        data: the images.
        crops: per image, of the backbone's input size; 1 for a backbone that sees whole images.
        seed: of the randomness in the backbone's forward pass.
        precision: ``float32`` or ``bfloat16``, of the matrix products and convolutions in the forward pass (autocast).
        cache: folder to keep the features in; default :func:`~iqa_zoo.cache.cache_folder`.
        progress: called with the images done and all images.

    Raises:
        InputError: the dataset has no image files, one cannot be read or has features that are not finite or too large (names
            it), or the cache cannot be written or is full (names the folder and the bytes needed).
    """
    require_pixels(data)
    backbone.eval()
    images = identify_images(data)

    def compute(folder: Path) -> None:
        _compute(backbone, data, crops, seed, precision, folder, progress)
        if identify_images(data) != images:
            raise InputError(f"images of {data.name} changed while their features were computed; run it again")

    key = _make_key(backbone, config, images, crops, seed, precision)
    bank = keep_bank(cache or cache_folder(), key, spec_of(backbone), compute)
    if bank.from_cache and progress:
        progress(len(data), len(data))
    return bank


def keep_bank(cache: Path, key: str, spec: FeatureSpec, compute: Callable[[Path], None]) -> FeatureBank:
    """Return the bank of a key from the cache; if it is not there, or damaged, ``compute`` writes it to a folder first."""
    _remove_abandoned(cache)
    folder = cache / "features" / key
    bank = open_bank(folder, spec, key)
    if bank is None:
        with hold_lock(cache, key):
            bank = open_bank(folder, spec, key)  # another process may have been first
            if bank is None:
                _build(folder, compute)
                made = open_bank(folder, spec, key)
                assert made is not None, "a bank that was just written opens"
                return made
    return replace(bank, from_cache=True)


def _make_key(backbone: nn.Module, config: dict[str, Any], images: str, crops: int, seed: int, precision: str) -> str:
    modules = {type(module).__module__ for module in backbone.modules()}
    return digest(
        [FORMAT, config, asdict(spec_of(backbone)), crops, seed, forward.find_device(backbone).type, precision],
        identify_weights(backbone),
        images,
        identify_code({__name__, forward.__name__, *modules}, find_part_modules({"backbone": config})),
        identify_libraries(),
    )


def _build(folder: Path, compute: Callable[[Path], None]) -> None:
    """Compute a bank in a partial folder and rename it. The caller holds the lock of the key."""
    building = folder.with_name(f"{folder.name}{PARTIAL}")
    try:
        try:
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            compute(building)
            shutil.rmtree(folder, ignore_errors=True)  # what is there is damaged
            building.rename(folder)
        except OSError as error:
            raise make_cache_error(folder.parent, error) from error
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _remove_abandoned(cache: Path) -> None:
    """Remove the partial folders of killed processes, whose locks are free."""
    for building in (cache / "features").glob(f"*{PARTIAL}"):
        with suppress(InputError), hold_lock(cache, building.name.removesuffix(PARTIAL), wait=False) as held:
            if held:
                shutil.rmtree(building, ignore_errors=True)


def _compute(
    backbone: nn.Module,
    data: RatedImages,
    crops: int,
    seed: int,
    precision: str,
    folder: Path,
    progress: Progress | None,
) -> None:
    arrays: dict[str, np.memmap[Any, Any]] = {}

    def take(rows: slice, features: Features) -> None:
        store(arrays, features, spec_of(backbone), rows, data, folder, crops)
        if progress:
            progress(rows.stop // crops, len(data))

    with seeded(seed, forward.find_device(backbone)):
        forward.compute_features(backbone, data, crops, precision, take)
    finish(arrays, folder)


def store(
    arrays: dict[str, np.memmap[Any, Any]],
    features: Features,
    spec: FeatureSpec,
    rows: slice,
    data: RatedImages,
    folder: Path,
    crops: int = 1,
) -> None:
    """Write the features of some crops to the arrays of a bank, which are created at the first call.

    Args:
        rows: which of the crops of all images, image by image.
        crops: of each image.

    Raises:
        InputError: a value is not finite or exceeds half precision (names the image), or the disk is full.
    """
    values = {name: _to_half(name, tensor, rows, data, crops) for name, tensor in _name_arrays(features, spec).items()}
    if not arrays:
        arrays |= _create_arrays(folder, {name: (len(data), crops, *each.shape[1:]) for name, each in values.items()})
    for name, each in values.items():
        arrays[name].reshape(-1, *each.shape[1:])[rows] = each


def finish(arrays: dict[str, np.memmap[Any, Any]], folder: Path) -> None:
    """Flush the arrays of a bank and write their checksums."""
    for array in arrays.values():
        array.flush()
    files = {f"{name}.npy": compute_checksum(folder / f"{name}.npy") for name in arrays}
    (folder / "manifest.json").write_text(json.dumps(files), encoding="utf-8")


def _name_arrays(features: Features, spec: FeatureSpec) -> dict[str, Tensor]:
    """Return what a bank holds of the features of a batch, by the names of its arrays, channels last."""
    named = {f"map{stage}": stage_map.permute(0, 2, 3, 1) for stage, stage_map in features.maps.items()}
    if spec.token_stage not in features.maps:
        named["tokens"] = features.tokens_BLC
    return {**named, "global": features.global_BC}


def _to_half(name: str, tensor: Tensor, rows: slice, data: RatedImages, crops: int) -> NDArray[np.float16]:
    """Return a tensor in half precision.

    Raises:
        InputError: a value is not finite, or beyond half precision; names the first image that has one.
    """
    half = tensor.half()
    if not half.isfinite().all():
        first = int(half.isfinite().flatten(1).all(1).logical_not().nonzero()[0])
        path = data.paths[(rows.start + first) // crops]
        if not (largest := tensor[first].abs().max().item()) < math.inf:
            raise InputError(f"{path}: the backbone's {name} is not finite; are these its weights?")
        raise InputError(
            f"{path}: the backbone's {name} reaches {largest:.3g}, beyond half precision ({HALF:,.0f}), in which "
            "features are kept; are these its weights?"
        )
    values: NDArray[np.float16] = half.cpu().numpy()
    return values


def _create_arrays(folder: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.memmap[Any, Any]]:
    """Create memory-mapped files of these shapes and reserve their disk space, so that a full disk is an error and no crash.

    Raises:
        InputError: the disk has too little space; names the bytes needed and free.
    """
    needed = sum(2 * math.prod(shape) for shape in shapes.values())
    free = shutil.disk_usage(folder).free
    arrays = {}
    try:
        for name, shape in shapes.items():
            file = folder / f"{name}.npy"
            arrays[name] = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=shape)
            _reserve(file, arrays[name].offset)
    except OSError as error:
        if error.errno not in FULL:
            raise
        arrays.clear()  # unmaps the files
        raise InputError(
            f"the features need {needed:,} bytes in {folder.parent}, and {free:,} are free; free space, set IQA_ZOO_CACHE "
            "to a folder on another disk, or use fewer crops"
        ) from error
    return arrays


def _reserve(file: Path, start: int) -> None:
    """Reserve the disk space of a file that may be sparse from ``start`` on.

    Raises:
        OSError: the disk has too little space.
    """
    size = file.stat().st_size
    with file.open("r+b") as opened:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(opened.fileno(), 0, size)
            return
        opened.seek(start)
        while opened.tell() < size:
            opened.write(bytes(min(1 << 24, size - opened.tell())))
