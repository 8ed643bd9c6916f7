"""Run a frozen backbone over the images of a dataset: decoded ahead in threads, in batches, in one precision."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec, spec_of
from iqa_zoo.data.decoded import normalise
from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.views import load_views
from iqa_zoo.training.devices import use_precision

CPU_PIXELS = 8 * 224**2  # of a batch: activations that stay near the processor are faster than those of larger batches
ACCELERATOR_PIXELS = 64 * 224**2  # of a batch elsewhere
MOST_THREADS = 16  # that decode: each may hold a whole photograph


def find_device(backbone: nn.Module) -> torch.device:
    """Return the device of a backbone's tensors; the CPU where it has none."""
    return next((tensor.device for tensor in backbone.state_dict().values()), torch.device("cpu"))


def choose_batch(spec: FeatureSpec, device: torch.device) -> int:
    """Return how many crops go through a backbone at a time: so many pixels, whatever the backbone's input size.

    It depends on the input size and the kind of device alone, so that the same study has the same batches each time.
    Whole images go through alone: they are of several sizes, and a batch of them is slower on a CPU.

    >>> cpu, gpu = torch.device("cpu"), torch.device("cuda")
    >>> [choose_batch(FeatureSpec({}, 8, 8, size), cpu) for size in (224, 384, 1024)]
    [8, 2, 1]
    >>> choose_batch(FeatureSpec({}, 8, 8, 224), gpu), choose_batch(FeatureSpec({}, 8, 8, 192, view="whole"), gpu)
    (64, 1)
    """
    if spec.view == "whole":
        return 1
    pixels = CPU_PIXELS if device.type == "cpu" else ACCELERATOR_PIXELS
    return max(1, pixels // spec.image_size**2)


def compute_features(
    backbone: nn.Module,
    data: RatedImages,
    crops: int,
    precision: str,
    take: Callable[[slice, Features], None],
) -> None:
    """Compute the features of all crops of all images, image by image.

    Images are decoded in threads, ahead of the backbone. The backbone keeps the channels-last layout, which is faster for
    convolutions.

    Args:
        backbone: in eval mode.
        data: the images.
        crops: of each image.
        precision: ``float32`` or ``bfloat16``, of the matrix products and convolutions (autocast).
        take: called for each batch, with the rows that it has among the crops of all images, and its features on the
            backbone's device.
    """
    spec, device = spec_of(backbone), find_device(backbone)
    backbone.to(memory_format=torch.channels_last)
    start = 0
    with torch.inference_mode(), use_precision(precision, device):  # one autocast casts the weights once
        for pixels_BHWC in _load_batches(data, spec, crops, choose_batch(spec, device)):
            rows = slice(start, start + len(pixels_BHWC))
            take(rows, backbone(_normalise(pixels_BHWC, spec, device)))
            start = rows.stop


def _load_batches(data: RatedImages, spec: FeatureSpec, crops: int, batch: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the crops of all images in batches, which need not end where an image does."""
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    ahead = threads + 2 * -(-batch // crops)  # images: two batches, and what is being decoded
    waiting: list[NDArray[np.uint8]] = []
    for _, loaded in prefetch(lambda path: load_views(path, spec, crops), data.paths, ahead=ahead, threads=threads):
        waiting.extend(loaded.result())
        while len(waiting) >= batch:
            yield np.stack(waiting[:batch])
            del waiting[:batch]
    if waiting:
        yield np.stack(waiting)


def _normalise(pixels_BHWC: NDArray[np.uint8], spec: FeatureSpec, device: torch.device) -> Tensor:
    image_BCHW = torch.from_numpy(pixels_BHWC).to(device).permute(0, 3, 1, 2)
    out_BCHW = torch.empty(image_BCHW.shape, device=device, memory_format=torch.channels_last)
    return normalise(image_BCHW, spec.mean, spec.std, out=out_BCHW)
