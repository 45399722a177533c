"""How to reach an actor: the reference others hold, and the cell behind it.

* `tell` and `tell_nowait` put the message itself into the mailbox; `ask` puts a `Question`.
* Nothing vanishes. What was let in and is not handled ends here: a question is answered with
  an error, a told message becomes a `DeadLetter`, which the supervisor counts and passes on.
* A question whose asker is gone (its deadline passed, it was cancelled) is skipped, not handled.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import reprlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, cast

from .errors import (
    ActorsError,
    AskTimeoutError,
    ConfigError,
    HandlerCancelledError,
    MailboxClosedError,
    MailboxFullError,
    OwnTaskError,
    WrongLoopError,
)
from .ledger import DeadLetter, Ledger, Reason
from .mailbox import Mailbox, MailboxStats, Overflow
from .sized_mailbox import SizedMailbox
from .threads import runs_here

M = TypeVar("M")
R = TypeVar("R")
T = TypeVar("T")

ASK_TIMEOUT = 30.0
_CLOSED_LOOP_CHECK = 0.5
"""Seconds between two looks of a waiting thread whether the loop still lives."""


class Question:
    """A message that someone waits on; lives in the mailbox in the message's place."""

    __slots__ = ("message", "reply")

    def __init__(self, message: Any, reply: asyncio.Future[Any]) -> None:
        self.message = message
        self.reply = reply

    def __repr__(self) -> str:
        return repr(self.message)

    def answer(self, result: Any) -> None:
        """Give the asker the result; nothing happens if it is gone."""
        if not self.reply.done():
            self.reply.set_result(result)

    def fail(self, error: Exception) -> None:
        """Raise `error` in the asker; nothing happens if it is gone."""
        if not self.reply.done():
            self.reply.set_exception(error)


class Nothing:
    """The type of NOTHING."""


NOTHING = Nothing()
"""Stands for "no message in hand": None is a message like any other."""


class Owner(Protocol):
    """What a cell needs of its supervisor."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop its tasks run on."""
        ...

    def spawn(
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str,
        context: contextvars.Context | None = None,
        on_done: Callable[[asyncio.Task[T]], None] | None = None,
    ) -> asyncio.Task[T]:
        """Run `coro` in a task of its own."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Where dead letters and failures are written down."""
        ...


class Startable(Generic[M, R]):
    """What a supervisor can start: knows the reference it was started under."""

    _ref: ActorRef[M, R] | None = None

    @property
    def ref(self) -> ActorRef[M, R]:
        """Its own reference, to give to others. Raises ConfigError before it is started."""
        if self._ref is None:
            raise ConfigError(
                f"{type(self).__name__}.ref was read before it was started, so it has none;"
                " start it with `Supervisor.start`"
            )
        return self._ref

    def started_as(self, ref: ActorRef[M, R]) -> None:
        """Its supervisor gives it its reference. Raises ConfigError if it runs under another."""
        if self._ref is not None and not self._ref.closed:
            raise ConfigError(
                f"actor {ref.name!r} cannot start: this {type(self).__name__} already runs as"
                f" {self._ref.name!r}, and two tasks would share its state; make a new object"
            )
        self._ref = ref


