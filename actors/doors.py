"""Doors from sync code to the async API; no logic of graphs lives here.

A door needs an event loop that nobody else drives.  Loops are kept in a small pool: a call takes
one and gives it back; a stream keeps its own for its life and may be read from any thread, one
step at a time, so nothing runs ahead of its reader; it is not left in the midst of what others wait
for (`undivided`).  Inside a running loop (a notebook) the work
goes to a helper thread, and this one waits.

The caller's context variables reach the run.  Ctrl-C cancels the run and waits for its clean-up
(asyncio.Runner sees to that).  A forked process makes loops of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
)
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar, cast
from weakref import WeakSet

from streaming import SKIP, StreamWriter, get_stream_writer, hold_for_this_turn, running_loop

from .threads import Threadless, in_place
from .traces import show_user_frames

P = ParamSpec("P")
T = TypeVar("T")

GRACE = 1.0
"""Seconds that tasks left behind on a loop get to end."""
ROW = 1_024
"""Items taken in a row without the loop: what else runs on it must get its turns."""
MAX_IDLE = 16
"""Loops kept for later; a loop costs three file descriptors."""


class _Drive:
    """Whether a stream's loop is driven, and what it must not be left in the midst of."""

    __slots__ = ("done", "on", "parts")

    def __init__(self) -> None:
        self.on = asyncio.Event()
        self.parts = 0
        """How many there are that must not be left half done."""
        self.done = asyncio.Event()
        """Set while there are none."""

    async def next_or_end(self, items: AsyncIterator[Any]) -> Any:
        """The next item, when nothing is half done; nothing of the kind begins any more."""
        self.on.set()
        item = await anext(items, _END)
        self.on.clear()
        if self.parts:
            await self.done.wait()
        return item

    async def close(self, items: AsyncIterator[Any]) -> None:
        """Close them: what has waited for its turn has it now."""
        self.on.set()
        closing = getattr(items, "aclose", None)
        if closing is not None:
            await closing()


_drives: dict[asyncio.AbstractEventLoop, _Drive] = {}
"""Of the loops of streams that are being read."""


@asynccontextmanager
async def undivided() -> AsyncGenerator[None]:
    """Around what others wait for, on whatever loops.

    That of a sync stream stands still while its reader does something else: there, this begins
    only while the reader waits for an item, and the reader gets it when this is over.  Not within
    another such part: that would wait for itself.
    """
    drive = _drives.get(asyncio.get_running_loop())
    if drive is None:
        yield
        return
    while not drive.on.is_set():
        await drive.on.wait()
    drive.parts += 1
    drive.done.clear()
    try:
        yield
    finally:
        drive.parts -= 1
        if not drive.parts:
            drive.done.set()


class _Pool:
    """Loops that no one drives now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.loops: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        """All that were made."""
        self._idle: list[asyncio.Runner] = []
        self._inherited: list[asyncio.Runner] = []

    def take(self) -> asyncio.Runner:
        """A loop, for this caller alone."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        with self._lock:
            self.loops.add(runner.get_loop())
        return runner

    def give_back(self, runner: asyncio.Runner) -> None:
        """Nothing runs on it any more."""
        with self._lock:
            if len(self._idle) < MAX_IDLE:
                self._idle.append(runner)
                return
        off_loop(runner.close)

    def close(self) -> None:
        """Close what is idle, at the end of the process."""
        while self._idle:
            self._idle.pop().close()

    def forked(self) -> None:
        """In a forked child: its parent's loops share the parent's selectors, so they are kept
        as they are, neither used nor closed; the lock may have been held by another thread."""
        self._lock = threading.Lock()
        self._inherited += self._idle
        self._idle = []


_pool = _Pool()
atexit.register(_pool.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forked)


def in_sync_call() -> bool:
    """True on the loop of a sync call: what is kept for a loop longer than that must not be used
    on it."""
    return asyncio.get_running_loop() in _pool.loops


def loopless(code: Callable[P, T]) -> Callable[P, T]:
    """Sync code of the user's that is run on the loop: in a sync call it does not see that."""
    return partial(in_place, code) if in_sync_call() else code


