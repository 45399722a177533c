"""All runs that this process knows: the open ones, and for a while those that have ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .lanes import Job, Lane
from .live import LiveRun
from .sizes import about_bytes

MAX_ENDED = 10_000
MAX_BYTES = 256 << 20
"""What ended runs may hold in memory together, about."""
_EVENT = 500
"""Bytes of an event beside the values that it shows."""


@dataclass(frozen=True, slots=True)
class _Ended:
    live: LiveRun
    size: int
    until: float


class Register:
    """Runs by id, and the lanes of threads.

    Ended runs are forgotten `retention` seconds after their end, or earlier when newer ones need
    the room: at most MAX_ENDED of them with about MAX_BYTES.
    """

    def __init__(self, retention: float, clock: Callable[[], float]) -> None:
        self._retention = retention
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._lanes: dict[str, Lane] = {}
        self._ended: deque[_Ended] = deque()
        self._known: dict[str, LiveRun] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def live(self, run_id: str) -> LiveRun | None:
        """An open run, or one that ended lately."""
        self._forget_old()
        return self._known.get(run_id)

    def known_on(self, thread_id: str) -> list[LiveRun]:
        """All that it knows of a thread, or of the one run that has this id instead of one; looks
        at every run, so ask for a thread that has no row."""
        self._forget_old()
        return [live for live in self._known.values() if live.run.thread_id == thread_id]

    def job(self, run_id: str) -> Job | None:
        """An open run."""
        return self._jobs.get(run_id)

    def lane(self, thread_id: str) -> Lane:
        """The thread's lane, made when it is first asked for."""
        return self._lanes.setdefault(thread_id, Lane())

    def jobs_of(self, thread_id: str) -> list[Job]:
        """The open runs of a thread."""
        return list(self._lanes.get(thread_id, ()))

    def take(self, thread_id: str) -> Job | None:
        """The run of the thread to start now; None if it is nobody's turn."""
        lane = self._lanes.get(thread_id)
        return None if lane is None else lane.take()

    def pull(self, job: Job) -> None:
        """It will not run: let the others pass."""
        if job.thread_id in self._lanes:
            self._lanes[job.thread_id].drop(job)

    def add(self, job: Job) -> None:
        """An open run more."""
        self._jobs[job.run_id] = job
        self._known[job.run_id] = job.live

    def remove(self, job: Job, *, keep: bool) -> None:
        """It is over; `keep` it for those who come late."""
        job.state = "over"
        self._jobs.pop(job.run_id, None)
        lane = self._lanes.get(job.thread_id)
        if lane is not None:
            lane.drop(job)
            if lane.is_empty:
                del self._lanes[job.thread_id]
        if keep:
            self._keep(job.live)
        else:
            self._known.pop(job.run_id, None)

    def forget(self, run_id: str) -> None:
        """It was deleted."""
        self._known.pop(run_id, None)

    def forget_thread(self, thread_id: str) -> None:
        """It was deleted: nobody reads on what ran on it."""
        for run_id, live in list(self._known.items()):
            if live.run.thread_id == thread_id and run_id not in self._jobs:
                del self._known[run_id]

    def _keep(self, live: LiveRun) -> None:
        ended = _Ended(live, _size_of(live), self._clock() + self._retention)
        self._ended.append(ended)
        self._size += ended.size
        self._forget_old()
        while len(self._ended) > MAX_ENDED or self._size > MAX_BYTES:
            self._forget_oldest()

    def _forget_old(self) -> None:
        now = self._clock()
        while self._ended and self._ended[0].until <= now:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest = self._ended.popleft()
        self._size -= oldest.size
        if self._known.get(oldest.live.run.run_id) is oldest.live:
            del self._known[oldest.live.run.run_id]


def _size_of(live: LiveRun) -> int:
    """About how much a run holds: events that were encoded have a size, the others may each show
    all of the state."""
    values = about_bytes(live.values) + about_bytes(live.run.order.input)
    if live.log is None:
        return values
    events, encoded = live.log.held
    return values + (encoded or events * (values + _EVENT))
