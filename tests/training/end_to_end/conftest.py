"""What the tests of training share: a dataset that can be learned, drawn in milliseconds, and a model for it."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import distributed

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split, make_splits
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.train import train_model
from iqa_zoo.training.recipe import Recipe

SIZE = 48


def drawn(folder: Path, count: int = 32) -> RatedImages:
    """Grey noise whose mean is the label."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    mos = rng.uniform(20, 80, count)
    paths = [folder / f"{i}.png" for i in range(count)]
    for path, score in zip(paths, mos, strict=True):
        pixels = rng.normal(score * 2.5, 20, (SIZE + 8, SIZE + 8, 3)).clip(0, 255)
        if not path.exists():
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return RatedImages("grey", tuple(paths), mos, score_range=(0, 100), licence="CC0", source="drawn by chance")


def parted(data: RatedImages) -> Split:
    """16 train, 8 validate, 8 test."""
    return make_splits(data, 1, test_fraction=0.25, validation_fraction=1 / 3)[0]


def run_in_two(function: Callable[[], None], store: Path) -> None:
    """Run a function in two forks of this process that train together, as two processes of ``torchrun`` do.

    They share what is imported here. Neither ends before the other is done: the end of one breaks the connections of both.
    """
    context = multiprocessing.get_context("fork")
    done = context.Barrier(2)

    def begin(rank: int) -> None:
        os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)}
        distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
        function()
        done.wait(timeout=120)
        os._exit(0)  # without the destructors of connections

    processes = [context.Process(target=begin, args=(rank,)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


@pytest.fixture
def data(tmp_path):
    return drawn(tmp_path / "images")


@pytest.fixture
def split(data):
    return parted(data)


@pytest.fixture
def model(tiny):
    """Dropout in the head, drop path in the backbone."""
    tiny["backbone"] |= {"image_size": SIZE, "model_args": {"drop_path_rate": 0.2}}
    tiny["head"]["dropout"] = 0.1
    return tiny


@pytest.fixture
def recipe():
    def make(**changes):
        return Recipe(**{"summary": "tiny", "epochs": 2, "batch_size": 4, "test_crops": 2, "lr": 1e-3, **changes})

    return make


@pytest.fixture
def train(model, data, split, recipe, tmp_path, one_thread):
    """Train the model into a folder of the given name; changes of the recipe and options by keyword."""

    def run(name="run", *, changes=None, weights=None, seed=0, progress=None, on=None, parts=None, cfg=None, **options):
        return train_model(
            cfg or model,
            on or data,
            parts or split,
            recipe(**(changes or {})),
            tmp_path / name,
            seed=seed,
            weights=weights,
            options=TrainingOptions(device="cpu", **options),
            progress=progress,
        )

    return run
