"""Syncing the log: shared by those who wait, and honest when it fails."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoint import DatabaseUnwritableError, SaverClosedError, SqliteSaver, SqliteStore
from checkpoint.begun import Begun
from checkpoint.flush import Flusher


async def test_nothing_new_means_nothing_to_wait_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    flusher = Flusher(log)
    coroutine = flusher.synced()
    with pytest.raises(StopIteration):
        coroutine.send(None)
    flusher.committed += 1
    await flusher.synced()
    coroutine = flusher.synced()
    with pytest.raises(StopIteration):
        coroutine.send(None)
    flusher.close()


async def test_closing_answers_everybody_and_refuses_who_comes_later(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    flusher = Flusher(log)
    flusher.committed += 1
    waiting = [asyncio.create_task(flusher.synced()) for _ in range(50)]
    await asyncio.sleep(0)
    flusher.close()
    assert await asyncio.gather(*waiting) == [None] * 50
    flusher.committed += 1
    with pytest.raises(SaverClosedError, match="with"):
        await flusher.synced()


async def test_a_cancelled_caller_takes_nothing_from_the_others(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    flusher = Flusher(log)
    flusher.committed += 1
    waiting = [asyncio.create_task(flusher.synced()) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [r for r in results if r is None] == [None] * 3
    flusher.close()


async def test_a_failed_flush_is_reported_and_final() -> None:
    flusher = Flusher(Path(os.devnull))  # a device that cannot be flushed
    flusher.committed += 1
    for _ in range(2):
        with pytest.raises(DatabaseUnwritableError, match="disk reports an error"):
            await flusher.synced()
    flusher.close()


async def test_what_is_committed_while_a_flush_runs_waits_for_the_next_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    passed: list[str] = []

    def commit_meanwhile(point: str) -> None:
        passed.append(point)
        if passed == ["syncing"]:
            flusher.committed += 1

    flusher = Flusher(log, commit_meanwhile)
    flusher.committed += 1
    await flusher.synced()
    assert passed == ["syncing", "synced"]
    await flusher.synced()
    assert passed == ["syncing", "synced"] * 2
    flusher.close()


async def test_the_writer_flushes_for_a_lone_caller_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    threads: list[int] = []
    flusher = Flusher(log, lambda _: threads.append(threading.get_ident()))
    flusher.committed += 1
    begun = Begun()
    assert flusher.flush_here(begun)
    await begun
    assert set(threads) == {threading.get_ident()}
    await flusher.synced()  # there is nothing new
    assert len(threads) == 2
    flusher.close()


async def test_the_writer_does_not_wait_for_a_flush_of_others(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    entered, leave = threading.Event(), threading.Event()

    def hold(point: str) -> None:
        if point == "syncing":
            entered.set()
            leave.wait(60)

    flusher = Flusher(log, hold)
    flusher.committed += 1
    first, second = Begun(), Begun()
    flusher.flush(first)
    await asyncio.to_thread(entered.wait, 60)
    assert not flusher.flush_here(second)
    flusher.flush(second)
    assert not first.done()
    leave.set()
    await asyncio.wait_for(asyncio.gather(first, second), 60)
    flusher.close()


async def test_a_flush_that_failed_in_the_writer_is_final_for_all() -> None:
    flusher = Flusher(Path(os.devnull))
    flusher.committed += 1
    begun = Begun()
    assert flusher.flush_here(begun)
    with pytest.raises(DatabaseUnwritableError, match="disk reports an error"):
        await begun
    with pytest.raises(DatabaseUnwritableError, match="disk reports an error"):
        await flusher.synced()
    flusher.close()


def _delete(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


def _delete_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def _move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def _replace(path: Path) -> None:
    other = path.with_name("other.db")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("remove", [_delete, _delete_log, _move, _replace])
async def test_files_that_are_gone_while_they_are_open_are_told_of(
    tmp_path: Path, remove: Callable[[Path], None]
) -> None:
    path = tmp_path / "f.db"
    async with SqliteStore(path) as store, SqliteSaver(path) as saver:
        remove(path)
        await store.aput(("a",), "1", {"n": 1})
        for _ in range(2):
            with pytest.raises(DatabaseUnwritableError, match="while it was open"):
                await saver.synced()


async def test_files_that_are_put_back_are_as_before(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    async with SqliteStore(path) as store, SqliteSaver(path) as saver:
        path.rename(tmp_path / "moved.db")
        await store.aput(("a",), "1", {"n": 1})
        with pytest.raises(DatabaseUnwritableError, match="put the files back"):
            await saver.synced()
        (tmp_path / "moved.db").rename(path)
        await saver.synced()
    async with SqliteStore(path) as store:
        assert await store.aget(("a",), "1")
