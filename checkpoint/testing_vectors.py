"""Suites about times to live and about search by meaning, which every store passes.

They ask for the fixtures that `testing_store.py` describes.
"""
# ruff: noqa: D102, S101 - a test's name says what it asserts

from __future__ import annotations

import asyncio
import math
from typing import Any

from .errors import CheckpointError, EmbeddingError, InvalidArgumentError
from .store_base import PlannedStore
from .store_ops import GetOp, PutOp, SearchOp
from .story import refused
from .testing_cache import ManualClock
from .testing_store import NS, OpenStore, keys

MINUTE = 60.0


class TTLSuite:
    """An item whose time is over is never shown."""

    async def test_an_expired_item_is_never_shown(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store = open_store(ttl={"refresh_on_read": False})
        store.put(NS, "a", {"n": 1}, ttl=2)
        store.put(("other",), "b", {"n": 1})
        clock.now += 2 * MINUTE - 0.5
        assert keys(store.search(())) == ["a", "b"]
        clock.now += 0.5
        assert store.get(NS, "a") is None
        assert await store.aget(NS, "a", refresh_ttl=True) is None
        assert keys(store.search((), filter={"n": 1})) == ["b"]
        assert store.list_namespaces() == [("other",)]

    async def test_putting_on_an_expired_item_makes_a_new_one(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store = open_store()
        store.put(NS, "a", {"n": 1}, ttl=1)
        clock.now += 2 * MINUTE
        store.put(NS, "a", {"n": 2})
        item = store.get(NS, "a")
        assert item is not None
        assert item.created_at == item.updated_at
        clock.now += 1000 * MINUTE
        assert store.get(NS, "a") == item

    async def test_reading_begins_a_time_anew_unless_told(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store = open_store()
        for key in "abcd":
            store.put(NS, key, {"key": key}, ttl=2)
        clock.now += MINUTE
        store.get(NS, "a")
        await store.asearch(NS, filter={"key": "b"})
        store.get(NS, "c", refresh_ttl=False)
        store.search(NS, refresh_ttl=False)
        clock.now += MINUTE
        assert keys(store.search(NS, refresh_ttl=False)) == ["a", "b"]
        clock.now += MINUTE
        assert keys(store.search(NS)) == []

    async def test_a_configuration_gives_the_defaults(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store = open_store(ttl={"default_ttl": 2, "refresh_on_read": False})
        store.put(NS, "default", {})
        store.put(NS, "longer", {}, ttl=3)
        store.put(NS, "for ever", {}, ttl=None)
        store.put(NS, "refreshed", {})
        await store.abatch([PutOp(NS, "an op has no default", {})])
        clock.now += MINUTE
        store.search(NS)
        store.get(NS, "refreshed", refresh_ttl=True)
        clock.now += MINUTE
        left = ["longer", "for ever", "refreshed", "an op has no default"]
        assert keys(store.search(NS)) == left

    async def test_ops_of_a_batch_refresh_unless_told(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store = open_store()
        for key in "abc":
            store.put((key,), key, {}, ttl=2)
        clock.now += MINUTE
        store.batch([GetOp(("a",), "a"), GetOp(("b",), "b", refresh_ttl=False), SearchOp(("c",))])
        clock.now += MINUTE
        assert keys(store.search(())) == ["a", "c"]

    async def test_sweeping_deletes_what_has_expired_and_counts_it(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store = open_store()
        assert isinstance(store, PlannedStore)
        ops = [PutOp((str(n % 7),), str(n), {}, ttl=1 + n % 2) for n in range(2500)]
        store.batch([*ops, PutOp(("kept",), "k", {})])
        assert store.sweep_ttl() == 0
        clock.now += MINUTE
        assert store.sweep_ttl() == 1250
        clock.now += MINUTE
        assert await store.asweep_ttl() == 1250
        assert store.sweep_ttl() == 0
        assert store.list_namespaces() == [("kept",)]

    async def test_a_bad_configuration_is_refused(self, open_store: OpenStore) -> None:
        bad: list[tuple[Any, str]] = [
            ({"default_ttl": 0}, "default_ttl=0 is no number of minutes above 0"),
            ({"default_ttl": math.nan}, "default_ttl=nan"),
            ({"default_ttl": True}, "default_ttl=True"),
            ({"sweep_interval_minutes": -1}, "sweep_interval_minutes=-1"),
            ({"omit_expired": False}, "omit_expired=False cannot be had"),
            ({"defualt_ttl": 1}, "nothing is known of 'defualt_ttl'; give a dict with default_ttl"),
            (5, "ttl=5 cannot be used: it is not a dict"),
        ]
        for ttl, words in bad:
            with refused(InvalidArgumentError, words, "; "):
                open_store(ttl=ttl)


def embed(texts: list[str]) -> list[list[float]]:
    """Vectors of four numbers: how often a, b and c occur, and 0.1."""
    return [[*(float(text.count(letter)) for letter in "abc"), 0.1] for text in texts]


async def aembed(texts: list[str]) -> list[list[float]]:
    """`embed`, later."""
    await asyncio.sleep(0)
    return embed(texts)


INDEX: dict[str, Any] = {"dims": 4, "embed": embed, "fields": ["text"]}


def cosine(one: str, other: str) -> float:
    """What a search must give for two texts."""
    [first, second] = embed([one, other])
    return sum(x * y for x, y in zip(first, second, strict=True)) / (
        math.hypot(*first) * math.hypot(*second)
    )


class VectorSuite:
    """A query finds the nearest items first."""

    async def test_the_nearest_come_first_with_their_cosines(self, open_store: OpenStore) -> None:
        store = open_store(index=INDEX)
        texts = ["aab", "b", "abc", "cc", "aaa"]
        for text in texts:
            store.put(NS, text, {"text": text, "long": len(text) > 2})
        found = store.search((), query="aa")
        expected = sorted(texts, key=lambda text: -cosine("aa", text))
        assert keys(found) == expected
        for item in found:
            assert item.score is not None
            assert math.isclose(item.score, cosine("aa", item.key), abs_tol=1e-6)
        long = [text for text in expected if len(text) > 2]
        assert keys(await store.asearch((), query="aa", filter={"long": True})) == long
        assert keys(store.search(NS, query="aa", limit=2, offset=1)) == expected[1:3]

    async def test_without_a_query_or_an_index_nothing_is_compared(
        self, open_store: OpenStore
    ) -> None:
        store, plain = open_store(index=INDEX), open_store()
        for key in "ba":
            store.put(NS, key, {"text": key})
            plain.put(NS, key, {"text": key}, index=["text"])
        for found in (store.search(NS), store.search(NS, query=""), plain.search(NS, query="a")):
            assert [(item.key, item.score) for item in found] == [("b", None), ("a", None)]

    async def test_what_has_no_vector_comes_last(self, open_store: OpenStore) -> None:
        store = open_store(index=INDEX)
        store.put(NS, "unindexed", {"text": "aaa"}, index=False)
        store.put(NS, "no text", {"other": "aaa"})
        store.put(NS, "b", {"text": "b"})
        store.put(NS, "a", {"text": "a"})
        assert keys(store.search(NS, query="a")) == ["a", "b", "unindexed", "no text"]
        assert keys(store.search(NS, query="a", limit=2, offset=1)) == ["b", "unindexed"]
        assert [item.score for item in store.search(NS, query="a", offset=2)] == [None, None]

    async def test_an_item_counts_with_its_nearest_text(self, open_store: OpenStore) -> None:
        store = open_store(index={**INDEX, "fields": ["title", "parts[*].text"]})
        store.put(NS, "both", {"title": "b", "parts": [{"text": "c"}, {"text": "a"}, {}]})
        store.put(NS, "b", {"title": "bba"})
        [first, second] = store.search(NS, query="a")
        assert (first.key, second.key) == ("both", "b")
        assert first.score is not None
        assert math.isclose(first.score, 1.0, abs_tol=1e-6)

    async def test_a_put_may_choose_its_fields(self, open_store: OpenStore) -> None:
        store = open_store(index=INDEX)
        store.put(NS, "other field", {"text": "b", "other": "a"}, index=["other"])
        store.put(NS, "whole", {"x": "cc"}, index=["$"])
        store.put(NS, "none", {"text": "a"}, index=[])
        assert keys(store.search(NS, query="a")) == ["other field", "whole", "none"]
        assert keys(store.search(NS, query="c"))[0] == "whole"

    async def test_putting_again_replaces_the_vectors(self, open_store: OpenStore) -> None:
        store = open_store(index={**INDEX, "fields": ["text", "more"]})
        store.put(NS, "k", {"text": "b", "more": "a"})
        store.put(NS, "k", {"text": "b"})
        [item] = store.search(NS, query="a")
        assert item.score is not None
        assert math.isclose(item.score, cosine("a", "b"), abs_tol=1e-6)
        store.put(NS, "k", {"text": "a"}, index=False)
        assert store.search(NS, query="a")[0].score is None
        store.delete(NS, "k")
        store.put(NS, "new", {"x": 1})
        assert [(i.key, i.score) for i in store.search(NS, query="a")] == [("new", None)]

    async def test_equal_texts_share_a_vector_and_keep_their_order(
        self, open_store: OpenStore
    ) -> None:
        asked: list[list[str]] = []

        def counting(texts: list[str]) -> list[list[float]]:
            asked.append(texts)
            return embed(texts)

        store = open_store(index={**INDEX, "embed": counting})
        await store.abatch([PutOp(NS, key, {"text": "a" if key != "x" else "b"}) for key in "zxya"])
        assert asked == [["a", "b"]]
        store.batch([SearchOp(NS, query="b"), SearchOp((), query="b"), SearchOp((), query="a")])
        assert asked[1:] == [["b", "a"]]
        assert keys(store.search(NS, query="a")) == ["z", "y", "a", "x"]

    async def test_many_vectors_are_compared_in_blocks(self, open_store: OpenStore) -> None:
        store = open_store(index=INDEX)
        store.batch([PutOp((str(n % 3),), str(n), {"text": "b" * (n % 50)}) for n in range(5000)])
        store.put(("0",), "needle", {"text": "aac"})
        found = store.search((), query="aac", limit=3)
        assert found[0].key == "needle"
        assert keys(found[1:]) == ["0", "150"]

    async def test_an_async_function_serves_sync_callers_in_other_threads(
        self, open_store: OpenStore
    ) -> None:
        store = open_store(index={**INDEX, "embed": aembed})
        await store.aput(NS, "a", {"text": "a"})
        await asyncio.to_thread(store.put, NS, "b", {"text": "b"})
        assert keys(await asyncio.to_thread(store.search, NS, query="b")) == ["b", "a"]
        with refused(EmbeddingError, "inside a running event loop", "await"):
            store.put(NS, "c", {"text": "c"})
        assert keys(await store.asearch(NS, query="a")) == ["a", "b"]

    async def test_an_object_may_embed_queries_in_its_own_way(self, open_store: OpenStore) -> None:
        class Both:
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return embed(texts)

            def embed_query(self, text: str) -> list[float]:
                return embed([text.lower()])[0]

        class Async:
            async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
                return embed(texts)

            async def aembed_query(self, text: str) -> list[float]:
                return embed([text.lower()])[0]

        for embedder in (Both(), Async()):
            store = open_store(index={**INDEX, "embed": embedder})
            for key in "ab":
                await store.aput((type(embedder).__name__,), key, {"text": key})
            space = (type(embedder).__name__,)
            assert keys(await store.asearch(space, query="BB")) == ["b", "a"]
            assert keys(await asyncio.to_thread(store.search, space, query="BB")) == ["b", "a"]

    async def test_a_function_that_fails_changes_nothing(self, open_store: OpenStore) -> None:
        given: list[Any] = []
        store = open_store(index={**INDEX, "embed": lambda _: given[0]})  # pyright: ignore[reportUnknownLambdaType]
        bad: list[tuple[Any, str]] = [
            ([], "for 1 texts"),
            (None, "for 1 texts"),
            ([[1.0, 2.0]], "2 numbers of length"),
            ([[1.0, 2.0, 3.0, math.nan]], "of length nan, not 4 finite ones"),
            ([["a", "b", "c", "d"]], "not a list of numbers"),
            ([5], "not a list of numbers"),
        ]
        for vectors, words in bad:
            given[:] = [vectors]
            with refused(EmbeddingError, words, "; m"):
                store.put(NS, "k", {"text": "a"})
        given.clear()
        try:
            await store.aput(NS, "k", {"text": "a"})
        except IndexError:
            assert store.search(()) == []
        else:
            raise AssertionError("what the function raised was lost")

    async def test_a_vector_of_zeros_is_near_to_nothing(self, open_store: OpenStore) -> None:
        store = open_store(index={**INDEX, "embed": lambda texts: [[0.0] * 4 for _ in texts]})  # pyright: ignore[reportUnknownVariableType, reportUnknownLambdaType]
        store.put(NS, "k", {"text": "a"})
        assert store.search(NS, query="a")[0].score == 0.0

    async def test_a_bad_index_is_refused(self, open_store: OpenStore) -> None:
        bad: list[tuple[Any, str]] = [
            ({**INDEX, "dims": 0}, "dims=0 is no count"),
            ({"embed": embed}, "dims=None is no count"),
            ({"dims": 4}, "embed=None cannot embed texts"),
            ({**INDEX, "embed": "openai:small"}, "embed='openai:small' cannot embed texts"),
            ({**INDEX, "fields": "text"}, "'text' cannot say which fields to index"),
            ({**INDEX, "fields": ["a["]}, "'a[' is no path of a field"),
            ({**INDEX, "distance_type": "l2"}, "nothing is known of 'distance_type'"),
            ([], "index=[] cannot be used: it is not a dict"),
        ]
        for index, words in bad:
            with refused(CheckpointError, words, "; give "):
                open_store(index=index)
