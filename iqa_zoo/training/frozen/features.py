"""Frozen backbone features on disk, memory-mapped, which every decoder, split and study reads."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iqa_zoo.contracts import Features, FeatureSpec

HELD = 2**28  # bytes of standardised features that stay in memory; larger banks are standardised batch by batch


@dataclass(frozen=True)
class FeatureBank:
    """Features of every crop of every image, memory-mapped in half precision.

    Attributes:
        spec: of the backbone.
        arrays: ``map3``, ``map4``, ... (images, crops, height, width, channels), ``global`` (images, crops, channels) and,
            unless they are the cells of a stage, ``tokens`` (images, crops, tokens, channels).
        key: identifies what the features were computed from.
        path: the folder.
        scales: mean and deviation of each channel, by array; set by :meth:`standardise`.
        known: scales that were computed before, by images.
        held: the standardised arrays of the last scales and device, by name; empty where they are larger than ``HELD``.
        from_cache: whether the features were in the cache before this study.
    """

    spec: FeatureSpec
    arrays: dict[str, NDArray[np.float16]]
    key: str
    path: Path
    scales: dict[str, tuple[Tensor, Tensor]] | None = None
    known: dict[bytes, _Scales] = field(default_factory=dict, repr=False, compare=False)
    from_cache: bool = field(default=False, compare=False)
    held: dict[str, _Held] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path only: another process opens the files itself."""
        return _reopen, (self.spec, self.key, self.path, self.scales)

    @property
    def crops(self) -> int:
        return self.arrays["global"].shape[1]

    def standardise(self, images: NDArray[np.int64]) -> FeatureBank:
        """Return the same bank with every channel scaled to mean 0 and deviation 1 over one crop of each of some images.

        Feature scales differ between backbones by orders of magnitude, and some decoders depend on them. With the training
        images this equals a frozen normalisation layer. A channel that is constant over these images is only centred.
        Decoders trained on the same images share the computed scales.
        """
        return replace(self, scales=self.known.setdefault(images.tobytes(), _Scales(self, images)))

    @property
    def images(self) -> int:
        return self.arrays["global"].shape[0]

    def take(
        self, image_B: NDArray[np.int64], crop_B: NDArray[np.int64], device: torch.device | str = "cpu"
    ) -> Features:
        """Return the features of one crop each of some images, in single precision, on a device."""
        maps = _MapsOnDemand(self, image_B, crop_B, device)
        if "tokens" in self.arrays:
            tokens_BLC = self._read("tokens", image_B, crop_B, device)
        else:
            assert self.spec.token_stage is not None
            tokens_BLC = maps[self.spec.token_stage].permute(0, 2, 3, 1).flatten(1, 2)
        return Features(maps, tokens_BLC, self._read("global", image_B, crop_B, device))

    def _read(
        self, name: str, image_B: NDArray[np.int64], crop_B: NDArray[np.int64], device: torch.device | str
    ) -> Tensor:
        array = self.arrays[name]
        if self.scales is None or 4 * sum(each.size for each in self.arrays.values()) > HELD:
            return self._standardise(name, array[image_B, crop_B]).to(device)
        held = self.held.get(name)
        if held is None or held.scales is not self.scales or held.device != torch.device(device):
            self.held.pop(name, None)  # before the other is made
            rows = self._standardise(name, array.reshape(-1, *array.shape[2:])).to(device)
            held = self.held[name] = _Held(rows, self.scales, torch.device(device))
        return held.rows.index_select(0, torch.from_numpy(image_B * self.crops + crop_B).to(device))

    def _standardise(self, name: str, values: NDArray[np.float16]) -> Tensor:
        """Return values of an array in single precision, with the scales where there are some."""
        tensor = torch.from_numpy(values.astype(np.float32))
        if self.scales is not None:
            mean, deviation = self.scales[name]
            factor = 1 / deviation
            torch.addcmul(-mean * factor, tensor, factor, out=tensor)  # one pass over the features
        return tensor


class _Held(NamedTuple):
    """A standardised array on a device: one row for each crop of each image."""

    rows: Tensor
    scales: dict[str, tuple[Tensor, Tensor]]
    device: torch.device


class _Scales(dict[str, tuple[Tensor, Tensor]]):
    """Mean and deviation of every channel over one crop of each of some images, computed when an array is first read."""

    def __init__(self, bank: FeatureBank, images: NDArray[np.int64]):
        super().__init__()
        self._bank, self._images = bank, images

    def __missing__(self, name: str) -> tuple[Tensor, Tensor]:
        array = self._bank.arrays[name]
        total, squares, cells = torch.zeros(()), torch.zeros(()), 0
        for chosen in np.array_split(self._images, -(-len(self._images) // 64)):  # a few megabytes at a time
            crop_B = chosen % self._bank.crops  # each position in turn: the first one is always a corner
            flat = torch.from_numpy(array[chosen, crop_B]).double().flatten(0, -2)
            total, squares, cells = total + flat.sum(0), squares + flat.square().sum(0), cells + len(flat)
        mean = total / cells
        deviation = (squares / cells - mean.square()).clamp_min(0).sqrt()
        deviation = torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation))
        self[name] = mean.float(), deviation.float()
        return self[name]


class _MapsOnDemand(dict[int, Tensor]):
    """The stage maps of a batch, each read from disk at its first access: no decoder reads all of them."""

    def __init__(
        self, bank: FeatureBank, image_B: NDArray[np.int64], crop_B: NDArray[np.int64], device: torch.device | str
    ):
        super().__init__()
        self._read = lambda stage: bank._read(f"map{stage}", image_B, crop_B, device).permute(0, 3, 1, 2)

    def __missing__(self, stage: int) -> Tensor:
        self[stage] = self._read(stage)
        return self[stage]


_KNOWN: dict[str, dict[bytes, _Scales]] = {}  # by a bank's key, which names its content, in this process


def _reopen(spec: FeatureSpec, key: str, path: Path, scales: dict[str, tuple[Tensor, Tensor]] | None) -> FeatureBank:
    arrays = {file.stem: np.load(file, mmap_mode="r") for file in path.glob("*.npy")}
    return FeatureBank(spec, arrays, key, path, scales, _KNOWN.setdefault(key, {}))


def compute_bank_shapes(spec: FeatureSpec, images: int, crops: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array that a bank will hold, by name. Tokens are left out: a spec does not declare their number."""
    side = {stage: -(-spec.image_size // info.stride) for stage, info in spec.stages.items()}
    shapes = {f"map{s}": (images, crops, side[s], side[s], info.channels) for s, info in spec.stages.items()}
    return {**shapes, "global": (images, crops, spec.global_channels)}


def compute_checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 24):
            value = zlib.crc32(chunk, value)
    return value


def open_bank(folder: Path, spec: FeatureSpec, key: str) -> FeatureBank | None:
    """Return the bank in a folder; None if it is missing or its files differ from the checksums."""
    try:
        files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if not isinstance(files, dict) or any(compute_checksum(folder / name) != crc for name, crc in files.items()):
            return None
        return _reopen(spec, key, folder, None)
    except (OSError, ValueError):  # also while another process replaces it
        return None
