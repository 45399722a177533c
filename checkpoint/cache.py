"""The cache protocol: results of nodes and tasks, kept for a while under keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

from .errors import InvalidArgumentError

CacheKey: TypeAlias = tuple[tuple[str, ...], str]
"""(namespace, key)"""

_GREATEST = sys.float_info.max


class Cache(Protocol):
    """Keeps values for a while.

    Guarantees an implementation gives (checked by `checkpoint.testing_cache`):

    * What was set comes back equal, as an object of its own, until its time to live is over.
    * `set` is all or nothing; bad input raises before anything is changed.
    * An expired value is a miss.  A damaged one is not: it raises, as any damage in a file does.
    * A cache is bound to no event loop: any loop in any thread may call it.
    """

    async def get(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Any]:
        """The values that are there, by key; a key that is missing or expired is left out."""
        ...

    async def set(self, pairs: Mapping[CacheKey, tuple[Any, float | None]]) -> None:
        """Keep (value, time to live in seconds) under each key; None: until it is cleared."""
        ...

    async def clear(self, namespaces: Sequence[tuple[str, ...]] | None = None) -> None:
        """Forget the values of these very namespaces, or of all."""
        ...


class CacheEntry(NamedTuple):
    """An encoded value, and when it expires, in seconds of the cache's clock."""

    data: bytes
    expires: float | None

    def expired(self, now: float) -> bool:
        """True from its last moment on."""
        return self.expires is not None and self.expires <= now


def cache_entries(
    pairs: Mapping[CacheKey, tuple[Any, float | None]], dumps: Callable[[Any], bytes], now: float
) -> dict[CacheKey, CacheEntry]:
    """What `set` is to keep.  Raises InvalidArgumentError or SerializationError."""
    return {
        cache_key(key): CacheEntry(dumps(value), None if ttl is None else now + _ttl(key, ttl))
        for key, (value, ttl) in pairs.items()
    }


def cache_keys(keys: Iterable[CacheKey]) -> list[CacheKey]:
    """The keys, checked.  Raises InvalidArgumentError."""
    return [cache_key(key) for key in keys]


def cache_key(key: object) -> CacheKey:
    """The key, checked.  Raises InvalidArgumentError."""
    if isinstance(key, tuple):
        parts = cast(tuple[object, ...], key)
        if len(parts) == 2 and isinstance(parts[1], str):
            return cache_namespace(parts[0]), parts[1]
    raise InvalidArgumentError(
        f"{key!r} is no key of a cache: a key is a pair of a namespace, which is a tuple of "
        'texts, and a text; give (("my", "namespace"), "key")'
    )


def cache_namespace(namespace: object) -> tuple[str, ...]:
    """The namespace, checked.  Raises InvalidArgumentError."""
    if isinstance(namespace, tuple):
        labels = cast(tuple[object, ...], namespace)
        if all(isinstance(label, str) for label in labels):
            return cast(tuple[str, ...], labels)
    raise InvalidArgumentError(
        f"{namespace!r} is no namespace of a cache: a namespace is a tuple of texts; "
        'give ("my", "namespace")'
    )


def _ttl(key: CacheKey, ttl: object) -> float:
    if isinstance(ttl, int | float) and not isinstance(ttl, bool) and 0 <= ttl <= _GREATEST:
        return ttl
    raise InvalidArgumentError(
        f"{ttl!r} is no time to live for {key!r}: it is not a number of seconds from 0 on; "
        "give one, or None to keep the value until it is cleared"
    )
