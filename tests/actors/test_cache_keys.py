"""Keys of cached results: equal for equal inputs, in any process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import CacheKeyError, default_cache_key
from actors.cache_keys import key_text
from checkpoint import RemoteError, SerializationError, UnregisteredTypeError, register_type


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x": {"a": 1, "b": 2}}, {"x": {"b": 2, "a": 1}}),
        ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}]),
        ({3, 1, 2}, {1, 2, 3}),
        (frozenset("abc"), frozenset("cba")),
        ({(1, 2): "x", (0, 1): "y"}, {(0, 1): "y", (1, 2): "x"}),
    ],
)
def test_dicts_and_sets_count_by_what_is_in_them(one: Any, other: Any) -> None:
    assert default_cache_key(one) == default_cache_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (1, "1"),
        ("1", b"1"),
        ([1, 2], (1, 2)),
        ([1, 2], [2, 1]),
        ([[1], 2], [1, [2]]),
        ([], ()),
        ({}, []),
        (set[int](), frozenset[int]()),
        ({"a": [1]}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        (["ab", "c"], ["a", "bc"]),
        (None, "None"),
        (Decimal("1.0"), Decimal("1.00")),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_what_is_not_the_same_has_another_key(one: Any, other: Any) -> None:
    assert default_cache_key(one) != default_cache_key(other)


def test_positional_and_named_arguments_differ() -> None:
    assert default_cache_key(1, 2) != default_cache_key(2, 1)
    assert default_cache_key(1) != default_cache_key(a=1)
    assert default_cache_key(a=1, b=2) == default_cache_key(b=2, a=1)


plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(values, values)
def test_keys_are_equal_exactly_when_values_are(one: Any, other: Any) -> None:
    same = repr(_ordered(one)) == repr(_ordered(other))
    assert (default_cache_key(one) == default_cache_key(other)) is same


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def test_another_process_makes_the_same_key() -> None:
    program = "from actors import default_cache_key as k; print(k({'s': {'a', 'b', 'c'}}).hex())"
    keys = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        ).stdout.strip()
        for _ in range(2)
    }
    assert keys == {default_cache_key({"s": {"c", "b", "a"}}).hex()}


@dataclass
class Unknown:
    n: int


@pytest.mark.parametrize("value", [Unknown(1), [Unknown(1)], {"x": {"y": object()}}, {Unknown}])
def test_what_cannot_be_stored_has_no_key(value: Any) -> None:
    with pytest.raises(SerializationError):
        default_cache_key(value)


class ApiError(Exception):
    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


@register_type
class KnownError(ApiError):
    """It is stored with its code."""


@pytest.mark.parametrize("inside", [lambda e: e, lambda e: {"errors": [e]}, ValueError])
def test_an_exception_that_is_stored_with_less_in_it_has_no_key(inside: Any) -> None:
    with pytest.raises(UnregisteredTypeError, match=r"register_type\(ApiError\)"):
        default_cache_key(inside(ApiError("failed", 404)))


def test_exceptions_that_are_stored_as_they_are_have_keys_that_differ() -> None:
    keys = {default_cache_key({"e": KnownError("failed", code)}) for code in (404, 500, 404)}
    assert len(keys) == 2
    assert default_cache_key(ValueError("a")) != default_cache_key(ValueError("b"))
    assert default_cache_key(RemoteError("shop.Gone", "a")) == default_cache_key(
        RemoteError("shop.Gone", "a")
    )
    with pytest.raises(SerializationError):
        default_cache_key(KnownError("failed", object()))  # pyright: ignore[reportArgumentType]


def test_a_value_that_holds_itself_has_no_key() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(SerializationError):
        default_cache_key(endless)


def test_a_deep_value_has_a_key() -> None:
    deep: Any = "bottom"
    for _ in range(90):
        deep = [deep]
    assert default_cache_key(deep) == default_cache_key(deep)


def test_texts_and_bytes_are_keys_and_differ() -> None:
    assert key_text("k", "node 'a'") == key_text("k", "node 'b'")
    assert key_text("k", "node 'a'") != key_text(b"k", "node 'a'")
    assert len(key_text("k" * 10_000, "node 'a'")) == 33
    assert key_text("\ud800", "node 'a'") != key_text("\ud801", "node 'a'")


@pytest.mark.parametrize("key", [5, None, ["k"], object])
def test_what_a_key_function_may_not_give_is_refused(key: Any) -> None:
    with pytest.raises(CacheKeyError, match=r"key_func of node 'a' gave .*return a str or bytes"):
        key_text(key, "node 'a'")
