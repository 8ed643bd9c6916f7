"""A server in a thread, with two small models and short limits."""

import threading
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

import iqa_zoo
from iqa_zoo.serve.limits import Limits
from iqa_zoo.serve.run import make_server, open_socket
from tests.serve.photos import draw_photo

LIMITS = Limits(
    photographs=4,
    file_megabytes=1,
    request_megabytes=2,
    megapixels=1,
    at_once=8,
    upload_seconds=1.0,
    header_seconds=0.5,
    connections=300,
    regions=12,
)


@dataclass(frozen=True)
class Served:
    """A running server: its port, models and limits, and a client that keeps no connection."""

    port: int
    scorers: dict[str, Any]
    limits: Limits
    client: httpx.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path, *photographs, field="photographs", **options):
        """Send photographs, each as (name, bytes)."""
        files = [(field, (name, content)) for name, content in photographs]
        return self.client.post(self.url + path, files=files, **options)

    def get(self, path, **options):
        return self.client.get(self.url + path, **options)

    def check_stands(self):
        """Score a photograph: the server answers, and rightly."""
        content = draw_photo(99)
        answer = self.post("/v1/score", ("a.png", content)).json()["photographs"][0]["scores"][0]
        assert answer["score"] == next(iter(self.scorers.values())).score(content).score


@pytest.fixture(scope="module")
def served(released, whole_run, one_thread):
    scorers = {
        "tiny.noise": iqa_zoo.load("tiny.noise", "cpu", folder=released.folder),
        "whole": iqa_zoo.load(whole_run, "cpu"),
    }
    opened = open_socket("127.0.0.1", 0)
    ready = threading.Event()
    server = make_server(scorers, "127.0.0.1", LIMITS, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    thread.start()
    assert ready.wait(30)
    with httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        yield Served(opened.getsockname()[1], scorers, LIMITS, client)
    server.should_exit = True
    thread.join(30)
    opened.close()
    assert not thread.is_alive()
