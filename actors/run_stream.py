"""A reader of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Self

from streaming import Chunk, Gap, Subscriber

from .errors import NodeStoppedError

if TYPE_CHECKING:
    from .run import Run


class RunStream(AsyncIterator["Chunk | Gap"]):
    """A run's chunks, which end as the run ends; made by `Run.stream`.

    Leave it, close it, or use it as an async context manager: the run goes on.
    """

    def __init__(self, run: Run, subscriber: Subscriber) -> None:
        self._run = run
        self._subscriber = subscriber
        self._made = subscriber.made
        self._closed = False

    async def __anext__(self) -> Chunk | Gap:
        if self._made:
            return self._made.popleft()
        try:
            return await anext(self._subscriber)
        except StopAsyncIteration:
            if not self._closed:
                await self._run.ended()
                if self._run.status == "error":
                    self._check()
            raise

    def _check(self) -> None:
        try:
            self._run.check()
        except StopAsyncIteration as error:
            raise NodeStoppedError from error

    async def aclose(self) -> None:
        """Read no more."""
        self._closed = True
        self._subscriber.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
