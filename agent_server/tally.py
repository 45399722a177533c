"""What the dispatcher counts: how runs end, how long they wait for their turn and run."""

from __future__ import annotations

from collections import Counter

from .lanes import Job
from .metrics import Histogram
from .records import RunStatus


class Tally:
    """Counts since the process began."""

    __slots__ = ("ended", "queue_seconds", "run_seconds")

    def __init__(self) -> None:
        self.ended: Counter[RunStatus] = Counter()
        self.queue_seconds = Histogram()
        """From the moment that a run was asked for, or is due, to its turn."""
        self.run_seconds = Histogram()
        """From its turn to its end, of each attempt."""

    def began(self, job: Job, now: float) -> None:
        """A job has its turn; after a restart, its waiting is not counted again."""
        run = job.live.run
        job.began_at = now
        if job.begun or run.attempt == 0:
            self.queue_seconds.observe(max(0.0, now - max(run.created_at, run.due_at)))

    def over(self, job: Job, now: float) -> None:
        """A job has ended, or stops with this process."""
        if job.live.run.ended:
            self.ended[job.live.run.status] += 1
        if job.began_at is not None:
            self.run_seconds.observe(max(0.0, now - job.began_at))
