"""Crops per second of CropLoader and of decoding anew for every crop, measured in turn in one run.

    python benchmarks/loader.py                              # photographs of scikit-image at two sizes
    python benchmarks/loader.py --images FOLDER --cores 2

Decoding per crop is how the loaders released with many papers work: a list with each image once per crop, of which
every item opens and decodes its file. Both ways deliver the same: batches of normalised float crops, mirrored at
random, in random order, on the same cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from iqa_zoo.budgets.timing import time_in_turn
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.data.decoded import DecodedImages, normalise
from iqa_zoo.data.listing import gather_images
from iqa_zoo.data.loader import CropLoader
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.reports.table import Table

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 32
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


class DecodePerCrop(Dataset[tuple[Tensor, float]]):
    """One item per crop; each item opens and decodes its file."""

    def __init__(self, data: RatedImages, size: int, crops: int):
        rated_paths = zip(data.paths, data.mos, strict=True)
        self.samples = [(path, float(mos)) for path, mos in rated_paths for _ in range(crops)]
        self.transform = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomCrop(size),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, float]:
        path, mos = self.samples[index]
        with Image.open(path) as file:
            return self.transform(file.convert("RGB")), mos


def photographs(folder: Path, height: int, width: int, count: int) -> RatedImages:
    """Write JPEG copies of scikit-image's photographs, scaled and cut to one size."""
    folder.mkdir()
    for index in range(count):
        photo = Image.fromarray(getattr(skimage.data, PHOTOGRAPHS[index % len(PHOTOGRAPHS)])())
        scale = max(height / photo.height, width / photo.width)
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
        photo.crop((0, 0, width, height)).save(folder / f"{index}.jpg", quality=90)
    return rated(folder, count)


def rated(folder: Path, count: int) -> RatedImages:
    """Return ``count`` images of a folder, evenly spread over its list."""
    found = gather_images([folder]).paths
    paths = [found[index] for index in np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)]
    mos = np.linspace(0, 1, len(paths))
    return RatedImages(folder.name, tuple(paths), mos, score_range=(0, 1), licence="", source=str(folder))


def measure(data: RatedImages, size: int, crops: int, cores: int, rounds: int) -> dict[str, list[float]]:
    """Return the crops per second of each way, one value per round; the ways take turns."""
    kept = DecodedImages(data)
    per_crop = DecodePerCrop(data, size, crops)
    everything = range(len(data))
    buffer_BCHW = torch.empty(BATCH, 3, size, size)

    def released() -> None:
        for _ in DataLoader(per_crop, batch_size=BATCH, shuffle=True, num_workers=cores if cores > 1 else 0):
            pass

    def ours(images: DecodedImages | None) -> None:
        loader = CropLoader(data, everything, size=size, crops=crops, batch_size=BATCH, threads=cores, images=images)
        for batch in loader:
            normalise(batch.image_BCHW, MEAN, STD, out=buffer_BCHW[: len(batch.image_BCHW)])

    ways: dict[str, Callable[[], None]] = {
        "decode per crop": released,
        "CropLoader": lambda: ours(None),
        "CropLoader, images kept in memory": lambda: ours(kept),
    }
    ours(kept)  # fills the cache: what is measured is every epoch but the first
    times = time_in_turn(list(ways.values()), rounds, warm_up=0)
    return {name: [crops * len(data) / second for second in seconds] for name, seconds in zip(ways, times, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=parse_path, help="a folder of images; scikit-image's photographs if not given")
    parser.add_argument("--count", type=int, default=32, help="how many images")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--crops", type=int, default=25, help="crops an image")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):  # Linux: both ways get the same cores, decoding threads included
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])

    title = f"{options.crops} crops of {options.size} an image, {options.cores} core(s), {options.rounds} rounds"
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        if options.images:
            sets = {str(options.images): rated(options.images, options.count)}
        else:
            sizes = ((384, 512), (768, 1024))
            sets = {f"{w}x{h} JPEG": photographs(Path(scratch, f"{w}"), h, w, options.count) for h, w in sizes}
        for name, data in sets.items():
            speed = measure(data, options.size, options.crops, options.cores, options.rounds)
            base = statistics.median(speed["decode per crop"])
            for way, figures in speed.items():
                middle = statistics.median(figures)
                numbers = (f"{value:.0f}" for value in (middle, min(figures), max(figures)))
                rows.append([name, way, *numbers, f"{middle / base:.1f}"])
    columns = ["images", "way", "crops/s, median", "lowest", "highest", "times decode per crop"]
    Console().print(Table(title, columns, rows, left=["images", "way"]).rich())


if __name__ == "__main__":
    main()
