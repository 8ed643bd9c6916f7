"""Download the files of a release into a folder, check and unpack them."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from iqa_zoo.allocation import in_bytes
from iqa_zoo.data.download.checksums import compute_checksums, set_aside
from iqa_zoo.data.download.fetch import fetch, name_partial, probe
from iqa_zoo.data.download.record import NAME, FileRecord, Record, read_record, write_record
from iqa_zoo.data.download.sources import Source, SourceFile, load_sources
from iqa_zoo.data.download.unpack import is_unpacked, unpack
from iqa_zoo.data.formats import guess_content
from iqa_zoo.data.loading import find_release
from iqa_zoo.errors import InputError
from iqa_zoo.outputs import check_folder_writable, make_folder
from iqa_zoo.progress import Notify, Progress, StepProgress

SIGNATURES = {".zip": b"PK", ".rar": b"Rar!", ".7z": b"7z\xbc\xaf\x27\x1c", ".xlsx": b"PK"}  # first bytes by suffix
FOLDER = ".downloads"  # in the root: hidden, so that no dataset takes it for images


@dataclass(frozen=True)
class PlannedFile:
    """A file of a release, how long it is (None: not known), how much of it is here, and what is wrong with its server."""

    file: SourceFile
    bytes: int | None
    here: int
    done: bool = False
    problem: str = ""

    def describe(self) -> str:
        file = self.file
        size = in_bytes(self.bytes) if self.bytes is not None else "length not known"
        here = "here already" if self.done else f"{in_bytes(self.here)} here" if self.here else ""
        known = next((f"{name.upper()} {getattr(file, name)}" for name in ("sha256", "md5") if getattr(file, name)), "")
        checksum = f"{known} (from {file.checksum_from})" if known else "checksum unknown"
        parts = (size, here, checksum, "optional" if file.optional else "", self.problem)
        return f"{file.url}: {'; '.join(filter(None, parts))}"


@dataclass(frozen=True)
class DownloadPlan:
    """What is downloaded for a dataset, and the disk that it takes.

    Attributes:
        name, root: the dataset and its folder.
        licence, page: terms and page of the release.
        files: the files of the release.
        by_hand: what a person has to do; "" for nothing.
        needed: bytes of disk: what is still to come, and as much again as each archive that is to be unpacked (images do not
            shrink in archives).
        free: bytes of disk that are free.
    """

    name: str
    root: Path
    licence: str
    page: str
    files: tuple[PlannedFile, ...]
    by_hand: str
    needed: int
    free: int

    @property
    def to_fetch(self) -> tuple[PlannedFile, ...]:
        return tuple(each for each in self.files if not each.done)

    def format_lines(self) -> list[str]:
        """Format the plan as text lines."""
        lines = [f"{self.name} into {self.root}", f"release: {self.page}", f"licence: {self.licence}"]
        lines += [f"download: {each.describe()}" for each in self.files]
        lines += [f"by hand: {self.by_hand}"] if self.by_hand else []
        if self.files:
            known = [f"about {in_bytes(self.needed)}"] if self.needed or not self.to_fetch else []
            known += ["what is not known of some files"] if any(each.bytes is None for each in self.to_fetch) else []
            lines += [f"disk: needs {' and '.join(known)}, {in_bytes(self.free)} free"]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON takes it."""
        files = [
            {
                "url": each.file.url,
                "bytes": each.bytes,
                "here": each.here,
                "done": each.done,
                "sha256": each.file.sha256 or None,
                "md5": each.file.md5 or None,
                "checksum_from": each.file.checksum_from or None,
                "optional": each.file.optional,
                "problem": each.problem or None,
            }
            for each in self.files
        ]
        return {
            "name": self.name,
            "root": str(self.root),
            "licence": self.licence,
            "source": self.page,
            "files": files,
            "by_hand": self.by_hand or None,
            "bytes_needed": self.needed,
            "bytes_free": self.free,
        }


def plan_download(name: str, root: Path) -> DownloadPlan:
    """Plan the download of a dataset into a folder, which may hold a part of it. Asks the servers for lengths; writes nothing.

    Raises:
        UnknownName: no such dataset.
        InputError: it has no release, or the folder holds another one.
    """
    release = find_release(name)
    source = load_sources().get(name, Source())
    if release is None:
        raise InputError(f"{name} has no release that could be downloaded; see iqa-zoo describe {name}")
    if not source.files and not source.by_hand:
        source = replace(source, by_hand=f"No address of its files is recorded; see {release.source}.")
    record = read_record(root, name)
    planned = tuple(_plan_file(file, root, record) for file in source.files)
    existing = next(each for each in (root.absolute(), *root.absolute().parents) if each.is_dir())
    needed = 0
    for each in planned:
        if not each.done and each.bytes is not None:
            needed += each.bytes - each.here + (each.bytes if each.file.is_archive else 0)
    return DownloadPlan(
        name, root, release.licence, release.source, planned, source.by_hand, needed, shutil.disk_usage(existing).free
    )


def _plan_file(file: SourceFile, root: Path, record: Record) -> PlannedFile:
    target = root / FOLDER / file.file_name
    known = record.files.get(file.file_name)
    if known and known.url == file.url and (known.unpacked or _measure(target) == known.bytes):
        return PlannedFile(file, known.bytes, known.bytes, done=True)
    found = probe(file)
    here = _measure(target) or _measure(name_partial(target))
    if found.bytes is not None:
        here = min(here, found.bytes)
    return PlannedFile(file, found.bytes, here, problem=found.problem)


