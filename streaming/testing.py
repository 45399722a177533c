"""Suites that every implementation of a port passes, and in-memory siblings of the real ones.

Inherit a suite in a test module and give the fixture it asks for:

    class TestMyEventLog(EventLogSuite):
        @pytest.fixture
        def event_log(self): return MyEventLog()
"""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import Sequence
from typing import Any

from . import events as kinds
from .chunk import Chunk, Gap
from .errors import EventLogConflictError
from .events import CheckpointSaved, Custom, Event, StepCommitted, TaskFailed
from .log import RunLog
from .ports import EventLog, Row
from .sources import Sources as Sources  # noqa: PLC0414 - simulations use it
from .sources import sources_from as sources_from  # noqa: PLC0414 - the same
from .subscriber import Subscriber


class MemoryEventLog:
    """An event log in memory, for tests and for runs that need no more: it lives as long as the
    process, and has no bound but `max_rows` per run."""

    def __init__(self, *, max_rows: int = 1 << 20) -> None:
        self._max_rows = max_rows
        self._lock = threading.Lock()
        self._rows: dict[str, list[Row]] = {}

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store rows with ids counting on from the last one; raises EventLogConflictError."""
        with self._lock:
            stored = self._rows.setdefault(run_id, [])
            expected = range(len(stored) + 1, len(stored) + len(rows) + 1)
            given = [event_id for event_id, _ in rows]
            if given != list(expected) or len(stored) + len(rows) > self._max_rows:
                raise EventLogConflictError(
                    f"rows {given} cannot follow row {len(stored)} of run {run_id!r} (of at most "
                    f"{self._max_rows}), nothing was stored; append rows in id order without gaps"
                )
            stored.extend(rows)

    async def read(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
        """Up to `limit` rows with id > after, ascending."""
        with self._lock:
            return self._rows.get(run_id, [])[after : after + limit]

    async def last(self, run_id: str) -> int:
        """The highest id stored for the run, 0 when there is none."""
        with self._lock:
            return len(self._rows.get(run_id, ()))


class JsonCodec:
    """Events whose contents are JSON-like, as JSON; values of steps are left to checkpoints."""

    def encode(self, event: Event) -> bytes:
        """The event as bytes."""
        fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
        if isinstance(event, TaskFailed):
            fields["error"] = event.error if isinstance(event.error, str) else repr(event.error)
        if isinstance(event, StepCommitted):
            fields["values"], fields["bare"] = None, False
            if event.checkpoint is not None:
                fields["checkpoint"] = dataclasses.asdict(event.checkpoint)
        return json.dumps([type(event).__name__, fields]).encode()

    def decode(self, data: bytes) -> Event:
        """The event that `encode` was given."""
        name, fields = json.loads(data)
        for key in {"ns", "inside"} & fields.keys():
            fields[key] = tuple(fields[key])
        if "seen_in" in fields:
            fields["seen_in"] = tuple(tuple(ns) for ns in fields["seen_in"])
        if fields.get("checkpoint") is not None:
            fields["checkpoint"] = CheckpointSaved(**fields["checkpoint"])
        kind: type[Event] = getattr(kinds, name)
        return kind(**fields)


class EventLogSuite:
    """What any EventLog does; asks for the fixture `event_log`, an empty one."""

    async def test_a_run_that_has_no_rows_ends_at_zero(self, event_log: EventLog) -> None:
        """`last` is 0, `read` gives nothing."""
        assert await event_log.last("run") == 0
        assert list(await event_log.read("run", 0, 10)) == []

    async def test_rows_come_back_as_they_were_in_id_order(self, event_log: EventLog) -> None:
        """Bytes are kept as they are, over several appends."""
        rows = _rows(1, 7)
        await event_log.append("run", rows[:3])
        await event_log.append("run", rows[3:])
        assert [tuple(row) for row in await event_log.read("run", 0, 100)] == rows
        assert await event_log.last("run") == 7

    async def test_reading_starts_after_an_id_and_keeps_the_limit(
        self, event_log: EventLog
    ) -> None:
        """Any cut of the rows can be read."""
        rows = _rows(1, 9)
        await event_log.append("run", rows)
        for after in range(11):
            for limit in (1, 2, 100):
                found = [tuple(row) for row in await event_log.read("run", after, limit)]
                assert found == rows[after : after + limit]

    async def test_runs_do_not_see_each_other(self, event_log: EventLog) -> None:
        """Each run counts by itself."""
        await event_log.append("a", _rows(1, 2))
        await event_log.append("b", _rows(1, 3))
        assert [await event_log.last("a"), await event_log.last("b")] == [2, 3]

    async def test_an_id_that_is_not_the_next_one_is_refused_and_changes_nothing(
        self, event_log: EventLog
    ) -> None:
        """No gap, no repetition, no part of a refused append."""
        await event_log.append("run", _rows(1, 2))
        for wrong in (_rows(4, 4), _rows(2, 3), _rows(1, 1), [*_rows(3, 3), *_rows(5, 5)]):
            assert await _is_refused(event_log, wrong)
        assert [tuple(row) for row in await event_log.read("run", 0, 100)] == _rows(1, 2)
        await event_log.append("run", _rows(3, 3))

    def test_any_event_loop_may_call_it(self, event_log: EventLog) -> None:
        """One loop appends, another one goes on, a third one reads."""
        asyncio.run(event_log.append("run", _rows(1, 1)))
        asyncio.run(event_log.append("run", _rows(2, 2)))
        found = asyncio.run(event_log.read("run", 0, 100))
        assert [tuple(row) for row in found] == _rows(1, 2)


async def _is_refused(event_log: EventLog, rows: Sequence[Row]) -> bool:
    try:
        await event_log.append("run", rows)
    except Exception:  # noqa: BLE001 - each implementation has an error of its own
        return True
    return False


def _rows(first: int, last: int) -> list[Row]:
    return [(at, b"\x00\xff" + str(at).encode()) for at in range(first, last + 1)]


class RunLogSuite:
    """What readers of any run log may rely on; asks for the fixture `log`, an empty kept one that
    holds 8 events in its ring (and may have a durable log)."""

    async def test_ids_count_without_gaps(self, log: RunLog) -> None:
        """Also over stage and release."""
        ids = [log.publish(Custom(data=1)), log.publish(Custom(data=2))]
        staged = [Custom(data=3), Custom(data=4)]
        log.release(log.stage(staged))
        ids += [event.id for event in staged]
        assert [*ids, log.publish(Custom(data=5))] == [1, 2, 3, 4, 5]

    async def test_every_reader_gets_everything_in_order(self, log: RunLog) -> None:
        """Those who came first, and those who came late."""
        early = log.subscribe("custom")
        await _publish(log, 6)
        late = log.subscribe("custom")
        log.close()
        assert await _rest(early) == await _rest(late) == [1, 2, 3, 4, 5, 6]

    async def test_a_reader_comes_back_after_any_chunk(self, log: RunLog) -> None:
        """It gets what follows, whatever was last."""
        await _publish(log, 6)
        log.close()
        ids = [chunk.id async for chunk in log.subscribe("custom")]
        for seen, last in enumerate(ids, start=1):
            assert await _rest(log.subscribe("custom", after=last)) == list(range(seen + 1, 7))

    async def test_a_cancelled_wait_loses_nothing(self, log: RunLog) -> None:
        """The next wait gets the chunk that came meanwhile."""
        reader = log.subscribe("custom")
        for _ in range(3):
            try:
                await asyncio.wait_for(reader.__anext__(), 0)
            except TimeoutError:
                continue
        await _publish(log, 2)
        log.close()
        assert await _rest(reader) == [1, 2]

    async def test_what_a_late_reader_misses_is_marked_or_kept(self, log: RunLog) -> None:
        """20 events went through a ring of 8: lost ones are counted, none is lost if durable."""
        await _publish(log, 20)
        log.close()
        seen = [item async for item in log.subscribe("custom")]
        lost = sum(item.lost for item in seen if isinstance(item, Gap))
        assert lost == (0 if log.durable is not None else 12)
        assert await _rest(log.subscribe("custom")) == list(range(lost + 1, 21))


async def _publish(log: RunLog, count: int) -> None:
    for number in range(1, count + 1):
        log.publish(Custom(data=number))
        if number % 4 == 0:  # more than the ring holds may not wait for a durable log
            await log.flush()
    await log.flush()


async def _rest(reader: Subscriber) -> list[Any]:
    return [item.data async for item in reader if isinstance(item, Chunk)]
