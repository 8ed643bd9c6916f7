import hashlib
import shutil
from collections import namedtuple

import pytest

from iqa_zoo.data.download.fetch import fetch, name_partial, probe
from iqa_zoo.data.download.sources import SourceFile
from iqa_zoo.errors import InputError

CONTENT = bytes(range(256)) * 20  # 5,120 bytes


@pytest.fixture
def get(server, tmp_path):
    """Download /file.bin into a folder; return the lines about it."""

    def run(**keys):
        lines = []
        file = SourceFile(f"{server.url}/file.bin", **keys)
        fetch(file, tmp_path / "file.bin", notify=lines.append)
        return lines

    return run


def ranges(server):
    return [headers.get("Range") for _, headers in server.requests]


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file(server, serve, get, tmp_path):
    serve("file.bin", CONTENT)
    assert get() == []
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["file.bin"]
    assert ranges(server) == [None]


def test_progress_counts_bytes(server, serve, tmp_path):
    serve("file.bin", CONTENT)
    seen = []
    fetch(SourceFile(f"{server.url}/file.bin"), tmp_path / "f", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5120, 5120)


def test_a_broken_connection_goes_on_where_it_ended(server, serve, get, tmp_path):
    serve("file.bin", CONTENT, cuts=[1000, 3000])
    lines = get()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=1000-", "bytes=3000-"]
    assert all(headers["If-Range"] == '"one"' for _, headers in server.requests[1:])
    assert [line for line in lines if "going on after 3.00 KB" in line]


def test_a_download_of_an_earlier_run_goes_on(server, serve, get, tmp_path):
    served = serve("file.bin", CONTENT, cuts=[2000, *[0] * 10])
    with pytest.raises(InputError, match=r"2\.00 KB are kept in .*file\.bin\.partial: run the command again to go on"):
        get()
    assert name_partial(tmp_path / "file.bin").read_bytes() == CONTENT[:2000]
    served.cuts.clear()
    server.requests.clear()
    get()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert ranges(server) == ["bytes=2000-"]


def test_parts_of_two_versions_are_never_joined(serve, get, tmp_path):
    served = serve("file.bin", CONTENT, cuts=[2000, *[0] * 10])
    with pytest.raises(InputError):
        get()
    served.cuts.clear()
    served.content, served.etag = CONTENT[::-1], '"two"'
    assert any("sends it from the start" in line for line in get())
    assert (tmp_path / "file.bin").read_bytes() == CONTENT[::-1]


def test_a_server_that_sends_no_parts(server, serve, get, tmp_path):
    serve("file.bin", CONTENT, ranges=False, cuts=[2000])
    assert any("sends it from the start" in line for line in get())
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=2000-"]


def test_without_an_etag_only_a_known_checksum_lets_it_go_on(server, serve, get, tmp_path):
    serve("file.bin", CONTENT, etag="", cuts=[2000])
    get()
    assert ranges(server) == [None, None]
    server.requests.clear()
    (tmp_path / "file.bin").unlink()
    serve("file.bin", CONTENT, etag="", cuts=[2000])
    get(sha256=hashlib.sha256(CONTENT).hexdigest())
    assert ranges(server) == [None, "bytes=2000-"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_partial_download_that_is_complete(server, serve, get, tmp_path):
    serve("file.bin", CONTENT, cuts=[2000, *[0] * 10])
    with pytest.raises(InputError):
        get()
    name_partial(tmp_path / "file.bin").write_bytes(CONTENT)
    get()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["file.bin"]


def test_a_partial_download_longer_than_the_file_begins_anew(serve, get, tmp_path):
    served = serve("file.bin", CONTENT, cuts=[2000, *[0] * 10])
    with pytest.raises(InputError):
        get()
    served.cuts.clear()
    name_partial(tmp_path / "file.bin").write_bytes(CONTENT * 2)
    assert any("beginning anew" in line for line in get())
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_partial_download_of_another_address_begins_anew(server, serve, get, tmp_path):
    name_partial(tmp_path / "file.bin").write_bytes(b"something else")
    (tmp_path / "file.bin.partial.json").write_text('{"url": "https://example.org", "etag": "\\"one\\""}')
    serve("file.bin", CONTENT)
    get()
    assert ranges(server) == [None]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 403])
def test_a_refusal_is_not_tried_again(server, serve, get, status):
    serve("file.bin", CONTENT, status=status)
    with pytest.raises(InputError, match=rf"file\.bin: the server answers {status} .*; look for the file on the page"):
        get()
    assert len(server.requests) == 1


def test_a_failing_server_is_tried_again(server, serve, get):
    serve("file.bin", CONTENT, status=503)
    with pytest.raises(InputError, match="the server answers 503"):
        get()
    assert len(server.requests) == 4


def test_no_server(tmp_path):
    file = SourceFile("http://127.0.0.1:9/file.bin")
    with pytest.raises(InputError, match="the connection broke .*refused"):
        fetch(file, tmp_path / "file.bin")
    assert "refused" in probe(file).problem


def test_a_file_of_another_length_than_recorded_is_refused_before_it_is_downloaded(serve, get, tmp_path):
    serve("file.bin", CONTENT)
    with pytest.raises(InputError, match="has 5120 bytes, and 5000 are recorded: the file was replaced"):
        get(bytes=5000)
    assert left_in(tmp_path) == []


def test_a_disk_that_is_too_small(monkeypatch, serve, get):
    serve("file.bin", CONTENT)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "total used free")(0, 0, 100))
    with pytest.raises(InputError, match=r"file\.bin needs 5\.12 KB more, and 100 bytes are free"):
        get()


def test_the_length_is_asked_without_a_download(server, serve):
    serve("file.bin", CONTENT)
    assert probe(SourceFile(f"{server.url}/file.bin")).bytes == 5120
    assert probe(SourceFile(f"{server.url}/gone", bytes=7)).problem.startswith("404")
    assert server.requests == []
