"""Opening and closing at the same time, which leaves no file open that nobody uses."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from checkpoint import SaverClosedError, SqliteCache, SqliteStore

KEY = (("ns",), "key")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.db"


class Gate:
    """Holds up whoever opens a file, once its tables are being made."""

    def __init__(self) -> None:
        self.reached = threading.Semaphore(0)
        self.go_on = threading.Event()

    def wait(self) -> None:
        self.reached.release()
        self.go_on.wait()


class GatedStore(SqliteStore):
    gate: Gate

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self.gate.wait()
        super()._prepare(connection)


class GatedCache(SqliteCache):
    gate: Gate

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self.gate.wait()
        super()._prepare(connection)


def is_open(path: Path) -> bool:
    """SQLite deletes the log when the last one closes the file."""
    return path.with_name(path.name + "-wal").exists()


async def test_what_is_closed_while_it_opens_is_closed(path: Path) -> None:
    store = GatedStore(path)
    store.gate = Gate()
    opening = asyncio.create_task(store.aopen())
    await asyncio.to_thread(store.gate.reached.acquire)
    await store.aclose()
    store.gate.go_on.set()
    await opening
    assert not is_open(path)
    with pytest.raises(SaverClosedError):
        store.get(("ns",), "key")
    with store:
        assert store.get(("ns",), "key") is None


async def test_a_cache_that_is_closed_while_it_opens_for_its_first_use_is_closed(
    path: Path,
) -> None:
    cache = GatedCache(path)
    cache.gate = Gate()
    reading = asyncio.create_task(cache.get([KEY]))
    await asyncio.to_thread(cache.gate.reached.acquire)
    await cache.aclose()
    cache.gate.go_on.set()
    with pytest.raises(SaverClosedError, match="cache"):
        await reading
    assert not is_open(path)


def test_of_threads_that_open_it_at_the_same_time_one_does(path: Path) -> None:
    store = GatedStore(path)
    store.gate = Gate()
    threads = [threading.Thread(target=store.open) for _ in range(4)]
    for thread in threads:
        thread.start()
    store.gate.reached.acquire()  # the first one is at it, and the others wait behind it
    store.gate.go_on.set()
    for thread in threads:
        thread.join()
    store.put(("ns",), "key", {})
    store.close()
    assert not is_open(path)


@pytest.mark.parametrize("kind", ["SqliteSaver", "SqliteStore", "SqliteCache"])
def test_what_is_closed_when_the_interpreter_ends_does_not_keep_it_from_ending(
    path: Path, kind: str
) -> None:
    script = f"""
from checkpoint import {kind}, SaverClosedError
def use():
    with {kind}({str(path)!r}) as handle:
        handle.lease.run_read(id)
        try:
            yield
        finally:
            try:
                handle.lease.run_read(id)
            except SaverClosedError as error:
                print(error)
held = use()
next(held)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert "the interpreter is ending" in done.stdout
    assert done.stderr == ""
