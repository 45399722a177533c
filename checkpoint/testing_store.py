"""A suite that every store passes.

Inherit it in a test module and give the fixtures it asks for: a clock, and a function that opens a
store that uses the clock and is empty.

    class TestMyStore(StoreSuite):
        @pytest.fixture
        def clock(self):
            return ManualClock()

        @pytest.fixture
        def open_store(self, clock):
            with ExitStack() as stores:
                yield lambda **config: stores.enter_context(MyStore(clock=clock, **config))

`testing_filters.py` has the suite about filters, `testing_vectors.py` those about times to live and
about search by meaning.
"""
# ruff: noqa: D102, S101 - a test's name says what it asserts

from __future__ import annotations

import asyncio
import math
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

from .errors import (
    CheckpointError,
    InvalidArgumentError,
    InvalidNamespaceError,
    SerializationError,
)
from .store import Store
from .store_ops import (
    GetOp,
    ListNamespacesOp,
    MatchCondition,
    Namespace,
    PutOp,
    SearchItem,
    SearchOp,
)
from .story import refused
from .testing_cache import ManualClock

NS = ("users", "ann")


class OpenStore(Protocol):
    """Opens an empty store with this configuration."""

    def __call__(self, *, index: Any = None, ttl: Any = None) -> Store:
        """It is closed when the test ends."""
        ...


def keys(items: list[SearchItem]) -> list[str]:
    """The keys of what a search found, in its order."""
    return [item.key for item in items]


