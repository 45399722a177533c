from __future__ import annotations

import weakref

from hypothesis import given
from hypothesis import strategies as st

from streaming import Custom
from streaming.ring import Ring


def fill(ring: Ring, upto: int) -> None:
    for event_id in range(ring.end, upto + 1):
        ring.append(Custom(id=event_id, data=None))


def ids(ring: Ring) -> list[int]:
    return [event.id for event in ring.between(ring.first - 1, ring.end - 1)]


def test_the_newest_events_are_held_and_the_others_counted() -> None:
    ring = Ring(1, 4, 100)
    fill(ring, 10)
    assert ids(ring) == [7, 8, 9, 10]
    assert (ring.first, ring.end, ring.dropped) == (7, 11, 6)


@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 40), st.data())
def test_any_part_that_is_held_is_found(
    size: int, start: int, count: int, data: st.DataObject
) -> None:
    ring = Ring(start, size, 1)
    fill(ring, start + count - 1)
    after = data.draw(st.integers(ring.first - 1, ring.end - 1))
    upto = data.draw(st.integers(after, ring.end - 1))
    assert [event.id for event in ring.between(after, upto)] == list(range(after + 1, upto + 1))


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 6), st.integers(1, 30))
def test_both_bounds_hold_and_the_newest_stays(
    sizes: list[int], max_events: int, max_bytes: int
) -> None:
    ring = Ring(1, max_events, max_bytes)
    for event_id, size in enumerate(sizes, start=1):
        ring.append_sized(Custom(id=event_id, data=None), size)
        held = sizes[ring.first - 1 : event_id]
        assert ring.size == sum(held)
        assert 1 <= len(held) <= max_events
        assert ring.size <= max_bytes or len(held) == 1
        assert ids(ring) == list(range(ring.first, event_id + 1))


class Large:
    """Data that is told when it is freed."""


def test_an_event_that_goes_for_its_size_is_not_kept_in_memory() -> None:
    ring, seen = Ring(1, 100, 30), list[weakref.ref[Large]]()
    for event_id in range(1, 11):
        large = Large()
        seen.append(weakref.ref(large))
        ring.append_sized(Custom(id=event_id, data=large), 10)
    del large
    assert ids(ring) == [8, 9, 10]
    assert [ref() is not None for ref in seen] == [False] * 7 + [True] * 3


def test_a_cleared_ring_goes_on_with_the_next_id() -> None:
    ring = Ring(1, 4, 100)
    fill(ring, 6)
    ring.clear(9)
    assert (ring.first, ring.end, ring.size) == (9, 9, 0)
    fill(ring, 14)
    assert ids(ring) == [11, 12, 13, 14]


def test_an_event_that_is_held_can_be_replaced() -> None:
    ring = Ring(1, 4, 100)
    fill(ring, 6)
    ring.replace(Custom(id=5, data="new"))
    ring.replace(Custom(id=2, data="gone already"))
    found = ring.between(2, 6)
    assert [getattr(event, "data", None) for event in found] == [None, None, "new", None]


def test_an_event_that_does_not_follow_stands_alone() -> None:
    ring = Ring(1, 4, 100)
    fill(ring, 3)
    ring.append(Custom(id=7, data=None))
    assert (ids(ring), ring.first, ring.end, ring.dropped) == ([7], 7, 8, 0)
