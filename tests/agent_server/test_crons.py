"""Crons in a real database: what is stored, and when they start runs."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from agent_server.cron_rows import CronQuery, CronSort, begin_firing
from agent_server.crons import LONGEST_WAIT, Crons
from agent_server.errors import ConflictError, InvalidError, NotFoundError, OverloadedError
from agent_server.records import Cron
from agent_server.threads import Threads
from checkpoint import new_id
from tests.agent_server.database import Clock, Database, keep_run

ASSISTANT = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"
MINUTE = 60.0


class Runs:
    """Takes the runs that crons start, or refuses them."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self.one_started = asyncio.Event()

    async def start(self, cron: Cron, run_id: str) -> None:
        if self.error is not None:
            raise self.error
        self.started.append((cron.cron_id, run_id))
        self.one_started.set()

    def of(self, cron: Cron) -> int:
        return sum(cron_id == cron.cron_id for cron_id, _ in self.started)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)  # 08:00 UTC


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def crons(database: Database, clock: Clock, runs: Runs) -> Crons:
    return Crons(database.tables, clock, runs.start)


def cron(schedule: str = "* * * * *", **given: Any) -> Cron:
    made = Cron(new_id(), ASSISTANT, None, schedule, {"input": {"a": 1}}, 1.0, 1.0, None)
    return replace(made, **given)


# --- keeping them ----------------------------------------------------------------------------


async def test_a_cron_is_found_as_it_was_added(crons: Crons, threads: Threads) -> None:
    thread = (await threads.create(None)).thread_id
    made = await crons.add(
        cron(thread_id=thread, timezone="Europe/Berlin", metadata={"k": 1}, user_id="me")
    )

    assert await crons.get(made.cron_id) == made
    assert made.next_at == 1_800_000_060.0


async def test_a_cron_on_no_thread_is_refused(crons: Crons) -> None:
    with pytest.raises(NotFoundError):  # it may have been deleted since it was looked up
        await crons.add(cron(thread_id=new_id()))
    assert await crons.count(CronQuery()) == 0


async def test_what_cannot_fire_is_refused(crons: Crons) -> None:
    for wrong in (cron("xx"), cron(timezone="Nope")):
        with pytest.raises(InvalidError):
            await crons.add(wrong)
    assert await crons.count(CronQuery()) == 0


async def test_a_cron_that_never_fires_again_is_kept(
    crons: Crons, runs: Runs, clock: Clock
) -> None:
    never = await crons.add(cron("0 0 30 2 *"))
    over = await crons.add(cron(end_at=clock.now + 30))

    assert (never.next_at, over.next_at) == (None, None)
    clock.now += 10 * MINUTE
    assert await crons.fire() == LONGEST_WAIT
    assert runs.started == []


async def test_a_change_of_its_times_counts_from_now_on(crons: Crons, clock: Clock) -> None:
    made = await crons.add(cron())

    renamed = await crons.change(made.cron_id, lambda old: replace(old, metadata={"x": 1}))
    assert (renamed.next_at, renamed.metadata) == (made.next_at, {"x": 1})
    assert renamed.updated_at == clock.now

    hourly = await crons.change(made.cron_id, lambda old: replace(old, schedule="0 * * * *"))
    assert hourly.next_at == 1_800_003_600.0

    off = await crons.change(made.cron_id, lambda old: replace(old, enabled=False))
    clock.now += 5 * 3600
    on = await crons.change(made.cron_id, lambda old: replace(old, enabled=True))
    assert off.next_at == hourly.next_at
    assert on.next_at == 1_800_021_600.0
    with pytest.raises(InvalidError):
        await crons.change(made.cron_id, lambda old: replace(old, schedule="xx"))
    assert await crons.get(made.cron_id) == on


async def test_unknown_and_impossible_ids_are_told_apart(crons: Crons) -> None:
    id_ = new_id()
    with pytest.raises(NotFoundError, match=f"Cron with ID {id_} not found"):
        await crons.get(id_)
    with pytest.raises(NotFoundError):
        await crons.delete(id_)
    with pytest.raises(NotFoundError):
        await crons.change(id_, lambda old: old)
    with pytest.raises(InvalidError, match="must be a UUID"):
        await crons.get("x")


async def test_a_search_takes_conditions_together(
    crons: Crons, clock: Clock, threads: Threads
) -> None:
    thread = (await threads.create(None)).thread_id
    one = await crons.add(cron(created_at=clock(), metadata={"u": 1}))
    two = await crons.add(cron(created_at=clock(), thread_id=thread, enabled=False))

    async def found(**asked: Any) -> list[str]:
        return [each.cron_id for each in (await crons.search(CronQuery(**asked))).items]

    assert await found() == [two.cron_id, one.cron_id]
    assert await found(assistant_id=ASSISTANT, limit=1) == [two.cron_id]
    assert await found(assistant_id=new_id()) == []
    assert await found(thread_id=thread) == [two.cron_id]
    assert await found(enabled=True) == [one.cron_id]
    assert await found(metadata={"u": 1}) == [one.cron_id]
    assert await crons.count(CronQuery(enabled=False)) == 1
    page = await crons.search(CronQuery(limit=1))
    assert (page.total, page.next) == (2, 1)


