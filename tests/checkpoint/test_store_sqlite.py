"""What only the store in a file does: it opens and closes, shares the file, and can be damaged."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkpoint import (
    CorruptDataError,
    InvalidArgumentError,
    NewerSchemaError,
    NotADatabaseError,
    PutOp,
    SaverClosedError,
    SqliteCache,
    SqliteSaver,
    SqliteStore,
)
from checkpoint.schema import PAGE_SIZE
from checkpoint.story import LONG, Story, values_of
from checkpoint.testing_cache import ManualClock
from checkpoint.testing_store import keys

NS = ("a", "b")
INDEX: Any = {"dims": 2, "embed": lambda texts: [[float(len(text)), 1.0] for text in texts]}


def change(path: Path, sql: str, *parameters: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, parameters)


def in_the_table_alone(path: Path, change_of_items: str) -> None:
    """Change items as damage to a page of the table does: indexes still say what was there."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT * FROM sqlite_master WHERE tbl_name='store_item'")
        rows = found.fetchall()
    plain = next(row for row in rows if row[0] == "table")
    bare = (*plain[:4], plain[4].replace(", UNIQUE (ns, key)", ""))
    for schema in ([bare], rows):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA writable_schema=1")
            connection.execute("DELETE FROM sqlite_master WHERE tbl_name='store_item'")
            connection.executemany("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", schema)
        if schema is not rows:
            change(path, f"UPDATE store_item SET {change_of_items}")


async def test_values_outlive_the_store(path: Path) -> None:
    async with SqliteStore.from_conn_string(str(path), index=INDEX) as store:
        await store.aput(NS, "k", {"n": 1}, ttl=60)
        item = await store.aget(NS, "k")
    with SqliteStore.from_conn_string(path, index=INDEX) as store:
        store.setup()
        assert store.get(NS, "k") == item
        assert store.search((), query="q")[0].score is not None


async def test_savers_stores_and_caches_share_a_file(path: Path) -> None:
    async with SqliteSaver(path) as saver, SqliteStore(path) as one, SqliteStore(path) as two:
        await (await Story.begin(saver)).step({"a": LONG})
        await one.aput(NS, "k", {"n": 1})
        async with SqliteCache(path) as cache:
            await cache.set({(NS, "k"): (1, None)})
        assert two.get(NS, "k") == one.get(NS, "k") is not None
        assert await values_of(saver) == {"a": LONG}
    assert sorted(p.name for p in path.parent.iterdir()) == ["threads.db", "threads.db-claims"]


async def test_a_file_that_a_saver_made_gets_the_tables(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await (await Story.begin(saver)).step({"a": LONG})
    async with SqliteStore(path) as store:
        await store.aput(NS, "k", {})
    async with SqliteSaver(path) as saver:
        assert await values_of(saver) == {"a": LONG}


async def test_a_store_that_is_not_open_says_so(path: Path) -> None:
    store = SqliteStore(path)
    for call in (store.sweep_ttl, store.setup, lambda: store.get(NS, "k")):
        with pytest.raises(
            SaverClosedError, match=r"the store of '.*threads\.db' is not open; use"
        ):
            call()
    await store.aopen()
    await store.aclose()
    store.close()
    for call in (store.aget(NS, "k"), store.aput(NS, "k", {}), store.asweep_ttl()):
        with pytest.raises(SaverClosedError, match="is not open"):
            await call


def test_a_closed_store_does_not_ask_for_embeddings() -> None:
    asked: list[str] = []
    store = SqliteStore(":memory:", index={"dims": 1, "embed": asked.extend})
    with pytest.raises(SaverClosedError):
        store.put(NS, "k", {})
    assert asked == []


def test_a_wrong_file_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"no database, only some text\n" * 50)
    with pytest.raises(NotADatabaseError, match="another path"), SqliteStore(path):
        pass
    assert path.read_bytes() == b"no database, only some text\n" * 50


def test_a_newer_file_is_refused_and_left_alone(path: Path) -> None:
    with SqliteSaver(path):
        pass
    change(path, "PRAGMA user_version=99")
    content = path.read_bytes()
    with pytest.raises(NewerSchemaError), SqliteStore(path):
        pass
    assert path.read_bytes() == content