def call(coro: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, waited for by this thread."""
    threadless = _threadless()
    if threadless is not None:
        return threadless.drive(coro)
    runner = _pool.take()
    try:
        return _drive(runner, coro)
    finally:
        _give_back(runner)


def iterate(begin: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """The items of an async iterator; its loop runs only while an item is waited for.

    What lies ready is taken without the loop: a thread of a node that computes would take the
    interpreter from it at every turn, for milliseconds.
    """
    threadless = _threadless()
    if threadless is not None:
        yield from _items(begin, threadless.drive, _Drive())
        return
    runner = _pool.take()
    loop = runner.get_loop()
    mine = _drives[loop] = _Drive()
    try:
        yield from _items(begin, partial(_drive, runner, writer=get_stream_writer()), mine)
    finally:
        del _drives[loop]
        _give_back(runner)


def _items(
    begin: Callable[[], AsyncIterator[T]], drive: Callable[..., Any], mine: _Drive
) -> Iterator[T]:
    items = begin()
    ready: Callable[[], Any] = getattr(items, "take_nowait", _nothing)
    try:
        while (item := drive(mine.next_or_end(items))) is not _END:
            yield item
            for _ in range(ROW):
                if (item := ready()) is SKIP:
                    break
                yield item
    finally:
        drive(mine.close(items))


def _threadless() -> Threadless | None:
    """The loop whose own turns sync code may wait for: it is not inside one of its tasks."""
    loop = running_loop()
    return loop if isinstance(loop, Threadless) and asyncio.current_task() is None else None


def _give_back(runner: asyncio.Runner) -> None:
    """Hand a loop on clean: tasks that user code left behind end here, as under asyncio.run."""
    left = asyncio.all_tasks(runner.get_loop())
    if left:
        _drive(runner, _ended(*left))
    _pool.give_back(runner)


def _drive(
    runner: asyncio.Runner, coro: Coroutine[Any, Any, T], writer: StreamWriter | None = None
) -> T:
    """What a coroutine gives; `writer`: that of the task that waits for it, the current one's."""
    main = _Main[T](writer or get_stream_writer())
    return off_loop(partial(_run, runner, coro, contextvars.copy_context(), main))


def off_loop(work: Callable[[], T]) -> T:
    """Do what drives a loop: here, or, if one runs in this thread already, in a helper thread."""
    if not in_loop():
        return work()
    hold_for_this_turn()
    from concurrent.futures import ThreadPoolExecutor  # only for who waits inside a loop

    with ThreadPoolExecutor(1, thread_name_prefix="understudy-door") as helper:
        return helper.submit(work).result()


def _run(
    runner: asyncio.Runner,
    coro: Coroutine[Any, Any, T],
    context: contextvars.Context,
    main: _Main[T],
) -> T:
    known = main.known(coro)
    try:
        runner.run(known, context=context)
        return main.outcome()
    except BaseException as error:
        show_user_frames(error)
        if main.task is None:
            _undo(runner, known)
            coro.close()
            if isinstance(error, asyncio.CancelledError):
                raise KeyboardInterrupt from None
        # SystemExit and a second Ctrl-C leave the loop at once, with the task half done.
        elif not main.task.done():
            runner.run(_ended(main.task))
        elif isinstance(error, KeyboardInterrupt):
            _turn(runner.get_loop())
        raise


class _Main(Generic[T]):
    """The task that a loop is driven for.

    Its outcome stands here: where `asyncio.Runner` puts its handler of Ctrl-C away, it has that
    one's task shown, and a `__repr__` of an error which raises would leave the handler in place.
    """

    __slots__ = ("_error", "_value", "_writer", "task")

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer
        self.task: asyncio.Task[None] | None = None
        """None before its first step."""
        self._value: T | None = None
        self._error: BaseException | None = None

    async def known(self, coro: Coroutine[Any, Any, T]) -> None:
        """What the task runs."""
        self.task = asyncio.current_task()
        try:
            self._value = await self._stood_in(coro)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):  # the runner's to judge
            raise
        except BaseException as error:  # noqa: BLE001  # raised by `outcome`
            self._error = error

    def _stood_in(self, coro: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """The coroutine, and, in a run with a durable log, somebody who writes its events where
        other loops stand still meanwhile."""
        stand_in = self._writer.stand_in()
        if stand_in is None:
            return coro
        from .stand_in import stood_in

        return stood_in(coro, stand_in)

    def outcome(self) -> T:
        """What the coroutine gave; raises what it raised."""
        if self._error is None:
            return cast("T", self._value)
        try:
            raise self._error
        finally:
            self._error = None  # whose frames know this: no circle is left


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    """What a Ctrl-C left in a loop: the request to stop at the end of a task that had just ended
    would stop the next one."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def _undo(runner: asyncio.Runner, known: Coroutine[Any, Any, Any]) -> None:
    """End the task that a Ctrl-C met before its first step.

    At that moment `asyncio.Runner` raises KeyboardInterrupt and leaves the task for the loop's next
    turn, or, a line later, cancels the task and forgets why.
    """
    left = [task for task in asyncio.all_tasks(runner.get_loop()) if task.get_coro() is known]
    if left:
        runner.run(_ended(*left))
    known.close()


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=GRACE)


def _nothing() -> Any:
    return SKIP


def in_loop() -> bool:
    """True if an event loop runs in this thread."""
    return running_loop() is not None


_END: Any = object()