def download(
    plan: DownloadPlan,
    *,
    progress: StepProgress | None = None,
    notify: Notify = lambda line: None,
    remove_archives: bool = False,
) -> tuple[str, ...]:
    """Download the files of a plan, compare their checksums, and unpack them; what was done before is not done again.

    The caller has shown the licence and got it accepted. Archives stay in ``.downloads/`` unless ``remove_archives``.

    Args:
        plan: of :func:`plan_download`.
        progress: called with (what is done now, bytes done, bytes in all); 0 in all where that is not known.
        notify: called with a line about each file.

    Returns:
        What is left for a person to do, one line each.

    Raises:
        InputError: the disk is too small, a file cannot be had, is not the recorded one, or cannot be unpacked. A file with a
            wrong checksum is renamed and stays.
    """
    if plan.needed > plan.free:
        raise InputError(
            f"{plan.name} needs about {in_bytes(plan.needed)} of disk (archives and what they unpack to),"
            f" and {in_bytes(plan.free)} are free in {plan.root}"
        )
    check_folder_writable(plan.root)
    make_folder(plan.root / FOLDER)
    left = [plan.by_hand] if plan.by_hand else []
    with _hold(plan.root):
        record = replace(read_record(plan.root, plan.name), licence=plan.licence)
        for planned in plan.files:
            file = planned.file
            try:
                record = _get_file(file, plan.root, record, progress, notify)
            except InputError as error:
                if not file.optional:
                    raise
                notify(f"{file.file_name} is left out, and optional: {error}")
                continue
            write_record(plan.root, record)
            if file.needs_program:
                left.append(_describe_unpacking(file, plan.root))
            elif remove_archives and file.is_archive:
                (plan.root / FOLDER / file.file_name).unlink(missing_ok=True)
    return tuple(left)


def _get_file(file: SourceFile, root: Path, record: Record, progress: StepProgress | None, notify: Notify) -> Record:
    """Download, check and unpack a file as far as that was not done before; return the record with it."""
    name, target = file.file_name, root / FOLDER / file.file_name
    known = record.files.get(name)
    if known is not None and known.url != file.url:
        known = None
    if known and known.unpacked and not target.exists():
        notify(f"{name}: downloaded and unpacked before; to get it again, remove {root / NAME}")
        return record
    if not target.exists():
        fetch(file, target, progress=_report(progress, name), notify=notify)
    _check_content(file, target)
    sums = compute_checksums(target, ["sha256", *(["md5"] if file.md5 else [])], _report(progress, f"checking {name}"))
    _compare(file, target, sums, known, root)
    confirmed = file.checksum_from if file.sha256 or file.md5 else ""
    if confirmed:
        notify(f"{name}: the checksum is that recorded by {confirmed}")
    elif known is None:
        notify(
            f"{name}: no checksum of it is known; the SHA-256 of what came is {sums['sha256']}, recorded in {root / NAME}"
        )
    got = FileRecord(file.url, _measure(target), sums["sha256"], confirmed, known.unpacked if known else None)
    if got.unpacked and is_unpacked(target, root, file.folder):
        notify(f"{name}: unpacked before")
    elif file.is_archive:
        names = unpack(target, root, file.folder, progress=_report(progress, f"unpacking {name}"))
        got = replace(got, unpacked=len(names))
    elif not file.needs_program:
        _place(target, root / name)
    return record.add(name, got)


def _check_content(file: SourceFile, target: Path) -> None:
    """Refuse a page that a server sent in place of the file, such as one to log in, before its checksum is recorded."""
    with target.open("rb") as opened:
        first = opened.read(512)
    signature = next((each for suffix, each in SIGNATURES.items() if file.file_name.lower().endswith(suffix)), b"")
    if first.lstrip().startswith(b"<") or not first.startswith(signature):
        what = guess_content(first) or "something else"
        raise InputError(
            f"{file.url}: the server sent {what}, not the file; it is kept as {set_aside(target)}; look on the page of the release"
        )


def _compare(file: SourceFile, target: Path, sums: dict[str, str], known: FileRecord | None, root: Path) -> None:
    """Compare checksums with the recorded ones, of the table and of an earlier download; a wrong file is set aside."""
    expected = [(name, getattr(file, name), file.checksum_from) for name in ("sha256", "md5") if getattr(file, name)]
    expected += (
        [("sha256", known.sha256, f"an earlier download; remove {root / NAME} to accept another file")] if known else []
    )
    for algorithm, value, origin in expected:
        if sums[algorithm] != value.lower():
            raise InputError(
                f"{file.url} is not the recorded file: its {algorithm.upper()} is {sums[algorithm]}, expected {value}"
                f" (from {origin}); it is kept as {set_aside(target)} and not used; run the command again to download it anew"
            )


def _place(source: Path, target: Path) -> None:
    """Copy a file to its place, unless another one is there."""
    if os.path.lexists(target):
        if target.is_file() and target.read_bytes() == source.read_bytes():
            return
        raise InputError(f"{target} is there already and another file; move it away")
    shutil.copyfile(source, target)


def _describe_unpacking(file: SourceFile, root: Path) -> str:
    archive = root / FOLDER / file.file_name
    return (
        f"{file.file_name} is an archive that Python does not read; unpack it with 7-Zip, for example "
        f"7z x {shlex.quote(str(archive))} {shlex.quote(f'-o{root}')}"
    )


@contextmanager
def _hold(root: Path) -> Iterator[None]:
    """Keep two processes from downloading into one folder."""
    try:
        with FileLock(root / FOLDER / "lock", timeout=0):
            yield
    except Timeout:
        raise InputError(f"another process downloads into {root}; wait until it ends") from None


def _report(progress: StepProgress | None, text: str) -> Progress | None:
    return None if progress is None else lambda done, total: progress(text, done, total)


def _measure(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
