"""About how much memory a value takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.sizes import about_bytes

MEGA = 1_000_000


@dataclass
class Box:
    content: Any


@pytest.mark.parametrize(
    "value",
    [
        "x" * MEGA,
        b"x" * MEGA,
        {"a": {"b": ["x" * MEGA]}},
        ["x" * 1_000] * 1_000,
        list(range(20_000)),
        {"messages": [Box("x" * 10_000)] * 100},
    ],
)
def test_what_is_large_is_known_to_be(value: Any) -> None:
    assert MEGA / 2 < about_bytes(value) < 4 * MEGA


def test_what_is_small_is_known_to_be() -> None:
    assert about_bytes({"topic": "x", "joke": "y", "n": 1}) < 2_000
    assert about_bytes(None) < 100


def test_a_value_that_holds_itself_has_an_end() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert about_bytes(ring) < 10_000


def _nested(depth: int) -> st.SearchStrategy[Any]:
    """Values of no more levels than are looked at, also when they are put one level deeper."""
    leaf: st.SearchStrategy[Any] = st.none() | st.text(max_size=20)
    for _ in range(depth):
        leaf = leaf | st.lists(leaf, max_size=3)
    return leaf


@given(_nested(3))
def test_more_is_never_less(value: Any) -> None:
    assert about_bytes([value, value]) >= about_bytes([value]) >= about_bytes(value) > 0


def test_what_is_deeper_than_it_looks_counts_as_small() -> None:
    assert about_bytes([[[[[[["x" * 1_000]]]]]]]) < 1_000