class Cell(Generic[M, R]):
    """One started actor as its supervisor sees it: a mailbox and what becomes of its messages."""

    __slots__ = ("halted", "mailbox", "name", "owner", "ref")

    def __init__(
        self,
        name: str,
        owner: Owner,
        capacity: int,
        overflow: Overflow,
        *,
        max_bytes: int | None,
        size_of: Callable[[M], int],
        on_arrival: Callable[[], None] | None = None,
        take: Callable[[M | Question], bool] | None = None,
    ) -> None:
        self.name = name
        self.owner = owner
        self.halted = False
        drop = self._dropped
        self.mailbox: Mailbox[M | Question]
        if max_bytes is None:
            self.mailbox = Mailbox(
                capacity, overflow, name=name, on_arrival=on_arrival, take=take, on_drop=drop
            )
        else:
            self.mailbox = SizedMailbox(
                capacity, overflow, name=name, on_arrival=on_arrival, take=take, on_drop=drop,
                max_bytes=max_bytes, size_of=partial(_weight, size_of),
            )  # fmt: skip
        self.ref: ActorRef[M, R] = ActorRef(self)

    def close(self, error: ActorsError | None = None) -> None:
        """Close the mailbox; its questions fail with `error`, or MailboxClosedError."""
        self.halted = True
        for item in self.mailbox.close():
            self.undelivered(item, "stopped", error)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Tasks that work for it now."""
        raise NotImplementedError

    def serves_in(self, task: asyncio.Task[Any] | None) -> bool:
        """True if only the end of `task` lets it handle another message."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Settle the messages in the hands of tasks that did not end in their grace."""
        raise NotImplementedError

    def undelivered(
        self, item: M | Question, reason: Reason, error: ActorsError | None = None
    ) -> None:
        """Answer the question with an error; a told message becomes a dead letter."""
        if isinstance(item, Question):
            item.fail(error or self._no_answer(item, reason))
        else:
            self.owner.ledger.dead_letter(DeadLetter(self.name, item, reason))

    def _dropped(self, item: M | Question) -> None:
        self.undelivered(item, "dropped")

    def _no_answer(self, question: Question, reason: Reason) -> ActorsError:
        what = f"the question {reprlib.repr(question)} to actor {self.name!r} has no answer:"
        if reason == "dropped":
            return MailboxFullError(
                f"{what} newer messages pushed it out of the full mailbox;"
                ' use the policy "wait", or raise its capacity'
            )
        if self.halted:
            return MailboxClosedError(
                f"{what} the actor stopped first; start a new actor and ask that"
            )
        return HandlerCancelledError(f"{what} its handling was cancelled; ask again")


