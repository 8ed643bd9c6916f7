"""A file of rows that is whole after each of them, whatever ends the program."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType

from iqa_zoo.errors import InputError


class RowFile:
    r"""A new text file (UTF-8) that rows are added to: head, rows, tail.

    Each row is on disk when :meth:`add` returns. Where a row does not fit on the disk, the file ends after the one before.

    Args:
        path: the file; what it held is replaced.
        head: stands before the rows.
        separator: stands between rows.
        tail: stands after the rows.

    Raises:
        InputError: the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with RowFile(Path(folder) / "a.json", head="[", separator=", ", tail="]") as rows:
    ...         rows.add("1")
    ...         rows.add("2")
    ...         print((Path(folder) / "a.json").read_text())
    [1, 2]
    """

    def __init__(self, path: str | Path, *, head: str = "", separator: str = "", tail: str = ""):
        self.path = Path(path)
        self.count = 0
        self._separator, self._tail, self._end = separator, tail, 0
        try:
            self._file = self.path.open("wb", buffering=0)
            self._append(head)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror or error})") from error

    def add(self, row: str) -> None:
        """Add a row.

        Raises:
            InputError: it cannot be written; says how many rows the file holds.
        """
        try:
            self._append((self._separator if self.count else "") + row)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror or error}); it holds {self.count} rows"
            ) from error
        self.count += 1

    def _append(self, text: str) -> None:
        content = text.encode("utf-8", "backslashreplace")
        tail = self._tail.encode()
        try:
            self._write(content + tail)
        except OSError:
            with suppress(OSError):  # the error that is on its way says more
                self._write(tail)  # where it stood before
                self._file.truncate(self._end + len(tail))
            raise
        self._end += len(content)

    def _write(self, content: bytes) -> None:
        if self._file.seekable():
            self._file.seek(self._end)
        while content:
            written = self._file.write(content)
            assert written is not None, "the file blocks"
            content = content[written:]

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
