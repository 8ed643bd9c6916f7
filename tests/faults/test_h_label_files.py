"""Kind H, label files and split files: what cannot be read or written is an error of one line that names the file."""

import contextlib
import errno
import io
import json
import os
import random
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from PIL import Image

from iqa_zoo.data.agiqa3k import agiqa3k
from iqa_zoo.data.bid import bid
from iqa_zoo.data.kadid10k import kadid10k
from iqa_zoo.data.pipal import pipal
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import load_splits, make_splits, save_splits
from iqa_zoo.data.table import table
from iqa_zoo.errors import InputError

FUZZ = int(os.environ.get("IQA_ZOO_FUZZ", "0"))  # damaged files of each kind
TEXT = "image,mos,note\na.png,1,caf\u00e9\nb.png,2.5,\u20ac\n"


@pytest.fixture
def root(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "s.csv").write_text(TEXT, encoding="utf-8")
    return tmp_path


def sheet(rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_say_what_they_are_are_read(root, encoding):
    (root / "s.csv").write_bytes(TEXT.encode(encoding))
    assert table(root).mos.tolist() == [1, 2.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("cp1252"), r"s\.csv, line 2: byte 0xe9 is not UTF-8; .* may be Windows-1252 .*; save it as UTF-8"),
        (TEXT.encode("utf-16-le"), r"s\.csv, line 2: .* may be UTF-16 without a byte order mark.*; save it as UTF-8"),
        (b"\0i\0m\0a\0g\0e", r"s\.csv, line 1: a NUL byte; the file is UTF-16, damaged or not text"),
        (b"\xff\xfe" + b"abc", r"s\.csv is damaged: its byte order mark says utf-16, and it is not"),
        (b"image,mos\na.png,1\n\0\0\0\0", r"s\.csv, line 3: a NUL byte"),
        (b"\xd0\xcf\x11\xe0 and more", r"s\.csv is an \.xls file, or has a password; save it as \.xlsx without one"),
        (b"PK\x03\x04 and more", r"s\.csv is not a spreadsheet that can be read: "),
        (b"image,mos\n" + b"x" * 200_000 + b",1\n", r"s\.csv, line 2: not a line of a table: field larger than"),
        (b"\x89PNG\r\n\x1a\n\0\0", r"s\.csv, line 1: byte 0x89 is not UTF-8"),
        (b"\x1f\x8b\x08\x08packed", r"s\.csv, line 1: byte 0x8b is not UTF-8; the file may be no text"),
    ],
    ids=["cp1252", "utf-16", "nul", "wrong mark", "nul at the end", "xls", "zip", "huge field", "png", "gzip"],
)
def test_what_is_no_text_is_named_with_what_to_do(root, content, message):
    (root / "s.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        table(root)


def test_a_spreadsheet_under_the_name_of_a_csv_file_is_read(root):
    (root / "s.csv").write_bytes(sheet([["image", "mos"], ["a.png", 1], ["b.png", 2.5]]))
    assert table(root).mos.tolist() == [1, 2.5]


def test_a_csv_file_under_the_name_of_a_spreadsheet(root):
    (root / "s.csv").rename(root / "s.xlsx")
    with pytest.raises(InputError, match=r"s\.xlsx is not a spreadsheet, whatever its name; name a text file \.csv"):
        table(root)


@pytest.mark.parametrize("kind", ["truncated", "no workbook", "bomb"])
def test_a_damaged_spreadsheet(root, kind, monkeypatch):
    content = sheet([["image", "mos"], ["a.png", 1]])
    if kind == "truncated":
        content = content[: len(content) // 2]
    if kind == "no workbook":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as book:
            book.writestr("content.xml", "an OpenDocument file")
        content = archive.getvalue()
    if kind == "bomb":
        monkeypatch.setattr("iqa_zoo.data.labels.spreadsheet.MOST_BYTES", 1000)
    (root / "s.csv").unlink()
    (root / "s.xlsx").write_bytes(content)
    with pytest.raises(InputError, match=r"s\.xlsx (is not a spreadsheet that can be read|unpacks to \d+ bytes)"):
        table(root)


def test_a_spreadsheet_with_dates_for_names(root):
    import datetime

    (root / "s.csv").write_bytes(sheet([["image", "mos"], [datetime.date(2024, 1, 2), 1]]))
    with pytest.raises(InputError, match=r"row 2: the column 'image' holds datetime.* format the cell as text"):
        table(root)


def test_numbers_as_image_names(root):
    (root / "a.png").rename(root / "1")
    (root / "s.csv").write_bytes(sheet([["image", "mos"], [1.0, 1], ["b.png", 2]]))
    assert table(root).names == ("1", "b.png")


def test_hidden_files_in_a_label_folder(tmp_path):
    for name in ("A0001_00_00.bmp", "A0001_00_01.bmp"):
        (tmp_path / "Dist_Imgs").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "Dist_Imgs" / name)
    labels = tmp_path / "Train_Label"
    labels.mkdir()
    (labels / "A0001.txt").write_text("A0001_00_00.bmp,1500\n")
    (labels / "A0001b.TXT").write_text("A0001_00_01.bmp,1600\n")
    for name in ("._A0001.txt", ".DS_Store", "~$A0001.txt"):
        (labels / name).write_bytes(b"\x00\x05\x16\x07\xff\xfe\x80")
    assert pipal(tmp_path, subset=True).mos.tolist() == [1500, 1600]
    (labels / "A0001.txt").write_bytes(b"A0001_00_00.bmp,1500 \xe9\n")
    with pytest.raises(InputError, match=r"A0001\.txt, line 1: byte 0xe9 is not UTF-8"):
        pipal(tmp_path, subset=True)


def test_a_folder_in_the_place_of_a_label_file(tmp_path):
    (tmp_path / "dmos.csv").mkdir()
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"dmos\.csv cannot be read: Is a directory"):
        kadid10k(tmp_path)


