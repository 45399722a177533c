"""The same operations on LangGraph's InMemoryStore and on ours give the same answers.

Each scenario is a list of batches; after each one the answers of all stores are compared, and the
types and places of what they raise.  Where ours differs on purpose, the last test says so.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from langgraph.store import base as theirs
from langgraph.store.memory import InMemoryStore

import checkpoint as ours
from checkpoint import InvalidNamespaceError, MemoryStore, SqliteStore

Call: TypeAlias = tuple[Any, ...]
"""(name of a method or "batch", positional arguments …, keyword arguments)"""
Answer: TypeAlias = Any


def put(namespace: str, key: str, value: dict[str, Any] | None, **options: Any) -> Call:
    return ("put", ns(namespace), key, value, options)


def get(namespace: str, key: str) -> Call:
    return ("get", ns(namespace), key, {})


def delete(namespace: str, key: str) -> Call:
    return ("delete", ns(namespace), key, {})


def search(prefix: str, **options: Any) -> Call:
    return ("search", ns(prefix), options)


def listing(**options: Any) -> Call:
    return ("list_namespaces", options)


def batch(*ops: Call) -> Call:
    """Ops as (class name, arguments …, keyword arguments)."""
    return ("batch", *ops)


def op(name: str, *arguments: Any, **options: Any) -> Call:
    return (name, *arguments, options)


def ns(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")) if text else ()


LETTERS = "abc"


def embed(texts: list[str]) -> list[list[float]]:
    return [[*(float(text.count(letter)) for letter in LETTERS), 0.1] for text in texts]


def index(*fields: str) -> dict[str, Any]:
    return {"dims": 4, "embed": embed, "fields": list(fields) or None}


PEOPLE = [
    put("users.ann", "diet", {"likes": "soup", "age": 41, "tags": ["x", "y"], "vip": True}),
    put("users.bob", "diet", {"likes": "fish", "age": 17, "nested": {"city": "Rome", "zip": 1}}),
    put("users.ann", "work", {"title": "cook", "age": 41.0, "since": None}),
    put("teams.red", "info", {"likes": "soup", "size": 3}),
    put("users.ann.private", "pin", {"age": 2, "list": [{"a": 1}, {"a": 2}]}),
]
NAMES = [
    put(name, "k", {"n": 1})
    for name in ("a.b.c", "a.b.d.e", "a.b.d.i", "a.b.f", "a.c.f", "b", "a-x.b", "B.f")
]
TEXTS = [
    put("docs", text or "empty", {"text": text, "long": len(text) > 2, "other": "c"})
    for text in ("aab", "b", "abc", "cc", "aaa", "")
]


def found(*filters: dict[str, Any]) -> list[Call]:
    return [*PEOPLE, *(search("", filter=wanted, limit=50) for wanted in filters)]


SCENARIOS: dict[str, list[Call]] = {
    # reading and writing
    "a value comes back": [*PEOPLE, get("users.ann", "diet"), get("users.ann.private", "pin")],
    "nothing is there": [get("users", "x"), search("users"), search("")],
    "a key of another namespace is another one": [*PEOPLE, get("users.bob", "work")],
    "putting again replaces": [*PEOPLE, put("users.ann", "diet", {"n": 1}), search("users.ann")],
    "putting again keeps the order": [*PEOPLE, put("users.ann", "diet", {}), search("")],
    "deleting": [*PEOPLE, delete("users.ann", "diet"), get("users.ann", "diet"), search("users")],
    "deleting what is not there": [*PEOPLE, delete("users.ann", "x"), search("")],
    "a deleted key goes to the end": [
        *PEOPLE,
        delete("users.ann", "diet"),
        put("users.ann", "diet", {"n": 2}),
        search("users.ann"),
    ],
    "an empty value": [put("a", "k", {}), get("a", "k"), search("a")],
    "a key that is a number becomes a text": [("put", ("a",), 5, {"n": 1}, {}), get("a", "5")],
    # search
    "a prefix takes whole labels": [*PEOPLE, search("user"), search("users"), search("users.ann")],
    "the order is that of namespaces and keys": [*PEOPLE, search("")],
    "pages": [*PEOPLE, search("", limit=2), search("", limit=2, offset=2), search("", offset=4)],
    "a limit of none, and behind the end": [*PEOPLE, search("", limit=0), search("", offset=9)],
    "ten at first": [*(put("a", str(n), {"n": n}) for n in range(12)), search("a")],
    # filters
    "equal texts and numbers": found({"likes": "soup"}, {"age": 41}, {"age": 17}),
    "all of several keys": found({"likes": "soup", "age": 41}, {"likes": "soup", "size": 3}),
    "true is one": found({"vip": True}, {"vip": 1}, {"vip": False}),
    "none is missing": found({"since": None}, {"missing": None}, {"age": None}),
    "$eq and $ne": found({"age": {"$eq": 41}}, {"age": {"$ne": 41}}, {"likes": {"$ne": "soup"}}),
    "$eq and $ne with none": found({"likes": {"$eq": None}}, {"likes": {"$ne": None}}),
    "numbers in order": [
        *(put("n", str(n), {"n": n / 2}) for n in range(6)),
        *(search("", filter={"n": {name: 1}}) for name in ("$gt", "$gte", "$lt", "$lte")),
        search("", filter={"n": {"$gt": 0, "$lt": 2}}),
        search("", filter={"n": {"$gte": -math.inf}}),
    ],
    "a dict holds these and may hold more": found(
        {"nested": {"city": "Rome"}}, {"nested": {"city": "Rome", "zip": 2}}, {"nested": {}}
    ),
    "operators inside a dict": found({"nested": {"zip": {"$eq": 1}}}, {"nested": {"zip": 1.0}}),
    "a whole dict by $eq": found({"nested": {"$eq": {"city": "Rome", "zip": 1}}}),
    "lists item by item": found(
        {"tags": ["x", "y"]}, {"tags": ["x"]}, {"tags": ("x", "y")}, {"list": [{"a": 1}, {"a": 2}]}
    ),
    "operators inside a list": found({"tags": ["x", {"$ne": "z"}]}, {"list": [{}, {"a": 2}]}),
    "a filter and pages": [*PEOPLE, search("", filter={"age": 41}, limit=1, offset=1)],
    "a filter below a prefix": [*PEOPLE, search("users", filter={"likes": "soup"})],
    "an unknown operator": found({"age": {"$in": [41]}}),
    # namespaces
    "all namespaces, sorted": [*NAMES, listing()],
    "namespaces by prefix": [*NAMES, listing(prefix=("a", "b")), listing(prefix=("a",))],
    "namespaces by suffix": [*NAMES, listing(suffix=("f",)), listing(suffix=("d", "e"))],
    "namespaces by both": [*NAMES, listing(prefix=("a",), suffix=("f",))],
    "namespaces with any label": [
        *NAMES,
        listing(prefix=("a", "*", "d")),
        listing(suffix=("*", "f")),
        listing(prefix=("*",)),
    ],
    "namespaces cut and listed once": [
        *NAMES,
        *(listing(max_depth=depth) for depth in (1, 2, 3, 9)),
        listing(prefix=("a", "b"), max_depth=3),
    ],
    "pages of namespaces": [*NAMES, listing(limit=3), listing(limit=3, offset=2, max_depth=2)],
    "a path longer than all": [*NAMES, listing(prefix=("a", "b", "c", "d", "e"))],
    # batches
    "reads before puts": [
        put("a", "k", {"n": 0}),
        batch(
            op("PutOp", ("a",), "k", {"n": 1}),
            op("GetOp", ("a",), "k"),
            op("SearchOp", ("a",)),
            op("ListNamespacesOp"),
            op("PutOp", ("b",), "k", {"n": 1}),
        ),
        batch(op("GetOp", ("a",), "k"), op("ListNamespacesOp")),
    ],
    "the last put of a key counts": [
        batch(*(op("PutOp", ("a",), "k", {"n": n}) for n in range(3)), op("GetOp", ("a",), "k")),
        search("a"),
    ],
    "a put and a delete of a key": [
        put("a", "k", {"n": 0}),
        batch(op("PutOp", ("a",), "k", {"n": 1}), op("PutOp", ("a",), "k", None)),
        get("a", "k"),
        batch(op("PutOp", ("a",), "k", None), op("PutOp", ("a",), "k", {"n": 2})),
        get("a", "k"),
    ],
    "conditions of an operation": [
        *NAMES,
        batch(
            op(
                "ListNamespacesOp",
                (("prefix", ("a",)), ("suffix", ("*", "e"))),
                max_depth=3,
            ),
            op("ListNamespacesOp", (("prefix", ()),), limit=2),
        ),
    ],
    "an empty batch": [batch()],
    "what is no operation": [("batch", ("str", "x", {}))],
    # bad namespaces
    "an empty namespace": [put("", "k", {})],
    "an empty label": [("put", ("a", ""), "k", {}, {}), ("get", ("",), "k", {})],
    "a label with a dot": [("put", ("a.b",), "k", {}, {}), ("search", ("a.b",), {})],
    "a label that is no text": [("put", ("a", 5), "k", {}, {}), ("delete", (5,), "k", {})],
    "a label with a NUL": [("put", ("a\0",), "k", {}, {})],
    "the reserved root": [put("langgraph.a", "k", {}), get("langgraph", "k")],
    "bad conditions": [listing(prefix=("",)), listing(suffix=("a.b",))],
}

VECTOR_SCENARIOS: dict[str, tuple[dict[str, Any], list[Call]]] = {
    "the nearest come first": (index("text"), [*TEXTS, search("docs", query="aa")]),
    "a whole value": (
        index(),
        [put("d", t, {"a": t}) for t in ("aa", "bb", "cc")] + [search("d", query="b")],
    ),
    "limit": (index("text"), [*TEXTS, search("docs", query="b", limit=2)]),
    "offset": (index("text"), [*TEXTS, search("docs", query="b", limit=2, offset=2)]),
    "with a filter": (
        index("text"),
        [*TEXTS, search("docs", query="a", filter={"long": True}), search("", query="c", limit=1)],
    ),
    "without a query": (index("text"), [*TEXTS, search("docs"), search("docs", query="")]),
    "several fields": (
        index("title", "parts[*].text"),
        [
            put("d", "1", {"title": "b", "parts": [{"text": "c"}, {"text": "aa"}]}),
            put("d", "2", {"title": "ab"}),
            put("d", "3", {"parts": [{"text": "bb"}, {}]}),
            search("d", query="a"),
            search("d", query="b"),
        ],
    ),
    "nested fields and indices": (
        index("a.b", "list[0]", "list[-1]"),
        [
            put("d", "1", {"a": {"b": "aa"}, "list": ["b", "bb", "c"]}),
            put("d", "2", {"a": {"b": "ac"}, "list": []}),
            search("d", query="c"),
            search("d", query="a"),
        ],
    ),
    "no index for an item": (
        index("text"),
        [
            put("d", "1", {"text": "aa"}, index=False),
            put("d", "2", {"text": "ab"}),
            search("d", query="a"),
        ],
    ),
    "other fields for an item": (
        index("text"),
        [
            put("d", "1", {"text": "b", "more": "aa"}, index=["more"]),
            put("d", "2", {"text": "ab"}),
            search("d", query="a"),
        ],
    ),
    "a number is a text": (
        index("n"),
        [put("d", "1", {"n": 5}), put("d", "2", {"n": True}), search("d", query="a")],
    ),
    "what has no text has no score": (
        index("text"),
        [put("d", "1", {"x": 1}), put("d", "2", {"text": "b"}), search("d", query="b")],
    ),
    "a deleted item is not found": (
        index("text"),
        [*TEXTS, delete("docs", "aab"), search("docs", query="a"), search("docs", query="b")],
    ),
    "several queries in a batch": (
        index("text"),
        [
            *TEXTS,
            batch(
                op("SearchOp", ("docs",), query="a", limit=2),
                op("SearchOp", (), query="c", limit=2),
                op("SearchOp", ("docs",), query="a", offset=1, limit=1),
            ),
        ],
    ),
}  # fmt: skip


class Store:
    """One of the stores, driven by calls."""

    def __init__(self, store: Any, names: Any, *, sync: bool) -> None:
        self._store, self._names, self._sync = store, names, sync

    def answer(self, call: Call) -> Answer:
        """What the call gives, or the kind of error it raises."""
        name, *arguments = call
        try:
            if name == "batch":
                return self._shown(self._do("batch", [[self._op(op) for op in arguments]], {}))
            return self._shown(self._do(name, arguments[:-1], arguments[-1]))
        except ValueError as error:
            named = type(error).__name__
            return "namespace" if named == InvalidNamespaceError.__name__ else "ValueError"

    def _do(self, name: str, arguments: Sequence[Any], options: dict[str, Any]) -> Any:
        if self._sync:
            return getattr(self._store, name)(*arguments, **options)
        return asyncio.run(getattr(self._store, "a" + name)(*arguments, **options))

    def _op(self, op: Call) -> Any:
        name, *arguments, options = op
        if name == "str":
            return arguments[0]
        if name == "ListNamespacesOp" and arguments:
            arguments = [
                tuple(self._names.MatchCondition(*condition) for condition in arguments[0])
            ]
        return getattr(self._names, name)(*arguments, **options)

    def _shown(self, result: Any) -> Any:
        if isinstance(result, list):
            return [self._shown(part) for part in result]
        if not hasattr(result, "dict"):
            return result
        shown = {k: v for k, v in result.dict().items() if not k.endswith("_at")}
        if shown.get("score") is not None:
            shown["score"] = pytest.approx(shown["score"], abs=1e-6)
        return shown


@pytest.fixture(params=["memory", "sqlite"])
def open_ours(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    with ExitStack() as opened:

        def open_ours(index: Any = None) -> Any:
            if request.param == "memory":
                return MemoryStore(index=index)
            return opened.enter_context(SqliteStore(tmp_path / "store.db", index=index))

        yield open_ours


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_answers_are_the_same(name: str, open_ours: Callable[..., Any], *, sync: bool) -> None:
    here = Store(open_ours(), ours, sync=sync)
    there = Store(InMemoryStore(), theirs, sync=sync)
    for call in SCENARIOS[name]:
        assert here.answer(call) == there.answer(call), call


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("name", VECTOR_SCENARIOS)
def test_answers_to_queries_are_the_same(
    name: str, open_ours: Callable[..., Any], *, sync: bool
) -> None:
    config, calls = VECTOR_SCENARIOS[name]
    here = Store(open_ours(config), ours, sync=sync)
    there = Store(InMemoryStore(index=config), theirs, sync=sync)
    for call in calls:
        assert here.answer(call) == there.answer(call), call


def test_there_are_enough_scenarios() -> None:
    assert len(SCENARIOS) + len(VECTOR_SCENARIOS) >= 60


def test_what_differs_on_purpose(open_ours: Callable[..., Any]) -> None:
    here, there = open_ours(index("text")), InMemoryStore(index=index("text"))
    for store in (here, there):
        store.get(("read",), "k")
        store.put(("a",), "k", {"text": "b", "list": [1]})
    # A namespace that was only read is not listed.
    assert here.list_namespaces() == [("a",)]
    assert there.list_namespaces() == [("a",), ("read",)]
    # What was given back is the caller's own.
    here.get(("a",), "k").value["list"].append(2)
    there.get(("a",), "k").value["list"].append(2)
    assert here.get(("a",), "k").value["list"] == [1]
    assert there.get(("a",), "k").value["list"] == [1, 2]
    # Putting again keeps when an item was made, and drops its old vectors.
    made = here.get(("a",), "k").created_at
    for store in (here, there):
        store.put(("a",), "k", {"text": "b"}, index=False)
    assert here.get(("a",), "k").created_at == made
    assert here.search((), query="b")[0].score is None
    assert there.search((), query="b")[0].score is not None
    # Two items may have the same text.
    here.batch([ours.PutOp(("b",), key, {"text": "same"}) for key in "kl"])
    with pytest.raises(ValueError, match="Number of embeddings"):
        there.batch([theirs.PutOp(("b",), key, {"text": "same"}) for key in "kl"])
    # What cannot be compared does not match; there it ends the search.
    assert here.search((), filter={"missing": {"$gt": 1}}) == []
    with pytest.raises(TypeError):
        there.search((), filter={"missing": {"$gt": 1}})
