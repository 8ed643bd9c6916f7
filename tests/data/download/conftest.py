"""A server on the loopback that sends files as the tests want it to, and a table with its addresses."""

import http.server
import io
import re
import threading
import zipfile
from dataclasses import dataclass, field

import pytest
import yaml

from iqa_zoo.data.download import fetch as fetch_module
from iqa_zoo.data.download import sources


@dataclass
class Served:
    """A file of the server, and how it behaves.

    Attributes:
        content: the bytes.
        etag: of the file; "" for none.
        ranges: whether it can send a part.
        cuts: for each request in turn, after how many bytes of the file the connection ends; none when the list is empty.
        status: answered instead of the file.
    """

    content: bytes
    etag: str = '"one"'
    ranges: bool = True
    cuts: list = field(default_factory=list)
    status: int = 200


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        server = self.server
        served = server.files.get(self.path)
        if body:
            server.requests.append((self.path, dict(self.headers)))
        if served is None or served.status != 200:
            self.send_response(404 if served is None else served.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, total = 0, len(served.content)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", served.etag) == served.etag
        if wanted and served.ranges and same:
            start = int(wanted[1])
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(total - start))
        if served.etag:
            self.send_header("ETag", served.etag)
        self.end_headers()
        if body:
            end = served.cuts.pop(0) if served.cuts else total
            self.wfile.write(served.content[start : max(start, end)])
            self.close_connection = end < total

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """A running server: ``files`` by path, ``requests`` as (path, headers) in order, ``url`` without a last slash."""
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.files, running.requests = {}, []
    running.url = f"http://127.0.0.1:{running.server_address[1]}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def serve(server):
    """Serve some bytes under a name; return what can be changed of it."""

    def add(name, content, **behaviour):
        server.files[f"/{name}"] = Served(content, **behaviour)
        return server.files[f"/{name}"]

    return add


@pytest.fixture
def write_table(tmp_path_factory, monkeypatch):
    """Replace the table of addresses."""

    def write(**datasets):
        table = tmp_path_factory.mktemp("table") / "sources.yaml"
        table.write_text(yaml.safe_dump(datasets))
        monkeypatch.setattr(sources, "TABLE", table)

    return write


@pytest.fixture
def zipped():
    """Make a ZIP archive of names and contents."""

    def make(files):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return out.getvalue()

    return make


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(fetch_module, "DELAY", 0.0)
    monkeypatch.setattr(fetch_module, "CHUNK", 250)  # a break loses what is not yet a whole chunk
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
