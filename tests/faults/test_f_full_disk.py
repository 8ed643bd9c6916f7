"""A full disk is an error with a number, nothing half written stays, and results that were computed are not lost."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.build import build_backbone
from iqa_zoo.cache import write_file
from iqa_zoo.cli import main
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.training.frozen import extraction, trainings
from iqa_zoo.training.frozen.extraction import extract_features

BACKBONE = dict(type="nss", image_size=64, stages=[3, 4])
ROOT = Path(__file__).resolve().parents[2]


def rated(folder: Path, count: int = 40) -> RatedImages:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i}.png" for i in range(count)]
    for i, path in enumerate(paths):
        noise = np.random.default_rng(i).integers(0, 256, (70, 70, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    return RatedImages(
        "set", tuple(paths), np.arange(count, dtype=float), score_range=(0, 99), licence="CC0", source="drawn"
    )


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 KB, where the test may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", folder], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def left_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.slow
def test_a_disk_too_small_for_features_is_said_with_bytes_and_nothing_stays(small_disk, tmp_path):
    data, backbone = rated(tmp_path / "images"), build_backbone(dict(backbone=BACKBONE))
    with pytest.raises(InputError, match=r"need [\d,]+ bytes in .*disk/features, and [\d,]+ are free; free space, set"):
        extract_features(backbone, BACKBONE, data, crops=4, cache=small_disk)
    assert left_in(small_disk) == []
    bank = extract_features(backbone, BACKBONE, data.select(range(3)), crops=1, cache=small_disk)
    assert bank.images == 3


def test_space_is_reserved_before_anything_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(extraction.os, "posix_fallocate", full)
    with pytest.raises(InputError, match="bytes in"):
        extract_features(build_backbone(dict(backbone=BACKBONE)), BACKBONE, rated(tmp_path / "i", 3), crops=1,
                         cache=tmp_path / "cache")  # fmt: skip
    assert left_in(tmp_path / "cache") == []


def test_without_fallocate_the_file_is_filled(tmp_path, monkeypatch):
    monkeypatch.delattr(extraction.os, "posix_fallocate")
    array = np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=np.float16, shape=(1000, 7))
    extraction._reserve(tmp_path / "a.npy", array.offset)
    array[:] = 2
    array.flush()
    assert (np.load(tmp_path / "a.npy") == 2).all()


@pytest.mark.parametrize("blocked", ["locks", "features"])
def test_a_cache_that_cannot_be_written_is_named_with_the_way_out(blocked, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / blocked).write_text("a file where a folder should be")
    with pytest.raises(InputError, match=r"cache.* cannot be written \(.*\); set IQA_ZOO_CACHE to a writable folder"):
        extract_features(build_backbone(dict(backbone=BACKBONE)), BACKBONE, rated(tmp_path / "i", 3), crops=1,
                         cache=tmp_path / "cache")  # fmt: skip


def test_a_text_file_is_whole_or_as_it_was(small_disk):
    file = small_disk / "kept.json"
    write_file(file, "before")
    with pytest.raises(OSError, match="No space left"):
        write_file(file, "x" * 200_000)
    assert file.read_text() == "before"
    assert left_in(small_disk) == ["kept.json"]


KILLED = """
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_f_full_disk import BACKBONE, rated
from iqa_zoo.build import build_backbone
from iqa_zoo.training.frozen.extraction import extract_features
folder, images = Path(sys.argv[1]), rated(Path(sys.argv[1]) / "killed", 12)
ends = {{}}
for name in sys.argv[2:]:
    child = os.fork()  # a process for each signal; they share the imports
    if child == 0:
        try:
            extract_features(build_backbone(dict(backbone=BACKBONE)), BACKBONE, images, crops=1, cache=folder / name,
                             progress=lambda done, total: os.kill(os.getpid(), getattr(signal, name)))
        except KeyboardInterrupt:
            os._exit(130)
        os._exit(0)
    ends[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(ends))
"""


@pytest.mark.slow
def test_what_a_signal_leaves_half_built_is_removed_by_the_next_start(tmp_path):
    names = ["SIGTERM", "SIGKILL", "SIGINT"]
    code = KILLED.format(tests=str(Path(__file__).parent))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", code, str(tmp_path), *names]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"SIGTERM": -signal.SIGTERM, "SIGKILL": -signal.SIGKILL, "SIGINT": 130}
    other = rated(tmp_path / "other", 3)
    for name in names:
        cache = tmp_path / name
        assert bool(left_in(cache)) == (name != "SIGINT"), name  # an interrupt cleans up by itself
        extract_features(build_backbone(dict(backbone=BACKBONE)), BACKBONE, other, crops=1, cache=cache)
        assert list((cache / "features").glob("*.partial")) == [], name


@pytest.mark.slow
def test_a_study_whose_disk_fills_up_gives_its_results_all_the_same(tmp_path, monkeypatch, capsys):
    rows = ["image,mos", *(f"{i}.png,{i}" for i in range(40))]
    data = rated(tmp_path / "images")
    (tmp_path / "images" / "s.csv").write_text("\n".join(rows) + "\n")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(trainings, "write_file", full)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "c"))
    for path in data.paths:
        Image.open(path).resize((230, 230)).save(path)
    words = ["compare", "linear_probe", "--data", "table", "--root", tmp_path / "images", "--splits", 2, "--epochs", 1]
    words += ["--crops", 1, "--jobs", 1, "--selection", "last", "--no-latency", "--out", tmp_path / "run"]
    code = main([str(word) for word in words])
    err = capsys.readouterr().err
    assert code == 0, err
    assert err.count("trainings are not kept: the disk of") == 1
    assert (tmp_path / "run" / "results.json").is_file()
