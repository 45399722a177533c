"""Dispatchers: actors that handle several messages at a time.

There is no loop task. A message that arrives while fewer than `slots` are being handled gets
a supervised task at once, past the mailbox; otherwise it waits there, and the task that ends
first makes room for the message that waited longest. One message's failure touches no other: it
goes to the asker and to `on_failure`. A handler that is cancelled has not handled its message:
the asker gets an error, a told message becomes a dead letter.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .errors import ConfigError
from .mailbox import Overflow
from .ref import NOTHING, Cell, Nothing, Owner, Question, Startable, stray_cancel

M = TypeVar("M")
R = TypeVar("R")


class Dispatcher(Startable[M, R], ABC):
    """Subclass it, write `handle`, and start it with `Supervisor.start`.

    Handlers of one dispatcher run side by side, so what they share needs the care that shared
    state always needs.

        class Fetcher(Dispatcher[str, bytes]):
            slots = 10  # at most ten downloads at a time

            async def handle(self, message: str) -> bytes:
                return await download(message)
    """

    slots: int | None = None
    """How many messages it handles at a time, read at start; None: as many as arrive."""

    @abstractmethod
    async def handle(self, message: M) -> R:
        """Handle one message; what it returns answers an `ask`."""

    def context_for(
        self,
        message: M,  # noqa: ARG002  # for subclasses
    ) -> contextvars.Context | None:
        """The context `message` is handled in; None: a copy of the one that starts the task."""
        return None

    async def on_failure(self, error: Exception, message: M) -> None:
        """Runs in the message's task when `handle` or `context_for` raised `error` on it."""


class DispatcherCell(Cell[M, R]):
    """Starts a task per message and knows which message each task has in hand."""

    __slots__ = ("_busy", "_running", "_slots", "dispatcher")

    def __init__(
        self,
        dispatcher: Dispatcher[M, R],
        name: str,
        owner: Owner,
        capacity: int,
        overflow: Overflow,
        *,
        max_bytes: int | None,
        size_of: Callable[[M], int],
    ) -> None:
        slots = dispatcher.slots
        if slots is not None and slots < 1:
            raise ConfigError(
                f"slots={slots!r} of dispatcher {name!r} lets it handle nothing;"
                " give 1 or more, or None for no limit"
            )
        super().__init__(
            name,
            owner,
            capacity,
            overflow,
            max_bytes=max_bytes,
            size_of=size_of,
            on_arrival=self._start_waiting,
            take=self._take,
        )
        self.dispatcher = dispatcher
        self._slots = math.inf if slots is None else slots
        self._busy = 0
        self._running: dict[asyncio.Task[None], M | Question | Nothing] = {}
        dispatcher.started_as(self.ref)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """The tasks that handle a message now."""
        return list(self._running)

    def serves_in(self, task: asyncio.Task[Any] | None) -> bool:
        """True for the task that holds its only slot."""
        return self._slots == 1 and task in self._running

    def abandon(self) -> None:
        """Settle the messages in hand: their tasks outlived the grace."""
        for task, item in self._running.items():
            if not isinstance(item, Nothing):
                self._running[task] = NOTHING
                self.undelivered(item, "stopped")
        if not self._running:
            del self.ref  # needed no more, and the collector is spared a circle

    def _take(self, item: M | Question) -> bool:
        if self._busy >= self._slots:
            return False
        self._start(item)
        return True

    def _start_waiting(self) -> None:
        mailbox = self.mailbox
        while mailbox and self._busy < self._slots:
            item = mailbox.get_nowait()
            if not isinstance(item, Question) or not item.reply.done():
                self._start(item)

    def _start(self, item: M | Question) -> None:
        question, message = (
            (item, item.message) if isinstance(item, Question) else (None, cast("M", item))
        )
        try:
            context = self.dispatcher.context_for(message)
            coro = self._handle(message, question)
        except Exception as error:  # noqa: BLE001  # the message failed, not its sender
            context, coro = None, self._fail(error, message, question)
        self._busy += 1  # before the task: an eager one runs, and may tell us, inside `spawn`
        try:
            task = self.owner.spawn(coro, name=self.name, context=context, on_done=self._ended)
        except BaseException:
            self._busy -= 1
            self.mailbox.put_back(item)
            raise
        self._running[task] = item

    async def _handle(self, message: M, question: Question | None) -> None:
        try:
            result = await self.dispatcher.handle(message)
        except Exception as error:  # noqa: BLE001  # the edge: to the asker and on_failure
            await self._fail(error, message, question)
        except asyncio.CancelledError:
            stray = stray_cancel(self.name, message)
            if stray is None:
                raise
            await self._fail(stray, message, question)
        else:
            if question is not None:
                question.answer(result)

    async def _fail(self, error: Exception, message: M, question: Question | None) -> None:
        if question is not None:
            question.fail(error)
        await self.dispatcher.on_failure(error, message)

    def _ended(self, task: asyncio.Task[None]) -> None:
        item = self._running.pop(task)
        self._busy -= 1
        if task.cancelled():
            if not isinstance(item, Nothing):
                self.undelivered(item, "stopped" if self.halted else "cancelled")
        elif (error := task.exception()) is not None:
            self.owner.ledger.report(f"{self.name}.on_failure", error)
        self._start_waiting()
