"""Kind F: outputs of score, evaluate and explain are tried before the work, and keep what was done."""

import csv
import json
import os
import resource

import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.explain import image as explain_image
from iqa_zoo.inference import predict
from iqa_zoo.inference.scorer import Scorer

COUNT = 40

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def trained(tiny, write_run, tmp_path):
    tiny["backbone"]["image_size"] = 32
    return write_run(tmp_path / "run", tiny, test_crops=1)


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    for i in range(COUNT):
        Image.new("RGB", (34, 36), (i, 2 * i, 3 * i)).save(root / f"{i}.png")
    (root / "scores.csv").write_text("\n".join(["image,mos", *(f"{i}.png,{i}" for i in range(COUNT))]))
    return root


def _full_disk(limit):
    """Files longer than ``limit`` bytes cannot be written, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def no_work(monkeypatch):
    def work(*_, **__):
        pytest.fail("the work began")

    monkeypatch.setattr(Scorer, "score_each", work)
    monkeypatch.setattr(predict, "predict", work)
    monkeypatch.setattr(explain_image, "explain_image", work)


@pytest.mark.parametrize("place", ["gone/s.csv", "photos.csv", "file/s.csv", "/proc/s.csv"])
@pytest.mark.parametrize("command", ["score", "evaluate", "explain"])
def test_an_output_that_cannot_be_written_is_an_error_before_the_work(
    command, place, trained, photos, tmp_path, monkeypatch, capsys, no_work
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "photos.csv").mkdir()
    (tmp_path / "photos.png").mkdir()
    image = str(photos / "0.png")
    arguments = {
        "score": [image, "--run", str(trained), "-o", place],
        "evaluate": [str(trained), "--data", "table", "--root", str(photos), "--csv", place],
        "explain": [image, "--run", str(trained), "-o", place.replace(".csv", ".png")],
    }[command]
    assert main([command, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert place.split("/")[-1].split(".")[0] in err


def test_the_figures_of_a_dataset_need_a_folder_that_can_be_written(trained, photos, capsys, no_work):
    arguments = ["--data", "table", "--root", str(photos), "-o", "/proc/figures"]
    assert main(["explain", "--run", str(trained), *arguments]) == 2
    assert "/proc/figures: cannot be written" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_disk_that_fills_while_scoring_keeps_whole_rows(suffix, trained, photos, tmp_path, capsys):
    file = tmp_path / f"s.{suffix}"
    restore = _full_disk(4096)
    try:
        code = main(["score", str(photos), "--run", str(trained), "-o", str(file)])
    finally:
        restore()
    err = capsys.readouterr().err.splitlines()
    assert code == 2
    assert err[-1].startswith(f"iqa-zoo: {file}: cannot be written (File too large); it holds ")
    text = file.read_text()
    rows = list(csv.DictReader(text.splitlines())) if suffix == "csv" else json.loads(text)["images"]
    assert 3 < len(rows) < COUNT
    assert f"it holds {len(rows)} rows" in err[-1]
    assert main(["score", str(photos), "--run", str(trained), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)["images"][: len(rows)]
    assert [(row["image"], float(row["score"])) for row in rows] == [(row["image"], row["score"]) for row in expected]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_program_that_is_killed_leaves_whole_rows(suffix, trained, photos, tmp_path, monkeypatch):
    file, seen = tmp_path / f"s.{suffix}", []
    scored = Scorer.score_each

    def watched(*arguments):
        for result in scored(*arguments):
            text = file.read_text()
            rows = list(csv.DictReader(text.splitlines())) if suffix == "csv" else json.loads(text)["images"]
            seen.append(len(rows))
            yield result

    monkeypatch.setattr(Scorer, "score_each", watched)
    assert main(["score", str(photos), "--run", str(trained), "-o", str(file)]) == 0
    assert seen == list(range(COUNT))


@pytest.mark.parametrize("suffix", ["csv", "json", "stdout"])
def test_a_file_name_that_is_not_utf8_is_escaped(suffix, trained, tmp_path, capsys):
    folder = tmp_path / "odd"
    folder.mkdir()
    path = os.fsencode(folder) + b"/caf\xe9.png"
    try:
        with open(path, "wb") as file:
            Image.new("RGB", (34, 36)).save(file, "png")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    output = tmp_path / f"s.{suffix}"
    arguments = [] if suffix == "stdout" else ["-o", str(output)]
    assert main(["score", str(folder), "--run", str(trained), *arguments]) == 0
    text = capsys.readouterr().out if suffix == "stdout" else output.read_text(encoding="utf-8")
    assert r"caf\xe9.png" in (json.loads(text)["images"][0]["image"] if suffix == "json" else text)


@pytest.mark.slow
def test_metrics_are_printed_before_a_file_that_fails(trained, photos, tmp_path, monkeypatch, capsys):
    from iqa_zoo.commands import shared

    def full(path, text):
        raise shared.InputError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(shared, "write_text", full)
    arguments = ["--data", "table", "--root", str(photos), "--csv", str(tmp_path / "s.csv")]
    assert main(["evaluate", str(trained), *arguments]) == 2
    out, err = capsys.readouterr()
    assert "SROCC" in out
    assert err.endswith("s.csv: cannot be written (No space left on device)\n")


@pytest.mark.slow
def test_explain_leaves_no_half_figure(trained, photos, tmp_path, capsys):
    file = tmp_path / "out.png"
    restore = _full_disk(8192)
    try:
        code = main(["explain", str(photos / "3.png"), "--run", str(trained), "-o", str(file)])
    finally:
        restore()
    assert code == 2
    assert f"{file}: cannot be written (File too large)" in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".png", ".partial")]
