"""What a store and a cache are asked, and all that they answer: for tests that damage a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from checkpoint import SqliteCache, SqliteSaver, SqliteStore
from checkpoint.cache import CacheKey
from tests.faults.answers import Name, Subject


@dataclass(frozen=True, slots=True)
class Kept:
    """A store and a cache, open."""

    store: SqliteStore
    cache: SqliteCache


Question: TypeAlias = Callable[[Kept], Awaitable[Any]]

NOW = 1_700_000_000.0
NAMESPACES = (("users", "ann"), ("users", "bob"), ("notes",), ("notes", "old", "deep"), ("gone",))
KEYS = tuple(f"key {number}" for number in range(9))
CACHED = tuple((("nodes", f"node {n % 3}"), f"call {n}") for n in range(24))
GONE = "gone"
"""Of what has expired, and was not swept: the label of a namespace."""
COLORS = ("red", "green", "blue")


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Vectors that tell texts apart."""
    return [[len(text) % 7 + 1.0, sum(map(ord, text)) % 11, ord(text[0]) % 5] for text in texts]


@asynccontextmanager
async def opened(path: Path, now: float = NOW) -> AsyncGenerator[Kept]:
    """A store with an index, and a cache, of one file."""
    index: Any = {"dims": 3, "embed": embed, "fields": ["text", "more"]}
    ttl: Any = {"refresh_on_read": False}
    store = SqliteStore(path, index=index, ttl=ttl, clock=lambda: now)
    async with store, SqliteCache(path, clock=lambda: now) as cache:
        yield Kept(store, cache)


async def fill_kept(path: Path) -> None:
    """Make a database with items that live for ever, for a while, and no more, with one vector, two
    and none, large ones and small ones, and with values of a cache, likewise."""
    async with SqliteSaver(path), opened(path, NOW - 3600) as kept:
        for namespace in NAMESPACES:
            for number, key in enumerate(KEYS):
                await kept.store.aput(
                    namespace, key, _value(namespace, number), ttl=_ttl(namespace, number)
                )
        for number, key in enumerate(CACHED):
            seconds = None if number % 3 else 30.0 if number % 2 else 1e7 + number
            await kept.cache.set(
                {key: ({"call": number, "found": [f"{number} " * 40] * 3}, seconds)}
            )


def _value(namespace: tuple[str, ...], number: int) -> dict[str, Any]:
    more = {"more": f"more of {number} " * 40} if number % 4 == 0 else {}
    text = {"text": f"{'/'.join(namespace)} {number}"} if number % 3 else {}
    return {"color": COLORS[number % 3], "size": number, "tags": ["a", number], **text, **more}


def _ttl(namespace: tuple[str, ...], number: int) -> float | None:
    if GONE in namespace or number == 7:
        return 30.0
    return 1e6 if number % 2 else None


def _questions() -> Mapping[Name, Question]:
    found: dict[Name, Question] = {}
    for namespace in NAMESPACES:
        found |= {("item", *namespace, key): _item(namespace, key) for key in KEYS}
    for prefix in ((), ("users",), *NAMESPACES):
        found["all below", *prefix] = _search(prefix)
    found["red",] = _search((), filter={"color": "red"})
    found["large",] = _search(("users",), filter={"size": {"$gte": 5}})
    found["nearest",] = _search((), query="users/bob 4")
    found["nearest red",] = _search((), query="notes 2", filter={"color": "red"})
    found["namespaces",] = lambda kept: kept.store.alist_namespaces()
    found |= {("cached", *ns, key): _cached((ns, key)) for ns, key in CACHED}
    return found


def _item(namespace: tuple[str, ...], key: str) -> Question:
    async def asked(kept: Kept) -> Any:
        item = await kept.store.aget(namespace, key)
        return item and item.dict()

    return asked


def _search(prefix: tuple[str, ...], **wanted: Any) -> Question:
    async def asked(kept: Kept) -> Any:
        return [each.dict() for each in await kept.store.asearch(prefix, limit=1000, **wanted)]

    return asked


def _cached(key: CacheKey) -> Question:
    async def asked(kept: Kept) -> Any:
        return (await kept.cache.get([key])).get(key)

    return asked


KEPT = Subject(fill_kept, opened, _questions())
"""A store and a cache."""


def without_scores(answer: Any) -> Any:
    """The answer without what the vectors of items say."""
    if not isinstance(answer, list):
        return answer
    return [{**each, "score": None} if isinstance(each, dict) else each for each in answer]
