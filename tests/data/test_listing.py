import os

import pytest

from iqa_zoo.data import listing as module
from iqa_zoo.data.listing import escape_path, find_images, gather_images
from iqa_zoo.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Images, other files, folders, and links of every kind."""
    root = tmp_path / "photos"
    (root / "inner" / "deep").mkdir(parents=True)
    (root / ".cache").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("img10.PNG", "img2.jfif", "img1.avif", "notes.txt", "README", ".hidden.jpg", ".cache/a.png"):
        (root / name).touch()
    (root / "inner" / "b.tga").touch()
    (root / "inner" / "deep" / "c.heic").touch()
    (elsewhere / "d.pgm").touch()
    (root / "linked").symlink_to(elsewhere)
    (root / "inner" / "up").symlink_to(root)  # a loop
    (root / "again").symlink_to(root / "inner")
    return root


def names(listing, root):
    return [path.relative_to(root).as_posix() for path in listing.paths]


def test_a_folder_in_natural_order_and_what_was_left_out(folder):
    listing = find_images(folder)
    assert names(listing, folder) == ["img1.avif", "img2.jfif", "img10.PNG"]
    assert listing.others == {".txt": 1, "": 1}
    assert (listing.hidden, listing.folders, listing.unreadable) == (2, 3, ())
    assert (
        listing.describe_left_out()
        == "left out 7: 1 without a suffix, 1 .txt, 2 hidden, 3 folders (--recursive reads them)"
    )


def test_folders_inside_are_read_once_through_links_and_loops_too(folder):
    listing = find_images(folder, recursive=True)
    expected = ["img1.avif", "img2.jfif", "img10.PNG", "inner/b.tga", "inner/deep/c.heic", "linked/d.pgm"]
    assert sorted(names(listing, folder)) == sorted(expected)
    assert listing.folders == 0
    assert listing.unreadable == ()


def test_dangling_links_are_named(folder):
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "self.jpg").symlink_to("self.jpg")
    (folder / "gone.txt").symlink_to("nowhere.txt")
    (folder / "set").symlink_to("/nowhere/set")
    listing = find_images(folder)
    assert [reason.removeprefix(f"{folder}/") for reason in listing.unreadable] == [
        "gone.png is a link to nowhere.png, which cannot be opened",
        "self.jpg is a link to self.jpg, which cannot be opened",
    ]
    assert len(find_images(folder, recursive=True).unreadable) == 3  # a link that may be one to a folder


def test_folders_that_cannot_be_read_are_named(folder, monkeypatch):
    def refusing(path, original=os.listdir):
        if os.fspath(path).endswith("inner"):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "listdir", refusing)
    listing = find_images(folder, recursive=True)
    assert listing.unreadable == (f"{folder / 'inner'} cannot be read: Permission denied",)
    assert "linked/d.pgm" in names(listing, folder)


def test_an_image_folder_that_is_no_folder(tmp_path):
    with pytest.raises(InputError, match="gone is missing"):
        find_images(tmp_path / "gone")
    (tmp_path / "file.png").touch()
    with pytest.raises(InputError, match="file.png is a file; give a folder"):
        find_images(tmp_path / "file.png")


def test_a_folder_called_like_an_image_is_none(tmp_path):
    (tmp_path / "a.png").mkdir()
    (tmp_path / "b.png").touch()
    assert [path.name for path in find_images(tmp_path).paths] == ["b.png"]


def test_no_images_says_what_there_is(tmp_path):
    (tmp_path / "scores.csv").touch()
    with pytest.raises(InputError, match=r"no images in .*\.jpg.*\.png.*\(left out 1: 1 \.csv\)"):
        gather_images([tmp_path])


def test_files_and_folders_are_gathered_once_each_in_the_order_given(folder):
    (folder.parent / "above" / "inner").mkdir(parents=True)
    (folder.parent / "above" / "inner" / "a.png").touch()
    odd = folder / "notes.txt"  # given by name, it is read, and its content decides
    listing = gather_images([odd, folder / "img10.PNG", folder, folder / "img1.avif"])
    assert names(listing, folder) == ["notes.txt", "img10.PNG", "img1.avif", "img2.jfif"]
    with pytest.raises(InputError, match="no images in .*above itself; 1 in its folders: give --recursive"):
        gather_images([folder.parent / "above"])


def test_names_that_are_not_utf_8_are_listed_and_printable(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.png")).touch()
    (tmp_path / "caf\u00e9.png").touch()
    listing = find_images(tmp_path)
    assert sorted(escape_path(path.name) for path in listing.paths) == ["caf\\xe9.png", "caf\u00e9.png"]
    for path in listing.paths:
        escape_path(path).encode("utf-8")


def test_the_suffixes_are_those_of_the_formats():
    assert set(module.SUFFIXES) >= {".avif", ".jfif", ".heic", ".pgm", ".tga", ".mpo", ".jpg", ".webp", ".tiff"}
    assert len(set(module.SUFFIXES)) == len(module.SUFFIXES)
