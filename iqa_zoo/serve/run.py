"""Run the server until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

import uvicorn

from iqa_zoo.errors import InputError
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.serve.app import create_app
from iqa_zoo.serve.guard import LOCAL
from iqa_zoo.serve.limits import Limits
from iqa_zoo.serve.slow_clients import LARGEST_HEAD, make_protocol

_GRACE = 5  # seconds that requests have to end when the server ends


def open_socket(host: str, port: int) -> socket.socket:
    """Open the socket of a server; port 0 takes a free one.

    Raises:
        InputError: the port is in use or not allowed, or the host is not one of this machine.
    """
    try:
        kind = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        opened = socket.socket(kind[0], socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(kind[4])
            opened.listen(512)
        except OSError:
            opened.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{host}, port {port}: {reason}; give another --port or --host") from None
    return opened


def name_url(opened: socket.socket, host: str) -> str:
    """Return the address of a server for a browser."""
    port = opened.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/"


def make_server(
    scorers: Mapping[str, Scorer],
    host: str,
    limits: Limits,
    report_ready: Callable[[], object] = lambda: None,
) -> uvicorn.Server:
    """Make a server; ``server.run(sockets=[opened])`` serves until the process is interrupted.

    Args:
        scorers: the models, by name; the first is the default.
        host: that it listens on. On the loopback, browsers are answered under the names of the loopback only.
        limits: of requests.
        report_ready: called when requests are accepted.
    """
    settings = uvicorn.Config(
        create_app(scorers, limits, LOCAL if host in LOCAL else ()),
        http=make_protocol(limits.header_seconds),
        ws="none",
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_graceful_shutdown=_GRACE,
        server_header=False,
        access_log=False,
        log_level="warning",
    )
    return _ReportingServer(settings, report_ready)


class _ReportingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, report_ready: Callable[[], object]):
        super().__init__(config)
        self.report_ready = report_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.report_ready()
