import io
import stat
import tarfile
import zipfile

import numpy as np
import pytest

from iqa_zoo.data.download.unpack import Limits, is_unpacked, unpack
from iqa_zoo.errors import InputError


@pytest.fixture
def archive(tmp_path, zipped):
    """Write a ZIP archive of names and contents."""

    def write(files, name="a.zip"):
        (tmp_path / name).write_bytes(zipped(files))
        return tmp_path / name

    return write


@pytest.fixture
def tarred(tmp_path):
    """Write a TAR archive of members, each a name with bytes, or a TarInfo."""

    def write(*members, name="a.tar.gz"):
        with tarfile.open(tmp_path / name, "w:*" if name.endswith(".tar") else "w:gz") as out:
            for member in members:
                if isinstance(member, tarfile.TarInfo):
                    out.addfile(member)
                else:
                    info = tarfile.TarInfo(member[0])
                    info.size = len(member[1])
                    out.addfile(info, io.BytesIO(member[1]))
        return tmp_path / name

    return write


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def everything_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_zip_and_tar(archive, tarred, tmp_path):
    files = {"set/images/a.png": b"a" * 50, "set/labels.csv": b"b"}
    for index, path in enumerate([archive(files), tarred(*files.items())]):
        root = tmp_path / f"out{index}"
        assert unpack(path, root) == tuple(files)
        assert {name: (root / name).read_bytes() for name in files} == files
        assert everything_in(root) == ["set", "set/images", "set/images/a.png", "set/labels.csv"]


def test_a_folder_for_archives_that_lack_it(archive, tmp_path):
    assert unpack(archive({"a.jpg": b"a"}), tmp_path / "out", "1024x768") == ("1024x768/a.jpg",)
    assert unpack(archive({"1024x768/a.jpg": b"a"}), tmp_path / "out", "1024x768") == ("1024x768/a.jpg",)


def test_what_systems_add_is_left_out(archive, tmp_path):
    path = archive({"a.jpg": b"a", "__MACOSX/._a.jpg": b"x", ".DS_Store": b"x", "b/._c.jpg": b"x"})
    assert unpack(path, tmp_path / "out") == ("a.jpg",)
    assert everything_in(tmp_path / "out") == ["a.jpg"]
    assert is_unpacked(path, tmp_path / "out")


OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "a/..\\..\\evil"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_path_that_leads_out_of_the_folder(archive, tarred, tmp_path, name):
    for path in (archive({"a.png": b"a", name: b"evil"}), tarred(("a.png", b"a"), (name, b"evil"))):
        with pytest.raises(InputError, match=r"is not unpacked: .*evil' leads out of the folder"):
            unpack(path, tmp_path / "deep" / "out")
        assert not list(tmp_path.rglob("evil"))
        assert everything_in(tmp_path / "deep") == ["out"]


@pytest.mark.parametrize(
    "member",
    [
        link("link", "/etc"),
        link("link", "../.."),
        link("link", "/etc/passwd", tarfile.LNKTYPE),
        link("link", "a.png"),
        link("link", "", tarfile.FIFOTYPE),
        link("link", "", tarfile.CHRTYPE),
    ],
)
def test_links_and_devices(tarred, tmp_path, member):
    path = tarred(("a.png", b"a"), member, ("link/passwd", b"evil"))
    with pytest.raises(InputError, match="'link' is a link or a device"):
        unpack(path, tmp_path / "out")
    assert everything_in(tmp_path / "out") == []


def test_a_link_in_a_zip(tmp_path):
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        out.writestr(info, "/etc")
    with pytest.raises(InputError, match="'link' is a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.slow
def test_bombs(archive, tarred, tmp_path):
    """10 MB of zeros in about 10 kB, and limits on size and number."""
    zeros = bytes(10_000_000)
    for path in (archive({"zeros.bmp": zeros}), tarred(("zeros.bmp", zeros))):
        with pytest.raises(InputError, match=r"unpack to more than .*, 200 times as much"):
            unpack(path, tmp_path / "out")
        with pytest.raises(InputError, match=r"it unpacks to more than 1\.00 MB"):
            unpack(path, tmp_path / "out", limits=Limits(bytes=1_000_000))
        assert len(unpack(path, tmp_path / "fits", limits=Limits(ratio=5000))) == 1
    for path in (archive({f"{i}.txt": b"" for i in range(30)}), tarred(*((f"{i}.txt", b"") for i in range(30)))):
        with pytest.raises(InputError, match="it holds more than 20 files"):
            unpack(path, tmp_path / "out", limits=Limits(files=20))
    assert everything_in(tmp_path / "out") == []


def test_a_bomb_whose_parts_overlap(archive, tmp_path):
    """Entries of a ZIP list that all mean the same compressed bytes: their declared sizes count."""
    path = archive({"zeros.bmp": bytes(100_000)})
    with zipfile.ZipFile(path, "a") as out:
        entry = out.infolist()[0]
        out.filelist.extend([entry] * 50)
        out._didModify = True
    with pytest.raises(InputError, match="200 times as much"):
        unpack(path, tmp_path / "out")


def test_damaged_archives(archive, tarred, tmp_path):
    noise = np.random.default_rng(0).bytes(20_000)
    whole = archive({"a.png": noise}).read_bytes()
    tar = tarred(("a.png", noise)).read_bytes()
    broken = {
        "cut.zip": whole[: len(whole) // 2],
        "flipped.zip": whole[:5000] + bytes(100) + whole[5100:],
        "cut.tar.gz": tar[: len(tar) // 2],
        "page.zip": b"<!DOCTYPE html><p>Please log in</p>",
        "empty.zip": b"",
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name} is damaged, or no archive"):
            unpack(tmp_path / name, tmp_path / "out")
        assert everything_in(tmp_path / "out") == []
    with pytest.raises(InputError, match="it holds HTML"):
        unpack(tmp_path / "page.zip", tmp_path / "out")


def test_a_file_that_is_there_stays(archive, tmp_path):
    path = archive({"a.txt": b"new", "b.txt": b"new"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.txt").write_bytes(b"mine")
    assert not is_unpacked(path, tmp_path / "out")
    with pytest.raises(InputError, match=r"1 other files with these names are there already: .*b\.txt; move them away"):
        unpack(path, tmp_path / "out")
    assert everything_in(tmp_path / "out") == ["b.txt"]
    (tmp_path / "out" / "b.txt").write_bytes(b"new")
    unpack(path, tmp_path / "out")
    assert everything_in(tmp_path / "out") == ["a.txt", "b.txt"]


def test_a_password(archive, tmp_path):
    path = archive({"a.txt": b"secret"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"'a\.txt' is a file with a password"):
        unpack(path, tmp_path / "out")
