"""The ledger of a disk: whatever breaks a promise is found at the commit that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.codec import SerializedEvents
from actors.commands import FAILURE
from actors.testing import BrokenPromiseError
from actors.testing.invariants import Ledger
from actors.testing.world import Process, World
from checkpoint import Batch, EventRow, MsgpackSerializer, TaskWrites
from checkpoint.testing_disk import Appended, Entry, Rewound
from tests.simulation.random_graphs import random_graph

CONFIG: Any = {"configurable": {"thread_id": "1"}}
GRAPH = random_graph(2)


def entries_of_a_run() -> list[Entry]:
    """What one run of a graph commits."""

    async def main(process: Process) -> None:
        run = await process.system.start(process.graph, {"log": ["input"]}, CONFIG)
        await run.result()

    with World(GRAPH, 0) as world:
        world.live(main)
        return list(world.disk.entries)


ENTRIES = entries_of_a_run()
BATCHES = [entry for entry in ENTRIES if isinstance(entry, Batch) and entry.checkpoints]


def ledger() -> Ledger:
    serializer = MsgpackSerializer()
    return Ledger(serializer, SerializedEvents(serializer, GRAPH.layout).decode, ())


def test_a_run_of_the_engine_keeps_every_promise() -> None:
    book = ledger()
    book.take(ENTRIES)
    assert list(book.events.values()) == [sum(map(count_events, ENTRIES))]
    assert set(book.ended) == set(book.events)


def count_events(entry: Entry) -> int:
    match entry:
        case Batch():
            return len(entry.events)
        case Appended(_, rows):
            return len(rows)
        case _:
            return 0


def last_of(batch: Batch, **changes: Any) -> Batch:
    """The batch with its last checkpoint changed."""
    *before, record = batch.checkpoints
    return replace(batch, checkpoints=(*before, replace(record, **changes)))


def later_step(batch: Batch) -> Batch:
    metadata = batch.checkpoints[-1].metadata
    return last_of(batch, metadata=replace(metadata, step=metadata.step + 1))


def older_version(batch: Batch) -> Batch:
    return last_of(batch, version=1)


def another_parent(batch: Batch) -> Batch:
    return last_of(batch, parent_id=batch.checkpoints[-1].id)


def no_parent(batch: Batch) -> Batch:
    return last_of(batch, parent_id=None)


def an_older_id(batch: Batch) -> Batch:
    return last_of(batch, id="00000000-0000-7000-8000-000000000000")


def silent_change(batch: Batch) -> Batch:
    return last_of(batch, changed=frozenset[str]())


def lost_event(batch: Batch) -> Batch:
    return replace(batch, events=batch.events[1:])


CHANGES: dict[Callable[[Batch], Batch], str] = {
    later_step: "is step",
    older_version: "channel version",
    another_parent: "which is not there",
    no_parent: "has no parent",
    an_older_id: "is not newer",
    silent_change: "does not say so",
    lost_event: "follows event",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_commit_that_breaks_a_promise_is_found(change: Callable[[Batch], Batch]) -> None:
    changed = [change(entry) if entry is BATCHES[1] else entry for entry in ENTRIES]
    with pytest.raises(BrokenPromiseError, match=CHANGES[change]):
        ledger().take(changed)


def test_writes_to_a_step_that_is_over_are_found() -> None:
    late = next(entry for entry in BATCHES if entry.writes)
    with pytest.raises(BrokenPromiseError, match="which is over"):
        ledger().take([*ENTRIES, Batch("1", 1, writes=late.writes)])


def test_a_task_that_runs_again_is_found() -> None:
    book = ledger()
    book.take(ENTRIES)
    done = next(entry for entry in BATCHES if entry.writes).writes[0]
    with pytest.raises(BrokenPromiseError, match="'node' had finished and runs again"):
        book.begins(done.task_id, "node")
    book.begins("another", "node")
    book.add(Rewound("1", {"": None}))
    book.begins(done.task_id, "node")


def test_a_task_that_runs_again_though_its_error_handler_has_it_is_found() -> None:
    book = ledger()
    last, done = BATCHES[-1].checkpoints[-1], next(e for e in BATCHES if e.writes).writes[0]
    book.take(ENTRIES)
    writes = ((FAILURE, done.writes[0][1]),)
    book.add(Batch("1", 1, writes=(TaskWrites(last.ns, last.id, "failed", writes),)))
    with pytest.raises(BrokenPromiseError, match="'node' had finished and runs again"):
        book.begins("failed", "node")


def test_an_event_after_the_end_is_found() -> None:
    book = ledger()
    book.take(ENTRIES)
    (run,) = book.ended
    again = EventRow(run, book.events[run] + 1, BATCHES[0].events[0].data)
    with pytest.raises(BrokenPromiseError, match="after the run's end"):
        book.add(Batch("1", 1, events=(again,)))


def test_a_task_that_is_said_to_have_finished_without_its_writes_is_found() -> None:
    without = [replace(e, writes=()) if isinstance(e, Batch) else e for e in ENTRIES]
    with pytest.raises(BrokenPromiseError, match="said to have finished, without writes"):
        ledger().take(without)
