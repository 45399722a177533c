"""Filters: what matches, and that SQL never sorts out what matches."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoint import InvalidFilterError
from checkpoint.store_checks import json_of
from checkpoint.store_config import MAX_DEPTH
from checkpoint.store_filters import Condition, parse_filter
from checkpoint.testing_filters import VALUES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=5,
)  # fmt: skip
KEY = st.sampled_from(["a", "b", "é", "it's", 'quo"ted', "with space", "nul\0"])
VALUE = st.dictionaries(KEY, JSON, max_size=4)
OPERAND = st.integers() | st.floats() | st.booleans() | st.text(max_size=3)
ORDERED = st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), OPERAND, min_size=1)
EQUAL = st.dictionaries(st.sampled_from(["$eq", "$ne"]), JSON, min_size=1)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield connection


def passes(
    database: sqlite3.Connection, value: dict[str, Any], conditions: list[Condition]
) -> bool:
    """Whether SQL lets a value pass."""
    where = " AND ".join(f"({condition.sql})" for condition in conditions) or "1"
    parameters = [parameter for condition in conditions for parameter in condition.parameters]
    sql = f"SELECT 1 FROM (SELECT ? AS value) WHERE {where}"
    return database.execute(sql, (json_of(value), *parameters)).fetchone() is not None


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a machine that others use
@given(value=VALUE, data=st.data())
def test_sql_lets_pass_whatever_matches(
    database: sqlite3.Connection, value: dict[str, Any], data: st.DataObject
) -> None:
    """Filters are drawn near to the value, so that many of them match."""
    near = st.sampled_from([*value.values(), None])
    wanted = data.draw(st.dictionaries(KEY, JSON | ORDERED | EQUAL | near, max_size=3))
    checked = parse_filter(wanted)
    stored = json.loads(json_of(value))
    if checked is not None and checked.matches(stored):
        assert passes(database, value, checked.conditions())


@given(value=VALUE)
def test_a_value_matches_itself(database: sqlite3.Connection, value: dict[str, Any]) -> None:
    stored = json.loads(json_of(value))
    checked = parse_filter(stored)
    assert checked is None or checked.matches(stored)
    assert checked is None or passes(database, value, checked.conditions())


@pytest.mark.parametrize(
    "wanted",
    [{"n": 1}, {"n": {"$gt": 1.5}}, {"n": {"$lte": 2}}, {"n": {"$gt": 2, "$lt": 3}}, {"s": "x"}],
)
def test_sql_sorts_out_what_has_another_number_or_text(
    database: sqlite3.Connection, wanted: dict[str, Any]
) -> None:
    checked = parse_filter(wanted)
    assert checked is not None
    for value in VALUES.values():
        if isinstance(value.get("n"), int | float):
            stored = json.loads(json_of(value))
            assert passes(database, value, checked.conditions()) is checked.matches(stored)


def test_no_key_and_no_value_of_a_filter_is_part_of_the_sql() -> None:
    evil = "x') OR 1=1 --"
    for wanted in ({evil: evil}, {"a": evil}, {"a": {"$gt": evil, "$eq": evil}}):
        checked = parse_filter(wanted)
        assert checked is not None
        assert not any("OR" in condition.sql for condition in checked.conditions())


def test_keys_that_json_escapes_are_left_to_matches() -> None:
    checked = parse_filter({"é": 1, 'a"': 1, "": 1, "a.b": 1, "[0]": 1})
    assert checked is not None
    assert checked.conditions() == []


def test_an_empty_filter_is_none() -> None:
    assert parse_filter({}) is None
    assert parse_filter(None) is None


def test_an_unknown_operator_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InvalidFilterError, match=r"'\$in' is no operator .* \$eq, .*\$lte; use"):
        parse_filter({"a": {"$in": [1]}})


def test_a_filter_that_contains_itself_or_is_too_deep_is_refused() -> None:
    circle: dict[str, object] = {}
    circle["a"] = [circle]
    deep: dict[str, object] = {}
    for _ in range(MAX_DEPTH + 1):
        deep = {"a": deep}
    assert parse_filter(deep["a"]) is not None
    for wanted in (circle, deep):
        with pytest.raises(InvalidFilterError, match=r"more than 100 deep .* give a flatter one"):
            parse_filter(wanted)
