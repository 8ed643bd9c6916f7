import hashlib
import json
import shutil
from collections import namedtuple

import pytest
from filelock import FileLock

from iqa_zoo.data.download import get as module
from iqa_zoo.data.download.get import download, plan_download
from iqa_zoo.data.download.record import NAME
from iqa_zoo.data.download.sources import load_sources
from iqa_zoo.errors import InputError
from iqa_zoo.registry import DATASETS

LABELS = b"image_name,MOS_zscore\n1.jpg,2\n"


def digest(content, name="sha256"):
    return hashlib.new(name, content).hexdigest()


@pytest.fixture
def images(zipped):
    return zipped({"1024x768/1.jpg": b"an image", "1024x768/2.jpg": b"another"})


@pytest.fixture
def run(tmp_path):
    """Download koniq10k into a folder; return what is left to do and the lines about it."""

    def get(**keys):
        lines = []
        left = download(plan_download("koniq10k", tmp_path / "root"), notify=lines.append, **keys)
        return left, lines

    return get


@pytest.fixture
def offered(server, serve, write_table, images):
    """KonIQ-10k as an archive and a label file on the server; keys of the archive in the table."""

    def offer(**keys):
        serve("images.zip", images)
        serve("labels.csv", LABELS)
        write_table(
            koniq10k={"files": [{"url": f"{server.url}/images.zip", **keys}, {"url": f"{server.url}/labels.csv"}]}
        )

    return offer


def test_every_entry_of_the_table_is_of_a_dataset_and_complete():
    sources = load_sources()
    assert set(sources) <= set(DATASETS.built_in())
    assert set(DATASETS.built_in()) - set(sources) == {"demo", "table"}
    for name, source in sources.items():
        assert source.files or source.by_hand, name
        names = [file.file_name for file in source.files]
        assert all(names), name
        assert len(set(names)) == len(names), name
        for file in source.files:
            assert file.url.startswith("https://"), file.url
            assert bool(file.sha256 or file.md5) == bool(file.checksum_from), file.url
            assert len(file.sha256) in (0, 64), file.url
            assert len(file.md5) in (0, 32), file.url


def test_the_plan(offered, images, tmp_path):
    offered(sha256=digest(images), checksum_from="its authors")
    plan = plan_download("koniq10k", tmp_path / "root")
    archive, labels = plan.files
    assert (archive.bytes, labels.bytes) == (len(images), len(LABELS))
    assert plan.needed == 2 * len(images) + len(LABELS)
    assert plan.free > 0
    text = "\n".join(plan.format_lines())
    assert f"SHA256 {digest(images)} (from its authors)" in text
    assert "labels.csv: 30 bytes; checksum unknown" in text
    assert not (tmp_path / "root").exists()


def test_files_are_downloaded_checked_and_unpacked(offered, images, run, tmp_path):
    offered(sha256=digest(images), checksum_from="its authors")
    left, lines = run()
    root = tmp_path / "root"
    assert left == ()
    assert (root / "1024x768" / "1.jpg").read_bytes() == b"an image"
    assert (root / "labels.csv").read_bytes() == LABELS
    assert (root / ".downloads" / "images.zip").exists()
    assert "images.zip: the checksum is that recorded by its authors" in lines
    record = json.loads((root / NAME).read_text())
    assert record["dataset"] == "koniq10k"
    assert record["licence"]
    assert record["files"]["images.zip"]["unpacked"] == 2
    assert record["files"]["images.zip"]["confirmed_by"] == "its authors"
    assert record["files"]["labels.csv"]["sha256"] == digest(LABELS)


def test_an_unknown_checksum_is_said_and_recorded_and_holds_from_then_on(offered, serve, run, tmp_path):
    offered()
    _, lines = run()
    line = next(line for line in lines if line.startswith("labels.csv: no checksum of it is known"))
    assert digest(LABELS) in line
    (tmp_path / "root" / ".downloads" / "labels.csv").unlink()
    (tmp_path / "root" / "labels.csv").unlink()
    serve("labels.csv", b"image_name,MOS_zscore\n1.jpg,9\n")
    message = rf"labels\.csv is not the recorded file: its SHA256 is \w+, expected {digest(LABELS)} \(from an earlier download"
    with pytest.raises(InputError, match=message):
        run()
    assert not (tmp_path / "root" / "labels.csv").exists()


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_wrong_checksum_keeps_the_file_aside(offered, images, run, tmp_path, algorithm):
    wrong = digest(b"what was expected", algorithm)
    offered(**{algorithm: wrong}, checksum_from="its authors")
    found = digest(images, algorithm)
    message = rf"its {algorithm.upper()} is {found}, expected {wrong} \(from its authors\); it is kept as .*images\.zip\.wrong "
    with pytest.raises(InputError, match=message):
        run()
    folder = tmp_path / "root" / ".downloads"
    assert (folder / "images.zip.wrong").read_bytes() == images
    assert not (folder / "images.zip").exists()
    assert not (tmp_path / "root" / "1024x768").exists()
    with pytest.raises(InputError, match=r"images\.zip\.wrong-2 and not used"):
        run()


