"""A cache in this process, still of bytes: what was set cannot change."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .cache import CacheEntry, CacheKey, cache_entries, cache_keys, cache_namespace
from .errors import InvalidArgumentError
from .serde import MsgpackSerializer, Serializer

_SPARE = 64


class MemoryCache:
    """Keeps values in memory; any event loop in any thread may use it.

    `max_entries`: how many values it keeps at most; the one that was used least recently goes.
    `clock`: gives the seconds by which values expire; `serde`: LangGraph's word for `serializer`::

        graph = builder.compile(cache=MemoryCache(max_entries=10_000))

    Raises InvalidArgumentError for a bound that is not at least 1.
    """

    def __init__(
        self,
        serializer: Serializer | None = None,
        *,
        serde: Serializer | None = None,
        max_entries: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if max_entries is not None and not _is_bound(max_entries):
            raise InvalidArgumentError(
                f"max_entries={max_entries!r} is no bound that leaves room for a value; give a "
                "whole number of at least 1, or None for no bound"
            )
        self._serializer = serializer or serde or MsgpackSerializer()
        self._max_entries = max_entries
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[CacheKey, CacheEntry] = {}
        """The one that was used least recently comes first."""
        self._ends: list[tuple[float, CacheKey]] = []
        """A heap of when to look whether a value has expired; what was set again or cleared since
        stays in it for a while."""

    async def get(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Any]:
        """The values that are there, by key; a key that is missing or expired is left out."""
        wanted = cache_keys(keys)
        with self._lock:
            now = self._clock()
            found = {key: data for key in wanted if (data := self._use(key, now)) is not None}
        return {key: self._serializer.loads(data) for key, data in found.items()}

    async def set(self, pairs: Mapping[CacheKey, tuple[Any, float | None]]) -> None:
        """Keep (value, time to live in seconds) under each key; None: until it is cleared.

        Raises InvalidArgumentError or SerializationError; nothing is changed then.
        """
        entries = cache_entries(pairs, self._serializer.dumps, now := self._clock())
        with self._lock:
            self._drop_expired(now)
            for key, entry in entries.items():
                self._entries.pop(key, None)
                self._entries[key] = entry
                if entry.expires is not None:
                    heapq.heappush(self._ends, (entry.expires, key))
            while self._max_entries is not None and len(self._entries) > self._max_entries:
                del self._entries[next(iter(self._entries))]
            self._bound_ends()

    async def clear(self, namespaces: Sequence[tuple[str, ...]] | None = None) -> None:
        """Forget the values of these very namespaces, or of all."""
        gone = None if namespaces is None else {cache_namespace(ns) for ns in namespaces}
        with self._lock:
            if gone is None:
                self._entries = {}
                self._ends = []
            else:
                kept = {key: entry for key, entry in self._entries.items() if key[0] not in gone}
                self._entries = kept
                self._bound_ends()

    def _use(self, key: CacheKey, now: float) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expired(now):
            del self._entries[key]
            return None
        if self._max_entries is not None:
            del self._entries[key]
            self._entries[key] = entry
        return entry.data

    def _drop_expired(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, key = heapq.heappop(self._ends)
            entry = self._entries.get(key)
            if entry is not None and entry.expired(now):
                del self._entries[key]

    def _bound_ends(self) -> None:
        """Keep the heap about as long as there are values: one may be set again and again."""
        if len(self._ends) > 2 * len(self._entries) + _SPARE:
            ends = ((entry.expires, key) for key, entry in self._entries.items())
            self._ends = [(at, key) for at, key in ends if at is not None]
            heapq.heapify(self._ends)


def _is_bound(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 1
