"""Versions of tables: older ones become those of today whole or not at all, newer ones are left."""

from __future__ import annotations

import operator
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, StateGraph
from agent_server.tables import SERVER, server_tables
from checkpoint import (
    DatabaseUnwritableError,
    NewerSchemaError,
    Part,
    SchemaUpgradeError,
    SqliteCache,
    SqliteSaver,
    SqliteStore,
    SqliteTables,
)
from checkpoint.row_seals import row_seal
from checkpoint.schema import SCHEMA, prepare_file
from checkpoint.story import Story, values_of
from checkpoint.upgrades import FileSchema

ROOT = Path(__file__).parents[2]


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def ask(path: Path, question: str) -> list[Any]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(question).fetchall()


def contents(path: Path) -> dict[str, bytes]:
    """All files of the database that hold something, but the one that is only shared memory."""
    return {
        file.name: file.read_bytes()
        for file in path.parent.glob(f"{path.name}*")
        if not file.name.endswith("-shm") and file.stat().st_size
    }


async def planted(path: Path) -> None:
    """A file with a thread, as an older version had it: its table of threads had no epochs."""
    async with SqliteSaver(path) as saver:
        await (await Story.begin(saver)).step({"a": 1})
    change(path, "ALTER TABLE thread DROP COLUMN epoch", "PRAGMA user_version=0")


