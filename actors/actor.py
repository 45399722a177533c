"""Actors: state that one task owns, changed by one message at a time.

The rules of a life, from start or restart to its end:

* `on_start` runs first; when it has run, `on_stop` runs exactly once at the end of this life,
  also when the life ends by a failure or by the cancel of a stop.
* `receive` gets one message at a time, in the order the mailbox let them in. What it returns
  answers an `ask`; for a `tell` it is thrown away.
* What `receive` raises goes to the asker if there is one, then to `on_failure`; then the life
  ends and the supervisor decides about the next one. The message is not tried again; those
  still in the mailbox wait for the next life.
* A life that is cancelled while it handles a message was not able to: the message goes back
  to the front of the mailbox if another life follows, else to the asker as an error or to
  the dead letters.
* An actor with a full mailbox whose `receive` never waits yields to the loop now and then.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .mailbox import Overflow
from .ref import NOTHING, Cell, Nothing, Owner, Question, Startable, stray_cancel
from .restart import RestartHistory, RestartPolicy

M = TypeVar("M")
R = TypeVar("R")

MESSAGES_PER_TURN = 64
"""Messages handled before the loop gets its turn: it costs 1/64 of a turn per message."""


class Actor(Startable[M, R], ABC):
    """Subclass it, write `receive`, and start it with `Supervisor.start`.

    M is the type of its messages, R what it answers. Make the state in `on_start`: a restart
    starts the same object again, and only what `on_start` sets is fresh.

        class Counter(Actor[int, int]):
            async def on_start(self) -> None:
                self.total = 0

            async def receive(self, message: int) -> int:
                self.total += message
                return self.total
    """

    @abstractmethod
    async def receive(self, message: M) -> R:
        """Handle one message; what it returns answers an `ask`."""

    async def on_start(self) -> None:
        """Runs before the first message of each life."""

    async def on_stop(self) -> None:
        """Runs once at the end of each life that `on_start` began."""

    async def on_failure(self, error: Exception, message: M | None) -> None:
        """Runs when `receive` raised `error` on `message` (None: `on_start` raised)."""


class ActorCell(Cell[M, R]):
    """Runs the lives of one actor; each `live()` is one, in a task of its supervisor."""

    __slots__ = ("_in_hand", "actor", "history", "revive_after", "task")

    def __init__(
        self,
        actor: Actor[M, R],
        name: str,
        owner: Owner,
        capacity: int,
        overflow: Overflow,
        *,
        max_bytes: int | None,
        size_of: Callable[[M], int],
        restart: RestartPolicy,
    ) -> None:
        super().__init__(name, owner, capacity, overflow, max_bytes=max_bytes, size_of=size_of)
        self.actor = actor
        self.history = RestartHistory(restart)
        self.task: asyncio.Task[None] | None = None
        self.revive_after: float | None = None
        """Set while its supervisor restarts it as one of a group: seconds of back-off."""
        self._in_hand: M | Question | Nothing = NOTHING
        actor.started_as(self.ref)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """The task of the present life, if there is one."""
        return [] if self.task is None else [self.task]

    def serves_in(self, task: asyncio.Task[Any] | None) -> bool:
        """True for the task of the present life."""
        return task is not None and task is self.task

    def abandon(self) -> None:
        """Settle the message in hand: its task outlived the grace."""
        self._release()

    async def live(self) -> None:
        """One life; raises what broke it."""
        await self._watch(self.actor.on_start())
        try:
            await self._watch(self._work())
        finally:
            self._release()
            await self._stop()

    async def _watch(self, part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except Exception as error:
            await self._fail(error)
            raise
        except asyncio.CancelledError as cancelled:
            stray = stray_cancel(self.name, self._in_hand)
            if stray is None:
                raise
            await self._fail(stray)
            raise stray from cancelled

    async def _work(self) -> None:
        mailbox, receive, handled = self.mailbox, self.actor.receive, 0
        while not self.halted:
            item = mailbox.get_nowait() if mailbox else await mailbox.get()
            self._in_hand = item
            if isinstance(item, Question):
                await self._answer(item)
            else:
                await receive(item)
            self._in_hand = NOTHING
            handled += 1
            if handled % MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _answer(self, question: Question) -> None:
        if not question.reply.done():
            question.answer(await self.actor.receive(question.message))

    async def _fail(self, error: Exception) -> None:
        item, self._in_hand = self._in_hand, NOTHING
        message: M | None
        if isinstance(item, Question):
            item.fail(error)
            message = item.message
        else:
            message = None if isinstance(item, Nothing) else item
        try:
            await self.actor.on_failure(error, message)
        except Exception as hook_error:  # noqa: BLE001  # the edge: written down
            self.owner.ledger.report(f"{self.name}.on_failure", hook_error)

    def _release(self) -> None:
        item, self._in_hand = self._in_hand, NOTHING
        if isinstance(item, Nothing):
            return
        if self.revive_after is not None and not self.mailbox.closed:
            self.mailbox.put_back(item)
        else:
            self.undelivered(item, "stopped" if self.halted else "cancelled")

    async def _stop(self) -> None:
        try:
            await self.actor.on_stop()
        except Exception as error:  # noqa: BLE001  # the edge: written down
            self.owner.ledger.report(f"{self.name}.on_stop", error)
