"""Lists as spans: what is kept of an old list, and where."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import BlobRow, Span
from checkpoint.spans import TOGETHER, cut, difference, find, join, merged

LISTS = st.lists(st.integers(0, 4), max_size=12)


@given(old=LISTS, new=LISTS)
def test_a_difference_says_how_the_new_list_is_made_of_the_old_one(
    old: list[int], new: list[int]
) -> None:
    diff = difference(old, new)
    head, tail = old[diff.head_start : diff.head_stop], old[diff.tail :]
    assert head + new[diff.fresh_start : diff.fresh_stop] + tail == new
    assert diff.head_stop <= diff.tail


def test_an_extended_list_keeps_all_it_had() -> None:
    diff = difference([1, 2, 3], [1, 2, 3, 4])
    assert (diff.head_start, diff.head_stop, diff.tail) == (0, 3, 3)
    assert (diff.fresh_start, diff.fresh_stop) == (3, 4)


def test_a_changed_item_leaves_head_and_tail_in_place() -> None:
    diff = difference([1, 2, 3, 4], [1, 2, 9, 4])
    assert (diff.head_stop, diff.tail, diff.fresh_start, diff.fresh_stop) == (2, 3, 2, 3)


def test_a_window_that_moves_on_keeps_what_is_still_inside() -> None:
    diff = difference([1, 2, 3, 4], [3, 4, 5])
    assert (diff.head_start, diff.head_stop) == (2, 4)
    assert (diff.fresh_start, diff.fresh_stop) == (2, 3)


def test_repeated_items_are_not_kept_twice() -> None:
    diff = difference([1, 1], [1, 1, 1])
    assert (diff.head_stop, diff.tail, diff.fresh_start, diff.fresh_stop) == (2, 2, 2, 3)


SPANS = (Span(0, 2, 5), Span(1, 0, 1), Span(0, 7, 9))
ITEMS = [(0, 2), (0, 3), (0, 4), (1, 0), (0, 7), (0, 8)]


def items(spans: tuple[Span, ...]) -> list[tuple[int, int]]:
    return [(span.key, at) for span in spans for at in range(span.start, span.stop)]


@given(start=st.integers(0, 6), stop=st.integers(0, 6))
def test_a_cut_has_the_items_of_the_slice(start: int, stop: int) -> None:
    assert items(cut(SPANS, start, stop)) == ITEMS[start:stop]


@given(parts=st.lists(st.integers(0, 6), max_size=6))
def test_joined_spans_have_the_same_items_and_no_seam(parts: list[int]) -> None:
    edges = [0, *sorted(parts), 6]
    pieces = [span for a, b in itertools.pairwise(edges) for span in cut(SPANS, a, b)]
    assert join(pieces) == SPANS


def test_a_part_is_found_where_it_stands() -> None:
    assert find([2, 3], [1, 2, 3, 4]) == 1
    assert find([3, 2], [1, 2, 3, 4]) is None
    assert find([1, 2, 3], [1, 2]) is None


def run(*counts: int, start: int = 0, size: int = 1) -> list[BlobRow]:
    found: list[BlobRow] = []
    for count in counts:
        found.append(BlobRow("", 7, start, count, b"." * (count * size)))
        start += count
    return found


def test_rows_that_follow_each_other_become_one() -> None:
    assert merged(run(1, 3, 2)) == (BlobRow("", 7, 0, 6, b"......"),)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="none"),
        pytest.param(run(4), id="one"),
        pytest.param([*run(2), *run(2, start=5)], id="a gap"),
        pytest.param([BlobRow("", 7, 0, 0, b"whole")], id="a whole value"),
    ],
)
def test_other_rows_stay_as_they_are(rows: list[BlobRow]) -> None:
    assert merged(rows) == tuple(rows)


def test_no_row_gets_longer_than_what_is_read_at_once() -> None:
    rows = merged(run(*[1] * 10, size=TOGETHER // 4))
    assert [(row.start, row.count) for row in rows] == [(0, 4), (4, 4), (8, 2)]
    assert max(len(row.data) for row in rows) <= TOGETHER
