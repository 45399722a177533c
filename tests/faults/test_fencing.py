"""Several processes on one file: one that is stopped, taken over from and continued writes no more;
whoever reads waits for nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checkpoint import SqliteSaver, StaleClaimError, ThreadBusyError, UnknownThreadError
from checkpoint.story import Story, values_of

ROOT = Path(__file__).parents[2]
AT_WORK = """
import asyncio, sys
from checkpoint import SqliteSaver, StaleClaimError
from checkpoint.story import Story

async def work():
    async with SqliteSaver(sys.argv[1]) as saver:
        story = await Story.begin(saver)
        other = await Story.begin(saver, "other")
        await story.step({"a": 1})
        await other.step({"a": 1})
        print("held", flush=True)
        sys.stdin.readline()
        try:
            await story.step({"a": 2})
            print("stored", flush=True)
        except StaleClaimError as error:
            print("refused", flush=True)
        await other.step({"a": 2})
        saver.release(story.claim)
        sys.stdin.readline()
        story = await Story.begin(saver)
        await story.step({"a": story.head.version + 10})
        print("again", flush=True)

asyncio.run(work())
"""


class Worker:
    """A process that holds two threads, and goes on when it is told to."""

    def __init__(self, path: Path) -> None:
        args = [sys.executable, "-c", AT_WORK, str(path)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(args, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        assert self.said() == "held"

    def said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def tell(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go on\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        return self._process.wait(30)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


@pytest.fixture
def worker(path: Path) -> Iterator[Worker]:
    worker = Worker(path)
    yield worker
    worker.kill()


async def test_a_stopped_owner_keeps_its_thread_and_nothing_else(
    path: Path, worker: Worker
) -> None:
    worker.stop()
    async with SqliteSaver(path) as saver:
        with pytest.raises(ThreadBusyError, match=r"a story .process"):
            await saver.claim("thread", "test", timeout=0)
        assert await values_of(saver) == {"a": 1}
        await (await Story.begin(saver, "another")).step({"b": 1})


async def test_who_was_stopped_and_taken_over_from_writes_no_more_when_it_is_continued(
    path: Path, worker: Worker
) -> None:
    worker.stop()
    async with SqliteSaver(path) as saver:
        await saver.atake_over("thread")
        story = await Story.begin(saver)
        await story.step({"a": 3})
        with pytest.raises(ThreadBusyError):
            await saver.claim("other", "test", timeout=0)  # that one was not taken
        worker.go_on()
        worker.tell()
        assert worker.said() == "refused"
        await story.step({"b": 4})  # the former owner's end frees nothing of ours
        assert await values_of(saver) == {"a": 3, "b": 4}
        saver.release(story.claim)
        worker.tell()
        assert worker.said() == "again"
        assert worker.end() == 0
        assert (await values_of(saver) or {})["a"] > 10
        assert (await saver.load("other")) is not None


ASKS = """
import asyncio, sys
from checkpoint import SqliteSaver, ThreadBusyError

async def ask():
    async with SqliteSaver(sys.argv[1]) as saver:
        try:
            await saver.claim("thread", "third", timeout=0)
        except ThreadBusyError as error:
            print(error)

asyncio.run(ask())
"""


async def test_the_process_that_took_over_is_the_one_that_others_wait_for(
    path: Path, worker: Worker
) -> None:
    worker.stop()
    async with SqliteSaver(path) as saver:
        await saver.atake_over("thread")
        claim = await saver.claim("thread", "the new one", timeout=0)
        args = [sys.executable, "-c", ASKS, str(path)]
        asked = subprocess.run(args, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: ASYNC221 - it ends by itself
        assert "the new one (process" in asked.stdout
        saver.release(claim)


async def test_a_claim_of_this_process_can_be_taken_over_too(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        await saver.atake_over("thread")
        with pytest.raises(StaleClaimError):
            await story.step({"a": 2})
        saver.release(story.claim)
        again = await Story.begin(saver)
        await again.step({"a": 3})
        assert await values_of(saver) == {"a": 3}


def test_a_thread_that_is_not_there_cannot_be_taken_over(path: Path) -> None:
    with SqliteSaver(path) as saver, pytest.raises(UnknownThreadError, match="'nobody'"):
        saver.take_over("nobody")


READS = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
count = "SELECT count(*) FROM checkpoint"
db.execute("BEGIN")
print(db.execute(count).fetchone()[0], flush=True)
sys.stdin.readline()
print(db.execute(count).fetchone()[0], flush=True)
"""
AT_ONCE = 20.0
"""Seconds on a busy machine; who waited for a lock would wait for thirty."""


