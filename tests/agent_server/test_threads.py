"""Threads in a real database, with the checkpoints of real graphs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

import pytest

from actors import END, START, CompiledGraph, StateGraph, interrupt
from agent_server.errors import ConflictError, InvalidError, NotFoundError
from agent_server.records import Ttl
from agent_server.thread_rows import (
    add_thread,
    left_checkpoints,
    mark_thread,
    settle_thread,
    thread_exists,
)
from agent_server.thread_search import ThreadQuery, ThreadSort
from agent_server.threads import Lifetime, Threads
from checkpoint import Claim, CorruptDataError, DatabaseError, SqliteSaver
from checkpoint.points import cannot_fail
from checkpoint.testing_faults import FaultPlan
from tests.agent_server.database import Clock, Database, keep_run, leave_checkpoints, opened

ID = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
UNSOUND = "INSERT INTO thread (name, epoch, mark, crc) VALUES (?, 1, 0, 0)"


class State(TypedDict, total=False):
    topic: str
    answer: str


def asking(saver: SqliteSaver) -> CompiledGraph:
    def ask(state: State) -> State:
        return {"answer": interrupt({"q": state.get("topic", "")})}

    builder = StateGraph(State)
    builder.add_node("tell", lambda state: {"topic": state["topic"] + "!"})
    builder.add_node("ask", ask)
    builder.add_edge(START, "tell")
    builder.add_edge("tell", "ask")
    builder.add_edge("ask", END)
    return builder.compile(checkpointer=saver)


def config(thread_id: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread_id}}


async def add_run(database: Database, thread_id: str, run_id: str, status: str) -> None:
    await database.tables.write(lambda db: keep_run(db, run_id, thread_id, status))


# --- making and finding ----------------------------------------------------------------------


async def test_a_thread_is_found_as_it_was_made(threads: Threads, clock: Clock) -> None:
    given = {"tags": ["x"], "configurable": {"n": 10**400}}
    made = await threads.create(ID, metadata={"k": ["v", None]}, config=given)

    assert await threads.get(ID.upper()) == made
    assert made.thread_id == ID
    assert made.status == "idle"
    assert made.created_at == made.updated_at == made.state_updated_at <= clock.now
    assert made.values is None
    assert made.interrupts == {}


async def test_threads_without_an_id_get_ids_that_sort_by_time(threads: Threads) -> None:
    ids = [(await threads.create(None)).thread_id for _ in range(3)]

    assert ids == sorted(set(ids))


async def test_an_id_that_is_taken_is_refused_or_taken_as_it_is(threads: Threads) -> None:
    made = await threads.create(ID, metadata={"k": "v"})

    with pytest.raises(ConflictError, match=f"Thread with ID {ID} already exists"):
        await threads.create(ID, metadata={"k": "other"})
    assert await threads.create(ID, metadata={"k": "x"}, if_exists="do_nothing") == made


@pytest.mark.parametrize(
    "id_", ["abc", "", "../../etc/passwd", ID + "0", "'; DROP TABLE x", "é" * 36]
)
async def test_an_id_that_is_no_uuid_is_refused(threads: Threads, id_: str) -> None:
    for act in (threads.get, threads.delete, threads.copy, threads.patch, threads.create):
        with pytest.raises(InvalidError, match="must be a UUID"):
            await act(id_)


async def test_a_thread_that_is_not_there_is_not_found(threads: Threads) -> None:
    for act in (threads.get, threads.delete, threads.copy, threads.patch):
        with pytest.raises(NotFoundError, match=f"Thread with ID {ID} not found"):
            await act(ID)


# --- changing --------------------------------------------------------------------------------


async def test_metadata_is_merged_key_by_key(threads: Threads) -> None:
    await threads.create(ID, metadata={"a": {"deep": 1}, "b": 2})

    patched = await threads.patch(ID, metadata={"a": {"new": 1}, "c": None})

    assert patched.metadata == {"a": {"new": 1}, "b": 2, "c": None}
    assert patched.updated_at > patched.created_at == patched.state_updated_at
    assert await threads.get(ID) == patched


async def test_a_time_to_live_begins_anew_with_each_change(threads: Threads, clock: Clock) -> None:
    made = await threads.create(ID, ttl=Lifetime(10))
    assert made.ttl == Ttl(10, "delete", pytest.approx(clock.now + 600))

    clock.now += 300
    patched = await threads.patch(ID, metadata={"a": 1})
    assert patched.ttl == Ttl(10, "delete", pytest.approx(clock.now + 600))

    patched = await threads.patch(ID, ttl=Lifetime(1, "keep_latest"))
    assert patched.ttl == Ttl(1, "keep_latest", pytest.approx(clock.now + 60))


async def test_threads_live_as_long_as_the_server_says_unless_they_say_it(
    database: Database, clock: Clock
) -> None:
    threads = Threads(database.tables, database.saver, clock, lifetime=Lifetime(5))

    plain = await threads.create(None)
    own = await threads.create(None, ttl=Lifetime(7, "keep_latest"))

    assert plain.ttl is not None
    assert plain.ttl.minutes == 5
    assert own.ttl is not None
    assert (own.ttl.minutes, own.ttl.strategy) == (7, "keep_latest")


async def test_a_run_marks_a_thread_and_settles_it(
    threads: Threads, database: Database, clock: Clock
) -> None:
    await threads.create(ID, metadata={"k": "v"}, ttl=Lifetime(10))
    now = clock()
    await database.tables.write(
        lambda db: mark_thread(db, ID, status="busy", now=now, metadata={"graph_id": "g"})
    )

    busy = await threads.get(ID)
    assert (busy.status, busy.metadata) == ("busy", {"k": "v", "graph_id": "g"})
    assert busy.updated_at == now > busy.state_updated_at

    later = now + 60
    error = {"error": "ValueError", "message": "no"}
    await database.tables.write(
        lambda db: settle_thread(
            db,
            ID,
            status="error",
            values={"x": {1, 2} - {2}},
            interrupts={"t": [{"id": "i", "value": 1}]},
            error=error,
            now=later,
        )
    )

    settled = await threads.get(ID)
    assert (settled.status, settled.error) == ("error", error)
    assert settled.values == {"x": [1]}
    assert settled.interrupts == {"t": [{"id": "i", "value": 1}]}
    assert settled.updated_at == settled.state_updated_at == later
    assert settled.ttl == Ttl(10, "delete", later + 600)


async def test_a_unit_that_fails_leaves_no_thread(threads: Threads, database: Database) -> None:
    made = threads.fresh(ID)

    def unit(db: sqlite3.Connection) -> None:
        add_thread(db, made)
        assert thread_exists(db, ID)
        raise KeyError(ID)

    with pytest.raises(KeyError):
        await database.tables.write(unit)

    assert not await database.tables.read(lambda db: thread_exists(db, ID))


async def test_an_update_from_outside_shows_in_the_row(
    threads: Threads, database: Database
) -> None:
    graph = asking(database.saver)
    await threads.create(ID)
    await graph.ainvoke({"topic": "x"}, config(ID))

    await threads.take_values(ID, await graph.aget_state(config(ID)))

    waiting = await threads.get(ID)
    assert (waiting.status, waiting.values) == ("interrupted", {"topic": "x!"})
    [[asked]] = waiting.interrupts.values()
    assert asked["value"] == {"q": "x!"}

    await graph.aupdate_state(config(ID), {"answer": "y"}, as_node="ask")
    await threads.take_values(ID, await graph.aget_state(config(ID)))

    done = await threads.get(ID)
    assert (done.status, done.values) == ("idle", {"topic": "x!", "answer": "y"})
    assert done.interrupts == {}


# --- searching -------------------------------------------------------------------------------


async def found(threads: Threads, **asked: Any) -> list[str]:
    return [each.thread_id for each in (await threads.search(ThreadQuery(**asked))).items]


async def test_a_search_gives_pages_and_their_true_total(threads: Threads) -> None:
    ids = [(await threads.create(None)).thread_id for _ in range(5)]

    first = await threads.search(ThreadQuery(limit=2))
    last = await threads.search(ThreadQuery(limit=2, offset=4))

    assert [each.thread_id for each in first.items] == ids[:2:-1]
    assert (first.total, first.next) == (5, 2)
    assert [each.thread_id for each in last.items] == ids[:1]
    assert (last.total, last.next) == (5, None)
    assert (await threads.search(ThreadQuery(offset=9))).next is None


async def test_a_search_takes_conditions_together(threads: Threads, database: Database) -> None:
    never_ran = (await threads.create(None, metadata={"u": 1, "deep": {"a": [1, 2]}})).thread_id
    ran = (await threads.create(None, metadata={"u": 1})).thread_id
    await threads.create(None, metadata={"u": "1"})
    await database.tables.write(
        lambda db: settle_thread(
            db, ran, status="error", values={"topic": "z"}, interrupts={}, error={}, now=1.0
        )
    )

    assert await found(threads, metadata={"u": 1}, sort_by="thread_id") == [ran, never_ran]
    assert await found(threads, metadata={"deep": {"a": [2]}}) == [never_ran]
    assert await found(threads, values={"topic": "z"}) == [ran]
    assert await found(threads, values={"topic": "y"}) == []
    assert await found(threads, status="error") == [ran]
    assert await found(threads, status="idle", metadata={"u": 1}) == [never_ran]
    assert await found(threads, ids=[ran, OTHER]) == [ran]
    assert await found(threads, ids=[]) == []
    assert await threads.count(ThreadQuery(metadata={"u": 1}, limit=1)) == 2


@pytest.mark.parametrize(
    "by", ["thread_id", "status", "created_at", "updated_at", "state_updated_at"]
)
async def test_a_search_is_sorted_as_asked(threads: Threads, by: ThreadSort) -> None:
    for _ in range(3):
        await threads.create(None)

    up = await found(threads, sort_by=by, sort_order="asc")

    assert up == sorted(up)
    assert await found(threads, sort_by=by, sort_order="desc") == up[::-1]


async def test_a_search_leaves_out_values_that_nobody_wants(
    threads: Threads, database: Database
) -> None:
    await threads.create(ID)
    await database.tables.write(
        lambda db: settle_thread(
            db, ID, status="idle", values={"big": "x" * 99}, interrupts={}, error=None, now=1.0
        )
    )

    [bare] = (await threads.search(ThreadQuery(with_values=False))).items

    assert bare.values is None
    assert bare.thread_id == ID


@pytest.mark.parametrize("text", ["' OR 1=1 --", '"', "%", "\\", "*"])
async def test_sql_in_a_filter_is_only_text(threads: Threads, text: str) -> None:
    await threads.create(ID, metadata={"a": "b"})

    assert await found(threads, metadata={text: text}) == []
    assert await found(threads, values={text: text}) == []
    assert await threads.count(ThreadQuery()) == 1


# --- copying, pruning, deleting --------------------------------------------------------------


async def test_a_copy_goes_on_from_where_the_thread_is(
    threads: Threads, database: Database
) -> None:
    graph = asking(database.saver)
    await threads.create(ID, metadata={"graph_id": "g"})
    await graph.ainvoke({"topic": "x"}, config(ID))
    await threads.take_values(ID, await graph.aget_state(config(ID)))

    copy = await threads.copy(ID)

    assert copy.thread_id != ID
    assert (copy.status, copy.values) == ("interrupted", {"topic": "x!"})
    assert copy.metadata == {"graph_id": "g"}
    assert await threads.get(copy.thread_id) == copy
    state = await graph.aget_state(config(copy.thread_id))
    assert state.next == ("ask",)
    await graph.aupdate_state(config(copy.thread_id), {"answer": "y"}, as_node="ask")
    assert (await graph.aget_state(config(ID))).next == ("ask",)


async def test_a_copy_of_a_thread_that_never_ran_is_a_thread_that_never_ran(
    threads: Threads, database: Database
) -> None:
    await threads.create(ID)
    await database.tables.write(lambda db: mark_thread(db, ID, status="busy", now=1.0))

    copy = await threads.copy(ID)

    assert (copy.status, copy.values) == ("idle", None)


async def test_a_deleted_thread_leaves_nothing_to_find(
    threads: Threads, database: Database
) -> None:
    graph = asking(database.saver)
    await threads.create(ID)
    await add_run(database, ID, OTHER, "success")
    await graph.ainvoke({"topic": "x"}, config(ID))

    await threads.delete(ID)

    with pytest.raises(NotFoundError):
        await threads.get(ID)
    await threads.create(ID)
    assert (await graph.aget_state(config(ID))).values == {}
    rows = await database.tables.read(lambda db: db.execute("SELECT id FROM server_run").fetchall())
    assert rows == []


@pytest.mark.parametrize("status", ["pending", "running"])
async def test_a_thread_with_open_runs_is_not_deleted(
    threads: Threads, database: Database, status: str
) -> None:
    await threads.create(ID)
    await add_run(database, ID, OTHER, status)

    assert await threads.open_runs(ID) == [OTHER]
    with pytest.raises(ConflictError, match="cancel them first"):
        await threads.delete(ID)
    assert (await threads.get(ID)).thread_id == ID


async def test_pruning_keeps_the_newest_checkpoint_of_known_threads(
    threads: Threads, database: Database
) -> None:
    graph = asking(database.saver)
    await threads.create(ID)
    await graph.ainvoke({"topic": "x"}, config(ID))
    before = await graph.aget_state(config(ID))

    assert await threads.prune([ID, ID, OTHER], "keep_latest") == 1

    after = [each async for each in graph.aget_state_history(config(ID))]
    assert [each.config for each in after] == [before.config]
    assert (await graph.aget_state(config(ID))).values == before.values


async def test_pruning_deletes_threads(threads: Threads) -> None:
    ids = [(await threads.create(None)).thread_id for _ in range(3)]

    assert await threads.prune([*ids[:2], OTHER], "delete") == 2

    assert await found(threads) == ids[2:]
    assert await threads.prune([], "keep_latest") == 0
    with pytest.raises(InvalidError):
        await threads.prune(["x"], "delete")


async def left_behind(database: Database, thread_id: str) -> CompiledGraph:
    """What an older version left when it died while it deleted a thread."""
    graph = asking(database.saver)
    await graph.ainvoke({"topic": "secret"}, config(thread_id))
    await database.tables.write(lambda db: leave_checkpoints(db, thread_id))
    return graph


async def test_what_a_deletion_left_that_was_cut_short_goes_at_the_next_start(
    threads: Threads, database: Database
) -> None:
    graph = await left_behind(database, ID)

    await threads.finish_deletions()

    assert (await graph.aget_state(config(ID))).values == {}
    assert await database.tables.read(left_checkpoints) == []


async def test_a_thread_that_was_made_anew_keeps_its_checkpoints(
    threads: Threads, database: Database
) -> None:
    await threads.create(ID)
    graph = await left_behind(database, ID)  # the older version let it be made

    await threads.finish_deletions()

    assert (await graph.aget_state(config(ID))).values == {"topic": "secret!"}
    assert await database.tables.read(left_checkpoints) == []


@pytest.mark.parametrize("way", ["created", "entered"])
async def test_who_makes_a_thread_anew_finishes_its_deletion_first(
    threads: Threads, database: Database, way: str
) -> None:
    graph = await left_behind(database, ID)

    if way == "created":
        await threads.create(ID, if_exists="do_nothing")
    else:
        await threads.enter(ID, lambda db: add_thread(db, threads.fresh(ID)))

    assert (await graph.aget_state(config(ID))).values == {}
    assert await database.tables.read(left_checkpoints) == []


async def test_a_thread_is_not_made_anew_while_somebody_holds_what_is_left_of_it(
    threads: Threads, database: Database
) -> None:
    graph = await left_behind(database, ID)
    held = await database.saver.claim(ID, "a script", timeout=0)
    making = asyncio.ensure_future(threads.create(ID))
    await database.tables.write(lambda db: None)  # it has been refused by then
    assert not making.done()
    database.saver.release(held)
    assert (await making).thread_id == ID
    assert (await graph.aget_state(config(ID))).values == {}


async def test_a_deletion_that_cannot_be_finished_keeps_no_server_from_starting(
    threads: Threads, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    graph = await left_behind(database, OTHER)
    await database.tables.write(lambda db: db.execute(UNSOUND, (ID,)))
    await database.tables.write(lambda db: leave_checkpoints(db, ID))

    await threads.finish_deletions()

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert (await graph.aget_state(config(OTHER))).values == {}
    assert await database.tables.read(left_checkpoints) == [ID]
    with pytest.raises(CorruptDataError):  # and nobody gets a thread with what is left of it
        await threads.create(ID)


@pytest.mark.parametrize("point", ["administration applied", "administration committed"])
async def test_a_deletion_that_fails_leaves_all_or_nothing(tmp_path: Path, point: str) -> None:
    plan = FaultPlan()
    async with SqliteSaver(tmp_path / "server.db", faults=plan) as saver, opened(tmp_path) as parts:
        threads, graph = Threads(parts.tables, saver, Clock()), asking(saver)
        await threads.create(ID)
        await add_run(parts, ID, OTHER, "success")
        await graph.ainvoke({"topic": "x"}, config(ID))
        plan.fail(point)
        with pytest.raises(DatabaseError):
            await threads.delete(ID)
        gone = point == "administration committed"
        assert (await graph.aget_state(config(ID))).values == ({} if gone else {"topic": "x!"})
        assert await parts.tables.read(lambda db: thread_exists(db, ID)) is not gone


async def test_a_thread_that_somebody_holds_is_deleted_when_it_is_let_go_and_is_there_until_then(
    threads: Threads, database: Database
) -> None:
    graph = asking(database.saver)
    await threads.create(ID)
    await graph.ainvoke({"topic": "x"}, config(ID))
    held = await database.saver.claim(ID, "a script", timeout=0)
    deleting = asyncio.ensure_future(threads.delete(ID))
    with pytest.raises(ConflictError, match="already exists"):
        await threads.create(ID)
    assert not deleting.done()
    database.saver.release(held)
    await deleting
    await threads.create(ID)
    assert (await graph.aget_state(config(ID))).values == {}


async def test_a_damaged_thread_keeps_the_others_from_no_expiry(
    threads: Threads, database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await threads.create(ID, ttl=Lifetime(1))
    clock.now += 1
    await threads.create(OTHER, ttl=Lifetime(1))
    await database.tables.write(lambda db: db.execute(UNSOUND, (ID,)))
    clock.now += 61
    assert await threads.expire(10) == 2
    assert await found(threads) == [ID]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_damaged_rows_keep_no_other_thread_from_expiring(
    threads: Threads, database: Database, clock: Clock
) -> None:
    for id_ in (ID, OTHER):
        await threads.create(id_, ttl=Lifetime(1))
    damage = "UPDATE server_thread SET config = '[]' WHERE id = ?"
    await database.tables.write(lambda db: db.execute(damage, (ID,)))
    clock.now += 61
    assert await threads.expire(1) == 1
    assert await threads.expire(1) == 0


class GatedSaver(SqliteSaver):
    """Begins to copy when it is let to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def claim(self, thread_id: str, owner: str, *, timeout: float | None) -> Claim:
        if owner == "copy_thread":
            self.asked.set()
            await self.gate.wait()
        return await super().claim(thread_id, owner, timeout=timeout)


