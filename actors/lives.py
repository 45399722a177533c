"""The lives of a supervisor's actors: started, restarted one for one, escalated, ended.

A failed actor is started again alone, after a back-off; its reference and what waits in its
mailbox stay. More restarts than the budget within the window: escalate. The parent then
books a restart of the whole child against the child's own budget: all actors under it are
cancelled, and start again when they have ended. If that budget is used up too, the parent
escalates to its own parent. The root has none: there the actor (or the child) ends for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Protocol

from .actor import ActorCell
from .errors import ActorFailedError, ActorsError
from .ref import ActorRef, Cell, Owner
from .restart import RestartHistory, RestartPolicy


class Group(Owner, Protocol):
    """What the lives need of their supervisor."""

    name: str

    @property
    def closed(self) -> bool:
        """True once it takes nothing new."""
        ...

    @property
    def tasks(self) -> tuple[asyncio.Task[Any], ...]:
        """Its own tasks that are alive."""
        ...

    def cancel(self, task: asyncio.Task[Any]) -> bool:
        """Cancel one of its tasks, once."""
        ...

    def reap(self) -> None:
        """Let go of its tasks that have ended."""
        ...

    def stop_nowait(self, error: ActorsError | None = None) -> None:
        """Close it and cancel its tasks; its questions fail with `error`."""
        ...


class Lives:
    """The actors of one supervisor, and its place in the tree of supervisors."""

    __slots__ = ("_history", "_policy", "cells", "children", "clock", "group", "parent", "sleep")

    def __init__(
        self,
        group: Group,
        parent: Lives | None,
        restart: RestartPolicy,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self.group = group
        self.parent = parent
        self.clock = clock
        self.sleep = sleep
        self._policy = restart
        self._history: RestartHistory | None = None
        self.cells: dict[ActorRef[Any, Any], Cell[Any, Any]] = {}
        self.children: dict[Lives, None] = {}
        if parent is not None:
            parent.children[self] = None

    @property
    def history(self) -> RestartHistory:
        """Its restarts as a whole."""
        if self._history is None:
            self._history = RestartHistory(self._policy)
        return self._history

    def is_alone(self) -> bool:
        """True if there is nothing under its supervisor but tasks."""
        return not (self.cells or self.children)

    def tree(self) -> Iterator[Lives]:
        """Itself and all below, parents first."""
        yield self
        for child in list(self.children):
            yield from child.tree()

    def begin(self, cell: ActorCell[Any, Any], delay: float = 0.0) -> None:
        """Begin a life after `delay` seconds."""
        cell.revive_after, cell.halted = None, False
        cell.task = self.group.spawn(
            self._live_later(cell, delay) if delay else cell.live(),
            name=cell.name,
            on_done=partial(self._end, cell),
        )

    def close(self, error: ActorsError | None) -> None:
        """Close every mailbox; the questions in them fail with `error`."""
        for cell in list(self.cells.values()):
            cell.close(error)

    def settle(self) -> None:
        """After the grace of a stop: let go of messages in hand, and of the parent if all ended."""
        self.group.ledger.leftovers(self.group.tasks)
        for cell in self.cells.values():
            cell.abandon()
        self.cells.clear()
        self.leave()

    def leave(self) -> bool:
        """Leave the tree once the supervisor is closed and nothing under it is alive; True if
        nothing of it is needed any more."""
        if not self.group.closed or self.group.tasks or self.children:
            return False
        if self.parent is not None and self.parent.children.pop(self, self) is None:
            self.parent.leave()
        return not self.cells

    def restart_child(self, child: Lives, failed: ActorFailedError) -> None:
        """Restart all that `child` runs, or escalate; at the root, stop the child for good."""
        delay = child.history.next_delay(self.clock())
        if delay is not None:
            self.group.ledger.escalated(child.group.name, delay, failed)
            child.restart_all(delay)
        elif self.parent is not None:
            self.parent.restart_child(self, failed)
        else:
            child.group.stop_nowait(failed)

    def restart_all(self, delay: float) -> None:
        """End the present lives of all actors, here and below, and begin new ones."""
        for cell in list(self.cells.values()):
            if isinstance(cell, ActorCell):  # a dispatcher has no life to begin anew
                self._restart(cell, delay)
        for child in list(self.children):
            child.history.clear()
            child.restart_all(delay)

    async def _live_later(self, cell: ActorCell[Any, Any], delay: float) -> None:
        await self.sleep(delay)
        await cell.live()

    def _end(self, cell: ActorCell[Any, Any], task: asyncio.Task[None]) -> None:
        cell.task = None
        error = None if task.cancelled() else task.exception()
        if cell.mailbox.closed or cell.revive_after is not None:
            self._end_as_asked(cell, error)
        elif isinstance(error, Exception):
            self._failed(cell, error)
        else:  # cancelled from outside, as the end of asyncio.run does; or SystemExit
            self._end_for_good(cell, None)

    def _end_as_asked(self, cell: ActorCell[Any, Any], error: BaseException | None) -> None:
        if error is not None:  # its cleanup failed
            self.group.ledger.report(cell.name, error)
        if cell.mailbox.closed or cell.revive_after is None:
            self.cells.pop(cell.ref, None)
        else:
            self.begin(cell, cell.revive_after)

    def _failed(self, cell: ActorCell[Any, Any], error: Exception) -> None:
        delay = cell.history.next_delay(self.clock())
        if delay is None:
            self._give_up(cell, error)
        else:
            self.group.ledger.restarted(cell.name, delay, error)
            self.begin(cell, delay)

    def _give_up(self, cell: ActorCell[Any, Any], cause: Exception) -> None:
        policy = cell.history.policy
        failed = ActorFailedError(
            f"actor {cell.name!r} failed with {cause!r}, and its {policy.budget} restarts within"
            f" {policy.window} s are used up; mend the cause, or allow more restarts"
        )
        failed.__cause__ = cause
        self.group.ledger.report(cell.name, failed)
        if self.parent is None:
            self._end_for_good(cell, failed)
        else:
            self.parent.restart_child(self, failed)

    def _end_for_good(self, cell: ActorCell[Any, Any], error: ActorsError | None) -> None:
        cell.close(error)
        self.cells.pop(cell.ref, None)

    def _restart(self, cell: ActorCell[Any, Any], delay: float) -> None:
        cell.history.clear()
        if cell.task is None:
            self.begin(cell, delay)
        else:
            cell.revive_after, cell.halted = delay, True
            self.group.cancel(cell.task)
