"""Waiting for a coroutine in a thread that no event loop runs in."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def waited_for(coro: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in a loop of its own; the thread's own loop is left alone."""
    outcome = _Outcome[T]()
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(outcome.of(coro))
    return outcome.get()


class _Outcome(Generic[T]):
    """What a coroutine gave or raised, apart from the task that it ran in.

    Where `asyncio.Runner` puts its handler of Ctrl-C away, it has its task shown, and of that the
    error: a `__repr__` which raises would leave the handler in place for good.
    """

    def __init__(self) -> None:
        self._value: list[T] = []
        self._error: Exception | None = None

    async def of(self, coro: Coroutine[Any, Any, T]) -> None:
        try:
            self._value.append(await coro)
        except Exception as error:  # noqa: BLE001  # raised by `get`
            self._error = error

    def get(self) -> T:
        if self._error is None:
            return self._value[0]
        try:
            raise self._error
        finally:
            self._error = None  # whose frames know this: no circle is left
