"""Which rows of a scope can be read when others are lost."""

from __future__ import annotations

import pytest

from checkpoint.packing import checksum, pack_depth
from checkpoint.sieve import CheckpointBytes, sieve

SCOPE = 7


def key(seq: int) -> bytes:
    return bytes(15) + bytes([seq])


def row(seq: int, parent: int | None, depth: int) -> CheckpointBytes:
    data, packed = b"row %d" % seq, pack_depth(depth, 2)
    above = None if parent is None else key(parent)
    crc = checksum(data, SCOPE, key(seq), above, packed)
    return CheckpointBytes(seq, key(seq), parent, packed, crc, data)


LINE = [row(1, None, 0), row(2, 1, 1), row(3, 2, 2), row(4, 3, 0), row(5, 4, 1)]
"""Of five, with full maps in the first and the fourth."""
INDEX = {each.seq: each.id for each in LINE}


def without(*lost: int) -> list[CheckpointBytes]:
    return [each for each in LINE if each.seq not in lost]


def test_of_a_line_that_is_whole_all_stay() -> None:
    found = sieve(SCOPE, LINE, {})
    assert list(found.kept) == [1, 2, 3, 4, 5]
    assert not found.dropped
    assert not found.parted


@pytest.mark.parametrize("index", [INDEX, {}])
def test_rows_that_lean_on_a_lost_one_go_up_to_the_next_full_one(index: dict[int, bytes]) -> None:
    found = sieve(SCOPE, without(1), index)
    assert list(found.kept) == [4, 5]
    assert set(found.dropped) == {2, 3}


def test_a_full_row_is_linked_to_the_nearest_above_that_can_be_read() -> None:
    found = sieve(SCOPE, without(2), INDEX)
    assert list(found.kept) == [1, 4, 5]
    assert found.parted == {4: None}, "what stood above row 3 is lost, so nobody knows"
    broken = [each if each.seq != 2 else row_damaged(each) for each in LINE]
    assert list(sieve(SCOPE, broken, {}).kept) == [1, 4, 5]


def row_damaged(each: CheckpointBytes) -> CheckpointBytes:
    return CheckpointBytes(each.seq, each.id, each.parent, each.depth, each.crc, b"changed")


def test_a_row_whose_parent_nothing_knows_cannot_be_told_from_damage() -> None:
    found = sieve(SCOPE, without(3), {})
    assert list(found.kept) == [1, 2]
    assert set(found.dropped) == {4, 5}
    assert list(sieve(SCOPE, without(3), INDEX).kept) == [1, 2, 4, 5]


@pytest.mark.parametrize(
    "changed",
    [
        CheckpointBytes(2, key(9), 1, LINE[1].depth, LINE[1].crc, LINE[1].data),
        CheckpointBytes(2, key(2), 1, 0, LINE[1].crc, LINE[1].data),
        CheckpointBytes(2, key(2), 4, LINE[1].depth, LINE[1].crc, LINE[1].data),
        CheckpointBytes(2, key(2), None, LINE[1].depth, LINE[1].crc, LINE[1].data),
        CheckpointBytes(2, key(2), 1, LINE[1].depth, LINE[1].crc, b"else"),
    ],
)
def test_a_row_that_was_changed_is_dropped(changed: CheckpointBytes) -> None:
    found = sieve(SCOPE, [LINE[0], changed], {})
    assert list(found.kept) == [1]
    assert list(found.dropped) == [2]


def test_a_row_that_stands_where_the_parent_was_is_not_taken_for_it() -> None:
    moved = CheckpointBytes(3, LINE[0].id, None, LINE[0].depth, LINE[0].crc, LINE[0].data)
    found = sieve(SCOPE, [moved, *LINE[3:]], INDEX)
    assert list(found.kept) == [3, 4, 5]
    assert found.parted == {4: None}


def test_rows_of_another_scope_are_dropped() -> None:
    assert not sieve(SCOPE + 1, LINE, INDEX).kept
