"""The gate in front of the application: who may call, how much and how long a request may be, and what a browser may load."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from iqa_zoo.serve.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LINGER = 1.0  # seconds that a refused client has to read the answer
LOCAL = ("localhost", "127.0.0.1", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Refused(HTTPException):
    """A request that is refused; the connection is closed, as the rest of the request may still arrive.

    Attributes:
        code: short name of the reason, for programs.
    """

    def __init__(self, status: int, code: str, text: str):
        headers = {"connection": "close"} | ({"retry-after": "10"} if status == 503 else {})
        super().__init__(status, text, headers)
        self.code = code

    def to_dict(self) -> dict[str, Any]:
        """Return the error as the body of an answer."""
        return make_error(self.code, self.detail)


def make_error(code: str, text: str) -> dict[str, Any]:
    """Make the body of every answer that is an error."""
    return {"error": {"code": code, "message": text}}


BUG = make_error("internal", "an error of the server; its log says more")


class Guard:
    """ASGI middleware that holds :class:`iqa_zoo.serve.limits.Limits` while a request arrives, and adds headers to each answer.

    Args:
        app: the application.
        limits: of the server.
        hosts: names under which a browser may reach the server; empty for any. A web site that points its own name at this
            machine is refused.
    """

    def __init__(self, app: App, limits: Limits, hosts: Collection[str] = ()):
        self.app, self.limits, self.hosts = app, limits, frozenset(hosts)
        self._places = asyncio.Semaphore(limits.at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        try:
            self._check_head(scope, dict(scope["headers"]))
            if scope["method"] == "POST":
                await self._take_place()
        except Refused as refused:
            await _answer(receive, send_guarded, refused)
            return
        try:
            if scope["method"] == "POST":
                await self._run_in_place(scope, receive, send_guarded)
            else:
                await self.app(scope, receive, send_guarded)
        except Exception:
            if not started:
                await JSONResponse(BUG, 500)(scope, receive, send_guarded)
            raise  # the log has it

    async def _run_in_place(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, _Arriving(receive, self.limits), send)
        finally:
            self._places.release()

    async def _take_place(self) -> None:
        try:
            await asyncio.wait_for(self._places.acquire(), self.limits.wait_seconds)
        except TimeoutError:
            raise Refused(503, "busy", "the server is busy; try again later") from None

    def _check_head(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        host = _strip_port(headers.get(b"host", b"").decode("latin-1"))
        if self.hosts and host not in self.hosts:
            raise Refused(
                403, "host", f"this server does not answer as {host[:80]!r}; use {', '.join(sorted(self.hosts))}"
            )
        if scope["method"] == "POST" and headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
            raise Refused(403, "origin", "another web site sent this request")
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit():
            raise Refused(400, "length", "Content-Length is not a number")
        if len(announced) > 15 or int(announced) > self.limits.request_bytes:
            raise _too_large(self.limits)


class _Arriving:
    """``receive`` of a request that counts its bytes and its seconds."""

    def __init__(self, receive: Receive, limits: Limits):
        self.receive, self.limits = receive, limits
        self.bytes, self.done = 0, False
        self.end = asyncio.get_running_loop().time() + limits.upload_seconds

    async def __call__(self) -> Message:
        if self.done:
            return await self.receive()
        try:
            message = await asyncio.wait_for(self.receive(), self.end - asyncio.get_running_loop().time())
        except TimeoutError:
            seconds = self.limits.upload_seconds
            raise Refused(408, "slow", f"the request did not arrive within {seconds:g} seconds") from None
        self.bytes += len(message.get("body", b""))
        if self.bytes > self.limits.request_bytes:
            raise _too_large(self.limits)
        self.done = not message.get("more_body", False)
        return message


def _too_large(limits: Limits) -> Refused:
    return Refused(413, "size", f"a request may have at most {limits.request_megabytes} MB; send fewer photographs")


async def _answer(receive: Receive, send: Send, refused: Refused) -> None:
    """Answer before the request has arrived, and discard what arrives meanwhile: a client that still sends would else lose the answer."""
    content = json.dumps(refused.to_dict()).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        **dict(refused.headers or {}),
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status_code, "headers": raw})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_discard(receive), LINGER)
    await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    while (await receive()).get("more_body", False):
        pass


def _strip_port(host: str) -> str:
    """Return the name in a Host header.

    >>> _strip_port("localhost:8000"), _strip_port("[::1]:8000"), _strip_port("127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
