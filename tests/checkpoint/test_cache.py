"""The rules about keys and times that every cache shares."""

from __future__ import annotations

import pytest

from checkpoint import InvalidArgumentError
from checkpoint.cache import CacheEntry, cache_entries, cache_key, cache_namespace


def test_a_key_is_a_namespace_and_a_text() -> None:
    assert cache_key((("a", "b"), "c")) == (("a", "b"), "c")
    assert cache_key(((), "")) == ((), "")


@pytest.mark.parametrize("key", ["ab", ("a", "b"), (("a",), "b", "c"), [("a",), "b"], (("a",), 1)])
def test_anything_else_is_refused_with_what_to_give(key: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"is no .* of a cache: .*; give "):
        cache_key(key)


@pytest.mark.parametrize("namespace", ["ab", ["a"], ("a", 1), None])
def test_a_namespace_is_a_tuple_of_texts(namespace: object) -> None:
    with pytest.raises(InvalidArgumentError, match="tuple of texts; give"):
        cache_namespace(namespace)


def test_an_entry_ends_at_its_time_to_live_after_now() -> None:
    entries = cache_entries({(("a",), "b"): (1, 5), (("a",), "c"): (2, None)}, bytes, 100.0)
    assert entries == {
        (("a",), "b"): CacheEntry(b"\x00", 105.0),
        (("a",), "c"): CacheEntry(b"\x00\x00", None),
    }
    assert not entries[("a",), "b"].expired(104.9)
    assert entries[("a",), "b"].expired(105.0)
    assert not entries[("a",), "c"].expired(1e18)