class StoreSuite:
    """What is put can be read and found, and nothing else."""

    async def test_a_store_begins_empty(self, open_store: OpenStore) -> None:
        store = open_store()
        assert store.get(NS, "a") is None
        assert store.search(()) == []
        assert store.list_namespaces() == []
        store.delete(NS, "a")
        assert await store.aget(NS, "a") is None

    async def test_what_was_put_comes_back_with_its_place_and_times(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store = open_store()
        store.put(NS, "a", {"n": 1, "list": [None, True, 1.5, "é", {"deep": []}], "": {}})
        item = store.get(NS, "a")
        assert item is not None
        assert item.value == {"n": 1, "list": [None, True, 1.5, "é", {"deep": []}], "": {}}
        assert (item.namespace, item.key) == (NS, "a")
        assert item.created_at == item.updated_at == datetime.fromtimestamp(clock.now, UTC)
        assert store.search(NS)[0] == item
        assert item.dict() == {
            "namespace": ["users", "ann"],
            "key": "a",
            "value": item.value,
            "created_at": item.created_at.isoformat(),
            "updated_at": item.updated_at.isoformat(),
        }

    async def test_sync_and_async_methods_see_the_same(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.aput(NS, "a", {"n": 1})
        store.put(NS, "b", {"n": 2})
        assert store.get(NS, "a") == await store.aget(NS, "a")
        assert store.search((), filter={"n": 2}) == await store.asearch((), filter={"n": 2})
        assert store.list_namespaces() == await store.alist_namespaces() == [NS]
        await store.adelete(NS, "b")
        store.delete(NS, "a")
        assert await store.asearch(()) == []

    async def test_putting_again_replaces_the_value_and_keeps_the_place(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store = open_store()
        for key in "abc":
            store.put(NS, key, {"n": 1})
        clock.now += 60
        store.put(NS, "a", {"m": 2})
        item = store.get(NS, "a")
        assert item is not None
        assert item.value == {"m": 2}
        assert item.updated_at - item.created_at == timedelta(seconds=60)
        assert keys(store.search(NS)) == ["a", "b", "c"]

    async def test_a_deleted_key_that_is_put_again_is_a_new_one(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store = open_store()
        for key in "abc":
            store.put(NS, key, {"n": 1})
        store.delete(NS, "a")
        clock.now += 60
        store.put(NS, "a", {"n": 2})
        item = store.get(NS, "a")
        assert item is not None
        assert item.created_at == item.updated_at
        assert keys(store.search(NS)) == ["b", "c", "a"]

    async def test_what_the_caller_changes_later_does_not_change_what_is_stored(
        self, open_store: OpenStore
    ) -> None:
        store = open_store()
        value: dict[str, Any] = {"list": [1], "tuple": (1, 2)}
        store.put(NS, "a", value)
        value["list"].append(2)
        for found in (store.get(NS, "a"), store.search(NS)[0]):
            assert found is not None
            assert found.value == {"list": [1], "tuple": [1, 2]}
            found.value["list"].append(3)
        assert store.search(NS)[0].value == {"list": [1], "tuple": [1, 2]}

    async def test_namespaces_and_keys_are_exact(self, open_store: OpenStore) -> None:
        store = open_store()
        places: list[tuple[Namespace, str]] = [
            (("a",), "b"),
            (("a", "b"), "c"),
            (("a", "B"), "c"),
            (("ab",), "c"),
            (("a", "b"), "C"),
            (("a*", "%_[?]"), "'; DROP TABLE store_item; --"),
            (("*",), "*"),
            (("é", "日本"), "\0 🎭 "),
            (("a",), ""),
            (("a\x01",), "c"),
        ]
        for number, (namespace, key) in enumerate(places):
            store.put(namespace, key, {"n": number})
        for number, (namespace, key) in enumerate(places):
            item = store.get(namespace, key)
            assert item is not None
            assert (item.namespace, item.key, item.value) == (namespace, key, {"n": number})
        assert store.get(("a", "b", "c"), "c") is None

    async def test_a_search_finds_what_is_below_its_prefix(self, open_store: OpenStore) -> None:
        store = open_store()
        for namespace in (("a", "b"), ("a",), ("a", "b", "c"), ("ab",), ("A",), ("a", "bc")):
            store.put(namespace, "-".join(namespace), {})
        assert keys(store.search(("a", "b"))) == ["a-b", "a-b-c"]
        assert keys(store.search(("a",))) == ["a-b", "a", "a-b-c", "a-bc"]
        assert keys(store.search(())) == ["a-b", "a", "a-b-c", "ab", "A", "a-bc"]
        assert keys(store.search(("b",))) == []

    async def test_a_search_pages(self, open_store: OpenStore) -> None:
        store = open_store()
        for number in range(25):
            store.put((f"n{number % 3}",), f"{number:02}", {"odd": number % 2})
        everything = keys(store.search((), limit=100))
        assert everything == sorted(everything, key=lambda key: (int(key) % 3, key))
        assert keys(store.search(())) == everything[:10]
        assert keys(store.search((), limit=7, offset=20)) == everything[20:]
        assert keys(store.search((), limit=0)) == []
        assert keys(store.search((), offset=25)) == []
        for great in (sys.maxsize, 10**30):
            assert keys(store.search((), limit=great, offset=20)) == everything[20:]
            assert keys(store.search((), offset=great)) == []
            assert store.list_namespaces(limit=great, offset=1) == [("n1",), ("n2",)]
        odd = [key for key in everything if int(key) % 2]
        assert keys(store.search((), filter={"odd": 1}, limit=5, offset=4)) == odd[4:9]

    async def test_namespaces_are_listed_sorted_and_matched(self, open_store: OpenStore) -> None:
        store = open_store()
        names = ["a.b.c", "a.b.d.e", "a.b.d.i", "a.b.f", "a.c.f", "b.a", "a-x.b", "a", "B"]
        for name in names:
            store.put(tuple(name.split(".")), "k", {})
        store.put(("a", "c", "f"), "second", {})

        def listed(**asked: Any) -> list[str]:
            return [".".join(namespace) for namespace in store.list_namespaces(**asked)]

        assert listed() == ["B", "a", *names[:5], "a-x.b", "b.a"]
        assert listed(prefix=("a", "b"), max_depth=3) == ["a.b.c", "a.b.d", "a.b.f"]
        assert listed(max_depth=1) == ["B", "a", "a-x", "b"]
        assert listed(prefix=("a",), limit=2, offset=1) == ["a.b.c", "a.b.d.e"]
        assert listed(suffix=("f",)) == ["a.b.f", "a.c.f"]
        assert listed(prefix=("a", "*", "d")) == ["a.b.d.e", "a.b.d.i"]
        assert listed(prefix=("*", "b"), suffix=("*", "e")) == ["a.b.d.e"]
        assert listed(suffix=("*",), limit=1) == ["B"]
        assert listed(prefix=("a", "b", "c", "d")) == []
        assert listed(limit=0) == []

    async def test_a_namespace_without_items_is_not_listed(self, open_store: OpenStore) -> None:
        store = open_store()
        store.get(("read",), "a")
        store.put(("a",), "1", {})
        store.put(("b",), "1", {})
        store.delete(("a",), "1")
        assert store.list_namespaces() == [("b",)]

    async def test_a_batch_reads_before_it_puts_and_the_last_put_counts(
        self, open_store: OpenStore
    ) -> None:
        store = open_store()
        store.put(NS, "old", {"n": 0})
        ops = [
            PutOp(NS, "a", {"n": 1}),
            GetOp(NS, "a"),
            PutOp(NS, "a", {"n": 2}),
            SearchOp(NS),
            PutOp(NS, "old", None),
            GetOp(NS, "old"),
            PutOp(("other",), "b", {"n": 1}),
            ListNamespacesOp(),
            PutOp(("other",), "b", None),
        ]
        first = await store.abatch(ops)
        old = first[5]
        assert first == [None, None, None, [old], None, old, None, [NS], None]
        again = store.batch([GetOp(NS, "a"), GetOp(NS, "old"), ListNamespacesOp(), SearchOp(())])
        assert isinstance(again[3], list)
        assert [again[1], again[2]] == [None, [NS]]
        assert again[3] == [again[0]]
        assert store.batch([]) == []

    async def test_bad_namespaces_are_refused(self, open_store: OpenStore) -> None:
        store = open_store()
        bad: list[tuple[Any, str]] = [
            ((), "is empty"),
            (("langgraph", "a"), "'langgraph' is reserved"),
            (("a", ""), "'' is empty"),
            (("a.b",), "'a.b' contains a dot"),
            (("a\0",), "contains a NUL"),
            (("a", 5), "5 is a int, not a text"),
            (("\ud800",), "has no UTF-8 form"),
            ("a", "'a' is no namespace"),
            (None, "None is no namespace"),
        ]
        for namespace, words in bad:
            with refused(InvalidNamespaceError, words, "; "):
                store.put(namespace, "k", {})
            with refused(InvalidNamespaceError, words):
                store.batch([PutOp(NS, "fine", {}), PutOp(namespace, "k", {})])
        for namespace, words in bad[2:]:
            with refused(InvalidNamespaceError, words):
                store.get(namespace, "k")
            with refused(InvalidNamespaceError, words):
                store.search(namespace)
            with refused(InvalidNamespaceError, words):
                store.delete(namespace, "k")
            if namespace is not None:
                with refused(InvalidNamespaceError, words):
                    store.list_namespaces(suffix=namespace)
        assert store.list_namespaces() == []

    async def test_bad_values_are_refused_with_the_place(self, open_store: OpenStore) -> None:
        store = open_store()
        circle: dict[str, Any] = {}
        circle["a"] = [circle]
        bad: list[tuple[Any, type[CheckpointError], str]] = [
            ("text", InvalidArgumentError, "'text' cannot be put"),
            ({"a": [{"b": object}]}, SerializationError, "value['a'][0]['b']"),
            ({"a": {1: 2}}, SerializationError, "value['a'] cannot be put (1)"),
            ({"a": math.nan}, SerializationError, "value['a'] cannot be put (nan)"),
            ({"a": datetime.now(UTC)}, SerializationError, "a datetime is no JSON"),
            ({"a": [10**5000]}, SerializationError, "value['a'][0] cannot be put (a whole number"),
            ({"a": b""}, SerializationError, "a bytes is no JSON"),
            (circle, SerializationError, "nested more than 100 deep"),
        ]
        for value, error, words in bad:
            with refused(error, words):
                store.batch([PutOp(NS, "fine", {}), PutOp(NS, "k", value)])
        with refused(SerializationError, "value['a']"):
            await store.aput(NS, "k", {"a": {1, 2}})
        assert store.search(()) == []

    async def test_bad_arguments_are_refused(self, open_store: OpenStore) -> None:
        store = open_store()
        listing = MatchCondition("middle", ("a",))  # pyright: ignore[reportArgumentType]
        bad: list[tuple[Any, str]] = [
            (SearchOp((), limit=-1), "limit=-1 is no count"),
            (SearchOp((), offset=-1), "offset=-1 is no count"),
            (SearchOp((), limit=True), "limit=True is no count"),
            (ListNamespacesOp(limit=-1), "limit=-1 is no count"),
            (ListNamespacesOp(max_depth=0), "max_depth=0 is no count: it is not a whole number"),
            (ListNamespacesOp((listing,)), "'middle' is no match_type"),
            (ListNamespacesOp(cast(Any, [("prefix", NS)])), "is no condition for namespaces"),
            (PutOp(NS, "\ud800", {}), "is no key of an item"),
            (GetOp(NS, 5), "5 is no key of an item"),  # pyright: ignore[reportArgumentType]
            (PutOp(NS, "k", {}, ttl=0), "ttl=0 is no number of minutes above 0"),
            (PutOp(NS, "k", {}, ttl=math.inf), "ttl=inf"),
            (PutOp(NS, "k", {}, ttl=10**400), "is no number of minutes above 0"),
            (PutOp(NS, "k", {}, ["a["]), "'a[' is no path"),
            ("get", "'get' is no operation of a store"),
        ]
        for op, words in bad:
            with refused(InvalidArgumentError, words, "; give "):
                store.batch([PutOp(NS, "fine", {}), op])
        assert store.search(()) == []

    async def test_any_loop_and_any_thread_may_use_it(self, open_store: OpenStore) -> None:
        store = open_store()

        async def put(name: str) -> None:
            for number in range(20):
                await store.aput((name,), str(number), {"n": number})

        def work(name: str) -> None:
            asyncio.run(put(name))
            for number in range(20):
                store.put((name,), f"sync {number}", {"n": number})

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert [len(store.search((name,), limit=100)) for name in "abcd"] == [40] * 4
