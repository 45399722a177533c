"""What goes with checkpoints that go, and what stays for those that stay."""

from __future__ import annotations

from checkpoint import Composed, Entry, Inline, Span, Spanned, TaskWrites, Whole
from checkpoint.contents import (
    BlobSize,
    ScopeContents,
    info_of,
    joined,
    places_of,
    removal_of,
    run_ids_of,
)
from checkpoint.reports import Removed, ThreadInfo
from tests.checkpoint.forest import record, scope, thread


def spans(version: int, *parts: tuple[int, int, int]) -> Spanned:
    return Spanned(version, tuple(Span(*part) for part in parts))


def kept_of(holding: ScopeContents, *kept: str) -> list[tuple[int, int]]:
    """The blob rows that stay with some checkpoints."""
    removal = removal_of({"": holding}, {("", name) for name in kept})
    gone = {place for part in removal.scopes for place in part.blobs}
    rows = [(blob.key, blob.start) for blob in holding.blobs]
    return [place for place in rows if place not in gone]


def holding(*entries: Entry, blobs: tuple[BlobSize, ...]) -> ScopeContents:
    """A line of checkpoints 01, 02, …, each with one entry of the channel "a"."""
    records = [
        record(f"{n:02}", f"{n - 1:02}" if n > 1 else None, entries={"a": entry})
        for n, entry in enumerate(entries, 1)
    ]
    return ScopeContents("", tuple(records), {}, blobs)


def test_a_value_stays_while_a_checkpoint_needs_it() -> None:
    blobs = (BlobSize(0, 0, 0, 100), BlobSize(1, 0, 0, 200))
    values = holding(Whole(1, 0), Whole(1, 0), Whole(3, 1), blobs=blobs)
    assert kept_of(values, "02") == [(0, 0)]
    assert kept_of(values, "03") == [(1, 0)]
    assert removal_of({"": values}, {("", "03")}).removed == Removed(2, 1, 100)


def test_the_rows_of_a_list_stay_that_its_spans_reach_into() -> None:
    blobs = tuple(BlobSize(0, start, 2, 50) for start in (0, 2, 4, 6))
    lists = holding(spans(1, (0, 0, 2)), spans(2, (0, 0, 3)), spans(3, (0, 5, 8)), blobs=blobs)
    assert kept_of(lists, "01") == [(0, 0)]
    assert kept_of(lists, "02") == [(0, 0), (0, 2)]
    assert kept_of(lists, "03") == [(0, 4), (0, 6)]


def test_the_rows_stay_that_a_dict_points_to() -> None:
    blobs = (*(BlobSize(0, start, 2, 50) for start in (0, 2, 4)), BlobSize(1, 0, 1, 50))
    given = Composed(1, b"", (("a", (Span(0, 2, 3),)), ("b", (Span(1, 0, 1),))))
    assert kept_of(holding(given, spans(2, (0, 0, 6)), blobs=blobs), "01") == [(0, 2), (1, 0)]


def test_ranges_are_joined() -> None:
    assert joined([(4, 6), (0, 2), (1, 3), (3, 4), (8, 9)]) == [(0, 6), (8, 9)]
    assert joined([]) == []


def test_a_window_and_a_part_of_it_in_the_middle_keep_their_rows() -> None:
    blobs = tuple(BlobSize(0, start, 1, 1) for start in range(10))
    lists = holding(spans(1, (0, 1, 3), (0, 6, 7)), spans(2, (0, 2, 4)), blobs=blobs)
    assert [start for _, start in kept_of(lists, "01")] == [1, 2, 6]
    assert [start for _, start in kept_of(lists, "02")] == [2, 3]


def test_pending_writes_keep_what_they_need() -> None:
    blobs = (BlobSize(0, 0, 0, 1), BlobSize(1, 0, 0, 1))
    values = holding(Whole(1, 0), Inline(2, b""), blobs=blobs)
    task = TaskWrites("", "02", "task", (("a", Whole(0, 1)),))
    values = ScopeContents("", values.checkpoints, {"02": (task,)}, blobs)
    assert kept_of(values, "02") == [(1, 0)]


def test_a_checkpoint_is_linked_to_the_nearest_one_above_that_stays() -> None:
    contents = thread(scope("", "01 02 03 04 05<02 06"))
    (part,) = removal_of(contents, {("", "01"), ("", "04"), ("", "06")}).scopes
    assert {each.id: each.parent_id for each in part.relinked} == {"04": "01", "06": "01"}
    assert part.gone == ("02", "03", "05")
    (part,) = removal_of(contents, {("", "04")}).scopes
    assert {each.id: each.parent_id for each in part.relinked} == {"04": None}


def test_a_linked_checkpoint_says_what_differs_from_its_new_parent() -> None:
    same, old, new = Inline(1, b"same"), Inline(1, b"old"), Inline(2, b"new")
    records = (
        record("01", None, entries={"same": same, "a": old, "dropped": old}),
        record("02", "01", entries={"same": same, "a": new, "b": new}),
        record("03", "02", entries={"same": same, "a": new, "b": new}),
    )
    contents = {"": ScopeContents("", records, {}, ())}
    (part,) = removal_of(contents, {("", "01"), ("", "03")}).scopes
    assert part.relinked[0].changed == {"a", "b", "dropped"}
    (part,) = removal_of(contents, {("", "03")}).scopes
    assert part.relinked[0].changed == {"same", "a", "b"}


def test_nothing_is_done_where_all_stays() -> None:
    contents = thread(scope("", "01 02"), scope("a:1", "03"))
    removal = removal_of(contents, places_of(contents))
    assert (removal.scopes, removal.removed, removal.emptied) == ((), Removed(), False)


def test_a_scope_and_a_thread_of_which_nothing_stays_are_emptied() -> None:
    contents = thread(scope("", "01 02"), scope("a:1", "03"))
    (part,) = removal_of(contents, {("", "01"), ("", "02")}).scopes
    assert (part.ns, part.emptied) == ("a:1", True)
    assert removal_of(contents, ()).emptied


def test_a_thread_is_shown_by_the_newest_checkpoint_of_its_root() -> None:
    contents = thread(scope("a:1", "03 04"), scope("", "01 02"))
    assert info_of("thread", contents) == ThreadInfo("thread", 4, "02", 2.0)


def test_the_runs_of_a_thread_are_those_of_all_its_scopes() -> None:
    contents = thread(scope("", "01", run="one"), scope("a:1", "02", run="two"), scope("b:2", "03"))
    assert run_ids_of(contents) == {"one", "two"}
