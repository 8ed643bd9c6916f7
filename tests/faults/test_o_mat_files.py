"""Kind O, MATLAB files: a damaged one is an error that names it, and does not take the process down."""

import os
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from iqa_zoo.data.labels import mat, read_mat
from iqa_zoo.data.table import table
from iqa_zoo.errors import InputError

FUZZ = int(os.environ.get("IQA_ZOO_FUZZ", "0"))  # damaged files of each kind
NAMES = [f"{index}.bmp" for index in range(1, 41)]


def cells(names):
    content = np.empty((len(names), 1), dtype=object)
    content[:, 0] = names
    return content


@pytest.fixture
def root(tmp_path):
    for name in NAMES:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    return tmp_path


def content(tmp_path, **options):
    savemat(tmp_path / "l.mat", {"names": cells(NAMES), "mos": np.arange(40.0)[None] / 7}, **options)
    return (tmp_path / "l.mat").read_bytes()


@pytest.mark.slow
def test_a_matlab_file_as_a_table(root):
    content(root)
    data = table(root, image="names")
    assert data.names == tuple(NAMES)
    assert data.mos.tolist() == (np.arange(40) / 7).tolist()
    with pytest.raises(InputError, match=r"has no variable 'image'; it has names, mos; .* image=COLUMN mos=COLUMN"):
        table(root)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"image": cells(NAMES), "mos": np.arange(39.0)},
            r"different lengths: image 40, mos 39; give one value an image",
        ),
        ({"image": cells(NAMES), "mos": np.ones((40, 2))}, r"the variable 'mos' is a matrix of 40 x 2; labels need"),
        ({"image": cells(NAMES), "mos": np.full(40, 1j)}, r"the variable 'mos' is not a vector of text or numbers"),
        ({"image": cells(NAMES), "mos": {"of": np.ones(40)}}, r"the variable 'mos' is not a vector of text or numbers"),
        ({"image": cells(NAMES), "mos": np.full(40, np.nan)}, r"entry 1: the score of 1\.bmp is nan, not a number"),
        ({"image": cells([[], *NAMES[1:]]), "mos": np.ones(40)}, r"entry 1: the column 'image' is empty"),
        ({"image": cells([["a", "b"], *NAMES[1:]]), "mos": np.ones(40)}, r"entry 1: the column 'image' is empty"),
        ({"image": cells(NAMES), "MOS": np.ones(40), "Mos": np.ones(40)}, r"the variables MOS and Mos; which is 'mos'"),
    ],
)
def test_variables_that_are_no_labels(root, variables, message):
    savemat(root / "l.mat", variables)
    with pytest.raises(InputError, match=message):
        table(root)


@pytest.mark.slow
def test_character_matrices_and_nested_cells(root):
    savemat(root / "l.mat", {"image": np.array(NAMES), "mos": cells([np.array([[value]]) for value in range(40)])})
    assert table(root).mos.tolist() == list(range(40))


@pytest.mark.parametrize(
    "begin", [b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n"]
)
def test_version_7_3_is_named(root, begin):
    (root / "l.mat").write_bytes(begin + bytes(100))
    with pytest.raises(InputError, match=r"l\.mat is a MATLAB file of version 7\.3 \(HDF5\); save it .* option -v7"):
        table(root)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [b"", b"no", b"\xff" * 1000, b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"])
def test_what_is_no_matlab_file(root, wrong):
    (root / "l.mat").write_bytes(wrong)
    with pytest.raises(InputError, match=r"l\.mat (is not a MATLAB file that can be read|has no variable)"):
        table(root)


@pytest.mark.slow
def test_a_damaged_stream_is_found_by_its_checksum(root):
    good = content(root, do_compression=True)
    size = struct.unpack("<I", good[132:136])[0]
    unpacked = bytearray(zlib.decompress(good[136 : 136 + size]))
    at = unpacked.index(b"1\x00.\x00b") if b"1\x00.\x00b" in unpacked else unpacked.index(b"1.b")
    unpacked[at] = ord("2")  # the label of one image becomes that of another
    stream = zlib.compress(bytes(unpacked))[:-4] + good[136 + size - 4 : 136 + size]
    (root / "l.mat").write_bytes(good[:132] + struct.pack("<I", len(stream)) + stream + good[136 + size :])
    with pytest.raises(InputError, match=r"l\.mat is not a MATLAB file that can be read: .*incorrect data check"):
        table(root, image="names")


WORKERS = {
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "its reader ended with SIGSEGV",
    "import sys; sys.exit(7)": "its reader failed with exit code 7",
    "import time; time.sleep(60)": "its reader was not done after 1 s",
    "import os; os._exit(0)": "its reader failed with exit code 0",
}


@pytest.mark.slow
@pytest.mark.parametrize("worker", WORKERS)
def test_a_reader_that_crashes_or_hangs(root, tmp_path, monkeypatch, worker):
    content(root)
    (tmp_path / "worker.py").write_text(worker)
    monkeypatch.setattr(mat.mat_worker, "__file__", str(tmp_path / "worker.py"))
    monkeypatch.setattr(mat, "SECONDS", 1)
    with pytest.raises(InputError, match=rf"l\.mat is not a MATLAB file that can be read: {WORKERS[worker]}"):
        table(root)


def test_a_reader_that_does_not_start(root, monkeypatch):
    content(root)
    monkeypatch.setattr("sys.executable", str(root / "gone"))
    with pytest.raises(InputError, match=r"l\.mat cannot be read: its reader does not start: No such file"):
        table(root)


@pytest.mark.slow
def test_a_module_in_the_current_folder_is_not_run(root, monkeypatch):
    content(root)
    (root / "numpy.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(root)
    assert len(table(".", image="names")) == 40


def damage(rng, good):
    damaged = bytearray(good)
    if rng.random() < 0.2:
        return bytes(damaged[: rng.randrange(len(damaged))])
    for _ in range(rng.randint(1, 8)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [True, False])
def test_damaged_matlab_files(tmp_path, compressed):
    """Compressed files have checksums: what is read of them is right. The others have none: they may give other values,
    and never a crash or another error."""
    rng = random.Random(compressed)
    good, file = content(tmp_path, do_compression=compressed), tmp_path / "d.mat"
    count, read = FUZZ or 4, 0
    for _ in range(count):
        file.write_bytes(damage(rng, good))
        try:
            names, scores = read_mat((file, "names"), (file, "mos"))
        except InputError:
            continue
        read += 1
        if compressed:
            assert [row.text("names") for row in names] == NAMES
            assert [row.number("mos") for row in scores] == (np.arange(40) / 7).tolist()
    print(f"{count} damaged MATLAB files, compressed {compressed}: {read} read, the others refused")
