"""LangChain's runnables as a task runs them: by their async code, or in a sync call by their sync
code.

A client that a model keeps for its async code belongs to the loop that it was first used on.  Sync
calls have loops of their own, and calls of several threads have several: what models share among
themselves would be used on all of them, and fail.  Their sync code, in a worker thread, knows no
loop.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from .context import current
from .doors import in_sync_call
from .threads import Threads, Use, in_thread


async def run(code: Any, *args: Any) -> Any:
    """What an object with `ainvoke` gives."""
    if in_sync_call() and _has_sync_code(code):
        return await in_worker("task", code.invoke, *args)
    return await code.ainvoke(*args)


async def in_worker(use: Use, code: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run sync code in a worker thread; in a task, within the bounds of its run."""
    context = current()
    if context is None:
        return await in_thread(Threads().at(0, use), code, *args, **kwargs)
    limiter = context.scheduler.threads.for_task(context.task, use)
    return await in_thread(limiter, code, *args, **kwargs)


def _has_sync_code(code: Any) -> bool:
    """True for a runnable of LangChain of which no part is async only."""
    loaded = sys.modules.get("langchain_core.runnables")
    if loaded is None or not isinstance(code, loaded.Runnable):
        return False
    return not any(map(_is_async_only, _parts_of(code, loaded.Runnable)))


def _parts_of(code: Any, kind: type) -> Iterator[Any]:
    """A runnable, and those that it consists of."""
    yield code
    fields: Mapping[str, Any] = getattr(code, "__dict__", {})
    for name, value in fields.items():
        if name != "kwargs":  # tools that are bound to a model, which does not run them
            for part in _leaves(value):
                if isinstance(part, kind):
                    yield from _parts_of(part, kind)


def _leaves(value: Any) -> Iterator[Any]:
    """A value, or what a list, a tuple or a dict of values holds."""
    if isinstance(value, Mapping):
        value = list(cast("Mapping[Any, Any]", value).values())
    if isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            yield from _leaves(item)
    else:
        yield value


_TWINS = (("func", "afunc"), ("func", "coroutine"), ("_transform", "_atransform"))
"""Where LangChain keeps a user's sync and async code."""


def _is_async_only(part: Any) -> bool:
    """True for user code of which there is an async form alone."""
    own: Mapping[str, Any] = getattr(part, "__dict__", {})
    return any(own.get(sync) is None and own.get(awaited) is not None for sync, awaited in _TWINS)