def test_a_file_in_the_place_of_an_image_folder(tmp_path):
    (tmp_path / "dmos.csv").write_text("dist_img,dmos\nI01_01_01.png,1\n")
    (tmp_path / "images").touch()
    with pytest.raises(InputError, match=r"the folder .*images cannot be read: Not a directory"):
        kadid10k(tmp_path)


def test_a_file_as_the_root_of_a_release(tmp_path):
    (tmp_path / "dmos.csv").touch()
    with pytest.raises(InputError, match=r"the label file not found: .*dmos\.csv is a file; .* give the folder"):
        kadid10k(tmp_path / "dmos.csv")


@pytest.mark.parametrize("root", ["x" * 300, "nul\0byte"])
def test_a_root_that_no_system_takes(root):
    for load in (kadid10k, table, agiqa3k):
        with pytest.raises(InputError, match="does not exist"):
            load(root)


def test_label_files_without_read_permission(root, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"s\.csv cannot be read: Permission denied"):
        table(root)


def test_folders_without_read_permission(root, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    for load in (table, kadid10k):
        with pytest.raises(InputError, match=r"the folder .* cannot be read: Permission denied"):
            load(root)


def test_an_image_number_that_is_no_whole_number(tmp_path):
    (tmp_path / "ImageDatabase").mkdir()
    (tmp_path / "DatabaseGrades.csv").write_text("Image Number,Average Subjective Grade\n1.5,2\n")
    with pytest.raises(InputError, match=r"DatabaseGrades\.csv, line 2: the image number is 1\.5, not a whole number"):
        bid(tmp_path, subset=True)


def rated(*names):
    return RatedImages(
        "toy",
        tuple(Path("d", n) for n in names),
        np.linspace(0, 1, len(names)),
        score_range=(0, 1),
        licence="",
        source="",
    )


DATA = rated(*(f"{index}.png" for index in range(10)))
GOOD = {"id": "x", "train": ["0.png"], "validation": [], "test": ["1.png"], "unused": []}


def change(**changes):
    return {"format": "iqa_zoo splits, version 1", "dataset": "toy", "splits": [GOOD | changes]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (change() | {"splits": 3}, r'"splits" is 3, not a list of splits; write it with iqa-zoo splits'),
        (change() | {"splits": None}, r'"splits" is null, not a list of splits'),
        (change() | {"splits": {}}, r'"splits" is an object, not a list of splits'),
        (change() | {"splits": []}, r"s\.json holds no splits"),
        (change() | {"splits": [3]}, r"split 1 is 3, not an object with the lists train, validation, test, unused"),
        (change() | {"splits": [[1, 2]]}, r"split 1 is a list, not an object"),
        (change(test=None), r'split 1: "test" is null, not a list of image names'),
        (change(test="1.png"), r'split 1: "test" is "1\.png", not a list of image names'),
        (change(test={"1.png": 1}), r'split 1: "test" is an object, not a list of image names'),
        (change(test=[1, 2]), r'split 1: "test" holds 1, which is not an image name'),
        (change(test=[None]), r'split 1: "test" holds null, which is not an image name'),
        (change(test=[["1.png"]]), r'split 1: "test" holds a list, which is not an image name'),
        (change(test=["1.png", "1.png"]), r"split 1 lists 1\.png 2 times, in test and test; list each image once"),
        (change(unused=["0.png"]), r"split 1 lists 0\.png 2 times, in train and unused"),
        (change(id=3), r'split 1: "id" is 3, not text'),
        (change(), r"does not list 8 images of the data"),
        (change() | {"dataset": None}, "splits the dataset None, not 'toy'"),
        (change() | {"format": None}, "is not a split file: it does not say 'iqa_zoo splits, version 1'"),
        (3, "is not a split file"),
        (None, "is not a split file"),
    ],
)
def test_split_files_made_by_hand(tmp_path, content, message):
    (tmp_path / "s.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load_splits(tmp_path / "s.json", DATA)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"\xe9", b"[" * 100_000, b"1" * 10_000, b'{"a": ' * 50_000, b"PK\x03\x04", b"\0"],
    ids=["empty", "half a mark", "cp1252", "deep list", "long number", "deep object", "zip", "nul"],
)
def test_files_that_are_no_split_files(tmp_path, content):
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(InputError, match=r"s\.json"):
        load_splits(tmp_path / "s.json", DATA)
    with pytest.raises(InputError, match="holds no splits of LIQE .* or ARNIQA"):
        load_splits(tmp_path, DATA)


def test_a_split_file_with_a_byte_order_mark(tmp_path):
    save_splits(tmp_path / "s.json", DATA, make_splits(DATA, 2))
    content = (tmp_path / "s.json").read_text(encoding="utf-8")
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "s.json").write_text(content, encoding=encoding)
        assert len(load_splits(tmp_path / "s.json", DATA)) == 2


