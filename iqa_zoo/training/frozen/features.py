"""Frozen backbone features on disk, memory-mapped: what every decoder, split and study reads."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iqa_zoo.contracts import Features, FeatureSpec


@dataclass(frozen=True)
class FeatureBank:
    """Features of every crop of every image, memory-mapped in half precision.

    ``arrays`` holds ``map3``, ``map4``, ... (images, crops, height, width, channels) and, where they are not a stage's
    cells, ``tokens`` (images, crops, tokens, channels); and ``global`` (images, crops, channels).
    ``key`` names what they were computed from; ``from_cache`` tells whether that was before this study. ``scales`` are what
    :meth:`standardised` brings them to, by array: its channels' means and deviations.
    """

    spec: FeatureSpec
    arrays: dict[str, NDArray[np.float16]]
    key: str
    path: Path
    scales: dict[str, tuple[Tensor, Tensor]] | None = None
    known: dict[bytes, _Scales] = field(default_factory=dict, repr=False, compare=False)  # images -> their scales
    from_cache: bool = field(default=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the files again rather than being sent gigabytes."""
        return _reopen, (self.spec, self.key, self.path, self.scales)

    @property
    def crops(self) -> int:
        return self.arrays["global"].shape[1]

    def standardised(self, images: NDArray[np.int64]) -> FeatureBank:
        """Return the same bank with every channel brought to mean 0 and deviation 1 over one crop of each of some images.

        Backbones differ in the scale of their features by orders of magnitude, and decoders in how much they mind.
        With the training images this is what a frozen normalisation layer would learn. A channel that is constant
        over these images is only centred. Decoders that are trained on the same images share what was computed.
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
            tokens_BLC = self._read("tokens", image_B, crop_B).to(device)
        else:
            assert self.spec.token_stage is not None
            tokens_BLC = maps[self.spec.token_stage].permute(0, 2, 3, 1).flatten(1, 2)
        return Features(maps, tokens_BLC, self._read("global", image_B, crop_B).to(device))

    def _read(self, name: str, image_B: NDArray[np.int64], crop_B: NDArray[np.int64]) -> Tensor:
        tensor = torch.from_numpy(self.arrays[name][image_B, crop_B]).float()
        if self.scales is not None:
            mean, deviation = self.scales[name]
            factor = 1 / deviation
            torch.addcmul(-mean * factor, tensor, factor, out=tensor)  # one pass over the features
        return tensor


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
    """The stage maps of a batch, each read from disk when it is first asked for: decoders differ in what they read."""

    def __init__(
        self, bank: FeatureBank, image_B: NDArray[np.int64], crop_B: NDArray[np.int64], device: torch.device | str
    ):
        super().__init__()
        self._read = lambda stage: bank._read(f"map{stage}", image_B, crop_B).to(device).permute(0, 3, 1, 2)

    def __missing__(self, stage: int) -> Tensor:
        self[stage] = self._read(stage)
        return self[stage]


_KNOWN: dict[str, dict[bytes, _Scales]] = {}  # by a bank's key, which names its content, in this process


def _reopen(spec: FeatureSpec, key: str, path: Path, scales: dict[str, tuple[Tensor, Tensor]] | None) -> FeatureBank:
    arrays = {file.stem: np.load(file, mmap_mode="r") for file in path.glob("*.npy")}
    return FeatureBank(spec, arrays, key, path, scales, _KNOWN.setdefault(key, {}))


def bank_shapes(spec: FeatureSpec, images: int, crops: int) -> dict[str, tuple[int, ...]]:
    """The arrays a bank will hold, by name, from what a backbone declares (the tokens' count is not declared: 0)."""
    side = {stage: -(-spec.image_size // info.stride) for stage, info in spec.stages.items()}
    shapes = {f"map{s}": (images, crops, side[s], side[s], info.channels) for s, info in spec.stages.items()}
    return {**shapes, "global": (images, crops, spec.global_channels)}


def checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 24):
            value = zlib.crc32(chunk, value)
    return value


def open_bank(folder: Path, spec: FeatureSpec, key: str) -> FeatureBank | None:
    """The bank in a folder, or None where there is none or its files are not what was written."""
    try:
        files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if not isinstance(files, dict) or any(checksum(folder / name) != crc for name, crc in files.items()):
            return None
        return _reopen(spec, key, folder, None)
    except (OSError, ValueError):  # also what another process is replacing
        return None
