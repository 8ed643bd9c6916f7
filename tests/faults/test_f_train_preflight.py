"""No training is lost at its end: what it will read and write is checked before its first epoch."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.config import dump_config
from iqa_zoo.data.splits import make_splits
from iqa_zoo.data.table import table
from iqa_zoo.inference.load_run import load_run
from iqa_zoo.inference.predict import predict
from iqa_zoo.training.end_to_end import checks

QUICK = ["--recipe-set", "epochs=2", "test_crops=2"]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module", autouse=True)
def quick(one_thread):
    pass


@pytest.fixture
def root(tmp_path):
    """Sixty images, and their labels."""
    root = tmp_path / "holiday"
    root.mkdir()
    rng = np.random.default_rng(0)
    for index in range(60):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(root / f"{index}.png")
    lines = [f"{index}.png,{rng.uniform(0, 100):.2f}" for index in range(60)]
    (root / "scores.csv").write_text("\n".join(["image,mos", *lines]))
    return root


@pytest.fixture
def config(tmp_path, tiny):
    tiny["backbone"]["image_size"] = 32
    dump_config(tiny, tmp_path / "tiny.yaml")
    return tmp_path / "tiny.yaml"


@pytest.fixture
def parts(root):
    """The files of each part of the first split."""
    data = table(root)
    split = make_splits(data, 1, validation_fraction=0.1)[0]
    return {part: [data.paths[i] for i in getattr(split, part)] for part in ("train", "validation", "test")}


@pytest.fixture
def run(root, config, tmp_path, capsys):
    def call(*argv, folder="run"):
        work = [] if folder is None else ["--out", str(tmp_path / folder)]
        code = main(["train", str(config), "--data", "table", "--root", str(root), *work, *map(str, argv), *QUICK])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def no_step(monkeypatch):
    """Training may not begin."""
    monkeypatch.setattr("iqa_zoo.training.end_to_end.train.fit", lambda *_, **__: pytest.fail("an epoch began"))


def damage(path, how):
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        path.write_bytes(content[:200] + bytes(255 - byte for byte in content[200:260]) + content[260:])
    else:
        path.write_text("<html>not found</html>")


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("how", ["empty", "cut", "flipped", "a page"])
def test_one_damaged_image_is_refused_before_the_first_epoch(part, how, run, parts, no_step, tmp_path):
    broken = parts[part][-1]
    damage(broken, how)
    code, out, err = run()
    assert (code, out) == (2, "")
    assert f"1 of 60 images cannot be used:\n  - {broken}" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_all_that_is_wrong_is_listed_at_once(run, parts, no_step):
    for part, how in (("train", "cut"), ("validation", "flipped"), ("test", "cut")):
        damage(parts[part][0], how)
    code, _, err = run()
    assert code == 2
    assert "3 of 60 images cannot be used:" in err
    assert all(str(parts[part][0]) in err for part in parts)


@pytest.mark.slow
def test_once_they_are_mended_the_same_command_trains(run, parts, tmp_path):
    content = parts["test"][0].read_bytes()
    damage(parts["test"][0], "cut")
    assert run()[0] == 2
    parts["test"][0].write_bytes(content)
    assert run()[0] == 0
    assert (tmp_path / "run" / "result.json").is_file()


def test_a_dry_run_sees_it_too_where_headers_show_it(run, parts):
    damage(parts["test"][0], "a page")
    code, out, err = run("--dry-run", folder=None)
    assert (code, out) == (2, "")
    assert str(parts["test"][0]) in err


@pytest.mark.slow
def test_small_images_of_every_part_are_enlarged_alike(run, parts, root, tmp_path):
    """Smaller than the input in one direction, in both, by one pixel; in training, testing and scoring."""
    small = {}
    for part, size in (("train", (31, 48)), ("validation", (20, 20)), ("test", (48, 16))):
        path = parts[part][0]
        small[path.name] = part
        Image.open(path).resize(size[::-1]).save(path)
    code, out, _ = run()
    assert code == 0
    assert "3 images were smaller than the model's input and were enlarged." in out
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert set(result["enlarged"]) == set(small)
    data = table(root)
    scorer, _ = load_run(tmp_path / "run", "cpu")
    name = parts["test"][0].name
    (score,) = predict(scorer, data, [data.names.index(name)], crops=2)
    assert score == pytest.approx(result["predictions"][name], abs=1e-4)


@pytest.mark.slow
def test_a_dry_run_counts_small_images(run, parts):
    Image.open(parts["test"][0]).resize((20, 20)).save(parts["test"][0])
    code, out, _ = run("--dry-run", folder=None)
    assert code == 0
    assert "; 1 smaller images are enlarged" in out


@pytest.mark.slow
def test_an_image_too_narrow_to_be_enlarged_is_refused_first(run, parts, no_step):
    Image.new("L", (3, 60_000)).save(parts["test"][0])
    damage_free = run("--set", "backbone.image_size=256")
    assert damage_free[0] == 2
    assert "cut it into pieces that are less narrow" in damage_free[2]


def test_a_folder_that_cannot_be_written_is_refused_first(run, no_step, tmp_path):
    (tmp_path / "file").write_text("mine")
    code, _, err = run(folder="file/run")
    assert code == 2
    assert "cannot be written" in err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_that_is_too_full_is_refused_first_with_numbers(run, no_step, monkeypatch, tmp_path):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 10**6, 10**6))
    code, _, err = run()
    assert code == 2
    assert "two checkpoints and the weights of this training need " in err
    assert "MB, and 1.0 MB are free; make room or name a folder on another disk" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_room_that_a_resumed_run_has_already_counts(run, monkeypatch, tmp_path):
    assert run()[0] == 0
    (tmp_path / "run" / "result.json").unlink()
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    size = sum(file.stat().st_size for file in checkpoint.iterdir())
    for free, code in ((1.05 * size, 0), (0.9 * size, 2)):
        monkeypatch.setattr(checks.shutil, "disk_usage", lambda path, free=free: Usage(10**12, 10**12, int(free)))
        assert run("--resume")[0] == code
        (tmp_path / "run" / "result.json").unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("mount"), reason="needs mount")
def test_a_small_disk_in_earnest(run, no_step, tmp_path):
    (tmp_path / "small").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path / "small")]).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        code, _, err = run(folder="small/run")
        assert code == 2
        assert "MB, and 0.4 MB are free" in err
        assert list((tmp_path / "small").iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path / "small")], check=True)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--recipe-set", "freeze=[bakbone]"], "no parameter is named 'bakbone'; did you mean 'backbone'"),
        (["--recipe-set", "batch_size=64"], "training crops do not fill a batch of 64"),
        (["--device", "meta"], "the device 'meta' cannot be used; torch finds cpu"),
        (["--device", "mps"], "the device 'mps' cannot be used; torch finds cpu"),
        (["--device", "xpu"], "the device 'xpu' cannot be used; torch finds cpu"),
        (["--device", "gpu"], "'gpu' is no device; torch finds cpu"),
    ],
)
def test_what_is_refused_leaves_no_folder_behind(argv, message, run, no_step, tmp_path):
    """So that the same command, mended, is not told that the folder holds a run already."""
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") <= 3
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_finished_run_is_not_checked_again(run, parts, monkeypatch, tmp_path):
    code, first, _ = run("--json")
    assert code == 0
    monkeypatch.setattr("iqa_zoo.training.end_to_end.train.check_split_images", lambda *_, **__: pytest.fail("checked"))
    assert run("--resume", "--json")[:2] == (0, first)


@pytest.mark.slow
def test_a_result_that_cannot_be_written_is_shown(run, monkeypatch, tmp_path):
    from iqa_zoo.training.run_folder import RunFolder

    write = RunFolder.write

    def full(self, name, content):
        if name == "result":
            raise OSError(28, "No space left on device")
        write(self, name, content)

    monkeypatch.setattr(RunFolder, "write", full)
    code, out, err = run()
    assert code == 2
    assert "SROCC" in out
    assert "No space left on device" in err
    assert f"The weights of the selected epoch are {tmp_path / 'run' / 'weights.safetensors'}" in err
    monkeypatch.undo()
    assert run("--resume")[1] == out


@pytest.mark.slow
def test_a_log_that_fails_is_told_and_loses_nothing(run, monkeypatch):
    from mmengine.visualization import LocalVisBackend

    def fails(*_, **__):
        raise RuntimeError("the server is gone")

    monkeypatch.setattr(LocalVisBackend, "add_scalars", fails)
    code, out, _ = run()
    assert code == 0
    assert "Of the log: the log of LocalVisBackend ended early: the server is gone" in out


STOPPED = """
import json, os, signal, sys
from iqa_zoo.cli import main
from iqa_zoo.training.end_to_end.hooks import Steps