async def test_a_reader_that_is_stopped_in_the_middle_holds_up_nobody(path: Path) -> None:
    """Not commits, nor moving the log into the file, nor closing and opening it."""
    async with SqliteSaver(path) as saver:
        await (await Story.begin(saver)).step({"a": 0})
    args, pipe = [sys.executable, "-c", READS, str(path)], subprocess.PIPE
    with subprocess.Popen(args, stdin=pipe, stdout=pipe, text=True) as reader:  # noqa: ASYNC220
        assert reader.stdout is not None
        assert reader.stdout.readline() == "1\n"
        reader.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(AT_ONCE):
                for _ in range(2):
                    async with SqliteSaver(path) as saver:
                        story = await Story.begin(saver)
                        for n in range(600):
                            await story.step({"a": n, "text": "x" * 4000 + str(n)})
                        await saver.synced()
                        assert (await values_of(saver) or {})["a"] == 599
        finally:
            reader.send_signal(signal.SIGCONT)
        told, _ = reader.communicate("go on\n")
        assert told == "1\n"  # it has seen one moment of the file all the time


STUCK = """
import asyncio, sys
from checkpoint import SqliteSaver
from checkpoint.story import Story
from checkpoint.testing_faults import FaultPlan

async def work():
    plan = FaultPlan()
    held = plan.hold("checkpoint applied", nth=2)
    async with SqliteSaver(sys.argv[1], faults=plan) as saver:
        story = await Story.begin(saver, "stuck")
        await story.step({"a": 1})
        step = asyncio.create_task(story.step({"a": 2}))
        await asyncio.to_thread(held.wait)
        print("inside", flush=True)
        await step

asyncio.run(work())
"""


async def test_a_writer_that_is_stopped_inside_a_transaction_stops_no_reader_and_dies_without_trace(
    path: Path,
) -> None:
    """Other writers wait, for no longer than it lives."""
    async with SqliteSaver(path) as saver:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        args, pipe = [sys.executable, "-c", STUCK, str(path)], subprocess.PIPE
        with subprocess.Popen(args, cwd=ROOT, stdout=pipe, text=True) as stuck:  # noqa: ASYNC220
            assert stuck.stdout is not None
            assert stuck.stdout.readline() == "inside\n"
            stuck.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, stuck.pid, os.WSTOPPED)  # noqa: ASYNC222 - at once
            writing = asyncio.create_task(story.step({"a": 2}))
            for _ in range(20):
                assert await values_of(saver) == {"a": 1}
                assert await values_of(saver, "stuck") == {"a": 1}
            assert not writing.done()
            stuck.kill()
            await writing
        assert await values_of(saver) == {"a": 2}
        assert await values_of(saver, "stuck") == {"a": 1}


BUSY = """
import asyncio, sys
from checkpoint import SqliteSaver
from checkpoint.story import Story

async def work(path, thread, count):
    async with SqliteSaver(path) as saver:
        story = await Story.begin(saver, thread)
        print("begun", flush=True)
        sys.stdin.readline()
        for n in range(int(count)):
            await story.step({"a": n})
            if n % 10 == 0:
                pages = await saver.history("shared", "", limit=20)
                assert len(pages) > 0

asyncio.run(work(*sys.argv[1:]))
"""
STEPS = 200


async def test_processes_that_write_and_read_one_file_are_never_told_that_it_is_locked(
    path: Path, record_property: Callable[[str, object], None]
) -> None:
    async with SqliteSaver(path) as saver:
        shared = await Story.begin(saver, "shared")
        await shared.step({"a": 0})
        pipe = subprocess.PIPE
        others = [
            subprocess.Popen(  # noqa: ASYNC220 - they end by themselves
                [sys.executable, "-c", BUSY, str(path), f"thread {n}", str(STEPS)],
                cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True,
            )
            for n in range(2)
        ]  # fmt: skip
        for each in others:
            assert each.stdout is not None
            assert each.stdout.readline() == "begun\n"
        ends = [asyncio.create_task(asyncio.to_thread(each.communicate, "\n")) for each in others]
        for n in range(STEPS):
            await shared.step({"a": n})
        for each, end in zip(others, ends, strict=True):
            assert (await end)[1] == ""
            assert each.returncode == 0
        for thread in ("shared", "thread 0", "thread 1"):
            assert await values_of(saver, thread) == {"a": STEPS - 1}
    record_property("steps of three processes on one file, none told that it is locked", 3 * STEPS)