async def waiting(threads: Threads, graph: CompiledGraph) -> None:
    """Make a thread that waits for an answer."""
    await threads.create(ID)
    await graph.ainvoke({"topic": "x"}, config(ID))
    await threads.take_values(ID, await graph.aget_state(config(ID)))


@asynccontextmanager
async def about_to_copy(path: Path) -> AsyncIterator[tuple[Threads, GatedSaver, CompiledGraph]]:
    """A thread that asks something, of which a copy is asked for."""
    async with GatedSaver(path / "server.db") as saver, opened(path) as parts:
        threads, graph = Threads(parts.tables, saver, Clock()), asking(saver)
        await waiting(threads, graph)
        yield threads, saver, graph


async def test_a_copy_of_what_is_deleted_meanwhile_is_none(tmp_path: Path) -> None:
    async with about_to_copy(tmp_path) as (threads, saver, _):
        copying = asyncio.ensure_future(threads.copy(ID))
        await saver.asked.wait()
        await threads.delete(ID)
        await threads.create(ID, metadata={"owner": "somebody else"})
        saver.gate.set()
        with pytest.raises(NotFoundError):
            await copying
        assert await saver.athreads() == []
        assert await found(threads) == [ID]


async def test_a_copy_is_what_the_thread_was_at_one_moment(tmp_path: Path) -> None:
    async with about_to_copy(tmp_path) as (threads, saver, graph):
        copying = asyncio.ensure_future(threads.copy(ID))
        await saver.asked.wait()
        await graph.aupdate_state(config(ID), {"answer": "y"}, as_node="ask")
        await threads.take_values(ID, await graph.aget_state(config(ID)))
        saver.gate.set()
        copy = await copying
        state = await graph.aget_state(config(copy.thread_id))
        assert copy.values == state.values == {"topic": "x!", "answer": "y"}
        assert (copy.status, copy.interrupts) == ("idle", {})


async def test_wherever_a_copy_fails_it_is_there_with_its_checkpoints_or_not_at_all(
    tmp_path: Path,
) -> None:
    plan = FaultPlan()
    async with SqliteSaver(tmp_path / "server.db", faults=plan) as saver, opened(tmp_path) as parts:
        threads, graph = Threads(parts.tables, saver, Clock()), asking(saver)
        await waiting(threads, graph)
        before = Counter(plan.passed)
        await threads.copy(ID)
        passed = Counter(plan.passed) - before
        made: list[int] = []
        for point in sorted(each for each in passed if not cannot_fail(each)):
            there = await found(threads)
            plan.fail(point, plan.passed[point] + passed[point])
            with pytest.raises(DatabaseError):
                await threads.copy(ID)
            rows = await found(threads)
            stored = [each.thread_id for each in await saver.athreads()]
            assert (point, sorted(stored)) == (point, sorted(rows))
            made.append(len(rows) - len(there))
        assert set(made) == {0, 1}