@pytest.mark.parametrize("place", ["no/such/folder/s.json", "folder", "file/s.json"])
def test_a_split_file_that_cannot_be_written(tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=rf"{place}: (cannot be written|there is no folder)"):
        save_splits(tmp_path / place, DATA, make_splits(DATA, 1))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these systems have no such file names")
def test_file_names_that_are_not_utf8(tmp_path):
    names = [os.fsdecode(b"caf\xe9.png"), "caf\u00e9.png", *(f"{index}.png" for index in range(8))]
    data = rated(*names)
    splits = make_splits(data, 3)
    save_splits(tmp_path / "s.json", data, splits)
    for before, after in zip(splits, load_splits(tmp_path / "s.json", data), strict=True):
        assert before.id == after.id
        assert before.test.tolist() == after.test.tolist()
    plain = replace(data, paths=data.paths[1:], mos=data.mos[1:])
    save_splits(tmp_path / "s.json", plain, make_splits(plain, 1))
    assert "caf\u00e9.png" in (tmp_path / "s.json").read_text(encoding="utf-8")  # readable where it can be


def damage(rng, content):
    """Flip up to eight bytes, or cut the content off."""
    damaged = bytearray(content)
    if rng.random() < 0.3:
        return bytes(damaged[: rng.randrange(len(damaged))])
    for _ in range(rng.randint(1, 8)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def is_read(root):
    """Whether a damaged table is read; the only other thing that may happen is an InputError."""
    with contextlib.suppress(InputError):
        table(root)
        return True
    return False


@pytest.mark.slow
def test_damaged_text_tables(root):
    rng = random.Random(0)
    read = 0
    for index in range(FUZZ or 100):
        encoding = ("utf-8", "utf-16", "cp1252")[index % 3]
        (root / "s.csv").write_bytes(damage(rng, TEXT.encode(encoding)))
        read += is_read(root)
    print(f"{FUZZ or 100} damaged text tables: {read} read, the others refused")
    assert 0 < read < (FUZZ or 100)


def test_damaged_spreadsheets(root):
    rng = random.Random(0)
    good = sheet([["image", "mos"], ["a.png", 1], ["b.png", 2.5]])
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    read = 0
    for index in range(FUZZ or 20):
        content = damage(rng, good)
        if index % 2:  # damage inside the archive, which its checksums do not find
            chosen = rng.choice(
                ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"]
            )
            repacked = io.BytesIO()
            with zipfile.ZipFile(repacked, "w") as archive:
                for name, part in parts.items():
                    archive.writestr(name, damage(rng, part) if name == chosen else part)
            content = repacked.getvalue()
        (root / "s.csv").write_bytes(content)
        read += is_read(root)
    print(f"{FUZZ or 20} damaged spreadsheets: {read} read, the others refused")
    assert read < (FUZZ or 20)


def test_damaged_split_files(tmp_path):
    rng = random.Random(0)
    splits = make_splits(DATA, 2)
    save_splits(tmp_path / "s.json", DATA, splits)
    good = (tmp_path / "s.json").read_bytes()
    read = 0
    for _ in range(FUZZ or 100):
        (tmp_path / "s.json").write_bytes(damage(rng, good))
        try:
            loaded = load_splits(tmp_path / "s.json", DATA)
        except InputError:
            continue
        assert [split.test.tolist() for split in loaded] == [split.test.tolist() for split in splits]
        read += 1
    print(f"{FUZZ or 100} damaged split files: {read} read with the right parts, the others refused")
