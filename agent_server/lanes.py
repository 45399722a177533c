"""The open runs of one thread: one runs, the others wait in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Literal, TypeAlias

from actors import RunControl

from .jsontext import to_json
from .live import LiveRun
from .records import CancelAction

JobState: TypeAlias = Literal["storing", "waiting", "running", "settling", "over"]


class Job:
    """An open run on its way through the dispatcher, which alone changes it."""

    __slots__ = (
        "began_at",
        "begun",
        "bystander",
        "control",
        "live",
        "rolled_back",
        "row",
        "size",
        "state",
        "stop",
        "task",
        "timer",
    )

    def __init__(self, live: LiveRun, *, row: bool, begun: bool) -> None:
        self.live = live
        self.row = row
        """True: the database knows of it."""
        self.begun = begun
        """True: its row (if any) says already that it runs."""
        self.state: JobState = "storing"
        self.bystander = False
        """True: it ends unrun beside one that is at work, which alone knows how the thread stands.
        """
        self.stop: CancelAction | None = None
        """What somebody asked for who cancelled it."""
        self.rolled_back = False
        """The engine has taken over to undo it."""
        self.control = RunControl()
        self.task: asyncio.Task[None] | None = None
        order = live.run.order
        given = (order.input, order.command, order.context, order.config, order.metadata)
        self.size = len(to_json(given))
        """Bytes of what it was given, as JSON."""
        self.timer: asyncio.TimerHandle | None = None
        """Until it is due."""
        self.began_at: float | None = None
        """When it had its turn."""

    def __repr__(self) -> str:
        return f"<Job {self.live.run.run_id} {self.state}>"

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.live.run.run_id

    @property
    def thread_id(self) -> str:
        """The thread's, or what stands for one."""
        return self.live.run.thread_id

    @property
    def may_stop(self) -> bool:
        """False once somebody stopped it, or it has ended by itself."""
        return self.stop is None and self.state not in ("settling", "over")


class Lane:
    """One thread's jobs.  Each is in it from its acceptance until it is over."""

    __slots__ = ("_delayed", "_queue", "_running", "holders", "outside")

    def __init__(self) -> None:
        self.holders = 0
        """How many change the thread without a run, or wait for it: no job begins meanwhile."""
        self.outside = asyncio.Lock()
        """Held by the one of them that is at it."""
        self._running: Job | None = None
        self._queue: deque[Job] = deque()
        self._delayed: dict[Job, None] = {}

    def __iter__(self) -> Iterator[Job]:
        if self._running is not None:
            yield self._running
        yield from self._queue
        yield from self._delayed

    @property
    def is_free(self) -> bool:
        """True if a job that is added now is the next to run."""
        return self._running is None and not self._queue and not self.holders

    @property
    def is_empty(self) -> bool:
        """True if it holds no job at all, and nobody holds it."""
        return self.is_free and not self._delayed

    def has_at_work(self, job: Job) -> bool:
        """True if another job than this one has its turn; its end is not written, or was just."""
        return self._running is not None and self._running is not job

    def add(self, job: Job) -> None:
        """Let it wait behind the others."""
        self._queue.append(job)

    def delay(self, job: Job) -> None:
        """Keep it until it is due; it waits for nobody and nobody for it."""
        self._delayed[job] = None

    def ripen(self, job: Job) -> None:
        """It is due: let it wait behind the others, if it is still there."""
        if job in self._delayed:
            del self._delayed[job]
            self._queue.append(job)

    def take(self) -> Job | None:
        """The job to run now, which is running from here on; None if it is nobody's turn."""
        if self.holders or self._running is not None or not self._queue:
            return None
        if self._queue[0].state == "storing":
            return None
        self._running = self._queue.popleft()
        self._running.state = "running"
        return self._running

    def drop(self, job: Job) -> None:
        """It is over, or will never run."""
        if self._running is job:
            self._running = None
        elif job in self._queue:
            self._queue.remove(job)
        self._delayed.pop(job, None)
