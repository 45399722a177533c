"""Calls of tasks by tasks, outside of the machine: futures, and the slots of those who wait.

A call may come from any thread.  It is told to the scheduler, whose machine says whether it is to
run or what its result is; the future is settled once that is committed.

A task holds no slot of `max_concurrency` while calls of its own are open, since it may wait for
them; those that run do.  So the bound holds for tasks that wait for nothing, and waiting callers
cannot lock each other out, whatever the bound is.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Generator, Iterable
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import proxy

from .commands import PUSH, CallDropped, MachineCommand, RunCall, Settle, Task, TaskCalled
from .context import TaskContext, current
from .errors import NoTaskError, RunCancelledError, TaskPendingError
from .spec import KEPT, NodeSpec
from .threads import runs_here

if TYPE_CHECKING:
    from .scheduler import Scheduler

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class TaskFuture(Protocol[T_co]):
    """The result of a called task, to come: `await` it, or, in sync code, ask for `result()`.

    Cancelling it stops the task.  In a thread `result` takes a timeout too, which leaves the task
    running.
    """

    def result(self) -> T_co:
        """The result; raises what the task raised, TaskPendingError where waiting for it would
        stop the event loop that is to run it."""
        ...

    def exception(self) -> BaseException | None:
        """What the task raised."""
        ...

    def done(self) -> bool:
        """True once it has a result or an error, or is cancelled."""
        ...

    def cancel(self) -> bool:
        """Stop the task; False if it is done."""
        ...

    def cancelled(self) -> bool:
        """True if it was cancelled."""
        ...

    def __await__(self) -> Generator[Any, None, T_co]: ...


class LoopFuture(asyncio.Future[T]):
    """For code on the run's own event loop."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._name = name
        self.on_cancel: Callable[[], None] | None = None

    def result(self) -> T:
        """The result, if it is there; raises TaskPendingError."""
        if not self.done():
            raise TaskPendingError(
                f"result() of task {self._name!r} was asked for on the event loop that is to run "
                "it, so it would never come; await the task instead, or call it from sync code "
                "(of a graph that was run after the task was defined)"
            )
        return super().result()

    def cancel(self, msg: Any | None = None) -> bool:
        """Stop the task; False if it is done."""
        cancelled = super().cancel(msg)
        if cancelled and self.on_cancel is not None:
            self.on_cancel()
        return cancelled


class ThreadFuture(concurrent.futures.Future[T]):
    """For code in any other thread; awaitable on that thread's own loop too."""

    def __init__(self) -> None:
        super().__init__()
        self.on_cancel: Callable[[], None] | None = None

    def cancel(self) -> bool:
        """Stop the task; False if it is done."""
        before, cancelled = self.cancelled(), super().cancel()
        if cancelled and not before and self.on_cancel is not None:
            self.on_cancel()
        return cancelled

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.wrap_future(self).__await__()


class _Known:
    """What this process knows of calls."""

    possible = False
    """Somebody has defined a task."""
    lock = threading.Lock()
    """Guards the counters of calls."""


def expect_calls() -> None:
    """A task was defined: from now on, sync code may wait for one."""
    _Known.possible = True


def about_calls(commands: Iterable[MachineCommand]) -> list[RunCall | Settle]:
    """The commands that say something of calls."""
    return [command for command in commands if isinstance(command, RunCall | Settle)]


AnyFuture = LoopFuture[Any] | ThreadFuture[Any]


def call(node: NodeSpec, arg: Any) -> TaskFuture[Any]:
    """Call a task from the code of another one.

    Raises NoTaskError (a RuntimeError) outside of a run, RunCancelledError in one that is over.
    """
    caller = current()
    if caller is None or caller.over:
        raise NoTaskError(
            f"task {node.name!r} was called outside of a run, so nothing would run it; call it "
            "from an entrypoint, another task or a node, or call the function that it is made of"
        )
    return caller.scheduler.calls.make(caller, node, arg)


class _Open:
    """A call that is not settled."""

    __slots__ = ("context", "counts", "future", "runner")

    def __init__(self, future: AnyFuture, context: Context) -> None:
        self.future = future
        self.context = context
        self.runner: asyncio.Task[Any] | None = None
        """Runs its code."""
        self.counts = True
        """Its caller may wait for it."""