def test_a_damaged_value_is_reported_whoever_reads_it(path: Path) -> None:
    with SqliteStore(path) as store:
        store.put(NS, "k", {"n": 1})
        store.put(NS, "sound", {"n": 1})
    change(path, """UPDATE store_item SET value='{"n": 2}' WHERE key='k'""")
    with SqliteStore(path) as store:
        for read in (
            lambda: store.get(NS, "k"),
            lambda: store.search(()),
            lambda: store.search((), filter={"n": 2}),
        ):
            with pytest.raises(
                CorruptDataError, match=r"item 'k' of namespace .* checksum; restore"
            ):
                read()
        assert store.get(NS, "sound") is not None
        store.delete(NS, "k")
        assert keys(store.search(())) == ["sound"]


@pytest.mark.parametrize(
    "damage",
    [
        "value='{bad'",
        "value=x'ff'",
        "value=x''",
        "crc='x'",
        "created='x'",
        "updated=1e300",
        "created=created+1",
        "ttl=1",
        "expires=1e300",
    ],
)
def test_an_item_is_named_whatever_is_damaged_of_it(path: Path, damage: str) -> None:
    with SqliteStore(path) as store:
        store.put(NS, "k", {"n": 1})
        store.put(NS, "sound", {"n": 1})
    change(path, f"UPDATE store_item SET {damage} WHERE key='k'")
    with SqliteStore(path) as store:
        for wanted in (None, {"n": 1}):
            with pytest.raises(CorruptDataError, match=r"item 'k' of namespace .*; restore"):
                store.search((), filter=wanted)
        with pytest.raises(CorruptDataError, match="item 'k'"):
            store.get(NS, "k")
        store.delete(NS, "k")
        assert keys(store.search((), filter={"n": 1})) == ["sound"]


def test_an_item_that_has_another_key_or_namespace_is_reported(path: Path) -> None:
    with SqliteStore(path) as store:
        store.put(NS, "k", {"n": 1})
        store.put(("other",), "there", {"n": 2})
    for damage in ("key='there'", "key='j'", "ns=2"):
        copy = path.with_name(damage.replace("'", ""))
        shutil.copy(path, copy)
        change(copy, f"UPDATE store_item SET {damage} WHERE key='k'")
        with SqliteStore(copy) as store, pytest.raises(CorruptDataError, match="does not match"):
            store.search(())


def test_an_item_is_not_gone_because_its_end_is_damaged(path: Path) -> None:
    with SqliteStore(path) as store:
        store.put(NS, "k", {"n": 1})
    change(path, "UPDATE store_item SET expires=1")
    with SqliteStore(path) as store, pytest.raises(CorruptDataError, match="item 'k'"):
        store.get(NS, "k")


@pytest.mark.parametrize("damage", ["expires=1", """value='{"n": 2}'"""])
def test_no_item_is_left_out_of_a_search_because_it_is_damaged(path: Path, damage: str) -> None:
    with SqliteStore(path, index=INDEX) as store:
        store.put(NS, "k", {"n": 1})
        store.put(NS, "sound", {"n": 1})
    change(path, f"UPDATE store_item SET {damage} WHERE key='k'")
    with SqliteStore(path, index=INDEX) as store:
        for query in (None, "q"):
            for wanted in (None, {"n": 1}):
                with pytest.raises(CorruptDataError, match="item 'k'"):
                    store.search((), query=query, filter=wanted)


def test_a_namespace_is_not_gone_because_the_end_of_its_item_is_damaged(path: Path) -> None:
    with SqliteStore(path) as store:
        store.put(NS, "k", {"n": 1})
    change(path, "UPDATE store_item SET expires=1")
    with SqliteStore(path) as store, pytest.raises(CorruptDataError, match="item 'k'"):
        store.list_namespaces()


def test_nor_is_one_listed_for_an_item_that_has_come_back(path: Path) -> None:
    with SqliteStore(path, clock=lambda: 1000.0) as store:
        store.put(NS, "k", {"n": 1}, ttl=1)
    change(path, "UPDATE store_item SET expires=1e9")
    damaged = pytest.raises(CorruptDataError, match="item 'k'")
    with SqliteStore(path, clock=lambda: 2000.0) as store, damaged:
        store.list_namespaces()


def test_an_item_that_an_index_leads_to_and_the_table_does_not_is_reported(path: Path) -> None:
    with SqliteStore(path, index=INDEX) as store:
        for number in range(60):
            store.put(NS, f"{number}", {"text": "long " * 20})
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name='store_item'")
        page = (root.fetchone()[0] - 1) * PAGE_SIZE
    data = bytearray(path.read_bytes())
    (cell,) = struct.unpack_from(">H", data, page + 12)
    data[page + cell + 4] -= 1  # the last item of the first leaf is looked for in the second one
    path.write_bytes(data)
    damaged = pytest.raises(CorruptDataError, match="is in an index, and not in the table; restore")
    with SqliteStore(path, index=INDEX) as store, damaged:
        store.search((), query="q", limit=100)


