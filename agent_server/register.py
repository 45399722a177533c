"""All runs that this process knows: the open ones, and for a while the ended ones that are known
to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

from .ended import EndedRuns, PastRun
from .lanes import Job, Lane
from .live import LiveRun


class Register:
    """Runs by id, and the lanes of threads.

    Ended runs on threads are in the database, with their events; the others go to `ended`.
    """

    def __init__(self, ended: EndedRuns) -> None:
        self._jobs: dict[str, Job] = {}
        self._lanes: dict[str, Lane] = {}
        self._ended = ended
        self.size = 0
        """Bytes of what the open runs were given, as JSON."""

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def live(self, run_id: str) -> LiveRun | None:
        """An open run."""
        job = self._jobs.get(run_id)
        return None if job is None else job.live

    def known_on(self, thread_id: str) -> list[LiveRun | PastRun]:
        """The open runs of a thread, or the run that has this id instead of one; looks at every
        run, so ask for a thread that has no row."""
        found = [job.live for job in self._jobs.values() if job.thread_id == thread_id]
        return [*found, *self._ended.on(thread_id)]

    def ended(self, run_id: str) -> PastRun | None:
        """A run without a thread that ended lately."""
        return self._ended.get(run_id)

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

    def tidy(self, thread_id: str) -> None:
        """Forget a thread's lane that is empty."""
        if (lane := self._lanes.get(thread_id)) is not None and lane.is_empty:
            del self._lanes[thread_id]

    def add(self, job: Job) -> None:
        """An open run more."""
        self._jobs[job.run_id] = job
        self.size += job.size

    def remove(self, job: Job, *, keep: bool) -> None:
        """It is over; `keep` what nobody else knows of it for those who come late."""
        job.state = "over"
        if self._jobs.pop(job.run_id, None) is not None:
            self.size -= job.size
        self.pull(job)
        self.tidy(job.thread_id)
        if keep and job.live.run.stateless:
            self._ended.add(job.live)
