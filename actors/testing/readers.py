"""Readers of a simulated run's events: each must see all of them, in order, each once, and none
that is not on the disk."""

from __future__ import annotations

import hashlib

from actors.errors import RunUnknownError
from actors.testing.errors import BrokenPromiseError
from actors.testing.telling import Teller
from actors.testing.world import Process
from streaming import Gap, RunLog


class Reading:
    """One reader and where it is, across processes."""

    def __init__(self, run_id: str, thread_id: str, teller: Teller, place: float) -> None:
        self.run_id = run_id
        self.thread_id = thread_id
        self._teller = teller
        self._place = place
        """Where it joins: the part of the events that it leaves out."""
        self._first: int | None = None
        """How many it left out; None: it has not joined."""
        self.seen: list[str] = []
        """Digests of the events it has seen."""

    @property
    def _last(self) -> int:
        """The number of the last event it has seen."""
        return (self._first or 0) + len(self.seen)

    async def follow(self, process: Process, log: RunLog, delay: float) -> None:
        """Read on, from where it is to the log's end."""
        await process.system.supervisor.sleep(delay)
        if self._first is None:
            self._first = int(self._place * log.visible)
        async with log.read(self._last) as events:
            while batch := await events.batch():
                if isinstance(batch, Gap):
                    raise _broken(self, f"a reader of all events lost {batch!r}")
                rows = iter(await process.saver.events.read(self.run_id, self._last, len(batch)))
                for event in batch:
                    if event.id != self._last + 1:
                        raise _broken(self, f"event {event.id} came after {self._last}")
                    number, data = next(rows, (0, b""))
                    if number != event.id:
                        raise _broken(self, f"event {event.id} was seen and is not on the disk")
                    self.seen.append(_digest(data))
        self._teller.tell(f"{self.thread_id}: a reader saw {len(self.seen)} of {self.run_id}")

    async def come_back(self, process: Process, *, goes_on: bool) -> None:
        """After a crash: what was seen is on the disk as it was seen, and is read on from there,
        unless the run itself may go on."""
        rows = await process.saver.events.read(self.run_id, self._first or 0, len(self.seen))
        if [_digest(data) for _, data in rows] != self.seen:
            raise _broken(self, f"{len(self.seen)} events were seen, {len(rows)} survived")
        config = {"configurable": {"thread_id": self.thread_id}}
        if goes_on:
            return
        try:
            log = await process.system.find_log(process.graph, self.run_id, config)
        except RunUnknownError:
            return
        self._teller.spawn(process, self.follow(process, log, 0), "reader")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _broken(reading: Reading, what: str) -> BrokenPromiseError:
    return BrokenPromiseError(f"run {reading.run_id}: {what}; report it with the seed")
