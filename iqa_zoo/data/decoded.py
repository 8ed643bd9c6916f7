"""Decoded images, kept in memory or in a file, and their normalisation."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iqa_zoo.data.boxed import require_pixels
from iqa_zoo.data.enlarge import enlarge
from iqa_zoo.data.images import read_image
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError

GIB = 1 << 30


def normalise(image_BCHW: Tensor, mean: Sequence[float], std: Sequence[float], out: Tensor | None = None) -> Tensor:
    """Turn 0..255 (uint8) into what a backbone takes: float32, ``(image / 255 - mean) / std`` by channel.

    Move a batch to the model's device first; it is four times smaller before than after.

    Args:
        image_BCHW: uint8.
        mean, std: of a channel, for images in 0..1.
        out: a float32 tensor of the same shape to fill and return, where the last batch's is free again; on a CPU that
            takes half the time of making a new one.

    >>> white_BCHW = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    >>> normalise(white_BCHW, (0.5, 0.5, 0.5), (0.25, 0.5, 1.0)).flatten().tolist()
    [2.0, 1.0, 0.5]
    """
    shift_C11 = 255 * torch.tensor(mean, device=image_BCHW.device).view(3, 1, 1)
    scale_C11 = 1 / (255 * torch.tensor(std, device=image_BCHW.device).view(3, 1, 1))
    result = torch.empty(image_BCHW.shape, device=image_BCHW.device) if out is None else out
    if image_BCHW.device.type != "cpu":
        return result.copy_(image_BCHW).sub_(shift_C11).mul_(scale_C11)
    for image_CHW, out_CHW in zip(image_BCHW, result, strict=True):  # one at a time stays in the processor's cache
        out_CHW.copy_(image_CHW).sub_(shift_C11).mul_(scale_C11)
    return result


class DecodedImages:
    """The images of a dataset, decoded and large enough: kept in memory, on disk, or decoded again each time.

    An image is kept where there is room when it is first read, and stays. Nothing is ever pushed out: over whole
    epochs, as much is saved as by any order of eviction.

    Args:
        data: the dataset.
        memory_bytes: most memory for kept images; 3 bytes a pixel.
        folder: keep those that do not fit into memory here, as plain arrays; safe to delete, and shared by all
            runs that name it. A file that changes is decoded again.
        disk_bytes: most disk for that folder.
        smallest: pixels that the short side of an image needs; a smaller image is enlarged
            (:func:`iqa_zoo.data.enlarge.enlarge`). On disk images are kept as they are.

    Attributes:
        notes: on the images that were enlarged, of those read so far, by name.

    Raises:
        InputError: the dataset has no image files. When an image is read: it cannot be decoded, or the folder cannot be
            written.
    """

    def __init__(
        self,
        data: RatedImages,
        *,
        memory_bytes: int = 2 * GIB,
        folder: str | Path | None = None,
        disk_bytes: int = 20 * GIB,
        smallest: int = 1,
    ):
        require_pixels(data)
        self.data, self.smallest = data, smallest
        self.notes: dict[str, str] = {}
        self.memory_bytes, self.disk_bytes = memory_bytes, disk_bytes
        self.folder = Path(folder) if folder is not None else None
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._memory_used = 0
        self._disk_used = self._files_in_folder()
        self._lock = threading.Lock()  # decoding runs in threads; what is counted must be counted once

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """The image at ``index`` of the dataset, image_CHW in 0..255. Not to be written to."""
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        file = self._file(index)
        if file is not None and file.exists():
            return self._enlarge(index, np.load(file, mmap_mode="r"))
        decoded_CHW = np.ascontiguousarray(read_image(self.data.paths[index]).transpose(2, 0, 1))
        image_CHW = self._enlarge(index, decoded_CHW)
        with self._lock:
            fits_memory = self._memory_used + image_CHW.nbytes <= self.memory_bytes
            fits_disk = not fits_memory and file is not None and self._disk_used + image_CHW.nbytes <= self.disk_bytes
            self._memory_used += image_CHW.nbytes if fits_memory else 0
            self._disk_used += image_CHW.nbytes if fits_disk else 0
        if fits_memory:
            self._kept[index] = image_CHW
        elif fits_disk and file is not None:
            self._write(file, decoded_CHW)
        return image_CHW

    def _enlarge(self, index: int, image_CHW: NDArray[np.uint8]) -> NDArray[np.uint8]:
        image_HWC, note = enlarge(image_CHW.transpose(1, 2, 0), self.smallest, self.data.paths[index])
        if not note:
            return image_CHW
        self.notes[self.data.names[index]] = note
        return np.ascontiguousarray(image_HWC.transpose(2, 0, 1))

    def _files_in_folder(self) -> int:
        if self.folder is None:
            return 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return sum(path.stat().st_size for path in self.folder.glob("*.npy"))
        except OSError as error:
            raise InputError(f"the image cache {self.folder} cannot be used: {error}; name another folder") from error

    def _file(self, index: int) -> Path | None:
        if self.folder is None:
            return None
        path = self.data.paths[index].resolve()
        try:
            state = path.stat()
        except OSError:
            raise InputError(f"{path} does not exist") from None
        key = hashlib.sha256(f"{path}/{state.st_size}/{state.st_mtime_ns}".encode()).hexdigest()[:32]
        return self.folder / f"{key}.npy"

    def _write(self, file: Path, image_CHW: NDArray[np.uint8]) -> None:
        partial = None
        try:
            # Written aside and renamed, so that a killed run leaves no half file under the final name.
            with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".partial", delete=False) as handle:
                partial = Path(handle.name)
                np.save(handle, image_CHW)
            partial.replace(file)
        except OSError as error:
            if partial is not None:
                partial.unlink(missing_ok=True)
            raise InputError(
                f"the image cache {file.parent} cannot be written: {error};"
                " free space, lower disk_bytes, or name another folder"
            ) from error
