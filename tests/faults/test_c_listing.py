"""Fault kind C: files of a folder that are left out without a word."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.config import dump_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run of one short training on a tiny table."""
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    (folder / "set").mkdir()
    for index in range(30):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / "set" / f"{index}.png")
    (folder / "set" / "s.csv").write_text("\n".join(["image,mos", *(f"{index}.png,{index}" for index in range(30))]))
    config = {
        "dim": 8,
        "backbone": {"type": "timm_features", "name": "test_resnet", "stages": [4], "image_size": 32},
        "queries": {"type": "global_vector"},
        "interactions": [],
        "head": {"type": "linear"},
        "losses": [{"type": "l1"}],
    }
    dump_config(config, folder / "tiny.yaml")
    place = ["--data", "table", "--root", str(folder / "set"), "--out", str(folder / "run")]
    assert (
        main(
            [
                "train",
                str(folder / "tiny.yaml"),
                *place,
                "--validation-fraction",
                "0.3",
                "--recipe-set",
                "epochs=1",
                "test_crops=1",
            ]
        )
        == 0
    )
    return folder / "run"


@pytest.fixture
def score(trained, capsys):
    def call(*argv):
        code = main(["score", *map(str, argv), "--run", str(trained)])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 48, 3), dtype=np.uint8))


@pytest.mark.slow
def test_every_promised_format_is_scored(score, photo, tmp_path):
    import pillow_heif

    formats = {
        "avif": "AVIF",
        "jfif": "JPEG",
        "pgm": "PPM",
        "tga": "TGA",
        "mpo": "MPO",
        "jp2": "JPEG2000",
        "dib": "DIB",
    }
    for suffix, name in formats.items():
        photo.save(tmp_path / f"a.{suffix}", name)
    pillow_heif.from_pillow(photo.resize((64, 64))).save(tmp_path / "a.heic")
    code, out, err = score(tmp_path, "--csv")
    assert code == 0
    rows = list(csv.DictReader(out.splitlines()))
    assert {row["image"].rpartition(".")[2] for row in rows} == {*formats, "heic"}
    assert all(np.isfinite(float(row["score"])) for row in rows)
    assert "left out" not in err


def test_what_is_left_out_is_counted_in_one_line(score, photo, tmp_path):
    photo.save(tmp_path / "a.png")
    for name in ("notes.txt", "more.txt", ".hidden.png"):
        (tmp_path / name).touch()
    code, _, err = score(tmp_path)
    assert code == 0  # information only
    assert err == "iqa-zoo: left out 3: 2 .txt, 1 hidden\n"


def test_linked_folders_are_read(score, photo, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "store").mkdir()
    photo.save(tmp_path / "store" / "a.png")
    (tmp_path / "photos" / "store").symlink_to(tmp_path / "store")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    code, out, _ = score(tmp_path / "photos", "--recursive", "--json")
    assert code == 0
    assert [row["image"] for row in json.loads(out)["images"]] == [str(tmp_path / "photos" / "store" / "a.png")]


def test_a_dangling_link_is_named_and_the_exit_code_is_1(score, photo, tmp_path):
    photo.save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("gone.png")
    code, out, err = score(tmp_path)
    assert code == 1
    assert "a.png" in out
    assert "b.png is a link to gone.png, which cannot be opened" in err


def test_a_folder_that_cannot_be_read_is_named_and_the_exit_code_is_1(score, photo, tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    photo.save(tmp_path / "a.png")

    def refusing(path, original=os.listdir):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "listdir", refusing)
    code, _, err = score(tmp_path, "--recursive")
    assert code == 1
    assert "closed cannot be read: Permission denied" in err


@pytest.mark.parametrize("form", ["--csv", "--json", "out.csv", "out.json", None])
def test_names_that_are_not_utf_8(score, photo, tmp_path, form):
    photos = tmp_path / "photos"
    photos.mkdir()
    photo.save(photos / os.fsdecode(b"caf\xe9.png"))
    arguments = [] if form is None else [form] if form.startswith("--") else ["-o", tmp_path / form]
    code, out, _ = score(photos, *arguments)
    assert code == 0
    text = out if not arguments or form.startswith("--") else (tmp_path / form).read_text(encoding="utf-8")
    assert ("caf\\\\xe9.png" if form and "json" in form else "caf\\xe9.png") in text
