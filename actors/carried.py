"""Code that runs in an asyncio task that is not its own, in context variables of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

from .errors import WrongLoopError
from .patience import see_through, seen
from .supervisor import Supervisor

T = TypeVar("T")


class Rest:
    """The rest of code that has begun in a context and waits; every part of it runs there."""

    __slots__ = ("_code", "_context", "_waited")

    def __init__(self, code: Coroutine[Any, Any, Any], context: Context, waited: Any) -> None:
        self._code = code
        self._context = context
        self._waited = waited

    def __await__(self) -> Generator[Any, Any, Any]:
        code, run, waited = self._code, self._context.run, self._waited
        try:
            while True:
                try:
                    value = yield waited
                except GeneratorExit:
                    code.close()
                    raise
                except BaseException as error:  # noqa: BLE001  # a cancel, mostly
                    waited = self._meet(error)
                else:
                    waited = run(code.send, value)
        except StopIteration as end:
            return end.value

    def _meet(self, error: BaseException) -> Any:
        """What the code waits for when this has come up where it waited."""
        return self._context.run(self._code.throw, error)


class Visit:
    """Code that has begun in the asyncio task of another, and gets one of its own when it can go
    on: most code that waits does that for longer than who began it wants to."""

    __slots__ = ("_code", "_context", "_leave", "_waited")

    def __init__(
        self,
        code: Coroutine[Any, Any, None],
        context: Context,
        waited: asyncio.Future[Any],
        leave: Callable[[Coroutine[Any, Any, None], Context], object],
    ) -> None:
        self._code: Coroutine[Any, Any, None] | None = code
        self._context = context
        self._waited = waited
        self._leave = leave
        waited.add_done_callback(self._over)

    def _over(self, _: object = None) -> None:
        code, self._code = self._code, None
        if code is not None:
            self._leave(code, self._context)

    def end(self) -> None:
        """Let it go on right away: what it waits for and is not there is cancelled."""
        self._waited.cancel()
        self._over()


def visit(
    code: Coroutine[Any, Any, None],
    context: Context,
    leave: Callable[[Coroutine[Any, Any, None], Context], object],
) -> Visit | None:
    """Run code in the asyncio task of who calls, in its context, until it waits for a future; None
    if it did not.

    `leave` gets code and context to give them an asyncio task, when the future is done.
    """
    try:
        waited = context.run(code.send, None)
    except StopIteration:
        return None
    return Visit(code, context, waited, leave)


class _Guest(Rest):
    """Code that the cancel of its host does not meet right there."""

    __slots__ = ("_cancels", "left")

    def __init__(
        self, code: Coroutine[Any, Any, Any], context: Context, waited: Any, cancels: int
    ) -> None:
        super().__init__(code, context, waited)
        self._cancels = cancels
        self.left = False
        """True: a cancel of the host came up, which the code has yet to meet."""

    def _meet(self, error: BaseException) -> Any:
        if isinstance(error, asyncio.CancelledError) and self.is_cancelled():
            self.left = True
            raise error
        return super()._meet(error)

    def is_cancelled(self) -> bool:
        """True if the host is to end, and not because of a time limit that the code has set."""
        return _cancels_of_host() > self._cancels


async def run_as_guest(code: Coroutine[Any, Any, T], context: Context) -> T:
    """Run code in the asyncio task of who awaits this, which spares it one of its own.

    A cancel gives the rest of the code a task of its own, meets it there, and is raised when the
    code has ended: nothing can cut its end short.  One that is to come up at the next wait of the
    host does so before the code begins.  Raises WrongLoopError where asyncio runs no loop.
    """
    try:
        cancels = _cancels_of_host()
    except RuntimeError:
        code.close()  # else Python warns that it was never awaited
        raise _no_loop() from None
    if cancels:
        await _let_cancel_come_up(code)
    try:
        waited = context.run(code.send, None)
    except StopIteration as end:  # it had nothing to wait for
        return end.value
    guest = _Guest(code, context, waited, cancels)
    try:
        return await guest
    except asyncio.CancelledError as cancel:
        if not guest.left:  # the code's own
            raise
        task = Supervisor("cancelled").spawn(_met(code, context, cancel), name="rest", on_done=seen)
        await see_through(task)
        if guest.is_cancelled():
            raise
        return task.result()


def _cancels_of_host() -> int:
    host = asyncio.current_task()
    return 0 if host is None else host.cancelling()


async def _let_cancel_come_up(code: Coroutine[Any, Any, Any]) -> None:
    try:
        await asyncio.sleep(0)
    except BaseException:
        code.close()
        raise


def _no_loop() -> WrongLoopError:
    return WrongLoopError(
        "a graph was awaited where no event loop of asyncio runs, which its nodes need; await it "
        "under asyncio.run, or use its sync methods"
    )


async def _met(code: Coroutine[Any, Any, T], context: Context, error: BaseException) -> T:
    """The rest of code, where this has come up now."""
    try:
        waited = context.run(code.throw, error)
    except StopIteration as end:
        return end.value
    return await Rest(code, context, waited)