def test_an_index_that_leads_to_another_item_gives_nothing_of_that_away(path: Path) -> None:
    with SqliteStore(path) as store:
        store.put(NS, "j", {"n": 1})
        store.put(NS, "k", {"n": 2})
        store.put(("other",), "k", {"n": 3})
    in_the_table_alone(path, "id=-id")
    in_the_table_alone(path, "id=CASE -id WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE 3 END")
    with SqliteStore(path) as store:
        for call in (
            lambda: store.get(NS, "k"),
            lambda: store.put(NS, "k", {"n": 3}),
            lambda: store.delete(NS, "k"),
        ):
            with pytest.raises(CorruptDataError, match=r"item 'k' of namespace .* checksum"):
                call()
        assert store.get(("other",), "k")


@pytest.mark.parametrize("damage", ["created=1", "key='j'", "value='{}'", "expires=1"])
def test_an_item_that_is_damaged_is_not_put_again(path: Path, damage: str) -> None:
    """Its age is kept, so what is put would not be sound; it would only look so."""
    with SqliteStore(path) as store:
        store.put(NS, "k", {"n": 1})
    in_the_table_alone(path, damage)
    with SqliteStore(path) as store:
        with pytest.raises(CorruptDataError, match=r"item 'k' .* checksum; .*delete the item"):
            store.put(NS, "k", {"n": 2})
        if damage.startswith(("created", "value")):  # no index has it
            store.delete(NS, "k")
            store.put(NS, "k", {"n": 2})
            assert store.get(NS, "k")


def test_an_item_that_is_damaged_is_not_swept(path: Path) -> None:
    """Its end may not be what it was."""
    with SqliteStore(path, clock=lambda: 1000.0) as store:
        store.put(NS, "k", {"n": 1})
        store.put(NS, "over", {"n": 1}, ttl=1)
    change(path, "UPDATE store_item SET expires=1 WHERE key='k'")
    with SqliteStore(path, clock=lambda: 2000.0) as store:
        assert store.sweep_ttl() == 1
        with pytest.raises(CorruptDataError, match="item 'k'"):
            store.get(NS, "k")


@pytest.mark.parametrize("damaged", [1, 999, 1000, 1001])
async def test_damaged_items_do_not_keep_others_from_being_swept(path: Path, damaged: int) -> None:
    ops = [PutOp(NS, str(number), {}, ttl=1) for number in range(2500)]
    with SqliteStore(path, clock=lambda: 1000.0) as store:
        store.batch(ops)
    change(path, "UPDATE store_item SET crc=crc+1 WHERE id<=?", damaged)
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    with SqliteStore(path, clock=lambda: 2000.0) as store:
        assert (store.sweep_ttl(), store.sweep_ttl()) == (2500 - damaged, 0)
        with pytest.raises(CorruptDataError, match="item '0'"):
            store.get(NS, "0")
    async with SqliteStore(copy, clock=lambda: 2000.0) as store:
        assert (await store.asweep_ttl(), await store.asweep_ttl()) == (2500 - damaged, 0)


def test_a_refreshed_item_and_one_that_is_put_again_are_sound(path: Path) -> None:
    with SqliteStore(path, ttl={"default_ttl": 5}) as store:
        store.put(NS, "k", {"n": 1})
        assert store.get(NS, "k", refresh_ttl=True)
        assert store.get(NS, "k", refresh_ttl=False)
        store.put(NS, "k", {"n": 2}, ttl=None)
        assert store.get(NS, "k")


@pytest.mark.parametrize("index", ["name=x'62' WHERE id=1", "crc=crc+1"])
def test_writing_to_a_namespace_that_is_damaged_is_refused(path: Path, index: str) -> None:
    with SqliteStore(path) as store:
        store.put(("a",), "k", {"n": 1})
    change(path, f"UPDATE store_namespace SET {index}")
    with SqliteStore(path) as store, pytest.raises(CorruptDataError, match="namespace"):
        store.put(("b" if "name" in index else "a",), "k", {"n": 2})


