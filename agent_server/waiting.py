"""The answer to who waits for the end of a run: its final values, and signs of life until then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from .live import LiveRun
from .sse import Streams
from .tasks import seen

HEARTBEAT = b"\n"
"""White space before JSON is no part of it."""


class EndOfRun(Response):
    """Headers at once, a newline now and then, then what the run has come to.

    It counts among the `streams` meanwhile.  `on_disconnect` is awaited if the client goes before
    that.  If the server stops before the run has ended the connection is cut: clients come back
    and ask at `Location`.
    """

    media_type = "application/json"

    def __init__(
        self,
        live: LiveRun,
        streams: Streams,
        *,
        headers: Mapping[str, str],
        on_disconnect: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**headers, "content-type": "application/json"})
        self._live = live
        self._streams = streams
        self._on_disconnect = on_disconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client."""
        del scope
        self._streams.count += 1  # as many as asked at once were let in together
        try:
            await self._answer(receive, send)
        finally:
            self._streams.count -= 1

    async def _answer(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if self._live.is_settled or await self._wait(receive, send):
            if self._live.run.ended:
                await send(_body(self._live.answer, more=False))
        elif self._on_disconnect is not None:
            await self._on_disconnect()

    async def _wait(self, receive: Receive, send: Send) -> bool:
        """True when it has ended, false when the client went before that."""
        presence = asyncio.timeout(None)
        try:
            async with presence:
                companion = self._streams.supervisor.spawn(
                    self._attend(receive, send, presence), name="wait", on_done=seen
                )
                try:
                    await self._live.settled()
                finally:
                    companion.cancel()
        except TimeoutError:
            return False
        return True

    async def _attend(self, receive: Receive, send: Send, presence: asyncio.Timeout) -> None:
        """Give signs of life, and end the waiting when the client is gone."""
        while True:
            try:
                async with asyncio.timeout(self._streams.heartbeat):
                    message = await receive()
            except TimeoutError:
                await send(_body(HEARTBEAT, more=True))
                continue
            if message["type"] == "http.disconnect":
                presence.reschedule(0)
                return


def _body(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
