"""A task's journal: which of its effects were begun and which are done, kept in its thread.

A note is a pending write of its own, under the effect's id, after the checkpoint that the task's
super-step started from.  It is committed by itself, not with the recorder's batches, under the same
claim.  The ids of tasks are the same for the same checkpoint, so a task that runs again finds its
notes; once its super-step is complete nobody asks for them.

A task that was called, and a graph that stores nothing, leave it to the task that called them.
Where no task outside stores anything either, the journal is in memory and lasts as long as the
outermost task.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from checkpoint import Inline, TaskWrites

from .commands import ONCE
from .doors import call, in_loop
from .errors import ConfigError, NoTaskError, OwnTaskError, RunCancelledError
from .once import Book, Effect, Known, OnUnknown, Stage, effect_id, perform, run_through
from .threads import in_thread
from .views import namespace_text

if TYPE_CHECKING:
    from .context import TaskContext

Call: TypeAlias = tuple[Any, tuple[Any, ...], Mapping[str, Any]]
"""A function and what to call it with."""

_books = threading.Lock()
"""Held while a task gets its book."""


class Journal:
    """The effects of one task; `Runtime` has its methods for users."""

    __slots__ = ("_context",)

    def __init__(self, context: TaskContext) -> None:
        self._context = context

    async def once(self, key: str, asked: Call, on_unknown: OnUnknown) -> Any:
        """For code on an event loop."""
        effect, act = self._effect(key, on_unknown), _action(*asked)
        return await perform(effect, self._book(), _OnLoop(self._context, act))

    def once_sync(self, key: str, asked: Call, on_unknown: OnUnknown) -> Any:
        """For code that waits with its thread."""
        effect, act = self._effect(key, on_unknown), _action(*asked)
        return run_through(perform(effect, self._book(), _InThread(self._context, act)))

    def idempotency_key(self, key: str) -> str:
        """The effect's id."""
        return effect_id(self._task_id(), _checked(key))

    def _task_id(self) -> str:
        context = self._context
        return context.scheduler.machine.trail.identify(context.task)

    def _effect(self, key: str, on_unknown: OnUnknown) -> Effect:
        name = _checked(key)
        if on_unknown not in ("retry", "raise"):
            raise ConfigError(f"on_unknown={on_unknown!r} is unknown; give 'retry' or 'raise'")
        _check_alive(self._context)
        return Effect(effect_id(self._task_id(), name), name, on_unknown)

    def _book(self) -> Book:
        home = _home(self._context)
        with _books:
            if home.book is None:
                noted = home.scheduler.notes
                home.book = Book({name: _recalled(read) for name, read in noted.items()})
            return home.book


def _checked(key: Any) -> str:
    if isinstance(key, str) and key:
        return key
    raise ConfigError(
        f"{key!r} cannot be the key of an effect; give a text that is not empty, another one for "
        "each effect of the node"
    )


def _action(fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> partial[Any]:
    if callable(fn):
        return partial(fn, *args, **kwargs)
    if inspect.iscoroutine(fn):
        fn.close()  # it will never be awaited
    raise ConfigError(
        f"once cannot call {fn!r}; give the function itself, and its arguments after it, as in "
        "once('charge', charge, 7)"
    )


# --- where a journal is kept --------------------------------------------------------------------


def _outer(context: TaskContext) -> TaskContext | None:
    """The task that called this one's graph, if it keeps the journal: the graph stores nothing."""
    scheduler = context.scheduler
    return scheduler.caller if scheduler.recorder is None and scheduler.facts.ns else None


def _home(context: TaskContext) -> TaskContext:
    """The task that keeps the journal: it is still there when this one is called again."""
    outer, caller = _outer(context), context.task.parent
    if outer is None and caller is not None:
        outer = context.scheduler.running.get(caller)
    return context if outer is None else _home(outer)


def _check_alive(context: TaskContext) -> None:
    if context.over:
        raise NoTaskError(
            f"once was called after task {context.task.node.name!r} had ended, so nothing would "
            "find what it notes; await it inside the node"
        )
    if context.fenced or _home(context).fenced:
        raise RunCancelledError(
            f"task {context.task.node.name!r} of run {context.run_id!r} was given up, so it notes "
            "no effects any more; let the node end"
        )


def _recalled(read: Callable[[], Any]) -> Known:
    stage: Stage = read()[0]
    return Known(stage, (lambda: read()[2]) if stage == "done" else None)


async def _noted(context: TaskContext, effect: Effect, stage: Stage, result: Any) -> Known:
    """Keep a note; in a thread that is stored, its result is decoded anew each time it is read."""
    _check_alive(context)
    home = _home(context)
    recorder, checkpoint_id = home.scheduler.recorder, home.scheduler.machine.trail.checkpoint_id
    done = stage == "done"
    if recorder is None or checkpoint_id is None:
        return Known(stage, (lambda: result) if done else None)
    serializer = recorder.saver.serializer
    data = serializer.dumps([stage, effect.key, result] if done else [stage, effect.key])
    ns = namespace_text(home.scheduler.facts.ns)
    await recorder.note(TaskWrites(ns, checkpoint_id, effect.id, ((ONCE, Inline(0, data)),)))
    return Known(stage, (lambda: serializer.loads(data)[2]) if done else None)


# --- the two worlds -----------------------------------------------------------------------------


class _OnLoop:
    """An effect of async code."""

    def __init__(self, context: TaskContext, act: partial[Any]) -> None:
        self._context = context
        self._act = act

    async def note(self, effect: Effect, stage: Stage, result: Any = None) -> Known:
        """Keep a note."""
        return await _noted(self._context, effect, stage, result)

    async def act(self) -> Any:
        """Call it here if it is async, else in a worker thread."""
        if _is_async(self._act):
            return await self._act()
        threads = self._context.scheduler.threads.for_task(self._context.task)
        result = await in_thread(threads, self._act)
        return await result if inspect.isawaitable(result) else result

    async def join(self, over: Future[None]) -> None:
        """Wait for the other call; a cancel of the waiting leaves it alone."""
        await asyncio.shield(asyncio.wrap_future(over))


class _InThread:
    """An effect of sync code, which waits with its thread."""

    def __init__(self, context: TaskContext, act: partial[Any]) -> None:
        self._context = context
        self._act = act
        self._in_memory = _home(context).scheduler.recorder is None

    async def note(self, effect: Effect, stage: Stage, result: Any = None) -> Known:
        """Keep a note."""
        noted = _noted(self._context, effect, stage, result)
        return run_through(noted) if self._in_memory else call(noted)

    async def act(self) -> Any:
        """Call it in this thread."""
        result = self._act()
        return call(_awaited(result)) if inspect.isawaitable(result) else result

    async def join(self, over: Future[None]) -> None:
        """Wait for the other call, unless this thread's own loop is to make it."""
        if in_loop() and not over.done():
            raise OwnTaskError(
                "once_sync was called on the thread of an event loop, and would stop the very loop "
                "whose call it waits for; await once instead"
            )
        over.result()


def _is_async(act: partial[Any]) -> bool:
    function = act.func
    if not inspect.isroutine(function) and not isinstance(function, type):
        function = function.__call__  # an object's class may say `async def __call__`
    return inspect.iscoroutinefunction(function)


async def _awaited(result: Any) -> Any:
    return await result
