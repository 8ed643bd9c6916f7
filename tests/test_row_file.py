"""A file of rows is whole after each row, whatever happens."""

import errno
import os

import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.row_file import RowFile


class FullDisk:
    """A file on a disk with so many bytes left: more are not written, and then there is an error."""

    def __init__(self, file, size):
        self.file, self.size = file, size

    def write(self, content):
        room = self.size - self.file.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(content[:room])

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_the_file_is_whole_after_each_row(tmp_path):
    path = tmp_path / "a.json"
    with RowFile(path, head="[", separator=",", tail="]") as rows:
        assert path.read_text() == "[]"
        rows.add("1")
        assert path.read_text() == "[1]"
        rows.add("22")
        assert path.read_text() == "[1,22]"
    assert rows.count == 2


@pytest.mark.parametrize("size", range(3, 16))
def test_a_full_disk_leaves_the_rows_before(size, tmp_path):
    path = tmp_path / "a.json"
    fit = (size - 1) // 4  # of three digits and a comma; the brackets are two more bytes
    with RowFile(path, head="[", separator=",", tail="]") as rows:
        rows._file = FullDisk(rows._file, size)
        for number in range(fit):
            rows.add(str(100 + number))
        for _ in range(2):
            with pytest.raises(InputError, match=f"cannot be written .No space left on device.; it holds {fit} rows"):
                rows.add("999")
        assert path.read_text() == "[" + ",".join(str(100 + number) for number in range(fit)) + "]"


def test_what_cannot_be_opened_is_one_error(tmp_path):
    with pytest.raises(InputError, match="cannot be written .Is a directory."):
        RowFile(tmp_path)


def test_a_pipe_is_written_too(tmp_path):
    read, write = os.pipe()
    with RowFile(f"/dev/fd/{write}", head="a\n") as rows:
        rows.add("b\n")
    os.close(write)
    with os.fdopen(read) as file:
        assert file.read() == "a\nb\n"


def test_names_that_are_not_utf8_are_escaped(tmp_path):
    with RowFile(tmp_path / "a.csv") as rows:
        rows.add(os.fsdecode(b"caf\xe9\n"))
    assert (tmp_path / "a.csv").read_text() == "caf\\udce9\n"
