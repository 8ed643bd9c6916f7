"""Photographs of scikit-image at any size, and the speed of reading, scoring and extracting features of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import iqa_zoo
from benchmarks.speed_rows.row import Row, Setup, Timed
from iqa_zoo.budgets.timing import time_in_turn
from iqa_zoo.build import build_backbone
from iqa_zoo.contracts import spec_of
from iqa_zoo.data.decoded import DecodedImages, normalise
from iqa_zoo.data.loader import CropLoader
from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.views import load_views
from iqa_zoo.inference.workers import use_one_thread
from iqa_zoo.training.devices import find_fast_precision, use_precision
from iqa_zoo.training.frozen.extraction import extract_features

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
BACKBONES = {
    "lite0": "tf_efficientnet_lite0",
    "resnet50": "resnet50",
    "deit_tiny": "deit_tiny_patch16_224",
    "swin_tiny": "swin_tiny_patch4_window7_224",
}


def make_photographs(folder: Path, count: int, *, height: int = 500, width: int = 500) -> RatedImages:
    """Write JPEG copies of scikit-image's photographs, each at a place of its own, scaled and cut to one size."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    paths = tuple(folder / f"{number:04}.jpg" for number in range(count))
    sources = [Image.fromarray(getattr(skimage.data, name)()) for name in PHOTOGRAPHS]
    for path, photo in zip(paths, itertools.cycle(sources), strict=False):
        scale = 1.2 * max(height / photo.height, width / photo.width)
        larger = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
        left, top = rng.integers(larger.width - width + 1), rng.integers(larger.height - height + 1)
        larger.crop((left, top, left + width, top + height)).save(path, quality=90)
    mos = np.linspace(0, 1, count)
    return RatedImages("photographs", paths, mos, score_range=(0, 1), licence="", source=str(folder))


# features -----------------------------------------------------------------------------------------------------------


def choose_fastest(
    model: nn.Module, image_BCHW: Tensor, batches: tuple[int, ...] = (8, 32)
) -> tuple[str, Callable[[], None]]:
    """Return the fastest mode of a backbone alone, and a function that runs all images through it in this mode.

    The modes differ in the precision, float32 and the processor's fast one, and in the batch; all are channels last.
    """
    model = model.eval().to(memory_format=torch.channels_last)
    image_BCHW = image_BCHW.contiguous(memory_format=torch.channels_last)
    ways: dict[str, Callable[[], None]] = {}
    for precision in dict.fromkeys(("float32", find_fast_precision("cpu"))):
        for batch in batches:

            def run(precision: str = precision, batch: int = batch) -> None:
                with torch.inference_mode(), use_precision(precision, "cpu"):
                    for part_BCHW in image_BCHW.split(batch):
                        model(part_BCHW)

            ways[f"{precision}, batches of {batch}"] = run
    seconds = time_in_turn(list(ways.values()), rounds=1)
    return min(zip(ways.items(), seconds, strict=True), key=lambda each: each[1])[0]


def measure_features(setup: Setup, name: str) -> Timed:
    """Time the features of photographs, decoding included, and timm's own forward pass on as many crops."""
    crops = 4
    data = make_photographs(setup.scratch / f"features-{name}", setup.choose(4, 64))
    config: dict[str, Any] = dict(type="timm_features", name=BACKBONES[name], stages=[3, 4])
    torch.manual_seed(0)
    backbone, alone = build_backbone({"backbone": config}), build_backbone({"backbone": config})
    size = spec_of(backbone).image_size
    model: Any = alone.model
    mode, run_alone = choose_fastest(_Alone(model), torch.randn(len(data) * crops, 3, size, size))
    folders = (setup.scratch / f"cache-{name}-{number}" for number in itertools.count())

    def extract() -> None:
        extract_features(backbone, config, data, crops=crops, cache=next(folders))

    times = setup.time(f"features.{name}", [extract, run_alone], rounds=7)
    speed = len(data) * crops / np.median(times, 1)
    return Timed(*times, {"mode of the backbone alone": mode, "crops a second": round(float(speed[0]), 1)})