def add_epochs(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE thread ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1")


TODAY = FileSchema(SCHEMA.version, {**SCHEMA.upgrades, 0: add_epochs})


async def test_an_older_file_becomes_one_of_today_and_keeps_its_threads(path: Path) -> None:
    await planted(path)
    prepare_file(path, TODAY)
    assert ask(path, "PRAGMA user_version") == [(SCHEMA.version,)]
    async with SqliteSaver(path) as saver:
        assert await values_of(saver) == {"a": 1}
        claim = await saver.claim("thread", "test", timeout=0)
        saver.release(claim)


class Chat(TypedDict):
    messages: Annotated[list[str], operator.add]


async def test_a_chat_of_the_first_version_goes_on_as_it_was(path: Path) -> None:
    """Two turns, whose inputs stand beside the messages that the channel took of them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "version1.sql").read_text())
    said = [f"{words} ".ljust(120, ".") for words in ("question 0", "answer 1", "question 1")]

    async def reply(state: Chat) -> dict[str, list[str]]:
        return {"messages": [f"answer {len(state['messages'])} ".ljust(120, ".")]}

    async with SqliteSaver(path) as saver:
        builder = StateGraph(Chat).add_node("reply", reply).add_edge(START, "reply")
        graph = builder.compile(checkpointer=saver)
        on_chat: Any = {"configurable": {"thread_id": "chat"}}
        shown = [each async for each in graph.aget_state_history(on_chat)]
        assert [len(each.values["messages"]) for each in shown] == [4, 3, 2, 2, 1, 0]
        inputs = [each for each in shown if each.next == ("__start__",)]
        assert [each.tasks[0].result for each in inputs] == [
            {"messages": said[2:]},
            {"messages": said[:1]},
        ]
        await graph.ainvoke({"messages": ["question 2 ".ljust(120, ".")]}, on_chat)
        after = [each async for each in graph.aget_state_history(on_chat)]
        assert after[3:] == shown
        assert after[2].tasks[0].result == {"messages": ["question 2 ".ljust(120, ".")]}
        assert after[0].values["messages"][:3] == said
        assert (await saver.averify()).damage == ()
    assert ask(path, "PRAGMA user_version") == [(SCHEMA.version,)]
    assert ask(path, "SELECT * FROM part") == [("saver", 1, row_seal("part", "saver", 1))]


async def test_upgrades_are_done_one_after_the_other_and_once(path: Path) -> None:
    await planted(path)
    done: list[int] = []
    steps: dict[int, Callable[[sqlite3.Connection], object]] = {
        n: lambda _, n=n: done.append(n) for n in range(4)
    }
    prepare_file(path, FileSchema(3, steps))
    prepare_file(path, FileSchema(3, steps))
    assert done == [0, 1, 2]
    assert ask(path, "PRAGMA user_version") == [(3,)]


async def test_a_file_that_no_way_leads_from_is_left_untouched(path: Path) -> None:
    await planted(path)
    before = contents(path)
    with pytest.raises(SchemaUpgradeError, match="knows no way from 0 to 1"):
        await SqliteSaver(path).aopen()
    assert contents(path) == before


async def test_a_newer_file_is_left_untouched(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await (await Story.begin(saver)).step({"a": 1})
    change(path, f"PRAGMA user_version={SCHEMA.version + 1}")
    before = contents(path)
    for handle in (SqliteSaver(path), SqliteStore(path), SqliteCache(path), server_tables(path)):
        with pytest.raises(NewerSchemaError, match="this program knows"):
            handle.open()
    assert contents(path) == before


async def test_an_upgrade_that_fails_leaves_the_older_file_whole(path: Path) -> None:
    await planted(path)

    def fails(db: sqlite3.Connection) -> None:
        add_epochs(db)
        db.execute("INSERT INTO nowhere VALUES (1)")

    before = ask(path, "SELECT sql FROM sqlite_master ORDER BY name")
    with pytest.raises(SchemaUpgradeError, match=r"from schema version 0 to 1: .*nowhere"):
        prepare_file(path, FileSchema(1, {0: fails}))
    assert ask(path, "PRAGMA user_version") == [(0,)]
    assert ask(path, "SELECT sql FROM sqlite_master ORDER BY name") == before
    prepare_file(path, TODAY)


async def test_a_file_that_others_use_is_not_upgraded_under_them(path: Path) -> None:
    await planted(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("SELECT count(*) FROM thread").fetchone()
        with pytest.raises(DatabaseUnwritableError, match="another process keeps it locked"):
            prepare_file(path, TODAY, patience=0)
    prepare_file(path, TODAY)


DIES = """
import os, signal, sqlite3, sys
from pathlib import Path
from agent_server.tables import SERVER
from checkpoint import Part, SqliteTables
from checkpoint.row_seals import row_seal
from checkpoint.schema import prepare_file
from checkpoint.upgrades import FileSchema

def dies(db):
    db.execute("PRAGMA cache_size=1")  # pages go to the disk while it still changes them
    db.execute("CREATE TABLE half (data)")
    db.executemany("INSERT INTO half VALUES (?)", [(b"x" * 1000,)] * 200)
    db.execute("DROP TABLE pending")
    os.kill(os.getpid(), signal.SIGKILL)

path = Path(sys.argv[1])
if sys.argv[2] == "file":
    prepare_file(path, FileSchema(1, {0: dies}))
else:
    SqliteTables(path, Part("server", SERVER.version + 1, (), {SERVER.version: dies})).open()
"""


@pytest.mark.parametrize("what", ["file", "server"])
async def test_who_dies_in_the_middle_of_an_upgrade_leaves_the_older_file_whole(
    path: Path, what: str
) -> None:
    if what == "file":
        await planted(path)
    else:
        async with SqliteSaver(path) as saver, server_tables(path):
            await (await Story.begin(saver)).step({"a": 1})
    before = ask(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
    args = [sys.executable, "-c", DIES, str(path), what]
    died = subprocess.run(args, cwd=ROOT, check=False)  # noqa: ASYNC221 - it ends by itself
    assert died.returncode == -signal.SIGKILL
    prepare_file(path, TODAY)  # what it left is taken back by the first who may write
    after = ask(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
    assert [name for name, _ in after] == [name for name, _ in before]
    async with SqliteSaver(path) as saver, server_tables(path):
        assert await values_of(saver) == {"a": 1}
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]


# --- tables beside those that every file has ------------------------------------------------------

OLD = Part("notes", 1, ("CREATE TABLE IF NOT EXISTS note (text)",))
NEW = Part(
    "notes",
    2,
    ("CREATE TABLE IF NOT EXISTS note (text, at REAL)",),
    {1: lambda db: db.execute("ALTER TABLE note ADD COLUMN at REAL")},
)


async def written(path: Path, part: Part, statement: str) -> None:
    async with SqliteTables(path, part) as notes:
        await notes.write(lambda db: db.execute(statement))


async def test_tables_of_an_older_version_are_upgraded_and_keep_their_rows(path: Path) -> None:
    await written(path, OLD, "INSERT INTO note VALUES ('old')")
    await written(path, NEW, "INSERT INTO note VALUES ('new', 1.5)")
    assert ask(path, "SELECT * FROM note") == [("old", None), ("new", 1.5)]
    assert ask(path, "SELECT version FROM part WHERE name='notes'") == [(2,)]


async def test_tables_of_a_newer_version_are_left_untouched(path: Path) -> None:
    await written(path, NEW, "INSERT INTO note VALUES ('new', 1.5)")
    before = ask(path, "SELECT name, sql FROM sqlite_master")
    with pytest.raises(NewerSchemaError, match=r"notes of .* has schema version 2"):
        await SqliteTables(path, OLD).aopen()
    assert ask(path, "SELECT name, sql FROM sqlite_master") == before
    assert ask(path, "SELECT * FROM note") == [("new", 1.5)]


async def test_tables_whose_upgrade_fails_stay_as_they_were(path: Path) -> None:
    def fails(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE note")
        raise LookupError("no")

    await written(path, OLD, "INSERT INTO note VALUES ('old')")
    with pytest.raises(SchemaUpgradeError, match="LookupError: no"):
        await SqliteTables(path, Part("notes", 2, NEW.tables, {1: fails})).aopen()
    assert ask(path, "SELECT * FROM note") == [("old",)]


def with_key(part: Part, table: str) -> Part:
    """The next version of a part, in which a table has one more column."""
    statement = f"ALTER TABLE {table} ADD COLUMN more TEXT"
    upgrades = {**part.upgrades, part.version: lambda db: db.execute(statement)}
    return Part(part.name, part.version + 1, part.tables, upgrades, part.sign)


@pytest.mark.parametrize("stamped", [True, False], ids=["stamped", "from before stamps"])
async def test_the_servers_tables_are_upgraded_too(path: Path, stamped: bool) -> None:
    async with server_tables(path):
        pass
    if not stamped:
        change(path, "DROP TABLE part", "DELETE FROM definition WHERE name='part'")
    async with SqliteTables(path, with_key(SERVER, "server_run")) as tables:
        assert (
            await tables.read(lambda db: db.execute("SELECT more FROM server_run").fetchall()) == []
        )
    with pytest.raises(NewerSchemaError, match="server of"):
        await server_tables(path).aopen()


def test_every_part_of_a_new_file_is_stamped(path: Path) -> None:
    for handle in (SqliteSaver(path), SqliteStore(path), SqliteCache(path), server_tables(path)):
        handle.open()
        handle.close()
    parts = ask(path, "SELECT name, version FROM part ORDER BY name")
    assert parts == [("cache", 1), ("saver", 1), ("server", SERVER.version), ("store", 1)]
