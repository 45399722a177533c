"""Where sync user code runs: in worker threads, or right here.

Wherever that is, it sees no running loop, so that it may run one of its own (`asyncio.run`).
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from streaming import hold_loop, let_loop_go

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from anyio import CapacityLimiter

    from .commands import Task

T = TypeVar("T")

MAX_THREADS = 64
"""Worker threads that run sync code of one run at a time; the other tasks wait their turn."""

Use = Literal["task", "tool", "wrapper"]
"""What code runs in a thread: a task's own, a tool that it runs, or what is wrapped around one."""


class Threads:
    """The bounds of one run's worker threads.

    Shared with no other run, so that sync nodes which wait for graphs they call cannot starve those
    of threads; nor does code share a bound with code that it calls and may wait for, as does what
    runs on a loop of its own inside of a thread: a bound belongs to one loop.
    """

    __slots__ = ("_limiters",)

    def __init__(self) -> None:
        self._limiters: dict[tuple[AbstractEventLoop, int, Use], CapacityLimiter] = {}

    def for_task(self, task: Task, use: Use = "task") -> CapacityLimiter:
        """The bound for one task's code."""
        depth, caller = 0, task.parent
        while caller is not None:
            depth, caller = depth + 1, caller.parent
        return self.at(depth, use)

    def at(self, depth: int, use: Use = "task") -> CapacityLimiter:
        """The bound for tasks that so many callers stand above."""
        place = (asyncio.get_running_loop(), depth, use)
        limiter = self._limiters.get(place)
        if limiter is None:
            from anyio import CapacityLimiter

            limiter = self._limiters[place] = CapacityLimiter(MAX_THREADS)
        return limiter


class _Hidden(threading.local):
    """Loops that stand still in this thread, while code runs in it that does not see them."""

    loops: tuple[AbstractEventLoop, ...] = ()


_hidden = _Hidden()


def runs_here(loop: AbstractEventLoop) -> bool:
    """True if a loop, seen or hidden, goes on only when the code that asks has ended."""
    return asyncio._get_running_loop() is loop or loop in _hidden.loops  # noqa: SLF001


class Threadless(ABC):
    """A loop that has no worker threads: it runs sync code itself."""

    @abstractmethod
    async def run_sync(self, job: Callable[[], Any]) -> Any:
        """What `job` gives; other tasks may have their turns before it."""

    @abstractmethod
    def drive(self, coro: Coroutine[Any, Any, T]) -> T:
        """What a coroutine gives that sync code on this loop waits for; not for code of a task."""


async def in_thread(limiter: CapacityLimiter, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Run sync code in a worker thread, in the caller's context.

    Cancelled, it lets go of the thread, which Python cannot stop; the task is fenced by then.
    """
    job = partial(_handed_over, partial(call, *args, **kwargs))
    loop = asyncio.get_running_loop()
    if isinstance(loop, Threadless):
        result = await loop.run_sync(job)
    else:
        from anyio import to_thread

        result = await to_thread.run_sync(job, limiter=limiter, abandon_on_cancel=True)
    if isinstance(result, _Exit):
        raise result.error
    return result


class _Exit:
    """Stands for a GeneratorExit that sync code raised."""

    def __init__(self, error: GeneratorExit) -> None:
        self.error = error


def _handed_over(job: Callable[[], Any]) -> Any:
    """What a job gives, also if that is a GeneratorExit: in a future it would close the coroutines
    that wait for it, which then report nothing."""
    try:
        return job()
    except GeneratorExit as error:
        return _Exit(error)


def in_place(call: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Run sync code on the thread of the running loop, which it does not see meanwhile."""
    loop, before = asyncio.get_running_loop(), _hidden.loops
    task = None if _swap_task is None else _swap_task(loop, None)
    hold_loop(loop)
    try:
        _hidden.loops = (*before, loop)
        _set_running_loop(None)
        return call(*args, **kwargs)
    finally:
        let_loop_go(loop)
        _set_running_loop(loop)
        _hidden.loops = before
        if _swap_task is not None:
            _swap_task(loop, task)


_set_running_loop = asyncio._set_running_loop  # noqa: SLF001
# From Python 3.14 on a thread, not a loop, has a current task: another loop could run none.
_swap_task: Callable[..., Any] | None = getattr(asyncio.tasks, "_swap_current_task", None)
