"""The suite about filters, which every store passes; it asks for what `testing_store.py` says."""
# ruff: noqa: D102, S101 - a test's name says what it asserts

from __future__ import annotations

import math
from typing import Any

from .errors import InvalidFilterError
from .story import refused
from .testing_store import NS, OpenStore, keys


class FilterSuite:
    """A search gives what its filter wants, and nothing else."""

    async def test_filters(self, open_store: OpenStore) -> None:
        store = open_store()
        for key, value in VALUES.items():
            store.put(NS, key, value)
        for wanted, expected in FILTERS:
            found = store.search((), filter=wanted, limit=100)
            assert "".join(keys(found)) == expected, wanted

    async def test_bad_filters_are_refused(self, open_store: OpenStore) -> None:
        store = open_store()
        bad: list[tuple[Any, str]] = [
            ({"a": {"$in": [1]}}, "'$in' is no operator"),
            ({"a": {"$gt": 1, "b": 2}}, "'b' is no operator"),
            ({"a": [{"$near": 1}]}, "'$near' is no operator"),
            ({"a": {"b": {"$x": 1}}}, "'$x' is no operator"),
            ({"$gt": 1}, "'$gt' cannot be a key of the filter"),
            ({1: 1}, "1 cannot be a key of the filter"),
            ({"a": {"$gt": None}}, "None cannot be compared by $gt"),
            (["a"], "['a'] is no filter"),
        ]
        for wanted, words in bad:
            with refused(InvalidFilterError, words, "; "):
                store.search((), filter=wanted)


VALUES: dict[str, dict[str, Any]] = {
    "a": {"n": 1, "s": "x", "nested": {"k": 1, "more": 2}},
    "b": {"n": 2.5, "s": "y", "list": [1, "a"]},
    "c": {"n": "3", "s": None},
    "d": {"n": True, "s": 'it\'s "quoted" \\ \n'},
    "e": {"n": 2**80, "key with 'quotes\"": 1, "é": "ü"},
    "f": {"n": -0.1, "list": [], "nested": {}},
    "g": {"n": 9007199254740993, "s": "\ud83d", "nul\0key": "nul\0value"},
    "h": {},
}
FILTERS: list[tuple[dict[str, Any], str]] = [
    ({}, "abcdefgh"),
    ({"n": 1}, "ad"),
    ({"n": True}, "ad"),
    ({"n": {"$eq": 2.5}}, "b"),
    ({"n": -0.1}, "f"),
    ({"n": 9007199254740993}, "g"),
    ({"n": 9007199254740992}, ""),
    ({"n": 2**80}, "e"),
    ({"n": 2**80 + 1}, ""),
    ({"n": {"$gt": 1}}, "beg"),
    ({"n": {"$gte": 1}}, "abdeg"),
    ({"n": {"$lt": 1}}, "f"),
    ({"n": {"$lte": 2.5}}, "abdf"),
    ({"n": {"$gt": 1, "$lt": 3}}, "b"),
    ({"n": {"$gte": "3"}}, "c"),
    ({"n": {"$gt": math.inf}}, ""),
    ({"n": {"$lt": 10**400}}, "abdefg"),
    ({"n": {"$ne": 1}}, "bcefgh"),
    ({"n": "3"}, "c"),
    ({"s": "x"}, "a"),
    ({"s": {"$gt": "x"}}, "bg"),
    ({"s": {"$lt": "x"}}, "d"),
    ({"s": 'it\'s "quoted" \\ \n'}, "d"),
    ({"s": "\ud83d"}, "g"),
    ({"s": None}, "cefh"),
    ({"s": {"$ne": None}}, "abdg"),
    ({"missing": None, "n": 2.5}, "b"),
    ({"nested": {"k": 1}}, "a"),
    ({"nested": {"k": {"$gte": 1}, "more": 2}}, "a"),
    ({"nested": {"$eq": {"k": 1}}}, ""),
    ({"nested": {"$eq": {"k": 1, "more": 2}}}, "a"),
    ({"nested": {"other": None}}, "af"),
    ({"nested": {}}, "af"),
    ({"list": [1, "a"]}, "b"),
    ({"list": (1, {"$ne": "b"})}, "b"),
    ({"list": [1]}, ""),
    ({"list": []}, "f"),
    ({"list": {"$eq": (1, "a")}}, "b"),
    ({"key with 'quotes\"": 1}, "e"),
    ({"é": "ü"}, "e"),
    ({"nul\0key": "nul\0value"}, "g"),
    ({"n') OR 1=1 --": 1}, ""),
    ({"s": "' OR 1=1 --"}, ""),
]
"""Filters, and the keys of VALUES that pass."""
