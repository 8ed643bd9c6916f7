"""Download one file over HTTP, and go on where an earlier download ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo import __version__
from iqa_zoo.allocation import in_bytes
from iqa_zoo.data.download.sources import SourceFile
from iqa_zoo.errors import InputError
from iqa_zoo.jsonio import to_json
from iqa_zoo.outputs import write_text
from iqa_zoo.progress import Notify, Progress

if TYPE_CHECKING:
    from requests import Response

CHUNK = 2**16  # bytes; what a break in the connection may lose
TIMEOUT = (20, 60)  # seconds to connect, and between two pieces
FAILURES = 4  # in a row, without a new byte
DELAY = 1.0  # seconds before the second try; doubled each time
HEADERS = {"User-Agent": f"iqa-zoo/{__version__}", "Accept-Encoding": "identity"}
_CONNECTION = re.compile(r"^.*?(\(host=[^)]*\)|object at 0x\w+>): ")  # how the library begins its messages
TRANSIENT = (408, 425, 429)  # and all from 500: the same request may succeed later


class _Interrupted(Exception):
    """The connection ended or the server failed; trying again may help."""


@dataclass(frozen=True)
class _Begun:
    """What is known of the file that a partial download is a part of."""

    url: str
    etag: str = ""
    last_modified: str = ""
    total: int | None = None

    @property
    def validator(self) -> str:
        """What ``If-Range`` takes: a strong ETag, else the date; "" where the server gave neither."""
        return self.etag if self.etag.startswith('"') else self.last_modified


@dataclass(frozen=True)
class Probe:
    """What a server says of a file: its length (None if it does not say), and what is wrong ("" for nothing)."""

    bytes: int | None = None
    problem: str = ""


def name_partial(target: Path) -> Path:
    """Name the file that holds an unfinished download."""
    return target.with_name(f"{target.name}.partial")


def probe(file: SourceFile) -> Probe:
    """Ask the server for the length of a file, without downloading it."""
    import requests

    try:
        response = requests.head(file.url, headers=HEADERS, timeout=TIMEOUT, allow_redirects=True)
    except requests.RequestException as error:
        return Probe(file.bytes, f"the server does not answer ({_describe(error)})")
    if response.status_code in (404, 410):
        return Probe(file.bytes, f"{response.status_code} {response.reason}")
    length = response.headers.get("Content-Length", "")
    known = response.status_code == 200 and length.isdecimal() and _is_plain(response)
    return Probe(int(length) if known else file.bytes)


def fetch(
    file: SourceFile,
    target: Path,
    *,
    progress: Progress | None = None,
    notify: Notify = lambda line: None,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Download a file to ``target``.

    An unfinished download stays beside it (``.partial``) and is continued with ``Range`` and ``If-Range``, so that parts of
    two versions are never joined; a server that cannot do it sends the file from the start. A broken connection is tried
    again until nothing new arrives.

    Args:
        file: what to download.
        target: where to; its folder exists.
        progress: called with (bytes done, bytes in all); 0 in all where the server does not say.
        notify: called with a line when the download is continued, begun anew or tried again.
        sleep: waits a number of seconds before the next try.

    Raises:
        InputError: the server refuses, the file is not the recorded one, the connection keeps breaking, or the disk is full.
    """
    failures, best = 0, _measure(name_partial(target))
    while True:
        try:
            _fetch_once(file, target, progress, notify)
            return
        except _Interrupted as error:
            size = _measure(name_partial(target))
            failures, best = (0, size) if size > best else (failures + 1, best)
            if failures == FAILURES:
                raise InputError(
                    f"{file.url}: {error}; {in_bytes(size)} are kept in {name_partial(target)}: run the command again to go on"
                ) from error
            delay = DELAY * 2**failures
            notify(f"{file.file_name}: {error}; next try in {delay:g} s")
            sleep(delay)
        except OSError as error:
            raise InputError(f"{target.parent} cannot be written: {error.strerror or error}") from error