class _Alone(nn.Module):
    """The forward pass of a timm model without this package's wrapper."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, image_BCHW: Tensor) -> Any:
        return self.model.forward_features(image_BCHW)


# scores -------------------------------------------------------------------------------------------------------------


def measure_scoring(setup: Setup) -> Timed:
    """Time the scores of a folder; in turn with it decoding and the backbone in float32 on the same views, in the faster way:
    decoding ahead in threads and all cores on one pass, or one image a core."""
    data = make_photographs(setup.scratch / "scoring", setup.choose(8, 500), height=384, width=512)
    scorer = iqa_zoo.load()
    spec = scorer.model.model.spec
    backbone = build_backbone({"backbone": dict(type="timm_cells", name=BACKBONES["lite0"], stages=[3, 4])}).eval()
    backbone.to(memory_format=torch.channels_last)
    paths = [str(path) for path in data.paths]
    memory: list[float] = []

    def score() -> None:
        scores = scorer.score(paths)
        assert not any(score.error for score in scores)
        memory.append(read_memory())

    def load(path: Path) -> Tensor:
        return torch.from_numpy(load_views(path, spec, 1)).permute(0, 3, 1, 2)

    def run_alone(batch: int) -> None:
        loaded = prefetch(load, data.paths, ahead=16, threads=setup.cores)
        with torch.inference_mode():
            for group in _group((future.result() for _, future in loaded), batch):
                backbone(normalise(torch.cat(group), spec.mean, spec.std))

    def pass_one(path: Path) -> None:
        with torch.inference_mode():
            backbone(normalise(load(path), spec.mean, spec.std))

    def run_apart() -> None:
        with ThreadPoolExecutor(setup.cores, initializer=use_one_thread) as pool:
            list(pool.map(pass_one, data.paths))

    ways = {"batches of 1": lambda: run_alone(1), "batches of 8": lambda: run_alone(8), "one image a core": run_apart}
    seconds = time_in_turn(list(ways.values()), rounds=1, warm_up=0)
    fastest = list(ways)[int(np.argmin(seconds))]
    times = setup.time("scoring.folder", [score, ways[fastest]], rounds=5)
    figures = {
        "the backbone alone in": fastest,
        "memory at first, MB": memory[0],
        "memory at last, MB": memory[-1],
    }
    return Timed(*times, {"photographs a second": round(len(data) / float(np.median(times[0])), 1), **figures})


def _group(items: Iterator[Tensor], count: int) -> Iterator[tuple[Tensor, ...]]:
    while group := tuple(itertools.islice(items, count)):
        yield group


def read_memory() -> float:
    """Return the memory of this process in megabytes (nan where the system does not say)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return float("nan")
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


# batches of crops ---------------------------------------------------------------------------------------------------


class DecodePerCrop(Dataset[tuple[Tensor, float]]):
    """As the loaders released with many papers work: one item per crop; each item opens and decodes its file."""

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


def measure_loading(setup: Setup, *, kept: bool) -> Timed:
    """Time batches of normalised random crops, by :class:`CropLoader` and by decoding a file for each crop."""
    size, crops, batch_size = 224, setup.choose(4, 25), 32
    data = make_photographs(setup.scratch / f"loading-{kept}", setup.choose(4, 32), height=384, width=512)
    per_crop = DecodePerCrop(data, size, crops)
    images = DecodedImages(data) if kept else None
    buffer_BCHW = torch.empty(batch_size, 3, size, size)

    def load() -> None:
        loader = CropLoader(
            data, range(len(data)), size=size, crops=crops, batch_size=batch_size, threads=setup.cores, images=images
        )
        for batch in loader:
            normalise(batch.image_BCHW, MEAN, STD, out=buffer_BCHW[: len(batch.image_BCHW)])

    def load_released() -> None:
        for _ in DataLoader(per_crop, batch_size, shuffle=True, num_workers=setup.cores if setup.cores > 1 else 0):
            pass

    times = setup.time(f"loading.{'kept' if kept else 'decoded'}", [load, load_released], rounds=5)
    return Timed(*times, {"crops a second": round(len(data) * crops / float(np.median(times[0])))})


ROWS = [
    *(
        Row(
            f"features.{name}",
            f"features of {timm_name}, decoding included",
            "the backbone alone in its fastest mode",
            "speed",
            0.9,
            3,
            lambda setup, name=name: measure_features(setup, name),
        )
        for name, timm_name in BACKBONES.items()
    ),
    Row(
        "scoring.folder",
        "scores of 500 photographs, default model",
        "decoding in threads and the backbone alone, pipelined",
        "speed",
        0.8,
        5,
        measure_scoring,
    ),
    Row(
        "loading.decoded",
        "batches of crops, each file decoded once",
        "decoding for each crop, as released loaders do",
        "speed",
        None,
        1,
        lambda setup: measure_loading(setup, kept=False),
    ),
    Row(
        "loading.kept",
        "batches of crops, images kept in memory",
        "decoding for each crop, as released loaders do",
        "speed",
        None,
        1,
        lambda setup: measure_loading(setup, kept=True),
    ),
]