class ActorRef(Generic[M, R]):
    """The way to send messages to an actor; valid across its restarts, comes from `start`."""

    __slots__ = ("_cell", "_loop", "_mailbox", "name")

    def __init__(self, cell: Cell[M, R]) -> None:
        self._cell = cell
        self._mailbox = cell.mailbox
        self._loop = cell.owner.loop
        self.name = cell.name

    def __repr__(self) -> str:
        return f"<ActorRef {self.name!r}>"

    @property
    def closed(self) -> bool:
        """True once the actor takes no more messages."""
        return self._mailbox.closed

    def stats(self) -> MailboxStats:
        """The counters of its mailbox."""
        return self._mailbox.stats()

    def tell_nowait(self, message: M) -> None:
        """Send without waiting. Raises MailboxFullError, MailboxClosedError, WrongLoopError."""
        self._check_loop(message)
        self._mailbox.put_nowait(message)

    async def tell(self, message: M) -> None:
        """Send; with the policy "wait" (the default), wait for room in the mailbox.

        Cancelled while it waits, it has sent nothing. Raises MailboxClosedError, and
        MailboxFullError by policy or when an actor would wait for room in its own mailbox;
        WrongLoopError from another loop.
        """
        await self._put(message)

    async def ask(self, message: M, *, timeout: float | None = ASK_TIMEOUT) -> R:
        """Send, and return what the actor's `receive` returns; None waits without a deadline.

        Raises AskTimeoutError after `timeout` seconds (waiting for room included),
        MailboxClosedError if the actor stops first, OwnTaskError if an actor asks itself, and
        whatever `receive` raises.

            total = await counter.ask(Add(3), timeout=1.0)
        """
        if self._is_self():
            raise OwnTaskError(
                f"actor {self.name!r} asked itself {reprlib.repr(message)}: it cannot answer while"
                " it waits for the answer; call the method, or `tell` it"
            )
        reply: asyncio.Future[R] = self._loop.create_future()
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                await self._put(Question(message, reply))
                return await reply
        except TimeoutError as error:
            if not deadline.expired():
                raise  # it is the answer: `receive` raised it
            raise AskTimeoutError(
                f"actor {self.name!r} gave no answer to {reprlib.repr(message)} within {timeout} s;"
                " give `ask` more time, or look why the actor is slow"
            ) from error
        finally:
            _give_up(reply)

    def tell_threadsafe(self, message: M, *, timeout: float | None = None) -> None:
        """Send from another thread; returns when the message is in the mailbox.

        With the policy "wait" the thread waits for room, at most `timeout` seconds. Raises as
        `tell` does, MailboxFullError after the timeout, WrongLoopError on the loop's own thread.
        """
        loop = self._loop
        if runs_here(loop):
            raise WrongLoopError(
                f"tell_threadsafe({reprlib.repr(message)}) was called on the event loop of actor"
                f" {self.name!r} and would block it for ever; use `tell` or `tell_nowait` there"
            )
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        try:
            loop.call_soon_threadsafe(self._post, message, timeout, done)
        except RuntimeError as error:
            raise self._loop_closed(message) from error
        while not done.done() and not loop.is_closed():
            concurrent.futures.wait((done,), timeout=_CLOSED_LOOP_CHECK)
        if not done.done():
            raise self._loop_closed(message)
        done.result()

    def _is_self(self) -> bool:
        return self._cell.serves_in(asyncio.current_task())

    def _check_loop(self, message: object) -> None:
        try:
            if asyncio.get_running_loop() is self._loop:
                return
        except RuntimeError:
            pass
        raise WrongLoopError(
            f"{reprlib.repr(message)} was sent to actor {self.name!r} from outside its event loop,"
            " which would not wake up for it; use `tell_threadsafe`"
        )

    async def _put(self, item: M | Question) -> None:
        self._check_loop(item)
        mailbox = self._mailbox
        if not mailbox.full or self._is_self():  # the one who makes room cannot wait for it
            mailbox.put_nowait(item)
        else:
            await mailbox.put(item)

    def _post(
        self, message: M, timeout: float | None, done: concurrent.futures.Future[None]
    ) -> None:
        def relay(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                done.set_exception(self._mailbox_closed(message))
            elif (error := task.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(None)

        try:
            self._cell.owner.spawn(
                self._tell_within(message, timeout), name=f"tell {self.name}", on_done=relay
            )
        except ActorsError:
            done.set_exception(self._mailbox_closed(message))

    async def _tell_within(self, message: M, timeout: float | None) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._put(message)
        except TimeoutError as error:
            raise MailboxFullError(
                f"{reprlib.repr(message)} found no room in mailbox {self.name!r} within {timeout}"
                " s; give it more time, raise the capacity, or look why the actor is slow"
            ) from error

    def _mailbox_closed(self, message: M) -> MailboxClosedError:
        return MailboxClosedError(
            f"{reprlib.repr(message)} did not reach actor {self.name!r}: its supervisor stopped;"
            " start a new actor and send to that"
        )

    def _loop_closed(self, message: M) -> MailboxClosedError:
        return MailboxClosedError(
            f"{reprlib.repr(message)} did not reach actor {self.name!r}: its event loop is closed;"
            " send while the loop runs"
        )


def _weight(size_of: Callable[[M], int], item: M | Question) -> int:
    """Bytes of a message, with or without a question around it."""
    return size_of(cast("M", item.message if isinstance(item, Question) else item))


def stray_cancel(name: str, message: object) -> HandlerCancelledError | None:
    """The error for a CancelledError that the running task did not get from outside, or None.

    An awaited future that someone else cancelled raises one too; that is a failure of the handler,
    not a stop of its actor.
    """
    task = asyncio.current_task()
    if task is None or task.cancelling():
        return None
    return HandlerCancelledError(
        f"the handling of {reprlib.repr(message)} by actor {name!r} ended in CancelledError though"
        " nobody cancelled it: something it awaited was cancelled; catch that where it is awaited"
    )


def _give_up(reply: asyncio.Future[Any]) -> None:
    """The asker leaves: cancel an open reply, mark a failed one as seen."""
    if not reply.cancel() and not reply.cancelled():
        reply.exception()
