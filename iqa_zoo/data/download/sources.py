"""Where each release is offered: the table ``sources.yaml`` as dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

TABLE = Path(__file__).with_name("sources.yaml")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
FOREIGN_ARCHIVES = (".rar", ".7z")  # no reader of Python's own


@dataclass(frozen=True)
class SourceFile:
    """A file that a release consists of.

    Args:
        url: address of the authors, or of the archive that they chose.
        name: name on disk; the last part of the address where left out.
        folder: an archive whose files are not under this folder is unpacked into it; "" for the root.
        bytes: length that the server stated; None to ask it.
        sha256, md5: checksums that somebody wrote down; "" for unknown.
        checksum_from: who wrote the checksum down.
        optional: whether the release can be used without it.
    """

    url: str
    name: str = ""
    folder: str = ""
    bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    checksum_from: str = ""
    optional: bool = False

    @property
    def file_name(self) -> str:
        """Name on disk, without any folder.

        >>> SourceFile("https://example.org/a/b.zip?download=1").file_name
        'b.zip'
        """
        return self.name or PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def is_archive(self) -> bool:
        return self.file_name.lower().endswith(ARCHIVES)

    @property
    def needs_program(self) -> bool:
        """Whether another program has to unpack it."""
        return self.file_name.lower().endswith(FOREIGN_ARCHIVES)


@dataclass(frozen=True)
class Source:
    """Where a release is offered: files to download, and what a person has to do (``by_hand``, "" for nothing)."""

    files: tuple[SourceFile, ...] = ()
    by_hand: str = ""


def load_sources(table: Path | None = None) -> dict[str, Source]:
    """Load the table of addresses, by name of the dataset.

    >>> load_sources()["kadid10k"].files[0].file_name
    'kadid10k.zip'
    """
    import yaml

    content = yaml.safe_load((table or TABLE).read_text(encoding="utf-8"))
    return {
        name: Source(tuple(SourceFile(**file) for file in entry.get("files", ())), entry.get("by_hand", ""))
        for name, entry in content.items()
    }
