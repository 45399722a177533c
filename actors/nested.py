"""A child that the code of its task reads: its run beside that code, its chunks as seen there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from streaming import SKIP, Gap, Subscriber, SubscriberLagged

from .patience import see_through
from .supervisor import Supervisor
from .values import GraphOutput


class Nested:
    """A child that runs beside the code of its task, which reads it."""

    def __init__(
        self, run: Coroutine[Any, Any, GraphOutput], subscriber: Subscriber, supervisor: Supervisor
    ) -> None:
        self._supervisor = supervisor
        self._subscriber = subscriber
        self._task = self._supervisor.spawn(run, name="nested", on_done=self._over)

    def _over(self, task: asyncio.Task[GraphOutput]) -> None:
        if not task.cancelled():
            task.exception()  # told to whoever asks for the result
        self._subscriber.finish()

    async def output(self) -> GraphOutput:
        """What it gave."""
        return await self._task

    async def end(self) -> None:
        """Stop it; nothing of it is alive when this returns, or is cancelled."""
        self.cancel_nowait()
        await see_through(self._task)

    def cancel_nowait(self) -> None:
        """Ask it to stop."""
        self._supervisor.cancel(self._task)


class Inner:
    """A child's chunks with namespaces as seen from inside."""

    def __init__(self, subscriber: Subscriber, depth: int) -> None:
        self._subscriber = subscriber
        self._depth = depth
        self.made = subscriber.made
        """Chunks that were made already."""

    def take_nowait(self) -> Any:
        """The next chunk if it needs no waiting; else SKIP."""
        chunk = self._subscriber.take_nowait()
        if isinstance(chunk, Gap):
            raise SubscriberLagged(
                f"{chunk.lost} events were lost because the node that reads its subgraph was too "
                "slow; read faster, or ask for fewer modes",
                lost=chunk.lost,
            )
        return chunk if chunk is SKIP else replace(chunk, ns=chunk.ns[self._depth :])

    def park(self) -> asyncio.Future[None] | None:
        """What to await until there may be one; None: ask `ready`."""
        return self._subscriber.park()

    def unpark(self) -> None:
        """Nothing is awaited that `park` gave."""
        self._subscriber.unpark()

    async def ready(self) -> None:
        """Return when there is one; raises StopAsyncIteration at the end."""
        await self._subscriber.ready()

    async def aclose(self) -> None:
        """Read no more."""
        self._subscriber.close()
