"""HTTP/1.1 of uvicorn, with an end to connections that send no whole head of a request, and the server's headers on each answer."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from iqa_zoo.serve.guard import HEADERS

LARGEST_HEAD = 16 * 1024  # bytes of the head of a request


class _Connection(h11.Connection):
    """Adds the headers of :class:`iqa_zoo.serve.guard.Guard` to what uvicorn answers itself: to what is no HTTP, and to too many."""

    def send(self, event: Any) -> Any:
        if isinstance(event, h11.Response):
            there = {name for name, _ in event.headers}
            headers = [*event.headers, *(each for each in HEADERS if each[0] not in there)]
            event = h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)
        return super().send(event)


def make_protocol(header_seconds: float) -> type[H11Protocol]:
    """Make the protocol of connections that are closed where the head of a request takes longer than ``header_seconds``.

    uvicorn has no such limit: it waits for the first request, and for the rest of a head, for ever.
    """

    class ImpatientProtocol(H11Protocol):
        _waiting: asyncio.TimerHandle | None = None

        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **kwargs)
            self.conn = _Connection(h11.SERVER, self.config.h11_max_incomplete_event_size or LARGEST_HEAD)

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _watch(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()
            elif self._waiting is None:
                self._waiting = self.loop.call_later(header_seconds, self._end)

        def _stop(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _end(self) -> None:
            self._waiting = None
            if self.cycle is None or self.cycle.response_complete:
                self.transport.abort()

    return ImpatientProtocol
