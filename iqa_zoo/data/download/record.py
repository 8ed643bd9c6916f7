"""What was downloaded into a folder: addresses, checksums and the accepted licence, kept beside the data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from iqa_zoo.errors import InputError
from iqa_zoo.outputs import write_json

NAME = "iqa_zoo_downloads.json"


@dataclass(frozen=True)
class FileRecord:
    """A downloaded file.

    Attributes:
        url: where it came from.
        bytes: its length.
        sha256: of what came.
        confirmed_by: who had written down a checksum that agrees; "" where none was known.
        unpacked: number of files that it was unpacked to; None if it was not.
    """

    url: str
    bytes: int
    sha256: str
    confirmed_by: str = ""
    unpacked: int | None = None


@dataclass(frozen=True)
class Record:
    """All files that were downloaded into a folder, by name, and the licence that was accepted for them."""

    dataset: str
    licence: str = ""
    files: dict[str, FileRecord] = field(default_factory=dict)

    def add(self, name: str, file: FileRecord) -> Record:
        return replace(self, files={**self.files, name: file})


def read_record(root: Path, dataset: str) -> Record:
    """Read the record of a folder; an empty one where there is none.

    Raises:
        InputError: the record is damaged, or that of another dataset.
    """
    path = root / NAME
    if not path.exists():
        return Record(dataset)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {name: FileRecord(**file) for name, file in content.pop("files").items()}
        record = Record(files=files, **content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it, and the files are checked anew") from error
    if record.dataset != dataset:
        raise InputError(f"{root} holds downloads of {record.dataset}; give another folder for {dataset}")
    return record


def write_record(root: Path, record: Record) -> None:
    """Write the record of a folder.

    Raises:
        InputError: it cannot be written.
    """
    write_json(root / NAME, asdict(record))