def test_the_same_again_downloads_nothing(offered, server, run, tmp_path):
    offered()
    run()
    server.requests.clear()
    left, lines = run()
    assert (left, server.requests) == ((), [])
    assert "images.zip: unpacked before" in lines
    (tmp_path / "root" / "1024x768" / "2.jpg").unlink()
    run()
    assert (tmp_path / "root" / "1024x768" / "2.jpg").read_bytes() == b"another"
    assert server.requests == []


def test_removed_archives_are_not_downloaded_again(offered, server, run, tmp_path):
    offered()
    run(remove_archives=True)
    assert not (tmp_path / "root" / ".downloads" / "images.zip").exists()
    server.requests.clear()
    _, lines = run()
    assert [path for path, _ in server.requests] == []
    assert any(line.startswith("images.zip: downloaded and unpacked before") for line in lines)


def test_an_optional_file_may_be_gone(offered, server, write_table, run, tmp_path):
    offered()
    files = [{"url": f"{server.url}/gone.csv", "optional": True}, {"url": f"{server.url}/labels.csv"}]
    write_table(koniq10k={"files": files})
    _, lines = run()
    assert any("gone.csv is left out, and optional" in line and "404" in line for line in lines)
    assert (tmp_path / "root" / "labels.csv").exists()


def test_an_archive_that_python_does_not_read_is_left_to_a_person(serve, server, write_table, run, tmp_path):
    serve("set.rar", b"Rar!")
    write_table(koniq10k={"files": [{"url": f"{server.url}/set.rar"}], "by_hand": "Fetch the rest."})
    left, _ = run()
    archive = tmp_path / "root" / ".downloads" / "set.rar"
    assert left[0] == "Fetch the rest."
    assert left[1].endswith(f"7z x {archive} -o{tmp_path / 'root'}")


@pytest.mark.parametrize("name", ["set.7z", "set.zip", "labels.csv"])
def test_a_page_in_place_of_a_file_is_set_aside_and_never_recorded(serve, server, write_table, run, tmp_path, name):
    serve(name, b"\n<!DOCTYPE html><p>Please log in</p>")
    write_table(koniq10k={"files": [{"url": f"{server.url}/{name}"}]})
    with pytest.raises(
        InputError, match=rf"the server sent HTML, SVG or XML, not the file; it is kept as .*{name}\.wrong"
    ):
        run()
    assert not (tmp_path / "root" / NAME).exists()
    serve(name, b"an error in plain text")
    if name != "labels.csv":
        with pytest.raises(InputError, match="the server sent something else"):
            run()


def test_a_users_file_is_not_overwritten(offered, run, tmp_path):
    offered()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "labels.csv").write_text("mine")
    with pytest.raises(InputError, match=r"labels\.csv is there already and another file; move it away"):
        run()
    assert (tmp_path / "root" / "labels.csv").read_text() == "mine"


def test_the_disk_is_checked_first(offered, server, run, monkeypatch):
    offered()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "total used free")(0, 0, 100))
    with pytest.raises(InputError, match=r"koniq10k needs about .* of disk .*, and 100 bytes are free"):
        run()
    assert server.requests == []


def test_the_folder_of_another_dataset(offered, run, tmp_path):
    offered()
    run()
    with pytest.raises(InputError, match="holds downloads of koniq10k; give another folder for kadid10k"):
        plan_download("kadid10k", tmp_path / "root")
    (tmp_path / "root" / NAME).write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        plan_download("koniq10k", tmp_path / "root")


def test_two_processes_in_one_folder(offered, run, tmp_path):
    offered()
    (tmp_path / "root" / module.FOLDER).mkdir(parents=True)
    with (
        FileLock(tmp_path / "root" / module.FOLDER / "lock"),
        pytest.raises(InputError, match="another process downloads"),
    ):
        run()


def test_datasets_without_addresses(write_table, tmp_path):
    write_table()
    assert "No address of its files is recorded" in plan_download("koniq10k", tmp_path).by_hand
    with pytest.raises(InputError, match="demo has no release"):
        plan_download("demo", tmp_path)
