"""Threads that go with their checkpoints, and what is left of such; how servers use it:
`test_threads.py` and `test_removal.py`."""

from __future__ import annotations

import pytest

from agent_server.erasing import Eraser
from agent_server.errors import ConflictError, InFlightError, NotFoundError, UndeletedError
from agent_server.thread_rows import add_thread, thread_exists
from agent_server.threads import Lifetime, Threads
from tests.agent_server.database import Clock, Database, keep_run, leave_checkpoints

ID = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def eraser(database: Database) -> Eraser:
    return Eraser(database.tables, database.saver)


async def test_what_has_been_used_again_since_its_time_was_over_stays(
    eraser: Eraser, database: Database, threads: Threads, clock: Clock
) -> None:
    await threads.create(ID, ttl=Lifetime(1))
    clock.now += 61
    over = clock()
    await threads.patch(ID, metadata={"used": True})
    with pytest.raises(ConflictError, match="used again"):
        await eraser.erase(ID, outlived=over)
    await eraser.erase(ID, outlived=clock() + 61)
    assert not await database.tables.read(lambda db: thread_exists(db, ID))


async def test_a_run_that_comes_while_somebody_holds_the_thread_keeps_it(
    eraser: Eraser, database: Database, threads: Threads
) -> None:
    await threads.create(ID)
    with pytest.raises(NotFoundError):
        await eraser.erase(ID.replace("1", "2"))
    await database.tables.write(lambda db: keep_run(db, "a run", ID, "pending"))
    held = await database.saver.claim(ID, "a script", timeout=0)
    with pytest.raises(InFlightError, match="in-flight"):  # at once
        await eraser.erase(ID)
    database.saver.release(held)
    assert await database.tables.read(lambda db: thread_exists(db, ID))


async def test_a_thread_is_not_added_while_there_is_something_left_of_one_before(
    eraser: Eraser, database: Database, threads: Threads
) -> None:
    await database.tables.write(lambda db: leave_checkpoints(db, ID))
    with pytest.raises(UndeletedError, match="or give another id"):
        await database.tables.write(lambda db: add_thread(db, threads.fresh(ID)))
    await eraser.clear(ID)
    await database.tables.write(lambda db: add_thread(db, threads.fresh(ID)))
