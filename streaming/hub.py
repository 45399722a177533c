"""The registry of run logs."""

from __future__ import annotations

import threading
from typing import NamedTuple, Unpack

from .errors import LogSetupError, RunLogExistsError
from .log import RunLog
from .options import LogOptions
from .points import Faults


class HubStats(NamedTuple):
    """A hub's counts, over the logs it has."""

    live: int
    finished: int
    evicted: int
    """Finished logs given up to make room, since the hub was made."""
    published: int
    dropped: int
    refused: int
    subscribers: int
    events: int
    """Events in the logs' rings."""
    bytes: int
    """Bytes of those that were given with their sizes."""


class Hub:
    """Run logs by run id.  A finished log that others may join is kept until newer ones need its
    room: at most `max_finished` logs, `max_events` events and `max_bytes` encoded bytes.

    `faults`, for tests, goes wrong in all its logs (`streaming.testing_faults`).

        hub = Hub()
        log = hub.open(run_id)
        hub.get(run_id).subscribe("values")
    """

    def __init__(
        self,
        *,
        max_finished: int = 256,
        max_events: int = 262_144,
        max_bytes: int = 1 << 28,
        faults: Faults | None = None,
    ) -> None:
        if min(max_finished, max_events, max_bytes) < 0:
            raise LogSetupError(
                f"max_finished={max_finished}, max_events={max_events}, max_bytes={max_bytes} "
                "cannot bound a hub; give numbers >= 0"
            )
        self._max_finished = max_finished
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._faults = faults
        self._lock = threading.RLock()
        self._live: dict[str, RunLog] = {}
        self._finished: dict[str, RunLog] = {}  # oldest first
        self._events = self._bytes = self._evicted = 0

    def open(self, run_id: str, **options: Unpack[LogOptions]) -> RunLog:
        """A new log for a run; one of a finished run with this id gives way to it.

        A run taken up again after a restart gives `start=await event_log.last(run_id)`; to read a
        finished one only, close the log right away.  Raises RunLogExistsError if one is live.
        """
        with self._lock:
            if run_id in self._live:
                raise RunLogExistsError(
                    f"run {run_id!r} has a live log in this hub, and one run has one log; "
                    "use `hub.get`, or close that log first"
                )
            if self._faults is not None:
                options.setdefault("faults", self._faults)
            log = RunLog(run_id, self._retire, **options)
            self._forget_finished(run_id)
            self._live[run_id] = log
        return log

    def get(self, run_id: str) -> RunLog | None:
        """The log of a run, live or finished; None when the hub has none."""
        return self._live.get(run_id) or self._finished.get(run_id)

    def drop(self, run_id: str) -> None:
        """Forget a run's log; a live one is closed.  Who reads it may go on to its end."""
        with self._lock:
            log = self._live.pop(run_id, None)
            self._forget_finished(run_id)
        if log is not None:
            log.close()

    def stats(self) -> HubStats:
        """Counts, at this moment."""
        with self._lock:
            live, finished = list(self._live.values()), list(self._finished.values())
            evicted = self._evicted
        logs = (*live, *finished)
        counts, held = [log.stats() for log in logs], [log.held for log in logs]
        return HubStats(
            live=len(live),
            finished=len(finished),
            evicted=evicted,
            published=sum(c.published for c in counts),
            dropped=sum(c.dropped for c in counts),
            refused=sum(c.refused for c in counts),
            subscribers=sum(c.subscribers for c in counts),
            events=sum(events for events, _ in held),
            bytes=sum(size for _, size in held),
        )

    def _retire(self, log: RunLog) -> None:
        """A log was closed."""
        with self._lock:
            if self._live.get(log.run_id) is not log:
                return
            del self._live[log.run_id]
            if log.keep:
                self._finished[log.run_id] = log
                self._count(log, 1)
                self._evict()

    def _evict(self) -> None:
        while self._finished and (
            len(self._finished) > self._max_finished
            or self._events > self._max_events
            or self._bytes > self._max_bytes
        ):
            self._forget_finished(next(iter(self._finished)))
            self._evicted += 1

    def _forget_finished(self, run_id: str) -> None:
        log = self._finished.pop(run_id, None)
        if log is not None:
            self._count(log, -1)

    def _count(self, log: RunLog, sign: int) -> None:
        events, size = log.held  # a closed log's ring does not change any more
        self._events += sign * events
        self._bytes += sign * size
