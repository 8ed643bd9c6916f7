"""Several processes on one cache: whoever is second opens what the first made, and what is damaged is made anew once."""

import os
import shutil
import time
from multiprocessing.context import BaseContext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.build import build_backbone
from iqa_zoo.cache import hold_lock, write_file
from iqa_zoo.cli import main
from iqa_zoo.config import dump_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.training.frozen import extraction
from iqa_zoo.training.frozen.extraction import extract_features
from iqa_zoo.training.run_folder import hold_run
from iqa_zoo.training.workers import _await_server, _context

BACKBONE = dict(type="nss", image_size=64, stages=[4])


def rated(folder: Path, count: int = 4, highest: int = 9) -> RatedImages:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i}.png" for i in range(count)]
    for i, path in enumerate(paths):
        if not path.exists():
            noise = np.random.default_rng(i).integers(0, 256, (70, 70, 3), dtype=np.uint8)
            Image.fromarray(noise).save(path)
    return RatedImages(
        "set", tuple(paths), np.arange(count, dtype=float), score_range=(0, highest), licence="CC0", source="drawn"
    )


def start_server() -> BaseContext:
    """Processes of their own, forked from a server that has imported torch: it is imported once for all of them."""
    _await_server()
    return _context()


def race(barrier, rounds, queue, folder, slow, damaged):
    """Compute the same features at the same time, ``rounds`` times, and report what fails."""
    import torch

    torch.set_num_threads(1)
    if slow:
        real = shutil.rmtree
        extraction.shutil.rmtree = lambda *words, **named: (real(*words, **named), time.sleep(slow))
    backbone, data = build_backbone(dict(backbone=BACKBONE)), rated(folder / "images")
    for i in range(rounds):
        cache = folder / str(i)
        barrier.wait()
        try:
            bank = extract_features(backbone, BACKBONE, data, crops=1, cache=cache)
            queue.put((i, bank.from_cache, float(np.array(bank.arrays["global"], dtype=np.float64).sum())))
        except BaseException as error:
            queue.put((i, None, f"{type(error).__name__}: {error}"))
        barrier.wait()
        if damaged and bank.path.exists() and not bank.from_cache:
            os.truncate(bank.path / "global.npy", 200)
        barrier.wait()
        if damaged:
            try:
                extract_features(backbone, BACKBONE, data, crops=1, cache=cache)
            except BaseException as error:
                queue.put((i, None, f"{type(error).__name__}: {error}"))


def run(processes: int, rounds: int, folder: Path, slow: float = 0.0, damaged: bool = False) -> list[tuple]:
    rated(folder / "images")
    context = start_server()
    barrier, queue = context.Barrier(processes), context.Queue()
    several = [
        context.Process(target=race, args=(barrier, rounds, queue, folder, slow, damaged)) for _ in range(processes)
    ]
    for process in several:
        process.start()
    found = [queue.get(timeout=300) for _ in range(processes * rounds)]
    for process in several:
        process.join()
    while not queue.empty():
        found.append(queue.get())
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("slow", "damaged"), [(0.0, False), (0.02, True)])
def test_processes_that_compute_the_same_features_at_once_all_succeed_and_one_computes(tmp_path, slow, damaged):
    found = run(4, 8, tmp_path, slow, damaged)
    assert [each for each in found if each[1] is None] == []
    assert len({total for _, _, total in found}) == 1
    for i in range(8):
        assert sorted(from_cache for number, from_cache, _ in found if number == i) == [False, True, True, True]
        assert len(list((tmp_path / str(i) / "features").iterdir())) == 1


def write(barrier, path, text):
    barrier.wait()
    for _ in range(200):
        write_file(path, text * 1000)


@pytest.mark.slow
def test_a_file_that_two_processes_write_is_always_whole(tmp_path):
    context = start_server()
    barrier, path = context.Barrier(3), tmp_path / "kept.json"
    writers = [context.Process(target=write, args=(barrier, path, text)) for text in "ab"]
    for writer in writers:
        writer.start()
    barrier.wait()
    while any(writer.is_alive() for writer in writers):
        text = path.read_text() if path.exists() else "a" * 1000
        assert text in ("a" * 1000, "b" * 1000)
    assert [writer.exitcode for writer in [w for w in writers if not w.join()]] == [0, 0]
    assert os.listdir(tmp_path) == ["kept.json"]


def test_a_lock_that_is_held_is_not_waited_for_unless_asked(tmp_path):
    with hold_lock(tmp_path, "one") as held, hold_lock(tmp_path, "two") as other:
        assert held
        assert other
        with hold_lock(tmp_path, "one", wait=False) as again:
            assert not again
    with hold_lock(tmp_path, "one", wait=False) as free:
        assert free


def make(barrier, queue, root):
    from iqa_zoo.data import demo

    demo.REFERENCES, demo.LEVELS = demo.REFERENCES[:1], demo.LEVELS
    barrier.wait()
    try:
        queue.put(len(demo.demo(root)))
    except BaseException as error:
        queue.put(f"{type(error).__name__}: {error}")


@pytest.mark.slow
def test_two_processes_make_the_demo_set_once(tmp_path):
    context = start_server()
    barrier, queue = context.Barrier(2), context.Queue()
    both = [context.Process(target=make, args=(barrier, queue, tmp_path)) for _ in range(2)]
    for process in both:
        process.start()
    counts = [queue.get(timeout=300) for _ in both]
    for process in both:
        process.join()
    assert counts[0] == counts[1]
    assert isinstance(counts[0], int)
    (folder,) = [path for path in tmp_path.iterdir() if path.name != "locks"]
    assert folder.name.startswith("demo-")


@pytest.mark.slow
def test_a_second_training_in_a_folder_is_refused_while_the_first_goes_on(tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    tiny["backbone"]["image_size"] = 32
    dump_config(tiny, tmp_path / "tiny.yaml")
    paths = rated(tmp_path / "images", 30, highest=30).paths
    labels = [f"{path.name},{score}" for score, path in enumerate(paths)]
    (tmp_path / "images" / "scores.csv").write_text("\n".join(["image,mos", *labels]))
    folder = tmp_path / "run"
    words = ["train", tmp_path / "tiny.yaml", "--data", "table", "--root", tmp_path / "images", "--out", folder]
    train = [*map(str, words), "--selection", "last", "--resume"]
    train += ["--validation-fraction", "0", "--recipe-set", "epochs=1", "test_crops=1"]
    monkeypatch.chdir(tmp_path)
    with hold_run("run", wait=False):  # as another process does
        assert main(train) == 2
        assert f"another process trains in {folder}; wait until it ends" in capsys.readouterr().err
        assert not folder.exists()
    assert main(train) == 0
    assert (folder / "result.json").is_file()


def test_a_training_whose_cache_cannot_be_written_goes_on_without_a_lock(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "file" / "cache"))
    with hold_run(tmp_path / "run", wait=False), hold_run(tmp_path / "run", wait=False):
        held_twice = True
    assert held_twice
    assert not (tmp_path / "run").exists()
