"""iqa-zoo score with Parquet output"""

import csv
import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.inference.corpus import score_corpus as module
from iqa_zoo.trained import names


@pytest.fixture
def photos(tmp_path, released, monkeypatch):
    """Two images, a tar file of both, and a text."""
    monkeypatch.setattr(names, "FOLDER", released.folder)
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        Image.fromarray(rng.integers(0, 256, (40, 44, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    with tarfile.open(folder / "both.tar", "w") as archive:
        for i in range(2):
            archive.add(folder / f"{i}.png", f"{i}.png")
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def run(capsys):
    def call(*argv):
        code = main(["score", *map(str, argv), "--run", "tiny.noise"])
        return code, *capsys.readouterr()

    return call


@pytest.mark.slow
def test_parquet_has_the_rows_of_csv(run, photos, tmp_path):
    code, out, err = run(photos, "-o", tmp_path / "s.parquet")
    assert (code, out) == (0, "")
    assert "left out 1: 1 .txt\n" in err
    assert f"4 of 4 images scored, written to {tmp_path / 's.parquet'}\n" in err
    rows = pq.read_table(tmp_path / "s.parquet").to_pylist()
    assert [row["image"] for row in rows] == [str(photos / "0.png"), str(photos / "1.png"), "0.png", "1.png"]
    run(photos / "0.png", photos / "1.png", "-o", tmp_path / "s.csv")
    scores = [float(row["score"]) for row in csv.DictReader((tmp_path / "s.csv").read_text().splitlines())]
    assert [row["score"] for row in rows] == scores * 2
    code, _, err = run(photos, "-o", tmp_path / "s.parquet")
    assert code == 2
    assert "s.parquet: exists already" in err


@pytest.mark.slow
def test_what_was_stopped_goes_on(run, photos, tmp_path, monkeypatch):
    real, done = module._write_shard, []

    def stops(*given):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        real(*given)

    monkeypatch.setattr(module, "_write_shard", stops)
    code, _, err = run(photos, "-o", tmp_path / "s.parquet")
    assert code == 130
    parts = tmp_path / "s.parquet.parts"
    assert f"interrupted: 1 of 2 shards are done, kept in {parts}; the same command goes on" in err
    monkeypatch.setattr(module, "_write_shard", real)
    code, _, err = run(photos, "-o", tmp_path / "s.parquet")
    assert code == 0
    assert "1 of 2 shards were done before\n4 of 4 images scored" in err


def test_images_without_a_score_are_rows_and_exit_code_1(run, photos, tmp_path):
    (photos / "2.png").write_text("no image")
    code, _, err = run(photos, "-o", tmp_path / "parts", "--shard-size", 2)
    assert code == 1
    assert "4 of 5 images scored" in err
    assert "1 images have no score; the column error says why" in err
    assert len(list((tmp_path / "parts").glob("part-*.parquet"))) == 3
    assert pq.read_table(tmp_path / "parts").num_rows == 5


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["both.tar"], "both.tar needs Parquet output: give -o scores.parquet, or -o FOLDER"),
        (["0.png", "--ray", "local"], "--ray needs Parquet output"),
        (["0.png", "--shard-size", "5", "-o", "s.csv"], "--shard-size needs Parquet output"),
        (["0.png", "-o", "s.txt"], "s.txt: give a file that ends in .csv, .json or .parquet, or a folder"),
        (["missing.tar", "-o", "s.parquet"], "missing.tar does not exist"),
        (["0.png", "-o", "s.parquet", "--json"], "scores go to s.parquet; leave out --json"),
        (["0.png", "-o", "."], "holds other files"),
    ],
)
def test_what_does_not_fit_is_one_message(run, photos, monkeypatch, argv, message):
    monkeypatch.chdir(photos)
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_without_pyarrow_the_extra_is_named(run, photos, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    code, _, err = run(photos / "0.png", "-o", tmp_path / "s.parquet")
    assert code == 2
    assert 'pip install "iqa-zoo[corpus]"' in err
