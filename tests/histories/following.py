"""A client that follows a run's stream over connections that break, and comes back each time with
the id of the last event that it has seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.agent_server.lib_streams import Frame, frames_in

Again = Callable[[], Awaitable[object]]
"""Waits until there is somebody to come back to."""


class Follower:
    """Starts a run, and follows it to its end; `seen` is called at each event.

    It leaves once after `cut` events; when the connection breaks it waits for `again`, or gives up.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        cut: int,
        seen: Callable[[], object],
        again: Again | None = None,
    ) -> None:
        self._http = http
        self._cut = cut
        self._seen = seen
        self._again = again
        self.frames: list[Frame] = []
        self.run = ""
        """The path of the run, once it is taken."""

    async def start(self, thread: str, body: Any) -> int | None:
        """Follow a new run to its end; the status of what was refused.

        Raises TransportError if nobody knows whether the run was taken.
        """
        try:
            path = f"{thread}/runs/stream"
            async with self._http.stream("POST", path, json=body) as answer:
                if not answer.is_success:
                    return answer.status_code
                self.run = answer.headers["content-location"]
                is_over = await self._read(answer)
        except httpx.TransportError:
            if not self.run or self._again is None:
                raise
            is_over = False
        return None if is_over else await self._come_back()

    async def _come_back(self) -> int | None:
        while True:
            try:
                if self._again is not None:
                    await self._again()
                last = max((frame.id or 0 for frame in self.frames), default=0)
                status, is_over = await self._join(last)
            except httpx.TransportError:
                if self._again is None:
                    raise
                continue
            if status is not None or is_over:
                return status

    async def _join(self, last: int) -> tuple[int | None, bool]:
        """The status of what was refused, and whether the stream came to its end."""
        headers = {"last-event-id": str(last)}
        async with self._http.stream("GET", f"{self.run}/stream", headers=headers) as answer:
            if not answer.is_success:
                return answer.status_code, True
            return None, await self._read(answer)

    async def _read(self, answer: httpx.Response) -> bool:
        rest = b""
        async for piece in answer.aiter_bytes():
            *blocks, rest = (rest + piece).split(b"\r\n\r\n")
            for block in blocks:
                self.frames += frames_in(block)
                self._seen()
                if len(self.frames) == self._cut:
                    self._cut = 0
                    return False
        return True

    async def check(self) -> None:
        """What was seen is what the log tells now, from its first event to its last, once each.

        Of a run that was forgotten meanwhile there is no log; who was being told it then is told
        that something is missing.
        """
        ids = [frame.id for frame in self.frames if frame.id is not None]
        assert ids == sorted(set(ids)), self.frames
        status, told = await self._whole()
        if status == 404 or told == self.frames:
            return
        assert status is None
        assert {"error", "gap"} & {frame.name for frame in told}, (self.frames, told)
        assert (await self._whole())[0] == 404, (self.frames, told)

    async def _whole(self) -> tuple[int | None, list[Frame]]:
        reader = Follower(self._http, cut=0, seen=_ignore)
        reader.run = self.run
        status, _ = await reader._join(0)
        return status, reader.frames


def _ignore() -> None:
    """Somebody else has seen it."""
