"""Compute frozen backbone features once, and keep them on disk for every study that reads them."""

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

from iqa_zoo.cache import FULL, cache_folder, hold_lock, not_writable
from iqa_zoo.contracts import Features, FeatureSpec, spec_of
from iqa_zoo.data.crops import load_grid_crops
from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.engine.features import FeatureBank, checksum, open_bank
from iqa_zoo.errors import InputError
from iqa_zoo.identity import (
    digest,
    find_part_modules,
    identify_code,
    identify_images,
    identify_libraries,
    identify_weights,
)
from iqa_zoo.randomness import seeded

FORMAT = 3  # part of every key: raise it when what is stored changes
BATCH = 8  # crops a forward pass: activations that stay near the processor are faster than larger batches
PARTIAL = ".partial"  # the end of the name of a bank's folder while it is computed
Progress = Callable[[int, int], None]


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
    """Return the features of a dataset's crops, from the cache where it holds them, computed otherwise.

    An image is decoded once and gives all its crops: those that a score is computed from
    (:func:`iqa_zoo.data.crops.compute_grid_boxes`), not mirrored. A smaller image is enlarged. The key is a hash of the backbone's
    config, weights, code and kind of device, the images' names and content, the number of crops, the seed and the versions
    of libraries. A cache that is partial or damaged is computed again. Of several processes that want the same features
    one computes them, and the others wait for it.

    Args:
        backbone: in any mode, on any device; it is put into eval mode.
        config: the resolved backbone config, for the key.
        data: the images.
        crops: how many crops an image, of the backbone's input size.
        seed: of what is random in the backbone's forward pass.
        cache: folder to keep the features in; :func:`~iqa_zoo.cache.cache_folder` where left out.
        progress: called with the images done and all images.

    Raises:
        InputError: an image that cannot be read (names the file), or a cache that cannot be
            written or is full (names the folder and the bytes that are needed).
    """
    backbone.eval()
    spec = spec_of(backbone)
    cache = cache or cache_folder()
    _remove_abandoned(cache)
    images = identify_images(data)
    key = _key(backbone, config, images, crops, seed)
    folder = cache / "features" / key
    bank = open_bank(folder, spec, key)
    if bank is None:
        with hold_lock(cache, key):
            bank = open_bank(folder, spec, key)  # another process may have been first
            if bank is None:
                _build(backbone, data, images, crops, seed, folder, progress)
                made = open_bank(folder, spec, key)
                assert made is not None, "a bank that was just written opens"
                return made
    if progress:
        progress(len(data), len(data))
    return replace(bank, from_cache=True)


def _key(backbone: nn.Module, config: dict[str, Any], images: str, crops: int, seed: int) -> str:
    modules = {type(module).__module__ for module in backbone.modules()}
    return digest(
        [FORMAT, config, asdict(spec_of(backbone)), crops, seed, _device(backbone).type],
        identify_weights(backbone),
        images,
        identify_code({__name__, *modules}, find_part_modules({"backbone": config})),
        identify_libraries(),
    )


def _device(backbone: nn.Module) -> torch.device:
    return next((tensor.device for tensor in backbone.state_dict().values()), torch.device("cpu"))


def _build(
    backbone: nn.Module,
    data: RatedImages,
    images: str,
    crops: int,
    seed: int,
    folder: Path,
    progress: Progress | None,
) -> None:
    """Compute a bank beside its place and rename it; whoever calls this holds the lock of the key."""
    building = folder.with_name(f"{folder.name}{PARTIAL}")
    try:
        try:
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            _compute(backbone, data, crops, seed, building, progress)
            if identify_images(data) != images:
                raise InputError(f"images of {data.name} changed while their features were computed; run it again")
            shutil.rmtree(folder, ignore_errors=True)  # what is there is damaged
            building.rename(folder)
        except OSError as error:
            raise not_writable(folder.parent, error) from error
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _remove_abandoned(cache: Path) -> None:
    """Remove what processes that were killed left half built: nothing holds the lock of its key."""
    for building in (cache / "features").glob(f"*{PARTIAL}"):
        with suppress(InputError), hold_lock(cache, building.name.removesuffix(PARTIAL), wait=False) as held:
            if held:
                shutil.rmtree(building, ignore_errors=True)


def _compute(
    backbone: nn.Module, data: RatedImages, crops: int, seed: int, folder: Path, progress: Progress | None
) -> None:
    spec = spec_of(backbone)
    mean, std = torch.tensor(spec.mean).view(3, 1, 1), torch.tensor(spec.std).view(3, 1, 1)
    device = _device(backbone)
    backbone.to(memory_format=torch.channels_last)  # the faster layout for convolutions on CPUs
    arrays: dict[str, np.memmap[Any, Any]] = {}
    per_batch = max(1, BATCH // crops)
    loaded = prefetch(lambda path: load_grid_crops(path, spec.image_size, crops)[0], data.paths, ahead=16)
    with seeded(seed, device), torch.inference_mode():
        for start in range(0, len(data), per_batch):
            images = min(per_batch, len(data) - start)
            pixels = np.concatenate([next(loaded)[1].result() for _ in range(images)])
            image_BCHW = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std  # channels last
            values = _numbers(backbone(image_BCHW.to(device)), spec, images, data.paths[start])
            if not arrays:
                shapes = {name: (len(data), *array.shape[1:]) for name, array in values.items()}
                arrays = _create_arrays(folder, shapes)
            for name, array in values.items():
                arrays[name][start : start + images] = array
            if progress:
                progress(start + images, len(data))
    for array in arrays.values():
        array.flush()
    files = {f"{name}.npy": checksum(folder / f"{name}.npy") for name in arrays}
    (folder / "manifest.json").write_text(json.dumps(files), encoding="utf-8")


def _numbers(features: Features, spec: FeatureSpec, images: int, path: Path) -> dict[str, NDArray[np.float32]]:
    """What is stored of the features of some images' crops, by name: (images, crops, ...)."""
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
    """Memory-mapped files of these shapes, all of their disk reserved: a full disk is an error here, not a crash later.

    Raises:
        InputError: there is too little space; says how many bytes are needed and free.
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
    """Give a file, which holds nothing from ``start`` on and may be a hole there, the disk that it needs.

    Raises:
        OSError: there is too little space.
    """
    size = file.stat().st_size
    with file.open("r+b") as opened:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(opened.fileno(), 0, size)
            return
        opened.seek(start)
        while opened.tell() < size:
            opened.write(bytes(min(1 << 24, size - opened.tell())))
