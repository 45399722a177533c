"""What only the cache in memory does: it has a bound."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from checkpoint import InvalidArgumentError, MemoryCache, MsgpackSerializer, TypeRegistry
from checkpoint.testing_cache import ManualClock

NS = ("ns",)


async def kept(cache: MemoryCache, keys: str) -> str:
    found = await cache.get([(NS, key) for key in keys])
    return "".join(key for _, key in found)


async def test_the_value_that_was_used_least_recently_goes() -> None:
    cache = MemoryCache(max_entries=3)
    for key in "abc":
        await cache.set({(NS, key): (key, None)})
    assert await kept(cache, "a") == "a"
    await cache.set({(NS, "d"): ("d", None)})
    assert await kept(cache, "abcd") == "acd"
    await cache.set({(NS, "a"): ("again", None)})
    await cache.set({(NS, "e"): ("e", None)})
    assert await kept(cache, "abcde") == "ade"


async def test_one_set_of_more_than_fits_keeps_the_last_ones() -> None:
    cache = MemoryCache(max_entries=2)
    await cache.set({(NS, key): (key, None) for key in "abcd"})
    assert await kept(cache, "abcd") == "cd"


@pytest.mark.parametrize("bound", [0, -1, 1.5, True, "3"])
def test_a_bound_without_room_is_refused(bound: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"max_entries={bound!r} .*at least 1"):
        MemoryCache(max_entries=bound)


async def test_expired_values_are_let_go_when_others_are_set() -> None:
    clock = ManualClock()
    cache = MemoryCache(clock=clock)
    await cache.set({(NS, str(n)): (n, n % 7) for n in range(100)})
    clock.now += 10
    await cache.set({(NS, "last"): (1, 5)})
    assert list(cache._entries) == [(NS, "last")]
    assert len(cache._ends) == 1


async def test_setting_or_clearing_again_and_again_takes_no_more_memory() -> None:
    cache = MemoryCache()
    for n in range(1000):
        await cache.set({(NS, str(n % 3)): (n, 3600)})
    assert len(cache._ends) < 100
    for n in range(1000):
        await cache.set({(NS, str(n)): (n, 3600)})
    await cache.clear([NS])
    assert len(cache._ends) < 100


async def test_values_still_expire_when_they_were_set_again_and_again() -> None:
    clock = ManualClock()
    cache = MemoryCache(clock=clock)
    for n in range(1000):
        await cache.set({(NS, str(n % 3)): (n, 3600), (NS, "for ever"): (n, None)})
    clock.now += 3600
    await cache.set({(NS, "new"): (1, None)})
    assert list(cache._entries) == [(NS, "for ever"), (NS, "new")]


@pytest.mark.parametrize("word", ["serializer", "serde"])
async def test_the_serializer_decides_what_can_be_kept(word: str) -> None:
    class Own:
        pass

    registry = TypeRegistry()
    registry.register(Own, name="own", encode=lambda _: 1, decode=lambda _: Own())
    given: dict[str, Any] = {word: MsgpackSerializer(registry)}
    cache = MemoryCache(**given)
    await cache.set({(NS, "a"): (Own(), None)})
    assert isinstance((await cache.get([(NS, "a")]))[NS, "a"], Own)


def test_threads_with_loops_of_their_own_share_it() -> None:
    import asyncio

    cache = MemoryCache(max_entries=50)

    async def work(name: str) -> None:
        for n in range(100):
            await cache.set({(NS, f"{name}{n % 10}"): (n, 60)})
            await cache.get([(NS, f"{name}{n % 10}")])

    threads = [threading.Thread(target=lambda n=n: asyncio.run(work(n))) for n in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = asyncio.run(cache.get([(NS, f"{name}{n}") for name in "abcd" for n in range(10)]))
    assert sorted(found.values()) == sorted([*range(90, 100)] * 4)
