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
from torch import nn

from iqa_zoo.cache import FULL, cache_folder, hold_lock, make_cache_error
from iqa_zoo.contracts import Features, FeatureSpec, spec_of
from iqa_zoo.data.boxed import require_pixels
from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.views import load_views
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
from iqa_zoo.training.frozen.features import FeatureBank, compute_checksum, open_bank

FORMAT = 3  # part of every key: raise it when what is stored changes
BATCH = 8  # crops a forward pass: activations that stay near the processor are faster than larger batches
PARTIAL = ".partial"  # the end of the name of a bank's folder while it is computed


def extract_features(
    backbone: nn.Module,
    config: dict[str, Any],
    data: RatedImages,
    *,
    crops: int,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> FeatureBank:
    """Return the features of a dataset's crops, from the cache if it holds them.

    Each image is decoded once for all its crops, which are those of a score (:func:`iqa_zoo.data.views.cut_views`), not
    mirrored; a whole image is one crop and goes through the backbone alone, so its features depend on no other image. A
    smaller image is enlarged. The key is a hash of the backbone's config, weights, code and kind of device, the
    names and content of the images, the number of crops, the seed and the versions of libraries. Partial or damaged
    features are computed again. If several processes need the same features, one computes them and the others wait.

    Args:
        backbone: in any mode, on any device; it is put into eval mode.
        config: the resolved backbone config, for the key.
        data: the images.
        crops: per image, of the backbone's input size; 1 for a backbone that sees whole images.
        seed: of the randomness in the backbone's forward pass.
        cache: folder to keep the features in; default :func:`~iqa_zoo.cache.cache_folder`.
        progress: called with the images done and all images.

    Raises:
        InputError: the dataset has no image files, one cannot be read (names it), or the cache cannot be written or is full (names the folder
            and the bytes needed).
    """
    require_pixels(data)
    backbone.eval()
    images = identify_images(data)

    def compute(folder: Path) -> None:
        _compute(backbone, data, crops, seed, folder, progress)
        if identify_images(data) != images:
            raise InputError(f"images of {data.name} changed while their features were computed; run it again")

    key = _make_key(backbone, config, images, crops, seed)
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


def _make_key(backbone: nn.Module, config: dict[str, Any], images: str, crops: int, seed: int) -> str:
    modules = {type(module).__module__ for module in backbone.modules()}
    return digest(
        [FORMAT, config, asdict(spec_of(backbone)), crops, seed, _find_device(backbone).type],
        identify_weights(backbone),
        images,
        identify_code({__name__, *modules}, find_part_modules({"backbone": config})),
        identify_libraries(),
    )


def _find_device(backbone: nn.Module) -> torch.device:
    return next((tensor.device for tensor in backbone.state_dict().values()), torch.device("cpu"))


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
    backbone: nn.Module, data: RatedImages, crops: int, seed: int, folder: Path, progress: Progress | None
) -> None:
    spec = spec_of(backbone)
    mean, std = torch.tensor(spec.mean).view(3, 1, 1), torch.tensor(spec.std).view(3, 1, 1)
    device = _find_device(backbone)
    backbone.to(memory_format=torch.channels_last)  # the faster layout for convolutions on CPUs
    arrays: dict[str, np.memmap[Any, Any]] = {}
    per_batch = max(1, BATCH // crops) if spec.view == "crops" else 1
    loaded = prefetch(lambda path: load_views(path, spec, crops), data.paths, ahead=16)
    with seeded(seed, device), torch.inference_mode():
        for start in range(0, len(data), per_batch):
            images = min(per_batch, len(data) - start)
            pixels = np.concatenate([next(loaded)[1].result() for _ in range(images)])
            image_BCHW = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std  # channels last
            store(arrays, backbone(image_BCHW.to(device)), spec, slice(start, start + images), data, folder)
            if progress:
                progress(start + images, len(data))
    finish(arrays, folder)


def store(
    arrays: dict[str, np.memmap[Any, Any]],
    features: Features,
    spec: FeatureSpec,
    images: slice,
    data: RatedImages,
    folder: Path,
) -> None:
    """Write the features of some images' crops to the arrays of a bank, which are created at the first call."""
    values = _to_arrays(features, spec, images.stop - images.start, data.paths[images.start])
    if not arrays:
        arrays |= _create_arrays(folder, {name: (len(data), *array.shape[1:]) for name, array in values.items()})
    for name, array in values.items():
        arrays[name][images] = array


def finish(arrays: dict[str, np.memmap[Any, Any]], folder: Path) -> None:
    """Flush the arrays of a bank and write their checksums."""
    for array in arrays.values():
        array.flush()
    files = {f"{name}.npy": compute_checksum(folder / f"{name}.npy") for name in arrays}
    (folder / "manifest.json").write_text(json.dumps(files), encoding="utf-8")


def _to_arrays(features: Features, spec: FeatureSpec, images: int, path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the arrays to store, by name, of the features of some images' crops: (images, crops, ...)."""
    named = {f"map{stage}": stage_map.permute(0, 2, 3, 1) for stage, stage_map in features.maps.items()}
    if spec.token_stage not in features.maps:
        named["tokens"] = features.tokens_BLC
    named["global"] = features.global_BC
    found = {}
    for name, tensor in named.items():
        values = tensor.reshape(images, -1, *tensor.shape[1:]).cpu().numpy()
        if not np.abs(values).max() < np.finfo(np.float16).max:
            raise InputError(
                f"{path}: the backbone's {name} is not finite or exceeds half precision; are these its weights?"
            )
        found[name] = values
    return found


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