after, stop = Steps.after_train_iter, []


def stop_in_the_second_epoch(self, runner, *arguments, **others):
    after(self, runner, *arguments, **others)
    if runner.epoch == 1 and stop:
        os.kill(os.getpid(), stop.pop())


Steps.after_train_iter = stop_in_the_second_epoch
codes = {}
for number, words in json.loads(sys.argv[1]):
    stop[:] = [number]
    codes[number] = main(words)
print(json.dumps(codes))
"""


@pytest.mark.slow
def test_a_training_that_is_stopped_goes_on_exactly(root, config, tmp_path):
    """A signal in the second epoch: no traceback, no half file, and the same result in the end."""
    argv = ["train", str(config), "--data", "table", "--root", str(root), "--recipe-set", "epochs=3", "test_crops=1"]
    folders = {signal.SIGINT: tmp_path / "interrupted", signal.SIGTERM: tmp_path / "terminated"}
    stopped = [[number, [*argv, "--out", str(folder)]] for number, folder in folders.items()]
    code = [sys.executable, "-c", STOPPED, json.dumps(stopped)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(code, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    assert codes["2"] == 130
    assert codes["15"] == 143
    assert "Traceback" not in done.stderr
    assert done.stderr.count("--resume goes on from the last checkpoint") == 2
    assert main([*argv, "--out", str(tmp_path / "straight"), "--json"]) == 0
    straight = json.loads((tmp_path / "straight" / "result.json").read_text())
    for folder in folders.values():
        assert len(json.loads((folder / "history.json").read_text())) == 1
        assert not (folder / "result.json").exists()
        assert main([*argv, "--out", str(folder), "--resume", "--json"]) == 0
        assert json.loads((folder / "result.json").read_text())["predictions"] == straight["predictions"]
        assert not list(folder.rglob("*.partial"))


@pytest.mark.slow
def test_a_damaged_image_of_another_test_set_is_refused_before_a_study_trains(
    root, config, no_step, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    other = shutil.copytree(root, tmp_path / "other")
    content = (other / "7.png").read_bytes()
    (other / "7.png").write_bytes(content[: len(content) // 2])
    words = [config, "--protocol", "end-to-end", "--data", "table", "--root", root, "--selection", "last"]
    words += ["--no-latency", "--test", "table", "--test-root", other, "--out", tmp_path / "study", *QUICK]
    assert main(["compare", *map(str, words)]) == 2
    assert "7.png is truncated or damaged" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
