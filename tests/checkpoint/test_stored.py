"""A list that only grew is told by its bytes, any other by the digests of its items."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import (
    BlobRow,
    CheckpointMetadata,
    CheckpointRecord,
    Composed,
    CorruptDataError,
    Decoder,
    Entry,
    Loaded,
    MsgpackSerializer,
    ScopeEncoder,
    Span,
    Spanned,
    Whole,
)
from checkpoint.sealing import sealing_of
from checkpoint.stored import Stored, begins_with, digests_of, from_loaded, size_of
from tests.checkpoint.counting import Counting

SERIALIZER = MsgpackSerializer()
LONG = "long " * 50
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-200, 200), st.text(max_size=3), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def packed(items: Sequence[Any]) -> bytes:
    return b"".join(SERIALIZER.pack_items(items))


def loaded(entry: Entry, *rows: BlobRow) -> Loaded:
    metadata = CheckpointMetadata("loop", 0)
    record = CheckpointRecord("id", "thread", "", None, 0.0, metadata, {"c": entry}, frozenset(), 1)
    keys = {row.key: tuple(each for each in rows if each.key == row.key) for row in rows}
    return Loaded(record, keys, (), "id", 9)


def row(key: int, start: int, *items: Any) -> BlobRow:
    return BlobRow("", key, start, len(items), packed(items))


def stored(spans: Sequence[tuple[int, int, int]], *rows: BlobRow) -> Stored:
    entry = Spanned(1, tuple(Span(*span) for span in spans))
    return from_loaded(sealing_of(SERIALIZER), loaded(entry, *rows), "c")


@given(old=st.lists(VALUES, min_size=1, max_size=20), new=st.lists(VALUES, min_size=1, max_size=20))
def test_lists_have_the_same_bytes_if_their_items_have(old: list[Any], new: list[Any]) -> None:
    assert begins_with(SERIALIZER, old, [packed(old)])
    assert begins_with(SERIALIZER, old, SERIALIZER.pack_items(old))
    same = SERIALIZER.pack_items(old) == SERIALIZER.pack_items(new)
    assert begins_with(SERIALIZER, new, [packed(old)]) == same


@pytest.mark.parametrize("count", [1, 15, 16, (1 << 16) - 1, 1 << 16])
def test_lists_of_any_length_are_told(count: int) -> None:
    items = [None] * (count - 1) + [1]
    assert begins_with(SERIALIZER, items, [packed(items)])
    assert not begins_with(SERIALIZER, [None] * count, [packed(items)])


def test_a_list_that_is_too_much_at_once_or_has_other_bytes_in_between_is_not_told() -> None:
    small = MsgpackSerializer(max_bytes=300)
    assert not begins_with(small, [LONG, LONG], small.pack_items([LONG, LONG]))

    class Json(MsgpackSerializer):
        def dumps(self, value: Any) -> bytes:
            return json.dumps(value).encode()

    assert not begins_with(Json(), [[1], [2]], [b"[1]", b"[2]"])


def test_rows_that_hold_just_the_list_are_kept_as_they_are() -> None:
    first, second, other = row(0, 0, "a", "b"), row(0, 2, "c"), row(4, 0, "d")
    found = stored([(0, 0, 3), (4, 0, 1)], first, second, other)
    assert (found.parts, found.digests) == ((first.data, second.data, other.data), ())
    assert found.parts[0] is first.data, "without a copy"
    assert digests_of(SERIALIZER, found) == [*map(hash, SERIALIZER.pack_items("abcd"))]
    assert isinstance(found.entry, Spanned)
    assert size_of(found.entry) == 4


@pytest.mark.parametrize(("start", "stop"), [(0, 2), (1, 3), (1, 2)])
def test_of_rows_that_hold_more_there_are_digests(start: int, stop: int) -> None:
    found = stored([(0, start, stop)], row(0, 0, "a", "b", "c"))
    assert found.parts == ()
    assert found.digests == [*map(hash, SERIALIZER.pack_items("abc"[start:stop]))]


def test_a_value_that_is_no_list_has_one_digest() -> None:
    data = SERIALIZER.dumps(LONG)
    found = from_loaded(
        sealing_of(SERIALIZER), loaded(Whole(1, 0), BlobRow("", 0, 0, 0, data)), "c"
    )
    assert (found.digests, found.parts) == ([hash(data)], ())


def test_of_a_list_that_grows_only_what_is_new_is_looked_at_by_item() -> None:
    said = [f"{n} {LONG}" for n in range(20)]
    rows = [row(0, 0, *said[:15]), row(0, 15, *said[15:])]
    serializer = Counting()
    encoder = ScopeEncoder(serializer, "", loaded(Spanned(1, (Span(0, 0, 20),)), *rows))
    for step in range(3):
        said.append(f"more {step}")
        encoded = encoder.encode({"c": said}, 2 + step)
        assert encoded.entries["c"] == Spanned(2 + step, (Span(0, 0, 21 + step),))
        rows += encoded.rows
    assert (serializer.packed, serializer.cut) == (3, 0)
    assert encoder.encode({"c": said}, 9).rows == ()
    said[3] = "changed " + LONG
    encoded = encoder.encode({"c": said}, 10)
    rows += encoded.rows
    assert (serializer.packed, serializer.cut) == (3 + 23, 1)
    assert sum(each.count for each in encoded.rows) == 1
    assert Decoder(serializer).values(loaded(encoded.entries["c"], *rows)) == {"c": said}


def test_a_list_that_is_another_one_each_time_is_cut_by_nobody() -> None:
    serializer = Counting()
    encoder = ScopeEncoder(serializer, "", None)
    for step in range(3):
        said = [f"{step} {n} {LONG}" for n in range(5)]
        encoded = encoder.encode({"c": said}, step)
        assert sum(each.count for each in encoded.rows) == 5
    assert (serializer.packed, serializer.cut) == (15, 0)


@pytest.mark.parametrize(
    ("stored_of_it", "name"),
    [([1], "said"), (None, "said"), ({"other": None}, "said"), ({}, 7), ({}, ["said"])],
)
def test_what_is_no_dict_with_a_place_for_a_list_is_damaged(stored_of_it: Any, name: Any) -> None:
    entry = Composed(1, SERIALIZER.dumps(stored_of_it), ((name, (Span(0, 0, 1),)),))
    with pytest.raises(CorruptDataError, match="restore the database"):
        Decoder(SERIALIZER).values(loaded(entry, row(0, 0, LONG)))