def test_a_damaged_name_of_a_namespace_is_reported(path: Path) -> None:
    with SqliteStore(path) as store:
        store.put(NS, "k", {"n": 1})
    change(path, "UPDATE store_namespace SET name=x'ff'")
    with SqliteStore(path) as store:
        for read in (store.list_namespaces, lambda: store.search(())):
            with pytest.raises(CorruptDataError, match=r"of namespace .* checksum; restore"):
                read()


@pytest.mark.parametrize("filtered", [None, {"n": 1}])
def test_a_damaged_vector_is_reported(path: Path, filtered: dict[str, int] | None) -> None:
    with SqliteStore(path, index=INDEX) as store:
        store.put(NS, "k", {"n": 1})
    change(path, "UPDATE store_vector SET data=?", b"\0" * 8)
    with SqliteStore(path, index=INDEX) as store:
        assert store.get(NS, "k") is not None
        with pytest.raises(CorruptDataError, match="item 'k'"):
            store.search((), query="q", filter=filtered)


def test_vectors_of_an_index_with_other_dims_are_reported(path: Path) -> None:
    with SqliteStore(path, index=INDEX) as store:
        store.put(NS, "k", {"n": 1})
    other: Any = {"dims": 3, "embed": lambda texts: [[1.0, 2.0, 3.0] for _ in texts]}
    with SqliteStore(path, index=other) as store:
        with pytest.raises(InvalidArgumentError, match=r"has 2 numbers, the query has 3"):
            store.search((), query="q")
        store.put(NS, "k", {"n": 1})
        assert store.search((), query="q")[0].score == pytest.approx(1.0)


def test_a_put_that_returned_survives_a_kill(path: Path) -> None:
    script = """
        import os, signal, sys
        from checkpoint import SqliteStore
        store = SqliteStore(sys.argv[1]).open()
        for number in range(50):
            store.put(("n",), str(number), {"n": number})
            print(number, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert (done.returncode, done.stdout.split()[-1]) == (-9, "49"), done.stderr
    with SqliteStore(path) as store:
        assert keys(store.search((), limit=100)) == [str(number) for number in range(50)]


def test_a_batch_that_a_kill_cuts_short_leaves_all_or_nothing(path: Path) -> None:
    script = """
        import os, signal, sys, threading
        from checkpoint import PutOp, SqliteStore
        store = SqliteStore(sys.argv[1]).open()
        begun = threading.Barrier(2)
        def work():
            begun.wait()
            for batch in range(1000):
                store.batch([PutOp(("n",), str(number), {"n": batch}) for number in range(20)])
        threading.Thread(target=work, daemon=True).start()
        begun.wait()
        while store.get(("n",), "0") is None:
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == -9, done.stderr
    with SqliteStore(path) as store:
        values = [item.value["n"] for item in store.search((), limit=100)]
        assert len(values) == 20
        assert len(set(values)) == 1


def test_a_fork_must_open_a_store_of_its_own(path: Path) -> None:
    script = """
        import os, sys
        from checkpoint import SaverClosedError, SqliteStore
        store = SqliteStore(sys.argv[1]).open()
        store.put(("n",), "k", {})
        if os.fork() == 0:
            try:
                store.get(("n",), "k")
            except SaverClosedError as error:
                os._exit(0 if "parent" in str(error) else 2)
            os._exit(1)
        _, status = os.wait()
        assert store.get(("n",), "k") is not None
        store.close()
        sys.exit(os.waitstatus_to_exitcode(status))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr


async def test_a_put_whose_caller_is_cancelled_happened_wholly_or_not_at_all(path: Path) -> None:
    async with SqliteStore(path) as store:
        for turns in range(6):
            task = asyncio.create_task(store.aput(NS, str(turns), {"n": turns}))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await store.aput(NS, "last", {})
        found = await store.asearch(NS)
        assert keys(found)[-1] == "last"
        assert all(item.value == {"n": int(item.key)} for item in found[:-1])


async def test_a_time_to_live_goes_on_after_a_restart(path: Path) -> None:
    clock = ManualClock()
    async with SqliteStore(path, clock=clock) as store:
        await store.aput(NS, "k", {}, ttl=2)
    clock.now += 60
    async with SqliteStore(path, clock=clock) as store:
        assert await store.aget(NS, "k") is not None
        clock.now += 119
        assert await store.aget(NS, "k", refresh_ttl=False) is not None
        clock.now += 1
        assert await store.aget(NS, "k") is None


def test_making_a_store_touches_no_file(path: Path) -> None:
    SqliteStore(path)
    assert not path.exists()
    assert os.listdir(path.parent) == []  # noqa: PTH208
