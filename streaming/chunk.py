"""Chunks: what a subscriber gets of an event, one per stream mode that shows it.

Event ids are gapless; a chunk's id is ``event id * 8 + ordinal of its mode``.  So chunk ids
strictly grow within any set of modes, and a reader may come back in the middle of an event, or
with other modes, and misses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from .events import Namespace
from .modes import INTERRUPTS, ORDINALS, StreamMode

MODES_PER_EVENT = 8


@dataclass(frozen=True, slots=True)
class Chunk:
    """One mode's view of one event.  Read-only: several readers share what `data` holds."""

    id: int
    """Give it as `after` to read on behind this chunk."""
    ns: Namespace
    """Path of the graph it comes from; () is the root."""
    mode: StreamMode
    data: Any


@dataclass(frozen=True, slots=True)
class Gap:
    """Stands where events were lost: the reader fell behind the ring, or the checkpoint that held
    a step's state is gone (its run was rolled back)."""

    id: int
    """Give it as `after` to read on behind the gap."""
    lost: int
    """Number of events (of any kind) that the reader did not see."""


def chunk_id(event_id: int, mode: StreamMode) -> int:
    """The id of an event's chunk in a mode."""
    return event_id * MODES_PER_EVENT + ORDINALS[mode]


def event_id_of(chunk: int) -> int:
    """The id of the event that a chunk id belongs to."""
    return chunk // MODES_PER_EVENT


def gap_after(event_id: int, lost: int) -> Gap:
    """The gap that ends with (and includes) an event."""
    return Gap((event_id + 1) * MODES_PER_EVENT - 1, lost)


Make: TypeAlias = Callable[[int, Namespace, StreamMode, Any], Any]
"""Makes of a chunk's fields what its reader gets."""

_BARE: Final[Mapping[tuple[bool, bool], Make]] = {
    (True, False): lambda _id, _ns, _mode, data: data,
    (True, True): lambda _id, ns, _mode, data: (ns, data),
    (False, False): lambda _id, _ns, mode, data: (mode, data),
    (False, True): lambda _id, ns, mode, data: (ns, mode, data),
}


def bare(*, single_mode: bool, subgraphs: bool) -> Make:
    """Makes what `astream` yields.

    data for one mode given as a string, (mode, data) for a list of modes; with subgraphs
    (ns, data) or (ns, mode, data).
    """
    return _BARE[single_mode, subgraphs]


def shape(chunk: Chunk, *, single_mode: bool, subgraphs: bool) -> Any:
    """A chunk as `astream` yields it; see `bare`."""
    make = bare(single_mode=single_mode, subgraphs=subgraphs)
    return make(chunk.id, chunk.ns, chunk.mode, chunk.data)


def as_part(chunk: Chunk) -> dict[str, Any]:
    """A chunk as `astream(version="v2")` yields it, whatever modes were asked for.

    {"type": mode, "ns": namespace, "data": data}; a part of `values` has "interrupts" beside its
    data instead of in it.
    """
    part: dict[str, Any] = {"type": chunk.mode, "ns": chunk.ns, "data": chunk.data}
    if chunk.mode != "values":
        return part
    part["interrupts"] = ()
    data: Any = chunk.data
    if isinstance(data, dict) and INTERRUPTS in data:
        rest = dict(cast("dict[str, Any]", data))
        part["interrupts"] = rest.pop(INTERRUPTS)
        part["data"] = rest
    return part
