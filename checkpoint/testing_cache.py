"""A suite that every cache passes.

Inherit it in a test module and give the fixtures it asks for, a clock and a cache that uses it:

    class TestMyCache(CacheSuite):
        @pytest.fixture
        async def cache(self, clock):
            async with MyCache(clock=clock) as cache:
                yield cache

        @pytest.fixture
        def clock(self):
            return ManualClock()
"""
# ruff: noqa: D102, S101 - a test's name says what it asserts

from __future__ import annotations

import math
from typing import Any

from .cache import Cache
from .errors import CheckpointError, InvalidArgumentError, SerializationError
from .story import refused

NS = ("graph", "node")


class ManualClock:
    """A clock that a test moves: `clock.now += 5`."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


class CacheSuite:
    """What is set comes back until it expires, and nothing else."""

    async def test_a_cache_begins_empty(self, cache: Cache) -> None:
        assert await cache.get([(NS, "a")]) == {}
        assert await cache.get([]) == {}

    async def test_what_is_set_comes_back_with_its_types(self, cache: Cache) -> None:
        value = {"tuple": (1, 2), "set": {3}, "bytes": b"\x00", "list": [None, 1.5, True]}
        await cache.set({(NS, "a"): (value, None), (NS, "b"): (None, 60)})
        assert await cache.get([(NS, "a"), (NS, "b"), (NS, "c")]) == {
            (NS, "a"): value,
            (NS, "b"): None,
        }

    async def test_keys_are_exact(self, cache: Cache) -> None:
        keys = [(("a", "b"), "c"), (("a",), "b"), (("a.b",), "c"), (("a,b",), "c"), ((), "c")]
        keys += [(("a", ""), "c"), (("a\x00b",), "c"), (("\ud800",), "\udfff"), (("a", "b"), "C")]
        await cache.set({key: (number, None) for number, key in enumerate(keys)})
        assert await cache.get(keys) == {key: number for number, key in enumerate(keys)}

    async def test_setting_again_replaces_value_and_time(
        self, cache: Cache, clock: ManualClock
    ) -> None:
        await cache.set({(NS, "a"): (1, 5)})
        await cache.set({(NS, "a"): (2, None)})
        clock.now += 100
        assert await cache.get([(NS, "a")]) == {(NS, "a"): 2}

    async def test_an_expired_value_is_a_miss(self, cache: Cache, clock: ManualClock) -> None:
        await cache.set({(NS, "a"): (1, 5), (NS, "b"): (2, 0), (NS, "c"): (3, 5.5)})
        clock.now += 4.999
        assert await cache.get([(NS, "a"), (NS, "b")]) == {(NS, "a"): 1}
        clock.now += 0.001
        assert await cache.get([(NS, "a"), (NS, "c")]) == {(NS, "c"): 3}
        await cache.set({(NS, "a"): (4, 5)})
        assert await cache.get([(NS, "a")]) == {(NS, "a"): 4}

    async def test_reading_does_not_prolong_a_life(self, cache: Cache, clock: ManualClock) -> None:
        await cache.set({(NS, "a"): (1, 5)})
        clock.now += 4
        await cache.get([(NS, "a")])
        clock.now += 4
        assert await cache.get([(NS, "a")]) == {}

    async def test_what_the_caller_changes_later_does_not_change_what_is_kept(
        self, cache: Cache
    ) -> None:
        value = {"list": [1]}
        await cache.set({(NS, "a"): (value, None)})
        value["list"].append(2)
        first = await cache.get([(NS, "a")])
        first[NS, "a"]["list"].append(3)
        assert await cache.get([(NS, "a")]) == {(NS, "a"): {"list": [1]}}

    async def test_clear_forgets_these_namespaces_or_all(self, cache: Cache) -> None:
        child = (*NS, "child")
        keys = [(NS, "a"), (NS, "b"), (child, "a"), (("other",), "a")]
        await cache.set(dict.fromkeys(keys, (1, None)))
        await cache.clear([NS, ("unknown",)])
        assert await cache.get(keys) == {(child, "a"): 1, (("other",), "a"): 1}
        await cache.clear([])
        assert len(await cache.get(keys)) == 2
        await cache.clear()
        assert await cache.get(keys) == {}
        await cache.set({(NS, "a"): (2, None)})
        assert await cache.get(keys) == {(NS, "a"): 2}

    async def test_many_values_expire_one_after_the_other(
        self, cache: Cache, clock: ManualClock
    ) -> None:
        keys = [(NS, str(number)) for number in range(300)]
        await cache.set({key: (at, at + 1) for at, key in enumerate(keys)})
        for at in (100, 200, 300):
            clock.now += 100
            await cache.set({(NS, "new"): (at, None)})
            assert sorted((await cache.get(keys)).values()) == list(range(at, 300))

    async def test_bad_input_changes_nothing(self, cache: Cache) -> None:
        bad: list[tuple[Any, type[CheckpointError], str]] = [
            ({"a": (1, None)}, InvalidArgumentError, "'a' is no key of a cache"),
            ({("a", "b"): (1, None)}, InvalidArgumentError, "'a' is no namespace"),
            ({((1,), "b"): (1, None)}, InvalidArgumentError, "(1,) is no namespace"),
            ({(NS, 1): (1, None)}, InvalidArgumentError, "is no key of a cache"),
            ({(NS, "a"): (1, -1)}, InvalidArgumentError, "-1 is no time to live"),
            ({(NS, "a"): (1, math.nan)}, InvalidArgumentError, "nan is no time to live"),
            ({(NS, "a"): (1, 10**400)}, InvalidArgumentError, "is no time to live"),
            ({(NS, "a"): (1, "5")}, InvalidArgumentError, "'5' is no time to live"),
            ({(NS, "a"): (object(), None)}, SerializationError, "object"),
        ]
        for pairs, error, message in bad:
            with refused(error, message):
                await cache.set({(NS, "fine"): (1, None), **pairs})
        with refused(InvalidArgumentError, "is no namespace"):
            await cache.clear(["graph"])  # pyright: ignore[reportArgumentType]
        with refused(InvalidArgumentError, "is no key"):
            await cache.get(["graph"])  # pyright: ignore[reportArgumentType]
        assert await cache.get([(NS, "fine")]) == {}
