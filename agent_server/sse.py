"""A stream of server-sent events as a response: pieces as they come, signs of life, and its end.

Two tasks: the request's own reads and sends; a companion waits for the client to go, and sends a
heartbeat each time that its timer runs out.  What the client does not take is not read: `send`
waits while its socket is full.

A stream that ends before its time, because the server stops, is no whole answer: the connection is
cut, at which every client comes back with the last id that it has seen.  Old ones take a whole
answer for the end of the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Protocol

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from actors import Supervisor

from .errors import OverloadedError
from .tasks import seen

HEARTBEAT = b": heartbeat\r\n"
"""A comment, with no empty line after it: some clients give an empty event for that."""
HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "connection": "keep-alive",
    "x-accel-buffering": "no",
    "content-type": "text/event-stream; charset=utf-8",
}
"""Of every stream."""


class Pieces(Protocol):
    """What is sent, some whole events at a time."""

    @property
    def whole(self) -> bool:
        """False once they have ended before their time: there is more, for who comes back."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None:
        """Nobody reads any more."""
        ...


class Streams:
    """All streams of a server: how they are sent, and how many there may be."""

    def __init__(self, supervisor: Supervisor, *, heartbeat: float, most: int) -> None:
        self.supervisor = supervisor
        """Owns the streams' tasks."""
        self.heartbeat = heartbeat
        """Seconds between two signs of life."""
        self.count = 0
        """Open streams, sessions, and requests that wait for a run."""
        self._most = most

    def check(self) -> None:
        """Raise OverloadedError if there is no room for another stream."""
        if self.count >= self._most:
            raise OverloadedError(
                f"{self.count} streams are open, or wait for a run, as many as this server serves "
                "at once; come back later"
            )

    @contextmanager
    def held(self) -> Generator[None]:
        """Room for one that is no response of ours.  Raises OverloadedError."""
        self.check()
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    def answer(
        self,
        pieces: Pieces,
        *,
        headers: Mapping[str, str] | None = None,
        on_disconnect: Callable[[], Awaitable[object]] | None = None,
    ) -> EventStream:
        """The pieces as a response; `on_disconnect` is awaited if the client goes before their
        end."""
        return EventStream(self, pieces, headers or {}, on_disconnect)


class EventStream(Response):
    """Sends pieces until they end or the client goes; made by `Streams.answer`."""

    def __init__(
        self,
        streams: Streams,
        pieces: Pieces,
        headers: Mapping[str, str],
        on_disconnect: Callable[[], Awaitable[object]] | None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**headers, **HEADERS})
        self._streams = streams
        self._pieces = pieces
        self._on_disconnect = on_disconnect
        self._sending = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client."""
        del scope
        self._streams.count += 1  # as many as asked at once were let in together
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            stayed = await self._send_all(receive, send)
        finally:
            self._streams.count -= 1
            self._pieces.close()
        if stayed and self._pieces.whole:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        if not stayed and self._on_disconnect is not None:
            await self._on_disconnect()

    async def _send_all(self, receive: Receive, send: Send) -> bool:
        """True when all was sent, false when the client went before that."""
        presence = asyncio.timeout(None)
        try:
            async with presence:
                companion = self._streams.supervisor.spawn(
                    self._attend(receive, send, presence), name="stream", on_done=seen
                )
                try:
                    async for piece in self._pieces:
                        async with self._sending:
                            await send(_body(piece))
                        await asyncio.sleep(0)  # others' turn: a long log and a fast client
                finally:
                    companion.cancel()
        except TimeoutError:
            if not presence.expired():
                raise
            return False
        except OSError:  # how some servers say that the client is gone
            return False
        return True

    async def _attend(self, receive: Receive, send: Send, presence: asyncio.Timeout) -> None:
        """Wait until the client goes, and end the sending then."""
        with suppress(OSError):
            await self._wait_and_beat(receive, send)
        presence.reschedule(asyncio.get_running_loop().time())

    async def _wait_and_beat(self, receive: Receive, send: Send) -> None:
        """Say every now and then that the server is still there, until the client goes."""
        due = asyncio.get_running_loop().time()
        while True:
            due += self._streams.heartbeat
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    return
            if not self._sending.locked():  # else something is on its way anyhow
                async with self._sending:
                    await send(_body(HEARTBEAT))


def _body(piece: bytes) -> Message:
    return {"type": "http.response.body", "body": piece, "more_body": True}
