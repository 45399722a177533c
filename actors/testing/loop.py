"""An event loop that a seed decides: its time is virtual, and so is the order of its tasks.

What asyncio promises holds here too: callbacks of one task, and those of no task, run in the order
they were asked for, timers not before their time.  Which task goes on first, which on a real
machine hangs on its sockets, disks and threads, is drawn.  Every callback takes some microseconds
of virtual time; when nothing is ready, the time jumps to the next timer.  When there is none
either, the code waits for itself: StuckError.

There are no threads and no sockets.  Sync code that would have gone to a thread runs on the loop,
at a moment that is drawn, and its result arrives at another.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import BaseEventLoop, Future, Handle, Task, TimerHandle
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from random import Random
from typing import Any, NoReturn, TypeVar, cast

from actors.testing.errors import ProcessKilled, SimulationError, StuckError
from actors.threads import Threadless

T = TypeVar("T")

TURN = (1_000, 50_000)
"""Nanoseconds that a callback takes, at least and at most."""
_LEAST, _SPAN = TURN[0], TURN[1] - TURN[0]
HANDOVER = (0.0, 0.002)
"""Seconds until sync code begins, and until its result is seen."""


class SimulatedLoop(BaseEventLoop, Threadless):
    """Runs what one seed says; `now_ns` is the time it begins at, in nanoseconds.

    loop = SimulatedLoop(Random(7))
    assert loop.run(main()) == "done"
    """

    _ready: deque[Handle]
    _scheduled: list[TimerHandle]
    _stopping: bool
    _check_closed: Callable[[], None]

    def __init__(self, random: Random, now_ns: int = 0) -> None:
        super().__init__()
        self._random = random
        self._clock_resolution = 1e-9
        self.now_ns = now_ns
        """The virtual time, in nanoseconds since some moment."""
        self.turns = 0
        """Callbacks that have run."""
        self._lanes: dict[object, deque[Handle]] = {}
        """What is ready, by task; None: of no task."""
        self._open: list[object] = []
        """The keys of lanes that are not empty."""
        self.killed = False
        """True: the simulated process is dead, and nothing runs on it any more."""
        self.on_turn: Callable[[Context], None] | None = None
        """Called after each callback, with the context that it ran in."""

    def __repr__(self) -> str:
        return f"<SimulatedLoop at {self.time():.6f} s, {self.turns} turns>"

    def time(self) -> float:
        """The virtual time in seconds."""
        return self.now_ns / 1e9

    # --- running -------------------------------------------------------------------------------

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine.  Raises ProcessKilled if the process died before its end,
        StuckError when nothing can go on."""
        task = self.create_task(main, name="main")
        try:
            self.run_until_complete(task)
        except RuntimeError:
            if not self.killed:
                raise
        if self.killed:
            raise ProcessKilled
        return task.result()

    def kill(self) -> None:
        """End the simulated process: the callback that runs now is the last one.  Async code that
        is killed at an await never goes on; no `finally` runs."""
        self.killed = True
        self.stop()

    async def die(self) -> NoReturn:
        """End the simulated process here."""
        self.kill()
        await self.create_future()
        raise ProcessKilled

    def bury(self) -> None:
        """Let go of what a killed process had in hand, in silence.

        The interpreter throws GeneratorExit into coroutines that nobody holds any more, so their
        `finally` blocks run now, after the death; what they store goes nowhere.
        """
        self.killed = True
        for task in asyncio.all_tasks(self):
            _closed(task.get_coro())
        self._ready.clear()
        self._scheduled.clear()
        self._lanes.clear()
        self._open.clear()
        self.close()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell of an error that nobody has seen; those of the dead nobody is to see."""
        if not self.killed:
            super().call_exception_handler(context)

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """As on any loop, without what is looked at of one that is debugged."""
        self._check_closed()
        handle = Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def _run_once(self) -> None:
        """One turn, under the name that BaseEventLoop calls it by."""
        self._sort_ready()
        if not self._open:
            self._jump()
        handle = self._next()
        self.turns += 1
        self.now_ns += _LEAST + self._below(_SPAN)
        if handle.cancelled():  # by what ran since it was ready
            return
        handle._run()  # noqa: SLF001 - what a loop is for
        if self.on_turn is not None:
            self.on_turn(handle._context)  # noqa: SLF001 - the same

    def _sort_ready(self) -> None:
        scheduled, ready, lanes = self._scheduled, self._ready, self._lanes
        if scheduled:
            now = self.time() + self._clock_resolution
            while scheduled and (scheduled[0].cancelled() or scheduled[0].when() <= now):
                timer = heapq.heappop(scheduled)
                timer._scheduled = False  # noqa: SLF001 - as BaseEventLoop does
                ready.append(timer)
        while ready:
            handle = ready.popleft()
            if not handle.cancelled():
                owner = _owner(handle)
                if owner in lanes:
                    lanes[owner].append(handle)
                else:
                    lanes[owner] = deque((handle,))
                    self._open.append(owner)

    def _next(self) -> Handle:
        keys = self._open
        at = self._below(len(keys))
        owner = keys[at]
        lane = self._lanes[owner]
        handle = lane.popleft()
        if not lane:
            del self._lanes[owner]
            keys[at] = keys[-1]
            keys.pop()
        return handle

    def _below(self, count: int) -> int:
        """What `randrange(count)` draws, in a third of its time."""
        draw, size = self._random.getrandbits, count.bit_length()
        number = draw(size)
        while number >= count:
            number = draw(size)
        return number

    def _jump(self) -> None:
        while self._scheduled and not self._open:
            self.now_ns = max(self.now_ns, round(self._scheduled[0].when() * 1e9))
            self._sort_ready()
        if not self._open:
            waiting = sorted(task.get_name() for task in asyncio.all_tasks(self))
            raise StuckError(
                f"nothing can go on at {self.time():.6f} s: {len(waiting)} tasks wait for each "
                f"other, or for something outside of the simulation ({', '.join(waiting[:8])}); "
                "let them wait for what happens in it, or give them a timeout"
            )

    # --- sync code ------------------------------------------------------------------------------

    async def run_sync(self, job: Callable[[], Any]) -> Any:
        """What `job` gives, run on the loop at a moment that is drawn.

        Cancelled, the waiting ends and the job does not, as with a thread.
        """
        return await self.run_in_executor(None, job)

    def drive(self, coro: Coroutine[Any, Any, T]) -> T:
        """What a coroutine gives that sync code waits for: everything else goes on meanwhile.

        Sync code that waits inside of it is done first, so waiting takes longer than with threads,
        but it ends.  Raises ProcessKilled if the process dies meanwhile, StuckError.
        """
        task = self.create_task(coro, context=copy_context())
        while not (task.done() or self.killed):
            self._run_once()
        if self.killed:
            raise ProcessKilled
        return task.result()

    def run_in_executor(
        self,
        executor: Any,  # noqa: ARG002 - there are no threads
        func: Callable[..., T],
        *args: Any,
    ) -> Future[T]:
        """The same, for `asyncio.to_thread`."""
        done: Future[T] = self.create_future()
        job = partial(_do, partial(func, *args), done, self)
        self.call_later(self._random.uniform(*HANDOVER), job, context=copy_context())
        return done

    def later(self, act: Callable[[], object]) -> None:
        """Call `act` at a moment that is drawn."""
        self.call_later(self._random.uniform(*HANDOVER), act)

    # --- what a simulation has none of ----------------------------------------------------------

    def _process_events(self, event_list: object) -> None:
        """No sockets, no events of theirs."""

    def _write_to_self(self) -> None:
        """No selector that would have to be woken."""


def _owner(handle: Handle) -> object:
    """The task whose step this is; None for any other callback."""
    owner: object = getattr(handle._callback, "__self__", None)  # noqa: SLF001 - as its repr does
    return cast("object", owner) if isinstance(owner, Task) else None


def _do(job: Callable[[], T], done: Future[T], loop: SimulatedLoop) -> None:
    """Run sync code; its outcome arrives later, at a future that may have been given up."""
    try:
        result = job()
    except ProcessKilled:
        loop.kill()
    except StopIteration as error:  # no future can hold one
        loop.later(partial(_fail, done, RuntimeError(f"sync code raised {error!r}")))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - of user code: it belongs to who waits for it
        loop.later(partial(_fail, done, error))
    else:
        loop.later(partial(_finish, done, result))


def _finish(done: Future[T], result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)


def _closed(coro: Any) -> None:
    try:
        coro.close()
    except BaseException:  # noqa: BLE001, S110 - of the dead; a `finally` may await
        pass


def _refused(name: str) -> Callable[..., NoReturn]:
    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise SimulationError(
            f"loop.{name}() cannot be in a simulation: there is no network and no other process; "
            "give the graph a stand-in for the service, or run it on a real loop"
        )

    return refuse


for _name in (
    "add_reader",
    "add_writer",
    "add_signal_handler",
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "getaddrinfo",
    "getnameinfo",
    "sendfile",
    "sock_accept",
    "sock_connect",
    "sock_recv",
    "sock_recv_into",
    "sock_sendall",
    "sock_sendfile",
    "start_tls",
    "subprocess_exec",
    "subprocess_shell",
):
    setattr(SimulatedLoop, _name, _refused(_name))
