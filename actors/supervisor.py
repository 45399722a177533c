"""Supervisors own every task: this is the one place of the project that makes any.

The rules of the kernel:

* A tree. A supervisor owns plain tasks (`spawn`), actors and dispatchers (`start`) and child
  supervisors (`child`). What ends it ends all of them.
* A plain task's exception goes to its `on_done`, or to the failure hook. An actor that fails
  is restarted within a budget, then its supervisor escalates: see `actors.lives`.
* Stop. Nothing new is let in; what waits in mailboxes is answered with an error or goes to
  the dead letters; each task is cancelled *once*, so that `finally: await …` works; after the
  grace what still runs is reported by name, counted, and waited for no longer.
* Nothing vanishes: what went wrong is counted up to the root and given to hooks (`ledger`).
* All objects belong to the loop that first used them; threads use `tell_threadsafe`.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Self, TypeVar

from streaming import about_bytes, running_loop

from .actor import Actor, ActorCell
from .dispatcher import Dispatcher, DispatcherCell
from .errors import ActorsError, ConfigError, OwnTaskError, SupervisorClosedError, WrongLoopError
from .ledger import DeadLetterHook, FailureHook, Ledger, SupervisorStats
from .lives import Lives
from .mailbox import DEFAULT_CAPACITY, Overflow
from .patience import see_done
from .ref import ActorRef
from .restart import RestartPolicy

M = TypeVar("M")
R = TypeVar("R")
T = TypeVar("T")

DEFAULT_GRACE = 1.0
DEFAULT_RESTART = RestartPolicy()


class Supervisor:
    """Owns tasks, actors and child supervisors, and ends them with itself.

    `on_dead_letter(letter)` gets told messages that will not be handled; `on_failure(name, error)`
    gets what no one else handles. Without a hook both are logged. `restart` is the default of its
    actors. `grace` is the seconds that a stop waits. `clock` tells seconds and `sleep` waits them,
    by default the loop's: tests pass their own. A child inherits from its parent what is not given.

        async with Supervisor() as supervisor:
            counter = supervisor.start(Counter(), name="counter")
            assert await counter.ask(3) == 3
    """

    __slots__ = (
        "__weakref__",
        "_cancelled",
        "_closed",
        "_ledger",
        "_lives",
        "_loop",
        "_open_loop",
        "_tasks",
        "clock",
        "grace",
        "name",
        "parent",
        "restart",
        "sleep",
    )

    def __init__(
        self,
        name: str = "root",
        *,
        parent: Supervisor | None = None,
        on_dead_letter: DeadLetterHook | None = None,
        on_failure: FailureHook | None = None,
        restart: RestartPolicy | None = None,
        grace: float | None = None,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        if parent is not None and parent.closed:
            raise _closed_error(parent)
        self.name = f"{parent.name}/{name}" if parent else name
        self.parent = parent
        self.grace = _checked_grace(grace, parent.grace if parent else DEFAULT_GRACE)
        self.clock = clock or (parent.clock if parent else _loop_time)
        self.sleep = sleep or (parent.sleep if parent else asyncio.sleep)
        self.restart = restart or (parent.restart if parent else DEFAULT_RESTART)
        self._tasks: dict[asyncio.Task[Any], Callable[[asyncio.Task[Any]], object] | None] = {}
        self._cancelled: dict[asyncio.Task[Any], None] = {}
        self._closed = False
        self._loop = parent.bound_loop if parent else None
        self._open_loop = self._loop
        self._ledger: Ledger | None = None
        if on_dead_letter or on_failure:
            self._ledger = Ledger(self.name, parent and parent.ledger, on_dead_letter, on_failure)
        self._lives = None if parent is None else self._new_lives(parent.lives)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Supervisor {self.name!r} {state}, {len(self._tasks)} tasks>"

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await see_done(self.stop)  # also in a scope of anyio that was cancelled

    @property
    def closed(self) -> bool:
        """True once it takes nothing new."""
        return self._closed

    @property
    def tasks(self) -> tuple[asyncio.Task[Any], ...]:
        """Its own tasks that are alive, without those of its children."""
        return tuple(self._tasks)

    @property
    def ledger(self) -> Ledger:
        """Its counters and hooks; made when first needed, which a run's hardly ever are."""
        if self._ledger is None:
            self._ledger = Ledger(self.name, self.parent and self.parent.ledger)
        return self._ledger

    @property
    def lives(self) -> Lives:
        """Its actors, and its place in the tree; of a root, made when first needed."""
        if self._lives is None:
            self._lives = self._new_lives(None)
        return self._lives

    @property
    def bound_loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it belongs to; None before its first use."""
        return self._loop

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it belongs to. Raises WrongLoopError before its first use."""
        if self._loop is None:
            raise WrongLoopError(
                f"supervisor {self.name!r} belongs to no event loop yet; use it in a coroutine"
            )
        return self._loop

    def stats(self) -> SupervisorStats:
        """A snapshot of its counters."""
        tree, tally = list(self.lives.tree()), self.ledger.tally
        return SupervisorStats(
            name=self.name,
            tasks=sum(len(each.group.tasks) for each in tree),
            actors=sum(len(each.cells) for each in tree),
            children=len(tree) - 1,
            failures=tally.failures,
            restarts=tally.restarts,
            escalations=tally.escalations,
            dead_letters=tally.dead_letters,
            leftovers=tally.leftovers,
        )

    def spawn(
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str,
        context: contextvars.Context | None = None,
        on_done: Callable[[asyncio.Task[T]], object] | None = None,
        kind: type[asyncio.Task[T]] | None = None,
    ) -> asyncio.Task[T]:
        """Run `coro` in a task that ends with this supervisor; of that kind, unless the loop makes
        tasks of its own.

        `on_done` is called with the ended task, one turn of the loop later, and has to look at its
        exception. Raises SupervisorClosedError, WrongLoopError; `coro` is closed then.
        """
        try:  # the hot path: one call less than running_loop()
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None or loop is not self._open_loop:
            loop = self._admit(coro)
        if kind is None or loop.get_task_factory() is not None:
            task = loop.create_task(coro, name=name, context=context)
        else:
            task = kind(coro, loop=loop, name=name, context=context)
        self._tasks[task] = on_done
        task.add_done_callback(self._reap)
        return task

    def start(
        self,
        actor: Actor[M, R] | Dispatcher[M, R],
        *,
        name: str,
        capacity: int = DEFAULT_CAPACITY,
        overflow: Overflow = "wait",
        max_bytes: int | None = None,
        size_of: Callable[[M], int] = about_bytes,
        restart: RestartPolicy | None = None,
    ) -> ActorRef[M, R]:
        """Start an actor or a dispatcher and return its reference.

        Its mailbox holds `capacity` messages, and no further one once they take `max_bytes`, as
        `size_of` tells of each; `actors.mailbox` explains `overflow`. `restart` is for actors: a
        dispatcher has nothing to restart. Raises ConfigError, SupervisorClosedError,
        WrongLoopError.
        """
        loop = self._open_loop
        if loop is None or running_loop() is not loop:
            self._check_open()
        cell: ActorCell[M, R] | DispatcherCell[M, R]
        if isinstance(actor, Dispatcher):
            cell = DispatcherCell(
                actor, name, self, capacity, overflow, max_bytes=max_bytes, size_of=size_of
            )
        else:
            cell = ActorCell(
                actor, name, self, capacity, overflow, max_bytes=max_bytes, size_of=size_of,
                restart=restart or self.restart,
            )  # fmt: skip
            self.lives.begin(cell)
        self.lives.cells[cell.ref] = cell
        return cell.ref

    def child(self, name: str, *, restart: RestartPolicy | None = None) -> Supervisor:
        """A supervisor under this one, named `<this name>/<name>`.

        `restart` is the default of its actors, and the budget for restarts of the child as a
        whole. Raises SupervisorClosedError.
        """
        return Supervisor(name, parent=self, restart=restart)

    def cancel(self, task: asyncio.Task[Any]) -> bool:
        """Cancel one of its tasks, once; False if it ended, was cancelled before, or is foreign."""
        if task not in self._tasks or task in self._cancelled or task.done():
            return False
        self._cancelled[task] = None
        return task.cancel()

    async def stop(self, grace: float | None = None) -> tuple[str, ...]:
        """Stop everything under it; returns the names of tasks that outlived `grace` seconds.

        May be called again: then it waits again, and cancels nothing twice. Raises OwnTaskError,
        before anything is stopped, when called from a task under it.
        """
        grace = _checked_grace(grace, self.grace)
        if self.stop_idle():
            return ()
        tree = list(self.lives.tree())
        tasks = [task for each in tree for task in each.group.tasks]
        _check_outside(tasks, f"supervisor {self.name!r}")
        self.stop_nowait()
        left = await _wait(tasks, grace)
        for each in tree:
            each.group.reap()
        for each in reversed(tree):
            each.settle()
        return left

    def stop_idle(self) -> bool:
        """Stop it if nothing under it is alive, as at the end of most runs; False otherwise."""
        if self._lives is None or self._lives.is_alone():
            self.reap()
            if not self._tasks:
                self.stop_nowait()
                return True
        return False

    def stop_nowait(self, error: ActorsError | None = None) -> None:
        """Stop everything under it and wait for nothing; `stop` may be awaited later.

        Questions in mailboxes fail with `error`, or MailboxClosedError.
        """
        if self._closed:
            return
        self._closed, self._open_loop = True, None
        if self._lives is not None:
            self._lives.close(error)
            for child in list(self._lives.children):
                child.group.stop_nowait(error)
        for task in self.tasks:
            self.cancel(task)
        self._leave()

    async def stop_actor(
        self, ref: ActorRef[Any, Any], grace: float | None = None
    ) -> tuple[str, ...]:
        """Stop one of its actors or dispatchers for good, as `stop` does; () if it has ended.

        Raises OwnTaskError when called from the actor itself.
        """
        grace = _checked_grace(grace, self.grace)
        cell = self.lives.cells.get(ref)
        if cell is None:
            return ()
        tasks = cell.tasks()
        _check_outside(tasks, f"actor {cell.name!r}")
        cell.close()
        for task in tasks:
            self.cancel(task)
        left = await _wait(tasks, grace)
        self.ledger.leftovers(tasks)
        self.reap()  # else what a task has just handled counted as undelivered
        if self.lives.cells.pop(ref, None) is not None:  # else another stop has settled it
            cell.abandon()
        return left

    def reap(self) -> None:
        """Let go of its tasks that have ended, before the loop comes to tell of that."""
        for task in self.tasks:
            if task.done():
                self._reap(task)

    def _reap(self, task: asyncio.Task[Any]) -> None:
        if task not in self._tasks:  # its stop was quicker than the loop
            return
        on_done = self._tasks.pop(task)
        if self._cancelled:
            self._cancelled.pop(task, None)
        if on_done is not None:
            try:
                on_done(task)
            except Exception as error:  # noqa: BLE001  # the edge: written down
                self.ledger.report(f"{task.get_name()}.on_done", error)
        elif not task.cancelled() and (error := task.exception()) is not None:
            self.ledger.report(task.get_name(), error)
        if self._closed and not self._tasks:
            self._leave()

    def _new_lives(self, above: Lives | None) -> Lives:
        return Lives(self, above, self.restart, self.clock, self.sleep)

    def _leave(self) -> None:
        """Let go of its place in the tree, if nothing under it is alive: no circle is left."""
        if self._lives is not None and self._lives.leave():
            self._lives = None

    def _admit(self, coro: Coroutine[Any, Any, Any]) -> asyncio.AbstractEventLoop:
        try:
            return self._check_open()
        except ActorsError:
            coro.close()  # else Python warns that it was never awaited
            raise

    def _check_open(self) -> asyncio.AbstractEventLoop:
        loop = running_loop()
        if self._closed:
            raise _closed_error(self)
        home = self._loop or (self.parent.bound_loop if self.parent else None)
        if loop is None or home not in {None, loop}:
            raise WrongLoopError(
                f"supervisor {self.name!r} belongs to {home!r} and was used on {loop!r};"
                " use it on its own loop, and `tell_threadsafe` from other threads"
            )
        self._loop = self._open_loop = loop
        return loop


async def _wait(tasks: Iterable[asyncio.Task[Any]], grace: float) -> tuple[str, ...]:
    """Wait for the tasks to end; the names of those that do not within `grace` seconds."""
    alive = [task for task in tasks if not task.done()]
    if not alive:
        return ()
    await asyncio.wait(alive, timeout=grace)
    return tuple(task.get_name() for task in alive if not task.done())


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _check_outside(tasks: Iterable[asyncio.Task[Any]], what: str) -> None:
    current = asyncio.current_task()
    if current is not None and current in tasks:
        raise OwnTaskError(
            f"task {current.get_name()!r} would stop {what}, which it belongs to, and wait for its"
            " own end; stop it from a task outside"
        )


def _checked_grace(grace: float | None, default: float) -> float:
    if grace is None:
        return default
    if not grace >= 0:
        raise ConfigError(f"grace={grace!r} is no time to wait; give seconds, 0 or more")
    return grace


def _closed_error(supervisor: Supervisor) -> SupervisorClosedError:
    return SupervisorClosedError(
        f"supervisor {supervisor.name!r} has been stopped and takes nothing new;"
        " start things before its stop, or under another one"
    )
