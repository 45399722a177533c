"""Opening, sharing and closing a database file, and files that are none of ours."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from checkpoint import (
    DatabaseUnwritableError,
    InvalidArgumentError,
    NewerSchemaError,
    NotADatabaseError,
    SaverClosedError,
    SqliteCache,
    SqliteSaver,
    SqliteStore,
)
from checkpoint.story import LONG, Story, values_of


async def test_it_opens_with_async_with_and_what_was_saved_is_there_again(path: Path) -> None:
    async with SqliteSaver.from_conn_string(str(path)) as saver:
        await (await Story.begin(saver)).step({"a": LONG})
    async with SqliteSaver.from_conn_string(path) as saver:
        assert await values_of(saver) == {"a": LONG}


def test_it_opens_with_plain_with_outside_of_any_loop(path: Path) -> None:
    async def work(saver: SqliteSaver) -> None:
        await (await Story.begin(saver)).step({"a": LONG})

    with SqliteSaver.from_conn_string(path) as saver:
        asyncio.run(work(saver))
        assert asyncio.run(values_of(saver)) == {"a": LONG}


async def test_it_opens_with_plain_with_inside_a_running_loop(path: Path) -> None:
    with SqliteSaver(path) as saver:
        await (await Story.begin(saver)).step({"a": 1})
        assert await values_of(saver) == {"a": 1}


async def test_it_opens_and_closes_by_hand_as_often_as_asked(path: Path) -> None:
    saver = SqliteSaver(path)
    assert await saver.aopen() is saver
    assert saver.open() is saver
    await (await Story.begin(saver)).step({"a": 1})
    await saver.aclose()
    saver.close()
    saver.open()
    assert await values_of(saver) == {"a": 1}
    saver.close()


async def test_it_can_be_closed_from_another_thread(path: Path) -> None:
    saver = SqliteSaver(path).open()
    thread = threading.Thread(target=saver.close)
    thread.start()
    thread.join()
    with pytest.raises(SaverClosedError, match="with"):
        await saver.load("thread")


async def test_a_saver_that_is_not_open_says_so(path: Path) -> None:
    saver = SqliteSaver(path)
    with pytest.raises(SaverClosedError, match=r"threads\.db"):
        await saver.load("thread")
    with saver:
        story = await Story.begin(saver)
        batch = story.batch({"a": 1})
    for call in (saver.commit(batch), saver.synced(), saver.events.last("run")):
        with pytest.raises(SaverClosedError):
            await call
    story.end()


@pytest.mark.parametrize("kind", [SqliteSaver, SqliteStore, SqliteCache])
def test_a_connection_is_no_path(kind: type[SqliteSaver | SqliteStore | SqliteCache]) -> None:
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(InvalidArgumentError, match=r"Connection .*is no path.*give the path"),
    ):
        kind(connection)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("given", ["zero \0.db", b"zero \0.db", "half \ud800.db"])
def test_what_no_file_can_be_called_is_no_path(given: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"is no path.*give another one"):
        SqliteSaver(given)


async def test_closing_waits_for_commits_that_were_asked_for(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        stories = [await Story.begin(saver, f"thread {n}") for n in range(20)]
        tasks = [asyncio.create_task(story.step({"a": LONG})) for story in stories]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    async with SqliteSaver(path) as saver:
        for n in range(20):
            assert await values_of(saver, f"thread {n}") == {"a": LONG}


async def test_a_closed_database_is_one_file_without_a_log(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await (await Story.begin(saver)).step({"a": LONG})
    assert sorted(p.name for p in path.parent.iterdir()) == ["threads.db", "threads.db-claims"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_two_savers_of_a_file_share_claims_and_the_last_one_closes_it(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    async with SqliteSaver(path) as one:
        async with SqliteSaver(link) as two:
            story = await Story.begin(one)
            waiting = asyncio.create_task(Story.begin(two))
            await story.step({"a": 1})
            story.end()
            await (await waiting).step({"a": 2})
        assert await values_of(one) == {"a": 2}


async def test_a_saver_that_is_closed_gives_its_claims_back(path: Path) -> None:
    async with SqliteSaver(path) as one:
        async with SqliteSaver(path) as two:
            await Story.begin(two)
        await (await Story.begin(one)).step({"a": 1})


async def test_private_databases_are_apart() -> None:
    async with SqliteSaver(":memory:") as one, SqliteSaver(":memory:") as two:
        await (await Story.begin(one)).step({"a": 1})
        assert await values_of(two) is None


def test_a_caller_whose_loop_is_gone_does_not_stop_the_others(path: Path) -> None:
    async def ask_and_leave(saver: SqliteSaver, name: str) -> None:
        story = await Story.begin(saver, name)
        left_behind = [
            asyncio.create_task(saver.commit(story.batch({"a": LONG}))),
            asyncio.create_task(saver.load(name)),
        ]
        await asyncio.sleep(0)
        assert not any(task.done() for task in left_behind)

    with SqliteSaver(path) as saver:
        for n in range(20):
            asyncio.run(ask_and_leave(saver, f"thread {n}"))
        asyncio.run(values_of(saver))


@pytest.mark.parametrize("content", [b"not a database, only some text\n" * 50, b"short"])
def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(NotADatabaseError, match="another path"), SqliteSaver(path):
        pass
    assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == ["threads.db"]


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")
        connection.commit()
    content = path.read_bytes()
    with pytest.raises(NotADatabaseError, match="another program"), SqliteSaver(path):
        pass
    assert path.read_bytes() == content


def test_a_newer_database_is_refused_and_left_alone(path: Path) -> None:
    with SqliteSaver(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    content = path.read_bytes()
    with pytest.raises(NewerSchemaError, match=r"version 99.*upgrade"), SqliteSaver(path):
        pass
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    with SqliteSaver(path) as saver:
        assert asyncio.run(values_of(saver)) is None


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(NotADatabaseError, match="folder"), SqliteSaver(tmp_path):
        pass


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnwritableError, match=r"'.*/no'.* make it first"):
        SqliteSaver(tmp_path / "no" / "threads.db").open()


def test_what_stands_in_the_way_of_a_side_file_is_reported(path: Path) -> None:
    path.with_name("threads.db-claims").mkdir()
    with pytest.raises(DatabaseUnwritableError):
        SqliteSaver(path).open()


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """A folder that this test works in without the rights of an administrator."""
    administrator = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if administrator:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            folder.chmod(stat.S_IRWXU)
            if administrator:
                os.seteuid(0)


def test_a_read_only_folder_is_refused(folder_of_nobody: Path) -> None:
    folder_of_nobody.chmod(0o555)
    with pytest.raises(DatabaseUnwritableError, match="read-only"):
        SqliteSaver(folder_of_nobody / "threads.db").open()
    assert list(folder_of_nobody.iterdir()) == []


def test_a_read_only_file_is_refused_and_left_alone(folder_of_nobody: Path) -> None:
    path = folder_of_nobody / "threads.db"
    with SqliteSaver(path):
        pass
    content = path.read_bytes()
    path.chmod(0o444)
    with pytest.raises(DatabaseUnwritableError, match="read-only"):
        SqliteSaver(path).open()
    assert path.read_bytes() == content


def run_python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    root = Path(__file__).parents[2]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=root
    )


def test_a_disk_that_takes_no_more_gives_a_typed_error_and_loses_nothing(path: Path) -> None:
    done = run_python(
        """
        import asyncio, resource, signal, sys
        from checkpoint import DatabaseUnwritableError, SqliteSaver
        from checkpoint.story import Story

        async def main():
            async with SqliteSaver(sys.argv[1]) as saver:
                story = await Story.begin(saver)
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
                steps = 0
                try:
                    while True:
                        await story.step({"a": "x" * 5000 + str(steps)})
                        steps += 1
                except DatabaseUnwritableError as error:
                    assert "nothing of this call was stored" in str(error), error
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
                loaded = await saver.load("thread")
                assert loaded.record.version == steps, (loaded.record.version, steps)
                story = Story(saver, story.claim, "", loaded)
                await story.step({"a": "more"})
                print(steps)

        asyncio.run(main())
        """,
        str(path),
    )
    assert done.returncode == 0, done.stderr
    with SqliteSaver(path) as saver:
        loaded = asyncio.run(saver.load("thread"))
    assert loaded is not None
    assert loaded.record.version == int(done.stdout) + 1


def test_a_fork_must_open_a_saver_of_its_own(path: Path) -> None:
    done = run_python(
        """
        import asyncio, os, sys
        from checkpoint import SaverClosedError, SqliteSaver
        from checkpoint.story import Story, values_of

        async def child(saver):
            try:
                await saver.load("thread")
            except SaverClosedError as error:
                assert "fork" in str(error), error
            else:
                raise SystemExit("the fork used its parent's connections")
            async with SqliteSaver(sys.argv[1]) as own:
                story = await Story.begin(own, "of the child")
                await story.step({"a": 1})

        async def step(saver, name):
            await (await Story.begin(saver, name)).step({"a": 2})

        with SqliteSaver(sys.argv[1]) as saver:
            asyncio.run(step(saver, "before"))
            if not (pid := os.fork()):
                asyncio.run(child(saver))
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            asyncio.run(step(saver, "after"))
            for name, value in (("before", 2), ("of the child", 1), ("after", 2)):
                assert asyncio.run(values_of(saver, name)) == {"a": value}
        """,
        str(path),
    )
    assert done.returncode == 0, done.stderr


def test_a_saver_that_nobody_closed_does_not_keep_the_process_alive(path: Path) -> None:
    done = run_python(
        """
        import asyncio, sys
        from checkpoint import SqliteSaver
        from checkpoint.story import Story
        saver = SqliteSaver(sys.argv[1]).open()
        async def main():
            await (await Story.begin(saver)).step({"a": 1})
        asyncio.run(main())
        """,
        str(path),
    )
    assert (done.returncode, done.stderr) == (0, "")
    with SqliteSaver(path) as saver:
        assert asyncio.run(values_of(saver)) == {"a": 1}
