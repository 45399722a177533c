"""Commits that are begun at once and waited for later, by savers that can do that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from .record import Batch

Method = TypeVar("Method", bound=Callable[..., Any])


class Begun(asyncio.Future[None]):
    """The end of a commit, as an await of it tells.

    Who awaits it bare cannot be cancelled before it is over: a cancel of the task counts then.
    The `commit` of a saver shields it, so that whoever waits there can be.
    """

    made = False
    """True: the batch is committed, whatever may go wrong with it later."""
    _then: Callable[[], object] | None = None

    def when_over(self, then: Callable[[], object]) -> None:
        """Have this called once it is over: at once, where callbacks of a future and tasks that
        wait for it come a turn of the loop later."""
        if self.done():
            then()
        else:
            self._then = then

    def set_result(self, result: None) -> None:
        """It is committed, or, if that was asked for, on the disk."""
        super().set_result(result)
        self._tell()

    def set_exception(self, exception: type[BaseException] | BaseException) -> None:
        """It failed."""
        super().set_exception(exception)
        self._tell()

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - as asyncio has it
        """Never: what was begun happens."""
        return False

    def _tell(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()


class Begin(Protocol):
    """`Saver.commit`, begun: a method of savers whose `commit` and `synced` are `waited_for`."""

    def __call__(self, batch: Batch, *, synced: bool) -> Begun:
        """Begin to store a batch; ends when it is committed, or, `synced`, flushed to the disk.

        Raises what `commit` raises before it waits.
        """
        ...


def waited_for(method: Method) -> Method:
    """Marks a `commit` and a `synced` that do nothing but wait for what the saver's `begin` begins.

    The engine calls `begin` instead then.  The marks belong to the methods: a subclass that has one
    of its own has not inherited it, nor has a wrapper.

        @waited_for
        async def commit(self, batch: Batch) -> None:
            await asyncio.shield(self.begin(batch, synced=False))
    """
    vars(method)[_MARK] = method
    return method


def begin_of(saver: Any) -> Begin | None:
    """What begins the commits of a saver; None if it has to be asked for each of them."""
    if _is_marked(saver.commit) and _is_marked(saver.synced):
        return saver.begin
    return None


def _is_marked(method: Any) -> bool:
    marked = getattr(method, _MARK, None)
    return marked is not None and marked is getattr(method, "__func__", method)


_MARK = "waited_for"
