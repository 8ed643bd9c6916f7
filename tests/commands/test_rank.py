"""iqa-zoo rank"""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.inference.load import load
from iqa_zoo.stats.better import compute_probability_better
from iqa_zoo.trained import names


@pytest.fixture
def photos(tmp_path, released, monkeypatch):
    """Three copies of one scene, the later the noisier, a burst of two other scenes, one photograph alone, and no image."""
    monkeypatch.setattr(names, "FOLDER", released.folder)
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(60, 200, (16, 17, 3)), np.ones((4, 4, 1)))
    for i, noise in enumerate((20, 2, 10)):
        pixels = (scene + rng.normal(0, noise, scene.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    for name, second in (("a.jpg", 1), ("b.jpg", 3), ("more/a.jpg", 50)):
        image = Image.fromarray(rng.normal(128, 20, (48, 52, 3)).clip(0, 255).astype(np.uint8))
        exif = image.getexif()
        exif.get_ifd(0x8769)[36867] = f"2024:05:01 12:00:{second:02}"
        image.save(folder / name, exif=exif)
    (folder / "broken.jpg").write_text("no image")
    return folder


@pytest.fixture
def run(capsys):
    def call(*argv):
        code = main(["rank", *map(str, argv), "--run", "tiny.noise"])
        return code, *capsys.readouterr()

    return call


@pytest.mark.slow
def test_groups_the_best_first_with_its_probability(run, photos):
    code, out, err = run(photos, "--recursive", "--json")
    assert code == 1
    assert "not ranked: " in err
    assert "broken.jpg" in err
    scorer = load("tiny.noise")
    groups = json.loads(out)["groups"]
    assert [sorted(image["path"].removeprefix(f"{photos}/") for image in group["images"]) for group in groups] == [
        ["0.png", "1.png", "2.png"], ["a.jpg", "b.jpg"], ["more/a.jpg"],
    ]  # fmt: skip
    for group in groups:
        scores = [image["score"] for image in group["images"]]
        assert scores == sorted(scores, reverse=True)
        assert scores == [scorer.score(image["path"]).score for image in group["images"]]
    first, second, _ = groups[0]["images"]
    halves = [max(each["high"] - each["score"], each["score"] - each["low"]) for each in (first, second)]
    expected = compute_probability_better(first["score"] - second["score"], *halves, 0.9)
    assert groups[0]["probability"] == pytest.approx(expected)
    assert 0.5 <= groups[0]["probability"] <= 1
    assert groups[2]["probability"] is None
    assert groups[1]["images"][0]["time"].startswith("2024-05-01T12:00:0")


def test_the_table_and_csv_say_the_same(run, photos, tmp_path):
    code, out, _ = run(photos, "--csv", tmp_path / "r.csv")
    assert code == 1
    assert "2 groups of 5 photographs; 0 photographs alone" in out
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert [(row["group"], row["place"]) for row in rows] == [
        ("1", "1"),
        ("1", "2"),
        ("1", "3"),
        ("2", "1"),
        ("2", "2"),
    ]
    assert [bool(row["probability"]) for row in rows] == [True, False, False, True, False]
    assert f"{float(rows[0]['score']):.2f}" in out
    _, out, _ = run(photos, "--seconds", 0)
    assert "1 group of 3 photographs; 2 photographs alone" in out


def test_links_to_the_best_and_nothing_else_changes(run, photos, tmp_path):
    before = {path: path.read_bytes() for path in photos.rglob("*.*")}
    code, out, err = run(photos, "--recursive", "--link", tmp_path / "best", "--json")
    groups = json.loads(out)["groups"]
    links = sorted(path.resolve() for path in (tmp_path / "best").iterdir())
    assert [str(path) for path in links] == sorted(group["images"][0]["path"] for group in groups)
    assert all(path.is_symlink() for path in (tmp_path / "best").iterdir())
    assert {path: path.read_bytes() for path in photos.rglob("*.*")} == before
    code, _, err = run(photos, "--link", tmp_path / "best")
    assert code == 2
    assert "holds files; give a new folder" in err


def test_a_model_without_intervals_gives_no_probability(photos, write_run, tmp_path, tiny, capsys):
    tiny["backbone"]["image_size"] = 32
    folder = write_run(tmp_path / "run", tiny, test_crops=1)
    assert main(["rank", str(photos), "--run", str(folder), "--json"]) == 1
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert [group["probability"] for group in groups] == [None, None]


def test_seconds_are_a_number(exit_code, photos):
    assert exit_code("rank", photos, "--seconds", "-1") == 2
    assert exit_code("rank", photos, "--seconds", "inf") == 2
