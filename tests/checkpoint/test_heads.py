"""What the committer knows of threads is what the file holds, whoever changed it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from checkpoint import (
    Batch,
    CheckpointConflictError,
    DatabaseUnwritableError,
    EventRow,
    SqliteSaver,
    StaleClaimError,
)
from checkpoint.heads import Heads
from checkpoint.places import ScopeRow, add_thread, seal_thread
from checkpoint.schema import create_private
from checkpoint.story import Story, values_of
from checkpoint.testing_faults import FaultPlan


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create_private(connection)
    add_thread(connection, "t")
    return connection


async def reads_of_the_next_step(saver: SqliteSaver, story: Story) -> list[str]:
    """The names of the tables that it asks."""
    seen: list[str] = []
    await saver.lease.write(lambda connection: connection.set_trace_callback(seen.append))
    await story.step({"n": 2})
    await saver.lease.write(lambda connection: connection.set_trace_callback(None))
    return [said.split(" FROM ")[1].split()[0] for said in seen if said.startswith("SELECT")]


async def test_a_step_of_a_thread_that_is_known_asks_the_file_for_nothing(
    saver: SqliteSaver,
) -> None:
    story = await Story.begin(saver)
    await story.step({"n": 1})
    assert await reads_of_the_next_step(saver, story) == []


async def test_what_changes_no_thread_leaves_it_known(saver: SqliteSaver) -> None:
    story, other = await Story.begin(saver), await Story.begin(saver, "other")
    await story.step({"n": 1})
    await saver.events.append("run", [(1, b"event")])
    await other.step({"n": 1})
    (await Story.begin(saver, "a third")).end()
    assert await reads_of_the_next_step(saver, story) == []


async def test_what_another_connection_changes_is_asked_for_again(
    path: Path, saver: SqliteSaver
) -> None:
    story = await Story.begin(saver)
    await story.step({"n": 1})
    with closing(sqlite3.connect(path)) as other:
        seal_thread(other, 1, "thread", 2)
        other.commit()
    with pytest.raises(StaleClaimError):
        await story.step({"n": 2})
    assert await values_of(saver) == {"n": 1}


async def test_what_administration_changes_is_asked_for_again(saver: SqliteSaver) -> None:
    story = await Story.begin(saver)
    for n in range(3):
        await story.step({"n": n})
    story.end()
    await saver.adelete_thread("thread")
    again = await Story.begin(saver)
    assert again.head is None
    await again.step({"n": 7})
    assert await values_of(saver) == {"n": 7}
    assert len(await saver.history("thread")) == 1
    assert (await saver.averify()).ok


async def test_a_thread_whose_claim_came_to_nothing_is_asked_for_again(path: Path) -> None:
    plan = FaultPlan()
    plan.fail("claim taken", nth=2)
    async with SqliteSaver(path, faults=plan) as saver:
        story = await Story.begin(saver)
        await story.step({"n": 1})
        story.end()
        with pytest.raises(DatabaseUnwritableError):
            await saver.claim("thread", "a test", timeout=0)
        again = await Story.begin(saver)
        assert again.claim.epoch >> 32 > story.claim.epoch >> 32
        await again.step({"n": 2})
        assert await values_of(saver) == {"n": 2}


async def test_a_step_that_was_undone_is_not_known(path: Path) -> None:
    plan = FaultPlan()
    plan.fail("checkpoint applied", nth=2)
    async with SqliteSaver(path, faults=plan) as saver:
        story = await Story.begin(saver)
        await story.step({"n": 1})
        with pytest.raises(DatabaseUnwritableError):
            await story.step({"n": 2})
        await story.step({"n": 3})
        assert [each.record.version for each in await saver.history("thread")] == [2, 1]
        assert await values_of(saver) == {"n": 3}
        assert (await saver.averify()).ok


async def test_a_step_refused_after_its_first_rows_is_not_known(saver: SqliteSaver) -> None:
    story = await Story.begin(saver)
    await story.step({"long": "long " * 50})
    batch = story.batch({"long": "other " * 50})
    taken = replace(batch.blobs[0], key=0)
    with pytest.raises(CheckpointConflictError):
        await saver.commit(replace(batch, blobs=(taken,)))
    story.encoder.rewind()
    await story.step({"n": 1})
    assert len(await saver.history("thread")) == 2
    assert (await saver.averify()).ok


async def test_events_that_come_with_a_step_leave_it_known(saver: SqliteSaver) -> None:
    story = await Story.begin(saver)
    await story.step({"n": 1})
    await story.commit(replace(story.batch({"n": 2}), events=(EventRow("run", 1, b"event"),)))
    assert await reads_of_the_next_step(saver, story) == []


async def test_one_batch_may_be_of_more_namespaces_than_are_known(saver: SqliteSaver) -> None:
    claim = await saver.claim("thread", "a test", timeout=1)
    stories = [Story(saver, claim, f"node:{n}", None) for n in range(70)]
    for n in range(3):
        batches = [story.batch({"n": n, "long": f"{n} " * 100}) for story in stories]
        records = [each.checkpoints[0] for each in batches]
        rows = [row for each in batches for row in each.blobs]
        await saver.commit(Batch("thread", claim.epoch, tuple(records), tuple(rows)))
        for story, record in zip(stories, records, strict=True):
            story.encoder.accept()
            story.head = record
    for story in stories:
        assert len(await saver.history("thread", story.ns)) == 3
        assert await values_of(saver, ns=story.ns) == {"n": 2, "long": "2 " * 100}
    assert (await saver.averify()).ok


class TestHeads:
    def test_a_transaction_that_was_undone_leaves_nothing(
        self, connection: sqlite3.Connection
    ) -> None:
        heads = Heads()
        connection.execute("BEGIN")
        heads.begin(connection)
        known = heads.thread(connection, "t")
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        heads.begin(connection)
        assert heads.thread(connection, "t") is not known

    def test_what_was_committed_stays(self, connection: sqlite3.Connection) -> None:
        heads = Heads()
        heads.begin(connection)
        known = heads.thread(connection, "t")
        heads.committed()
        heads.begin(connection)
        assert heads.thread(connection, "t") is known

    def test_a_change_that_nobody_spoke_of_leaves_nothing(
        self, connection: sqlite3.Connection
    ) -> None:
        heads = Heads()
        known = heads.thread(connection, "t")
        seal_thread(connection, 1, "t", 2)
        found = heads.thread(connection, "t")
        assert found is not None
        assert found is not known
        assert found.epoch == 2

    def test_what_comes_beside_vouches_for_nothing_that_came_before(
        self, connection: sqlite3.Connection
    ) -> None:
        heads = Heads()
        known = heads.thread(connection, "t")
        seal_thread(connection, 1, "t", 2)
        heads.beside(lambda it: it.execute("DELETE FROM event"), connection)
        assert heads.thread(connection, "t") is not known

    def test_a_thread_that_is_not_there_is_asked_for_each_time(
        self, connection: sqlite3.Connection
    ) -> None:
        heads = Heads()
        assert heads.thread(connection, "new") is None
        heads.beside(lambda it: add_thread(it, "new"), connection)
        found = heads.thread(connection, "new")
        assert found is not None
        assert found.number == 2

    def test_the_oldest_of_many_is_forgotten(self, connection: sqlite3.Connection) -> None:
        for n in range(1025):
            add_thread(connection, f"{n}")
        heads = Heads()
        first, second = (heads.thread(connection, name) for name in ("0", "1"))
        for n in range(2, 1025):
            heads.thread(connection, f"{n}")
        assert heads.thread(connection, "1") is second
        assert heads.thread(connection, "0") is not first

    def test_a_thread_knows_so_many_namespaces_after_a_unit(
        self, connection: sqlite3.Connection
    ) -> None:
        heads = Heads()
        head = heads.thread(connection, "t")
        assert head is not None
        for n in range(100):
            head.keep(ScopeRow(n, 1, f"{n}", 0, b"", 0, 0, 0))
        assert len(head.scopes) == 100
        assert heads.thread(connection, "t") is head
        assert list(head.scopes) == [f"{n}" for n in range(36, 100)]