def _fetch_once(file: SourceFile, target: Path, progress: Progress | None, notify: Notify) -> None:
    import requests

    partial = name_partial(target)
    begun = _read_begun(partial, file)
    start = _measure(partial) if begun.validator or file.sha256 or file.md5 else 0
    headers = dict(HEADERS)
    if start:
        headers["Range"] = f"bytes={start}-"
        if begun.validator:
            headers["If-Range"] = begun.validator
    try:
        with requests.get(file.url, headers=headers, timeout=TIMEOUT, stream=True) as response:
            start, total = _check_response(response, file, partial, start, notify)
            if total != start or total == 0:
                _write_begun(partial, response, file, total)
                _check_space(file, partial, total, start)
                _save(response, partial, start, total, progress)
    except requests.exceptions.SSLError as error:
        raise InputError(f"{file.url}: the certificate of the server is not accepted ({_describe(error)})") from error
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _Interrupted(f"the connection broke ({_describe(error)})") from error
    except requests.RequestException as error:
        raise InputError(f"{file.url}: {error}") from error
    size = _measure(partial)
    if total is not None and size < total:
        raise _Interrupted(f"the connection ended after {size} of {total} bytes")
    if total is not None and size > total:
        _forget(partial)
        raise _Interrupted(f"{size} bytes arrived of a file of {total}")
    os.replace(partial, target)
    _forget(partial)


def _check_response(
    response: Response, file: SourceFile, partial: Path, start: int, notify: Notify
) -> tuple[int, int | None]:
    """Return where the content begins and how long the whole file is; None where the server does not say."""
    status = response.status_code
    if file.url.startswith("https:") and not response.url.startswith("https:"):
        raise InputError(f"{file.url} leads to {response.url}, which is not encrypted; it is not followed")
    if status == 416:  # nothing after what is here
        whole = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
        if whole and int(whole[1]) == start:
            return start, start
        _forget(partial)
        raise _Interrupted("the server has a shorter file than what is here; beginning anew")
    if status in TRANSIENT or status >= 500:
        raise _Interrupted(f"the server answers {status} {response.reason}")
    if status not in (200, 206):
        raise InputError(
            f"{file.url}: the server answers {status} {response.reason}; look for the file on the page of the release"
        )
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() and _is_plain(response) else None
    if status == 206:
        part = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if part is None or int(part[1]) != start or not _is_plain(response):
            _forget(partial)
            raise _Interrupted("the server sent another part than it was asked for; beginning anew")
        total = int(part[2]) if part[2] != "*" else total and start + total
        notify(f"{file.file_name}: going on after {in_bytes(start)}")
    elif start:
        notify(f"{file.file_name}: the server sends it from the start: the file changed, or it cannot send parts")
        start = 0
    if file.bytes is not None and total is not None and total != file.bytes:
        raise InputError(
            f"{file.url} has {total} bytes, and {file.bytes} are recorded: the file was replaced; look on the page of the release"
        )
    return start, total


def _save(response: Response, partial: Path, start: int, total: int | None, progress: Progress | None) -> None:
    done = start
    with partial.open("r+b" if start else "wb") as out:
        out.seek(start)
        for piece in response.iter_content(CHUNK):
            out.write(piece)
            done += len(piece)
            if progress is not None:
                progress(done, total or 0)


def _check_space(file: SourceFile, partial: Path, total: int | None, start: int) -> None:
    free = shutil.disk_usage(partial.parent).free
    if total is not None and total - start > free:
        raise InputError(
            f"{file.file_name} needs {in_bytes(total - start)} more, and {in_bytes(free)} are free in {partial.parent}"
        )


def _name_state(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _read_begun(partial: Path, file: SourceFile) -> _Begun:
    """Read what a partial download is a part of; forget it if that is another file or not known."""
    try:
        begun = _Begun(**json.loads(_name_state(partial).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        begun = _Begun("")
    if begun.url != file.url:
        _forget(partial)
        return _Begun(file.url)
    return begun


def _write_begun(partial: Path, response: Response, file: SourceFile, total: int | None) -> None:
    get: Callable[[str, str], Any] = response.headers.get
    write_text(
        _name_state(partial), to_json(asdict(_Begun(file.url, get("ETag", ""), get("Last-Modified", ""), total)))
    )


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _name_state(partial).unlink(missing_ok=True)


def _measure(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _is_plain(response: Response) -> bool:
    """Whether the content is sent as it is, so that lengths are those of the file."""
    return response.headers.get("Content-Encoding", "identity") == "identity"


def _describe(error: Exception) -> str:
    """The innermost reason of an error of the HTTP library, which nests them."""
    reason: Any = error
    while reason.args and isinstance(getattr(reason, "reason", None) or reason.args[0], Exception):
        reason = getattr(reason, "reason", None) or reason.args[0]
    text = str(reason.args[-1] if reason.args and isinstance(reason.args[-1], str) else reason) or type(reason).__name__
    return _CONNECTION.sub("", text)
