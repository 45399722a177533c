"""The thread that sweeps, without waiting for any clock."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkpoint import (
    DatabaseUnwritableError,
    InvalidArgumentError,
    MemoryStore,
    SaverClosedError,
    SqliteStore,
)
from checkpoint.embedding import NOTHING_EMBEDDED
from checkpoint.store_tables import Seen, WriteItems
from checkpoint.store_ttl import SWEEP_MINUTES, TTL, Sweeper, parse_ttl, sweep_interval
from checkpoint.testing_cache import ManualClock


class Turns:
    """Stands in for waiting: ends as the test says."""

    def __init__(self) -> None:
        self.stops: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return self.stops.get()


def test_it_sweeps_after_each_wait_until_it_is_stopped() -> None:
    turns, swept = Turns(), queue.SimpleQueue[int]()
    sweeper = Sweeper(lambda: swept.put(1) or 1, 2.5, turns)
    for _ in range(3):
        turns.stops.put(False)
        swept.get()
    turns.stops.put(True)
    assert sweeper.stop()
    assert turns.seconds == [150.0] * 4
    assert swept.empty()


def test_a_sweep_that_fails_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    turns, swept = Turns(), queue.SimpleQueue[int]()
    failures = [DatabaseUnwritableError("the disk is full; make room")]

    def sweep() -> int:
        if failures:
            raise failures.pop()
        swept.put(1)
        return 1

    with caplog.at_level(logging.WARNING):
        sweeper = Sweeper(sweep, 1, turns)
        for stop in (False, False, True):
            turns.stops.put(stop)
        assert swept.get() == 1
        assert sweeper.stop()
    assert "could not be deleted: the disk is full; make room" in caplog.text


def test_stopping_waits_for_the_sweep_that_is_running() -> None:
    turns, begun, go_on = Turns(), threading.Event(), threading.Event()
    sweeper = Sweeper(lambda: begun.set() or int(go_on.wait()), 1, turns)
    turns.stops.put(False)
    begun.wait()
    assert not sweeper.stop(timeout=0.01)
    go_on.set()
    turns.stops.put(True)
    assert sweeper.stop()


def test_the_interval_is_the_one_given_or_configured_or_five_minutes() -> None:
    assert sweep_interval(2, TTL(sweep_interval=3.0)) == 2.0
    assert sweep_interval(None, TTL(sweep_interval=3.0)) == 3.0
    assert sweep_interval(None, TTL()) == SWEEP_MINUTES
    with pytest.raises(InvalidArgumentError, match="sweep_interval_minutes=0"):
        sweep_interval(0, TTL())


def test_nothing_configured_is_the_default() -> None:
    assert parse_ttl(None) == parse_ttl({}) == TTL(None, refresh_on_read=True, sweep_interval=None)
    assert parse_ttl({"omit_expired": True, "default_ttl": 5}) == TTL(5.0)


def test_a_store_starts_one_sweeper_and_closing_stops_it(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with SqliteStore(tmp_path / "store.db", ttl={"sweep_interval_minutes": 60}) as store:
        store.start_ttl_sweeper()
        store.start_ttl_sweeper(30)
        sweepers = [t for t in threading.enumerate() if t.name == "store-sweeper"]
        assert len(set(sweepers) - before) == 1
    assert not any(thread.is_alive() for thread in sweepers)
    with pytest.raises(SaverClosedError, match=r"the store of .* is not open"):
        store.start_ttl_sweeper()
    assert store.stop_ttl_sweeper()


async def test_closing_asynchronously_stops_it_too(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "store.db") as store:
        store.start_ttl_sweeper(60)
    assert not any(thread.name == "store-sweeper" for thread in threading.enumerate())


def test_a_store_in_memory_is_swept_by_its_thread_too() -> None:
    clock = ManualClock()
    store = MemoryStore(clock=clock)
    store.put(("a",), "k", {}, ttl=1)
    clock.now += 60
    turns, swept = Turns(), queue.SimpleQueue[int]()

    def sweep() -> int:
        swept.put(count := store.sweep_ttl())
        return count

    sweeper = Sweeper(sweep, 1, turns)
    turns.stops.put(False)
    turns.stops.put(True)
    assert swept.get() == 1
    assert sweeper.stop()
    store.start_ttl_sweeper(1000)
    assert store.stop_ttl_sweeper()


def rows(path: Path, asked: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(asked).fetchall()


def refresh(store: SqliteStore, path: Path, now: float, updated: float) -> None:
    """What is written after the store's only item was read, as it was put at some time."""
    ((row,),) = rows(path, "SELECT id FROM store_item")
    store.lease.run_write(WriteItems([], [Seen(row, updated)], NOTHING_EMBEDDED, now).apply)


@pytest.mark.parametrize(("read_at", "ends_at"), [(30.0, 90.0), (59.0, 119.0), (60.0, 60.0)])
def test_a_time_to_live_begins_anew_where_it_is_not_over(
    path: Path, read_at: float, ends_at: float
) -> None:
    with SqliteStore(path, ttl={"default_ttl": 1}, clock=ManualClock(0.0)) as store:
        store.put(("a",), "k", {})
        refresh(store, path, read_at, updated=0.0)
    assert rows(path, "SELECT expires FROM store_item") == [(ends_at,)]


def test_what_was_put_again_since_it_was_read_lives_as_long_as_it_says(path: Path) -> None:
    clock = ManualClock(0.0)
    with SqliteStore(path, ttl={"default_ttl": 1}, clock=clock) as store:
        store.put(("a",), "k", {})
        clock.now = 10.0
        store.put(("a",), "k", {})
        refresh(store, path, 50.0, updated=0.0)
    assert rows(path, "SELECT expires FROM store_item") == [(70.0,)]


def test_what_is_swept_leaves_no_vectors(path: Path) -> None:
    clock, index = ManualClock(), {"dims": 1, "embed": lambda texts: [[1.0] for _ in texts]}
    with SqliteStore(path, index=index, clock=clock) as store:
        store.put(("a",), "k", {"text": "long"}, ttl=1)
        assert rows(path, "SELECT count(*) FROM store_vector") == [(1,)]
        clock.now += 60
        assert store.sweep_ttl() == 1
    assert rows(path, "SELECT count(*) FROM store_vector") == [(0,)]