@pytest.mark.parametrize(
    "by",
    [
        *("cron_id", "assistant_id", "thread_id", "next_run_date"),
        *("end_time", "created_at", "updated_at"),
    ],
)
async def test_a_search_is_sorted_as_asked(crons: Crons, by: CronSort) -> None:
    made = [await crons.add(cron(created_at=number, updated_at=number)) for number in (1.0, 2.0)]

    for order, expected in (("asc", made), ("desc", made[::-1])):
        page = await crons.search(CronQuery(sort_by=by, sort_order=order))
        assert [each.cron_id for each in page.items] == [each.cron_id for each in expected]


# --- firing ----------------------------------------------------------------------------------


async def test_a_cron_fires_when_its_time_comes_and_says_when_the_next_comes(
    crons: Crons, runs: Runs, clock: Clock
) -> None:
    made = await crons.add(cron())

    assert await crons.fire() == pytest.approx(60, abs=0.1)
    assert runs.of(made) == 0
    clock.now += 61
    assert await crons.fire() == pytest.approx(59, abs=0.1)
    assert await crons.fire() == pytest.approx(59, abs=0.1)
    assert runs.of(made) == 1
    clock.now += 60
    await crons.fire()
    assert runs.of(made) == 2
    assert len({run_id for _, run_id in runs.started}) == 2


async def test_times_that_were_missed_are_made_up_for_once(
    database: Database, crons: Crons, clock: Clock
) -> None:
    made = await crons.add(cron())
    ends = await crons.add(cron(end_at=clock.now + 5 * MINUTE))
    clock.now += 1000 * MINUTE

    later = Runs()
    restarted = Crons(database.tables, clock, later.start)
    await restarted.resume()
    await restarted.fire()
    await restarted.fire()

    assert later.of(made) == 1
    assert later.of(ends) == 1
    assert (await restarted.get(ends.cron_id)).next_at is None
    next_at = (await restarted.get(made.cron_id)).next_at
    assert next_at is not None
    assert clock.now < next_at <= clock.now + MINUTE


async def test_a_cron_that_is_off_or_gone_does_not_fire(
    crons: Crons, runs: Runs, clock: Clock
) -> None:
    await crons.add(cron(enabled=False))
    gone = await crons.add(cron())
    await crons.delete(gone.cron_id)

    clock.now += 61
    assert await crons.fire() == LONGEST_WAIT

    assert runs.started == []


async def test_all_that_are_due_fire_however_many(crons: Crons, runs: Runs, clock: Clock) -> None:
    made = [await crons.add(cron()) for _ in range(101)]
    clock.now += 61

    assert await crons.fire() == 0.0
    await crons.fire()

    assert [runs.of(each) for each in made] == [1] * 101


async def test_a_run_for_which_there_is_no_room_starts_later_as_itself(
    crons: Crons, runs: Runs, clock: Clock
) -> None:
    made = await crons.add(cron("0 0 1 1 *"))
    clock.now += 366 * 86_400
    runs.error = OverloadedError("full")
    await crons.fire()
    await crons.fire()

    runs.error = None
    await crons.fire()
    await crons.fire()

    assert runs.of(made) == 1


@pytest.mark.parametrize("error", [ConflictError("busy"), ValueError("odd")])
async def test_a_run_that_is_refused_is_left_out_and_the_others_start(
    crons: Crons, runs: Runs, clock: Clock, error: Exception
) -> None:
    made = await crons.add(cron())
    clock.now += 61
    runs.error = error
    await crons.fire()

    runs.error = None
    await crons.fire()
    assert runs.of(made) == 0
    clock.now += 60
    await crons.fire()
    assert runs.of(made) == 1


@pytest.mark.parametrize("stored", [True, False])
async def test_a_crash_while_a_run_is_started_neither_loses_nor_doubles_it(
    database: Database, crons: Crons, runs: Runs, clock: Clock, stored: bool
) -> None:
    made = await crons.add(cron("0 0 1 1 *"))
    run_id = new_id()

    def crash(db: sqlite3.Connection) -> None:
        assert begin_firing(db, made, run_id, None)
        if stored:
            keep_run(db, run_id, "t", "pending")

    await database.tables.write(crash)

    restarted = Crons(database.tables, clock, runs.start)
    await restarted.resume()
    await restarted.fire()
    await restarted.fire()

    assert runs.started == ([] if stored else [(made.cron_id, run_id)])


async def test_a_cron_that_changes_while_it_fires_is_not_fired_at_its_old_time(
    database: Database, crons: Crons, clock: Clock
) -> None:
    made = await crons.add(cron())
    await crons.change(made.cron_id, lambda old: replace(old, schedule="0 0 1 1 *"))

    assert not await database.tables.write(lambda db: begin_firing(db, made, new_id(), None))


async def test_it_runs_until_it_is_closed_and_hears_of_new_crons(
    crons: Crons, runs: Runs, clock: Clock
) -> None:
    running = asyncio.create_task(crons.run())
    made = await crons.add(cron())
    clock.now += 61
    await crons.add(cron("0 0 1 1 *"))  # wakes it, as a clock that was set would not

    await runs.one_started.wait()
    crons.close()
    await running

    assert runs.of(made) == 1
