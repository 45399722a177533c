"""A cache in the database file of the saver, or in one of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

from .cache import CacheKey, cache_entries, cache_keys, cache_namespace
from .errors import SaverClosedError
from .handle import DatabaseHandle
from .serde import MsgpackSerializer, Serializer
from .upgrades import Part

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS cache (id INTEGER PRIMARY KEY, ns BLOB NOT NULL, key BLOB NOT NULL,
        expires REAL, crc INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (ns, key))
    """,
    """
    CREATE INDEX IF NOT EXISTS cache_end ON cache (expires) WHERE expires IS NOT NULL
    """,
)

CACHE = Part("cache", 1, _TABLES, sign="cache")


class SqliteCache(DatabaseHandle):
    """Keeps values in an SQLite file, which may be that of a SqliteSaver or SqliteStore.

    It opens at its first use; close it by hand, or use it inside `with` or `async with`.
    `serde` is LangGraph's word for `serializer`::

        graph = builder.compile(cache=SqliteCache(path="cache.db"))

    A row that does not match its checksum raises CorruptDataError: a file that is damaged in one
    place may be so in others, so it is reported, not passed over as a miss.  `clear` removes it.
    Opening raises as a SqliteSaver does; using it once it is closed raises SaverClosedError.
    """

    noun: ClassVar[str] = "cache"
    part = CACHE

    def __init__(
        self,
        path: str | os.PathLike[str],
        serializer: Serializer | None = None,
        *,
        serde: Serializer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from .cache_units import CacheUnits  # not before somebody has a cache

        super().__init__(path)
        self._serializer = serializer or serde or MsgpackSerializer()
        self._units = CacheUnits(self._serializer)
        self._clock = clock
        self._closed = False

    def open(self) -> Self:
        """Open the database, waiting for the disk; harmless when it is open."""
        self._closed = False
        return super().open()

    async def aopen(self) -> Self:
        """`open`, without holding up the event loop."""
        self._closed = False
        return await super().aopen()

    def close(self) -> None:
        """Wait for what is being committed, then close; harmless when repeated."""
        self._closed = True
        super().close()

    async def aclose(self) -> None:
        """`close`, without holding up the event loop."""
        self._closed = True
        await super().aclose()

    async def get(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Any]:
        """The values that are there, by key; a key that is missing or expired is left out.

        Raises CorruptDataError, or DeserializationError for what the serializer cannot read.
        """
        wanted = cache_keys(keys)
        await self._opened()
        read = partial(self._units.read, wanted, self._clock())
        return await self.lease.read(read) if wanted else {}

    async def set(self, pairs: Mapping[CacheKey, tuple[Any, float | None]]) -> None:
        """Keep (value, time to live in seconds) under each key; None: until it is cleared.

        Returns when it is committed.  Raises InvalidArgumentError or SerializationError; nothing
        is changed then.
        """
        entries = cache_entries(pairs, self._serializer.dumps, now := self._clock())
        await self._opened()
        await self.lease.write(partial(self._units.write, entries, now))

    async def clear(self, namespaces: Sequence[tuple[str, ...]] | None = None) -> None:
        """Forget the values of these very namespaces, or of all."""
        gone = None if namespaces is None else [cache_namespace(ns) for ns in namespaces]
        await self._opened()
        await self.lease.write(partial(self._units.clear, gone))

    async def _opened(self) -> None:
        if self._closed:
            raise SaverClosedError(
                f"the cache of {self._path!r} is closed; use it before `close` or inside its "
                "`with` or `async with` block"
            )
        if self._lease is None:
            await self.aopen()
