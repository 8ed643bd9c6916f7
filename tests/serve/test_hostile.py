"""What a stranger may send: refused by name and at once, and the server stands."""

import contextlib
import logging
import socket
import time

import pytest

from iqa_zoo.serve.guard import HEADERS
from iqa_zoo.serve.scoring import ScoringPool
from tests.serve.photos import draw_photo, make_jpeg_header, make_png_header

SCRIPT = b'<svg xmlns="http://www.w3.org/2000/svg" width="50" height="50"><script>alert(1)</script></svg>'
HOSTILE = {
    "400 megapixels of PNG": (make_png_header(20_000, 20_000), "400 megapixels"),
    "400 megapixels of JPEG": (make_jpeg_header(20_000, 20_000), "400 megapixels"),
    "more than the limit": (make_png_header(1500, 1000), "at most 1 megapixels"),
    "no pixels": (make_png_header(0, 100), "a.png"),
    "a line": (make_png_header(20_000, 10), "at most 20 times"),
    "a renamed executable": (b"MZ\x90\x00" + bytes(500), "is not an image"),
    "an ELF file": (b"\x7fELF\x02\x01\x01" + bytes(500), "is not an image"),
    "an SVG with a script": (SCRIPT, "HTML, SVG or XML"),
    "a PDF": (b"%PDF-1.7\n", "it may be PDF"),
    "half an image": (draw_photo(1)[:400], "truncated or damaged"),
    "nothing": (b"", "is empty"),
    "a large file": (draw_photo(1) + bytes(1_000_001), "at most 1 MB"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("path", ["/v1/score", "/v1/map"])
def test_a_hostile_file_is_refused_by_name(served, kind, path):
    content, reason = HOSTILE[kind]
    started = time.perf_counter()
    if path == "/v1/score":
        response = served.post(path, ("a.png", content))
        (answer,) = response.json()["photographs"]
        message = answer["error"]
    else:
        response = served.post(path, ("a.png", content), field="photograph")
        message = response.json()["error"]["message"]
    assert response.status_code == 422
    assert message.startswith("a.png")
    assert reason in message
    assert time.perf_counter() - started < 5
    served.check_stands()


def test_a_name_is_printed_as_text(served):
    response = served.post("/v1/score", ("../../<b>\x1b[31m.png", b"nothing"))
    (answer,) = response.json()["photographs"]
    assert answer["name"].startswith("<b>")
    assert "\x1b" not in response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_too_many_photographs_are_refused(served):
    response = served.post("/v1/score", *(("a.png", draw_photo(1)) for _ in range(5)))
    assert response.status_code == 413
    assert "5 photographs" in response.json()["error"]["message"]


def talk(served, sent, seconds=8):
    """Send bytes and return the whole answer, until the server closes."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=seconds) as connection:
        parts = []
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(sent)
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)


def make_head(served, *lines, path="/v1/score"):
    fixed = (f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Content-Type: multipart/form-data; boundary=x")
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


def test_ten_gigabytes_that_are_announced_are_refused_before_they_arrive(served):
    started = time.perf_counter()
    answer = talk(served, make_head(served, "Content-Length: 10000000000"))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"at most 2 MB" in answer
    assert time.perf_counter() - started < 5
    served.check_stands()


@pytest.mark.parametrize("length", ["-5", "ten", "9" * 30])
def test_a_length_that_is_no_length_is_refused(served, length):
    assert talk(served, make_head(served, f"Content-Length: {length}"))[9:12] in (b"400", b"413")


def test_a_stream_without_end_is_refused(served):
    part = b'--x\r\nContent-Disposition: form-data; name="photographs"; filename="a.png"\r\n\r\n'
    first, more = (b"%x\r\n" % len(sent) + sent + b"\r\n" for sent in (part, bytes(100_000)))
    head = make_head(served, "Transfer-Encoding: chunked")
    assert talk(served, head + first + 21 * more).startswith(b"HTTP/1.1 413")
    served.check_stands()


@pytest.mark.slow
def test_a_client_that_goes_on_sending_reads_why_it_was_refused(served):
    head = make_head(served, "Content-Length: 40000000")
    assert b"at most 2 MB" in talk(served, head + bytes(20_000_000))


def test_a_body_that_does_not_arrive_ends(served):
    answer = talk(served, make_head(served, "Content-Length: 1000") + b"--x\r\n")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"within 1 seconds" in answer
    served.check_stands()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_a_head_that_does_not_arrive_ends(served, sent):
    started = time.perf_counter()
    assert talk(served, sent) == b""
    assert 0.3 < time.perf_counter() - started < 5


def test_a_second_head_on_a_kept_connection_ends_as_well(served):
    whole = f"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
    answer = talk(served, whole + b"GET / HT")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


def test_slow_clients_hold_nobody_up_for_long(served):
    slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(60)]
    try:
        for index, connection in enumerate(slow):
            connection.sendall(make_head(served, "Content-Length: 5000") + b"--x" if index % 2 else b"GET / HT")
        served.check_stands()  # after those that hold a place have lost it
    finally:
        for connection in slow:
            connection.close()
    served.check_stands()


def test_a_large_head_is_refused(served):
    answer = talk(served, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + 100_000 * b"a")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    served.check_stands()


def test_another_name_of_this_machine_is_refused(served):
    response = served.get("/v1/health", headers={"Host": "evil.example"})
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "host"
    for host in (f"localhost:{served.port}", f"[::1]:{served.port}", "127.0.0.1"):
        assert served.get("/v1/health", headers={"Host": host}).status_code == 200


def test_another_web_site_cannot_make_the_server_work(served):
    response = served.post("/v1/score", ("a.png", draw_photo(1)), headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


REQUESTS = {  # what is answered -> its head, and its body
    200: ("GET /v1/health HTTP/1.1", b""),
    404: ("GET /none HTTP/1.1", b""),
    405: ("DELETE /v1/score HTTP/1.1", b""),
    400: ("no HTTP", b""),
    408: ("POST /v1/score HTTP/1.1\r\nContent-Length: 9\r\nContent-Type: multipart/form-data; boundary=x", b"--x"),
    413: ("POST /v1/score HTTP/1.1\r\nContent-Length: 99999999", b""),
    422: ("POST /v1/score HTTP/1.1\r\nContent-Length: 0", b""),
}


@pytest.mark.parametrize("status", REQUESTS)
def test_every_kind_of_answer_has_the_same_headers(served, status):
    head, body = REQUESTS[status]
    answer = talk(served, f"{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode() + body)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    check_headers(answer)


def check_headers(answer):
    """Check that an answer has each header of the guard once."""
    lines = answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    for name, value in HEADERS:
        assert lines.count(name + b": " + value.lower()) == 1
        assert sum(line.startswith(name + b":") for line in lines) == 1


def test_other_hosts_and_sites_are_refused_with_the_headers(served):
    for line in ("Host: evil.example", "Host: localhost\r\nSec-Fetch-Site: cross-site"):
        answer = talk(served, f"POST /v1/score HTTP/1.1\r\n{line}\r\nContent-Length: 0\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 403")
        check_headers(answer)


def test_an_error_of_the_server_has_the_headers_and_is_logged(served, monkeypatch, caplog):
    def fail(self, names):
        raise RuntimeError("a bug, with /a/path")

    log = logging.getLogger("uvicorn.error")  # does not propagate
    monkeypatch.setattr(log, "handlers", [*log.handlers, caplog.handler])
    with monkeypatch.context() as patch:
        patch.setattr(ScoringPool, "select", fail)
        response = served.post("/v1/score", ("a.png", draw_photo(1)))
    assert response.status_code == 500
    assert response.json() == {"error": {"code": "internal", "message": "an error of the server; its log says more"}}
    for name, value in HEADERS:
        assert response.headers.get_list(name.decode()) == [value.decode()]
    served.check_stands()
    assert "a bug, with /a/path" in caplog.text


def test_one_connection_too_many_is_refused_with_the_headers(served):
    idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(served.limits.connections)]
    try:
        answer = talk(served, b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    finally:
        for connection in idle:
            connection.close()
    assert answer.startswith(b"HTTP/1.1 503")
    check_headers(answer)
    served.check_stands()


@pytest.mark.parametrize("path", ["/", "/app.js", "/style.css", "/icon.svg", "/v1/models", "/openapi.json", "/none"])
def test_every_answer_forbids_other_sources(served, path):
    response = served.get(path)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    if path != "/openapi.json":
        text = response.text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
