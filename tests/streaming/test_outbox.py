from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.outbox import Outbox


def outbox(*sizes: int) -> Outbox:
    box = Outbox(0)
    for event_id, size in enumerate(sizes, start=1):
        box.add((event_id, b"x" * size))
    return box


def ids(rows: tuple[tuple[int, bytes], ...]) -> list[int]:
    return [event_id for event_id, _ in rows]


def test_rows_that_are_taken_wait_for_their_commit() -> None:
    box = outbox(2, 3)
    rows = box.take()
    assert (ids(rows), box.visible, box.count, box.size) == ([1, 2], 0, 2, 5)
    assert box.confirm(rows) == 2
    assert (box.count, box.size, box.idle) == (0, 0, True)


def test_nothing_is_sent_past_rows_in_flight() -> None:
    box = outbox(1)
    rows = box.take()
    box.add((2, b""))
    assert not box.sendable
    box.confirm(rows)
    assert box.sendable


def test_what_commits_out_of_turn_shows_in_its_turn() -> None:
    box = outbox(1)
    first = box.take()
    box.add((2, b"y"))
    second = box.take()
    assert box.confirm(second) == 0
    assert box.confirm(first) == 2


def test_rows_that_failed_come_first_again() -> None:
    box = outbox(1, 1)
    rows = box.take()
    box.add((3, b"z"))
    box.give_back(rows)
    assert box.doubtful
    assert (ids(box.take()), box.size) == ([1, 2, 3], 3)


def test_rows_that_the_log_has_all_the_same_are_not_sent_again() -> None:
    box = outbox(1, 1, 1)
    box.give_back(box.take())
    assert box.settle(2) == 2
    assert not box.doubtful
    assert ids(box.take()) == [3]


def test_rows_are_known_while_they_are_in_flight() -> None:
    box = outbox(1)
    rows = box.take()
    assert box.holds(rows)
    box.confirm(rows)
    assert not box.holds(rows)


def test_rows_that_were_found_in_the_log_are_neither_confirmed_nor_given_back_again() -> None:
    box = outbox(1, 2, 3)
    rows = box.take()
    assert box.find(2)
    assert not box.find(2)
    assert (box.visible, box.count, box.size) == (2, 1, 3)
    box.give_back(rows)
    assert (box.doubtful, box.size) == (True, 3)
    rest = box.take()
    assert ids(rest) == [3]
    assert box.confirm(rest) == 3
    assert box.confirm(rows) == 3


@given(
    st.lists(st.sampled_from(["add", "take", "confirm", "fail", "find"]), max_size=60), st.data()
)
def test_whatever_happens_ids_show_in_order_and_none_is_lost(
    moves: list[str], data: st.DataObject
) -> None:
    box, added, committed = Outbox(0), 0, set[int]()
    flying: list[tuple[tuple[int, bytes], ...]] = []
    for move in moves:
        if move == "add":
            added += 1
            box.add((added, b"d" * added))
        elif move == "take":
            flying.append(box.take())
        elif move == "find":
            last = data.draw(st.integers(0, added))
            committed |= {number for rows in flying for number in ids(rows) if number <= last}
            box.find(last)
        elif flying:
            rows = flying.pop(data.draw(st.integers(0, len(flying) - 1)))
            if move == "confirm":
                committed |= set(ids(rows))
                box.confirm(rows)
            else:
                box.give_back(rows)
        unsure = set(range(1, added + 1)) - committed
        assert box.visible == min(unsure, default=added + 1) - 1
        assert (box.count, box.size) == (len(unsure), sum(unsure))
    for rows in flying:
        box.give_back(rows)
    assert ids(box.take()) == sorted(set(range(1, added + 1)) - committed)
