"""Rules about arguments that the suites do not reach."""

from __future__ import annotations

import json
from collections import OrderedDict
from enum import StrEnum
from types import MappingProxyType

import pytest

from checkpoint import InvalidArgumentError, SerializationError
from checkpoint.store_checks import (
    MAX_BITS,
    checked_labels,
    checked_minutes,
    checked_namespace,
    checked_query,
    json_of,
)
from checkpoint.store_config import MAX_DEPTH


class Color(StrEnum):
    RED = "red"


def test_a_list_of_labels_becomes_a_tuple() -> None:
    assert checked_namespace(["a", "b"]) == ("a", "b")
    assert checked_labels([]) == ()


def test_what_json_can_hold_is_stored_as_plain_json() -> None:
    value = MappingProxyType({"a": (1, OrderedDict(b=Color.RED)), "c": True})
    assert json.loads(json_of(value)) == {"a": [1, {"b": "red"}], "c": True}


def test_stored_json_is_ascii() -> None:
    assert json_of({"é": "\ud83d"}) == '{"\\u00e9": "\\ud83d"}'


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_values_may_nest_so_deep_and_no_deeper() -> None:
    assert json.loads(json_of(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(SerializationError, match="more than 100 deep"):
        json_of(nested(MAX_DEPTH + 1))


def test_whole_numbers_may_be_so_long_and_no_longer() -> None:
    longest = (1 << MAX_BITS) - 1
    assert json.loads(json_of({"a": -longest})) == {"a": -longest}
    with pytest.raises(SerializationError, match=r"value\['a'\] .* of 14001 bits.*at most 14000"):
        json_of({"a": longest + 1})


@pytest.mark.parametrize("minutes", [0, -1, float("inf"), float("nan"), True, "5", 1j, 10**400])
def test_minutes_are_numbers_above_0(minutes: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"ttl=.* is no number of minutes above 0; give"):
        checked_minutes("ttl", minutes)


def test_no_minutes_are_none() -> None:
    assert checked_minutes("ttl", None) is None
    assert checked_minutes("ttl", 0.5) == 0.5


def test_a_query_is_a_text() -> None:
    assert checked_query("") is None
    assert checked_query("a") == "a"
    with pytest.raises(InvalidArgumentError, match=r"query=5 .*; give one"):
        checked_query(5)
