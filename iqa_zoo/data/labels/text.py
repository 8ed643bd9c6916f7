"""Read text files in UTF-8 or UTF-16, with a clear message for other encodings."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from iqa_zoo.errors import InputError

_BYTE_ORDER_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
ZIP = b"PK\x03\x04"  # first bytes of an .xlsx file
OLE = b"\xd0\xcf\x11\xe0"  # first bytes of an .xls file, or an .xlsx file with a password
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")  # bytes that do not occur in text
_SAVE = "save it as UTF-8 (in a spreadsheet program: CSV UTF-8)"


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """Read a text file as UTF-8, or as declared by its byte order mark.

    Other encodings are not guessed, because a wrong guess changes the names of images.

    Raises:
        InputError: the file cannot be read, or is not text in these encodings.
    """
    data = read_bytes(path)
    if data.startswith((ZIP, OLE)):
        raise InputError(f"{path} is a spreadsheet or an archive, not a text file; save it as CSV UTF-8")
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise InputError(
                f"{path} is damaged: its byte order mark says {encoding}, and it is not; {_SAVE}"
            ) from None
        line = data.count(b"\n", 0, error.start) + 1
        if b"\0" in data[:100]:
            kind = "UTF-16 without a byte order mark, or no text"
        else:
            kind = "no text" if _CONTROL.search(data) else "Windows-1252 or Latin-1"
        raise InputError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8; the file may be {kind}; {_SAVE}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}, line {line}: a NUL byte; the file is UTF-16, damaged or not text; {_SAVE}")
    return text
