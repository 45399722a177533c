"""Which checkpoint rows of a scope can be read when some are lost or damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .packing import is_sound, unpack_depth


@dataclass(frozen=True, slots=True)
class CheckpointBytes:
    """A checkpoint row as it stands in the file."""

    seq: int
    id: bytes
    parent: int | None
    depth: int
    crc: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Sieved:
    """What is left of a scope's rows."""

    kept: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """Ids of the rows that can be read, by their places."""
    parted: dict[int, int | None] = field(default_factory=dict[int, int | None])
    """Rows among them whose parent is lost, with the nearest one above it that can be read."""
    dropped: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """Ids of the others."""
    above: dict[int, int | None] = field(default_factory=dict[int, int | None])
    """The places of the parents of rows whose checksums fit."""


def sieve(scope: int, rows: Iterable[CheckpointBytes], ids: Mapping[int, bytes]) -> Sieved:
    """Look through a scope's rows.

    A row without a full map of entries can be read if its parent can.  Its checksum covers the id
    of the parent: where that row is lost, `ids` gives the id, as an index knows it by its place.
    """
    found = Sieved()
    rows = sorted(rows, key=lambda row: row.seq)
    stored = {row.seq: row.id for row in rows}
    for row in rows:
        if not _is_sound(scope, row, ids, stored):
            found.dropped[row.seq] = row.id
            continue
        found.above[row.seq] = row.parent
        if row.parent is None or _is_child(scope, row, found.kept.get(row.parent)):
            found.kept[row.seq] = row.id
        elif unpack_depth(row.depth)[0] == 0:
            found.kept[row.seq] = row.id
            found.parted[row.seq] = _nearest(found, row)
        else:
            found.dropped[row.seq] = row.id
    return found


def _is_sound(
    scope: int, row: CheckpointBytes, ids: Mapping[int, bytes], stored: Mapping[int, bytes]
) -> bool:
    if row.parent is None:
        return is_sound(row.data, row.crc, scope, row.id, None, row.depth)
    if row.parent >= row.seq:
        return False
    known = (stored.get(row.parent), ids.get(row.parent))
    return any(_is_child(scope, row, above) for above in known)


def _is_child(scope: int, row: CheckpointBytes, above: bytes | None) -> bool:
    """True if a row is that of a child of the checkpoint with this id; None: there is none."""
    if above is None:
        return False
    return is_sound(row.data, row.crc, scope, row.id, above, row.depth)


def _nearest(found: Sieved, row: CheckpointBytes) -> int | None:
    """The place of the first above a row that can be read, if the way there is known."""
    place = row.parent
    if place in found.kept:  # where the parent was, another one says that it stands
        return None
    while place is not None and place not in found.kept:
        place = found.above.get(place)
    return place
