from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import MODES, Chunk, Gap, as_part, bare, chunk_id, event_id_of, shape
from streaming.chunk import gap_after

CHUNK = Chunk(9, ("n:1",), "updates", {"n": 1})


@given(st.integers(1, 2**60), st.sampled_from(MODES))
def test_a_chunk_id_tells_its_event(event_id: int, mode: str) -> None:
    assert event_id_of(chunk_id(event_id, mode)) == event_id  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(1, 99), st.sampled_from(MODES)), unique=True))
def test_chunk_ids_grow_as_events_and_their_modes_do(chunks: list[tuple[int, str]]) -> None:
    in_order = sorted(chunks, key=lambda chunk: (chunk[0], MODES.index(chunk[1])))  # type: ignore[arg-type]
    ids = [chunk_id(event_id, mode) for event_id, mode in in_order]  # type: ignore[arg-type]
    assert ids == sorted(set(ids))


def test_a_gap_ends_where_its_last_lost_event_does() -> None:
    assert gap_after(5, 3) == Gap(id=47, lost=3)
    assert chunk_id(5, "events") == 47 < chunk_id(6, "values")


def test_chunks_and_gaps_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CHUNK.data = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Gap(1, 2).lost = 3  # type: ignore[misc]


def test_a_chunk_is_given_as_modes_and_subgraphs_were_asked_for() -> None:
    assert shape(CHUNK, single_mode=True, subgraphs=False) == {"n": 1}
    assert shape(CHUNK, single_mode=False, subgraphs=False) == ("updates", {"n": 1})
    assert shape(CHUNK, single_mode=True, subgraphs=True) == (("n:1",), {"n": 1})
    assert shape(CHUNK, single_mode=False, subgraphs=True) == (("n:1",), "updates", {"n": 1})


def test_what_makes_them_gives_the_same_without_a_chunk() -> None:
    for single_mode in (True, False):
        for subgraphs in (True, False):
            make = bare(single_mode=single_mode, subgraphs=subgraphs)
            shown = shape(CHUNK, single_mode=single_mode, subgraphs=subgraphs)
            assert make(CHUNK.id, CHUNK.ns, CHUNK.mode, CHUNK.data) == shown


def test_a_part_has_type_namespace_and_data() -> None:
    chunk = Chunk(9, ("sub:1",), "updates", {"a": 1})
    assert as_part(chunk) == {"type": "updates", "ns": ("sub:1",), "data": {"a": 1}}


def test_a_part_of_values_has_the_interrupts_beside_its_data() -> None:
    data = {"n": 1, "__interrupt__": ("asked",)}
    part = as_part(Chunk(8, (), "values", data))
    assert part == {"type": "values", "ns": (), "data": {"n": 1}, "interrupts": ("asked",)}
    assert data == {"n": 1, "__interrupt__": ("asked",)}, "readers share what a chunk holds"


def test_a_part_of_values_without_interrupts_says_so() -> None:
    assert as_part(Chunk(8, (), "values", 5)) == {
        "type": "values",
        "ns": (),
        "data": 5,
        "interrupts": (),
    }