class Calls:
    """The open calls of one scheduler's tasks."""

    __slots__ = ("_loop", "_open", "_scheduler", "callers")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler: Scheduler = proxy(scheduler)  # its owner: no circle for the collector
        self._loop = scheduler.loop  # a future in other hands may outlive the scheduler
        self._open: dict[Task, _Open] = {}
        self.callers: dict[Task, int] = {}
        """Running task -> number of its calls that may keep it waiting."""

    @staticmethod
    def are_possible() -> bool:
        """True if some code might call a task.

        Which code calls which is not known before it does, and waiting for a task on the thread of
        the loop that is to run it would be for ever; so one task anywhere counts for all nodes.
        """
        return _Known.possible

    def make(self, caller: TaskContext, node: NodeSpec, arg: Any) -> TaskFuture[Any]:
        """Begin a call; from any thread."""
        if caller.fenced:
            raise _given_up(node.name)
        parent, loop = caller.task, self._loop
        with _Known.lock:
            place, caller.called = caller.called, caller.called + 1
        path = (PUSH, parent.path, place, True)
        call = Task(node, path, (PUSH,), arg, parent.step)
        call.parent = parent
        if runs_here(loop):
            future = LoopFuture[Any](node.name, loop)
            future.on_cancel = partial(self._drop, call)
            self._begin(caller, call, future, copy_context())
            return future
        waiting = ThreadFuture[Any]()
        waiting.on_cancel = partial(self._from_thread, self._drop, call)
        self._from_thread(self._begin, caller, call, waiting, copy_context())
        return waiting

    def _from_thread(self, function: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: the run was given up
            raise _given_up("?") from None

    def _begin(self, caller: TaskContext, call: Task, future: AnyFuture, context: Context) -> None:
        if caller.over or caller.fenced or self._scheduler.closed:
            _fail(future, _given_up(call.node.name))
            return
        self._open[call] = _Open(future, context)
        self.callers[caller.task] = self.callers.get(caller.task, 0) + 1
        self._scheduler.tell(TaskCalled(call))

    # --- asked by the scheduler and its tasks ----------------------------------------------------

    def context_of(self, call: Task) -> Context:
        """The context variables that the call's code sees: those of the calling code."""
        return self._open[call].context.copy()

    def begun(self, call: Task) -> bool:
        """Its code is about to run in this asyncio task; False if nobody wants it any more."""
        entry = self._open.get(call)
        if entry is None:
            self._gone(call)
            return False
        entry.runner = asyncio.current_task()
        return True

    def ended(self, task: Task) -> None:
        """A task has reported: it waits for nothing, and nobody has to wait for it."""
        self.callers.pop(task, None)
        self._count_down(self._open.get(task), task)

    def carry_out(self, commands: Iterable[RunCall | Settle]) -> list[Task]:
        """Settle what is known, now that it is committed; gives the calls that are to run."""
        run: list[Task] = []
        for command in commands:
            call = command.task
            if isinstance(command, Settle):
                self._settle(call, command.error)
            else:
                run.append(call)
        return self.wanted(run)

    def wanted(self, calls: Iterable[Task]) -> list[Task]:
        """Those of these that are to run: nobody has cancelled their futures."""
        wanted: list[Task] = []
        for call in calls:
            if call in self._open:
                wanted.append(call)
            else:
                self._gone(call)
        return wanted

    def refuse(self) -> None:
        """The run is over: release the threads that wait for calls."""
        for call, entry in list(self._open.items()):
            if isinstance(entry.future, ThreadFuture):
                del self._open[call]
                _fail(entry.future, _given_up(call.node.name))

    def close(self) -> None:
        """All tasks of the run were cancelled: release whoever else still waits for calls."""
        left, self._open = self._open, {}
        for call, entry in left.items():
            _fail(entry.future, _given_up(call.node.name))

    # --- a call's end ----------------------------------------------------------------------------

    def _settle(self, call: Task, error: BaseException | None) -> None:
        entry = self._open.pop(call, None)
        if entry is None:
            return
        self._count_down(entry, call)
        if error is not None:
            _fail(entry.future, error)
        elif call.writes is not None:
            caller = self._scheduler.running.get(call.parent) if call.parent else None
            for name, heads in call.writes[1:]:
                if name == KEPT and caller is not None:
                    caller.keep(heads)
            _fulfil(entry.future, call.writes[0][1])

    def _count_down(self, entry: _Open | None, call: Task) -> None:
        caller = call.parent
        if entry is None or not entry.counts or caller is None:
            return
        entry.counts = False
        left = self.callers.get(caller, 0) - 1
        if left > 0:
            self.callers[caller] = left
        else:
            self.callers.pop(caller, None)
        context = self._scheduler.running.get(caller)
        if context is not None:
            context.progress()

    def _drop(self, call: Task) -> None:
        """Its future was cancelled: stop it, wherever it has come to."""
        entry = self._open.pop(call, None)
        if entry is None or self._scheduler.closed:
            return
        self._count_down(entry, call)
        context = self._scheduler.running.get(call)
        if context is not None:
            context.fence()
        if entry.runner is not None:
            entry.runner.add_done_callback(lambda _: self._gone(call))
            self._scheduler.supervisor.cancel(entry.runner)
        elif context is None and self._scheduler.desk.take_back(call):
            self._gone(call)

    def _gone(self, call: Task) -> None:
        if not self._scheduler.closed:
            self._scheduler.tell(CallDropped(call))


def _fulfil(future: AnyFuture, value: Any) -> None:
    if isinstance(future, LoopFuture):
        if not future.done():
            future.set_result(value)
    elif future.set_running_or_notify_cancel():
        future.set_result(value)


def _fail(future: AnyFuture, error: BaseException) -> None:
    if isinstance(future, LoopFuture):
        if not future.done():
            future.set_exception(error)
            future.exception()  # asked for, so that nothing is logged if nobody else does
    elif future.set_running_or_notify_cancel():
        future.set_exception(error)


def _given_up(name: str) -> RunCancelledError:
    return RunCancelledError(
        f"task {name!r} was called in a run that is over or was given up, so it does not run; "
        "let the caller end, and run the thread again"
    )
