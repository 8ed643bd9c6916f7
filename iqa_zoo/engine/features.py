"""Frozen backbone features, computed once and kept on disk for every decoder, split and study that reads them."""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iqa_zoo.cache import cache_folder
from iqa_zoo.contracts import Features, FeatureSpec, spec_of
from iqa_zoo.data.crops import load_grid_crops
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError

FORMAT = 3  # part of every key: raise it when what is stored changes
BATCH = 8  # crops a forward pass: activations that stay near the processor are faster than larger batches
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FeatureBank:
    """Features of every crop of every image, memory-mapped in half precision.

    ``arrays`` holds ``map3``, ``map4``, ... (images, crops, height, width, channels) and, where they are not a stage's
    cells, ``tokens`` (images, crops, tokens, channels); and ``global`` (images, crops, channels).
    ``key`` names what they were computed from. ``scales`` are what :meth:`standardised` brings them to, by array: its
    channels' means and deviations.
    """

    spec: FeatureSpec
    arrays: dict[str, NDArray[np.float16]]
    key: str
    path: Path
    scales: dict[str, tuple[Tensor, Tensor]] | None = None
    known: dict[bytes, _Scales] = field(default_factory=dict, repr=False, compare=False)  # images -> their scales

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
    (:func:`iqa_zoo.data.crops.grid_boxes`), not mirrored. A smaller image is enlarged. The key is
    a hash of the backbone's config and weights, the images' bytes, the crops and the seed; a cache that is partial or damaged is computed again.

    Args:
        backbone: in any mode, on any device; it is put into eval mode.
        config: the resolved backbone config, for the key.
        data: the images.
        crops: how many crops an image, of the backbone's input size.
        cache: folder to keep the features in; :func:`~iqa_zoo.cache.cache_folder` where left out.
        progress: called with the images done and all images.

    Raises:
        InputError: an image that cannot be read; names the file.
    """
    backbone.eval()
    spec = spec_of(backbone)
    key = _key(backbone, config, data, crops, seed)
    folder = (cache or cache_folder()) / "features" / key
    bank = _open(folder, spec, key)
    if bank is not None:
        if progress:
            progress(len(data), len(data))
        return bank
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(mkdtemp(prefix=f"{key}.", dir=folder.parent))
    try:
        _compute(backbone, data, crops, seed, building, progress)
        shutil.rmtree(folder, ignore_errors=True)  # what is there is damaged
        building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    bank = _open(folder, spec, key)
    assert bank is not None, "a bank that was just written opens"
    return bank


def _key(backbone: nn.Module, config: dict[str, Any], data: RatedImages, crops: int, seed: int) -> str:
    digest = hashlib.sha256()
    spec = asdict(spec_of(backbone))
    digest.update(json.dumps([FORMAT, config, spec, crops, seed], sort_keys=True, default=str).encode())
    for name, tensor in sorted(backbone.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    for name, path in zip(data.names, data.paths, strict=True):
        digest.update(name.encode() + hashlib.sha1(_bytes(path), usedforsecurity=False).digest())
    return digest.hexdigest()[:16]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _crops_of(data: RatedImages, size: int, crops: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Every image's crops, in order, decoded a little ahead."""

    def load(i: int) -> NDArray[np.uint8]:
        return load_grid_crops(data.paths[i], size, crops)[0]

    with ThreadPoolExecutor(2) as pool:
        ahead = [pool.submit(load, i) for i in range(min(16, len(data)))]
        for i in range(len(data)):
            if i + 16 < len(data):
                ahead.append(pool.submit(load, i + 16))
            yield ahead[i].result()
            ahead[i].cancel()
            ahead[i] = None  # type: ignore[call-overload]


def _compute(
    backbone: nn.Module, data: RatedImages, crops: int, seed: int, folder: Path, progress: Progress | None
) -> None:
    spec = spec_of(backbone)
    mean, std = torch.tensor(spec.mean).view(3, 1, 1), torch.tensor(spec.std).view(3, 1, 1)
    device = next((tensor.device for tensor in backbone.state_dict().values()), torch.device("cpu"))
    backbone.to(memory_format=torch.channels_last)  # the faster layout for convolutions on CPUs
    arrays: dict[str, np.memmap[Any, Any]] = {}
    per_batch = max(1, BATCH // crops)
    loaded = _crops_of(data, spec.image_size, crops, seed)
    for start in range(0, len(data), per_batch):
        images = min(per_batch, len(data) - start)
        pixels = np.concatenate([next(loaded) for _ in range(images)])
        image_BCHW = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std  # still channels last
        with torch.inference_mode():
            features = backbone(image_BCHW.to(device))
        named = {f"map{stage}": stage_map.permute(0, 2, 3, 1) for stage, stage_map in features.maps.items()}
        if spec.token_stage not in features.maps:
            named["tokens"] = features.tokens_BLC
        named["global"] = features.global_BC
        for name, tensor in named.items():
            values = tensor.reshape(images, crops, *tensor.shape[1:]).cpu().numpy()
            if not np.abs(values).max() < np.finfo(np.float16).max:
                raise InputError(
                    f"{data.paths[start]}: the backbone's {name} is not finite or exceeds half precision; are these its weights?"
                )
            if name not in arrays:
                shape = (len(data), *values.shape[1:])
                file = folder / f"{name}.npy"
                arrays[name] = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=shape)
            arrays[name][start : start + images] = values
        if progress:
            progress(start + images, len(data))
    for array in arrays.values():
        array.flush()
    files = {f"{name}.npy": _checksum(folder / f"{name}.npy") for name in arrays}
    (folder / "manifest.json").write_text(json.dumps(files), encoding="utf-8")


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 24):
            value = zlib.crc32(chunk, value)
    return value


def _open(folder: Path, spec: FeatureSpec, key: str) -> FeatureBank | None:
    """The bank in a folder, or None where there is none or its files are not what was written."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return None
    try:
        files = json.loads(manifest.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return None
    if any(not (folder / name).is_file() or _checksum(folder / name) != crc for name, crc in files.items()):
        return None
    return _reopen(spec, key, folder, None)
