"""Doors from sync code to the async API; no logic of graphs lives here.

* A thread without a running loop uses one cached loop of its own, driven only while a call waits:
  a stream is stepped chunk by chunk, so nothing runs ahead of its reader.
* Inside a running loop (a notebook) the call goes to a helper thread, and blocks this one.

The caller's context variables reach the run.  Ctrl-C cancels the run and waits for its clean-up
(asyncio.Runner sees to that).  A forked process makes loops of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class _CachedRunner:
    """One thread's runner; closed with the thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.runner = asyncio.Runner()

    def __del__(self) -> None:
        if self.pid == os.getpid():
            self.runner.close()


class _Threads(threading.local):
    cached: _CachedRunner | None = None


_threads = _Threads()


def call(coro: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, waited for by this thread."""
    if not _in_loop():
        return _own_runner().run(coro, context=contextvars.copy_context())
    with ThreadPoolExecutor(1, thread_name_prefix="understudy-door") as helper:
        return helper.submit(contextvars.copy_context().run, call, coro).result()


def iterate(begin: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """The items of an async iterator, one step of the loop's work per item."""
    if not _in_loop():
        yield from _steps(begin, call)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="understudy-door") as helper:
        context = contextvars.copy_context()
        yield from _steps(begin, lambda coro: helper.submit(context.run, call, coro).result())


def _steps(
    begin: Callable[[], AsyncIterator[T]], step: Callable[[Coroutine[Any, Any, Any]], Any]
) -> Iterator[T]:
    items = begin()
    try:
        while (item := step(_next_or_end(items))) is not _END:
            yield item
    finally:
        closing = getattr(items, "aclose", None)
        if closing is not None:
            step(closing())


async def _next_or_end(items: AsyncIterator[Any]) -> Any:
    return await anext(items, _END)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _own_runner() -> asyncio.Runner:
    cached = _threads.cached
    if cached is None or cached.pid != os.getpid():
        cached = _threads.cached = _CachedRunner()
    return cached.runner


_END: Any = object()
