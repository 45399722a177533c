"""What only the cache in a file does: it opens and closes, shares the file, and can be damaged."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkpoint import (
    CorruptDataError,
    DeserializationError,
    EncryptedSerializer,
    KeyRequiredError,
    NotADatabaseError,
    SaverClosedError,
    SqliteCache,
    SqliteSaver,
)
from checkpoint.packing import checksum
from checkpoint.story import Story, values_of
from checkpoint.testing_cache import ManualClock

NS = ("ns",)
A = (NS, "a")


async def test_values_outlive_the_cache(path: Path) -> None:
    async with SqliteCache(path) as cache:
        await cache.set({A: ([1, 2], None)})
    with SqliteCache(path=str(path)) as cache:
        assert await cache.get([A]) == {A: [1, 2]}


def test_making_a_cache_touches_no_file(path: Path) -> None:
    SqliteCache(path)
    assert not path.exists()


async def test_it_opens_at_its_first_use(path: Path) -> None:
    cache = SqliteCache(path)
    first, second = await asyncio.gather(cache.get([A]), cache.set({A: (1, None)}))
    assert (first in ({}, {A: 1}), second) == (True, None)
    assert await cache.get([A]) == {A: 1}
    await cache.aclose()


async def test_a_closed_cache_says_so_until_it_is_opened_again(path: Path) -> None:
    cache = SqliteCache(path)
    await cache.set({A: (1, None)})
    cache.close()
    for call in (cache.get([A]), cache.set({A: (2, None)}), cache.clear()):
        with pytest.raises(SaverClosedError, match=r"cache of '.*threads\.db' is closed; use"):
            await call
    assert await cache.open().get([A]) == {A: 1}
    await cache.aclose()
    assert await (await cache.aopen()).get([A]) == {A: 1}
    cache.close()


async def test_a_cache_closed_asynchronously_is_closed_too(path: Path) -> None:
    cache = SqliteCache(path)
    await cache.set({A: (1, None)})
    await cache.aclose()
    with pytest.raises(SaverClosedError):
        await cache.get([A])


async def test_values_that_have_expired_do_not_stay_in_the_file(path: Path) -> None:
    clock = ManualClock()
    async with SqliteCache(path, clock=clock) as cache:
        for n in range(5):
            await cache.set({(NS, f"{n}"): (n, 1.0)})
            clock.now += 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT key FROM cache").fetchall() == [(b"4",)]


async def test_it_shares_the_file_of_a_saver(path: Path) -> None:
    async with SqliteSaver(path) as saver, SqliteCache(path) as cache:
        await (await Story.begin(saver)).step({"a": 1})
        await cache.set({A: (1, None)})
        assert await values_of(saver) == {"a": 1}
        await cache.clear()
        assert await values_of(saver) == {"a": 1}


def test_a_file_that_is_no_database_is_refused_at_first_use(path: Path) -> None:
    path.write_bytes(b"no database, only some text\n" * 50)
    with pytest.raises(NotADatabaseError):
        asyncio.run(SqliteCache(path).get([A]))


async def test_a_damaged_value_is_no_miss(path: Path) -> None:
    async with SqliteCache(path) as cache:
        await cache.set({A: ("value", None)})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE cache SET data=CAST(data || x'00' AS BLOB)")
    async with SqliteCache(path) as cache:
        with pytest.raises(CorruptDataError, match=r"\(\('ns',\), 'a'\) does not match.*clear"):
            await cache.get([A])
        await cache.clear([NS])
        assert await cache.get([A]) == {}


@pytest.mark.parametrize(("damage", "key"), [("expires=1", "a"), ("key=x'62'", "b")])
async def test_a_value_that_has_another_key_or_end_is_reported(
    damage: str, key: str, path: Path
) -> None:
    async with SqliteCache(path) as cache:
        await cache.set({A: ("value", None)})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE cache SET {damage}")
    async with SqliteCache(path) as cache:
        with pytest.raises(CorruptDataError):
            await cache.get([(NS, key)])


async def test_what_the_serializer_cannot_read_is_no_miss(path: Path) -> None:
    async with SqliteCache(path) as cache:
        await cache.set({A: ("value", None)})
    with closing(sqlite3.connect(path)) as connection, connection:
        ((ns, key),) = connection.execute("SELECT ns, key FROM cache").fetchall()
        connection.execute("UPDATE cache SET data=x'', crc=?", (checksum(b"", ns, key, None),))
    async with SqliteCache(path) as cache:
        with pytest.raises(DeserializationError):
            await cache.get([A])


@pytest.mark.parametrize("word", ["serializer", "serde"])
async def test_what_is_kept_may_be_encrypted(word: str, path: Path) -> None:
    given: dict[str, Any] = {word: EncryptedSerializer(bytes(16))}
    async with SqliteCache(path, **given) as cache:
        await cache.set({A: ("value", None)})
    async with SqliteCache(path) as cache:
        with pytest.raises(KeyRequiredError):
            await cache.get([A])
    async with SqliteCache(path, **given) as cache:
        assert await cache.get([A]) == {A: "value"}
