"""What a JSON column must contain, asked of a real SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.errors import InvalidError
from agent_server.filters import (
    MAX_DEPTH,
    MAX_PARTS,
    Condition,
    both,
    contains,
    equals,
    one_of,
)
from agent_server.jsontext import to_json

STORED = {
    "owner": "ann",
    "n": 1,
    "half": 0.5,
    "yes": True,
    "none": None,
    "tags": ["a", {"k": "v", "w": 2}, ["x", "y"]],
    "deep": {"inner": {"leaf": "found", "other": 3}},
    "empty": {},
    "list": [],
}


def holds(stored: Any, wanted: Mapping[str, Any]) -> bool:
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (doc TEXT)")
        db.execute("INSERT INTO t VALUES (?)", (to_json(stored).decode(),))
        where = both([contains("doc", wanted)])
        found = db.execute(f"SELECT COUNT(*) FROM t WHERE {where.sql}", where.values)
        return found.fetchone()[0] == 1


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"owner": "ann"},
        {"owner": "ann", "n": 1},
        {"n": 1.0},
        {"half": 0.5},
        {"yes": True},
        {"none": None},
        {"tags": ["a"]},
        {"tags": []},
        {"tags": [{"k": "v"}]},
        {"tags": [["y"], "a"]},
        {"deep": {"inner": {"leaf": "found"}}},
        {"deep": {}},
        {"empty": {}},
        {"list": []},
    ],
)
def test_what_is_in_it_is_contained(wanted: dict[str, Any]) -> None:
    assert holds(STORED, wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"owner": "bob"},
        {"owner": "ann", "n": 2},
        {"n": "1"},
        {"n": True},
        {"yes": 1},
        {"yes": False},
        {"none": 0},
        {"missing": None},
        {"tags": ["b"]},
        {"tags": ["a", "z"]},
        {"tags": {"0": "a"}},
        {"tags": [{"k": "v", "w": 3}]},
        {"deep": {"inner": {"leaf": "lost"}}},
        {"deep": {"leaf": "found"}},
        {"owner": {}},
        {"owner": []},
    ],
)
def test_what_is_not_in_it_is_not_contained(wanted: dict[str, Any]) -> None:
    assert not holds(STORED, wanted)


@pytest.mark.parametrize(
    "key",
    [
        '"',
        "'",
        "\\",
        "a.b",
        "$",
        "[0]",
        "",
        "ключ",
        "😀",
        "a\nb",
        "x' OR 1=1 --",
        '"; DROP TABLE t',
    ],
)
def test_a_key_or_a_value_is_only_ever_itself(key: str) -> None:
    assert holds({key: key}, {key: key})
    assert not holds({"other": key}, {key: key})
    assert not holds({key: "other"}, {key: key})


def test_a_column_without_a_value_contains_nothing_but_the_empty_filter() -> None:
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (doc TEXT)")
        db.execute("INSERT INTO t VALUES (NULL)")
        for wanted, count in (({"a": 1}, 0), ({}, 1)):
            where = both([contains("doc", wanted)])
            found = db.execute(f"SELECT COUNT(*) FROM t WHERE {where.sql}", where.values)
            assert found.fetchone()[0] == count


@pytest.mark.parametrize("number", [2**63, -(2**70), 10**400, -(10**400)])
def test_numbers_beyond_64_bits_are_asked_for_as_floats(number: int) -> None:
    assert not holds({"n": 1}, {"n": number})


@pytest.mark.parametrize("number", [2**70, -(2**70), 15 * 10**307, 10**400, -(10**400)])
def test_a_large_number_is_found(number: int) -> None:
    assert holds({"n": number}, {"n": number})
    assert not holds({"n": -number}, {"n": number})


def test_filters_that_are_too_large_are_refused() -> None:
    deep: dict[str, Any] = {"a": 1}
    for _ in range(MAX_DEPTH):
        deep = {"a": deep}
    with pytest.raises(InvalidError, match="fewer keys"):
        contains("doc", deep)
    with pytest.raises(InvalidError, match="fewer keys"):
        contains("doc", {"a": list(range(MAX_PARTS))})


def test_the_largest_filters_are_answered() -> None:
    deep: dict[str, Any] = {"a": 1}
    for _ in range(MAX_DEPTH - 1):
        deep = {"a": deep}
    assert holds(deep, deep)
    wide = {str(number): number for number in range(MAX_PARTS)}
    assert holds(wide, wide)


def test_conditions_are_joined_with_their_parameters_in_order() -> None:
    joined = both([equals("a", 1), contains("doc", {}), one_of("b", ["x", "y"])])

    assert joined == Condition("a = ? AND b IN (?, ?)", (1, "x", "y"))
    assert both([]) == Condition("1")
    assert one_of("b", []).sql == "b IN ()"


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_text_that_no_column_holds_whole_is_refused(text: str) -> None:
    for wanted in ({"a": text}, {text: 1}):
        with pytest.raises(InvalidError, match="leave them out"):
            contains("doc", wanted)


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, JSON, max_size=3))
def test_everything_contains_itself(stored: dict[str, Any]) -> None:
    assert holds(stored, stored)
