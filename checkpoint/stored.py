"""How the last version of a channel is stored, to tell from bytes what of the next one is new.

Most lists only grow.  A list's encoded items stand one after the other, in its rows as in the bytes
of the whole list, and no item's bytes begin as another's do: so its head is packed in one piece and
compared with the rows, which takes a third of cutting items out and hashing them.  A list that was
changed otherwise is told by the digests of its items, from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from .errors import CorruptDataError, DeserializationError, SerializationError
from .record import BlobRow, Composed, Entry, Inline, Loaded, Span, Spanned, Whole
from .sealing import Sealing
from .serde import Serializer
from .spans import overlapping, together
from .wording import named


@dataclass(slots=True, eq=False, repr=False)
class Stored:
    """A channel's last version: its entry, and either digests or bytes to compare the next with."""

    entry: Entry
    digests: Sequence[int] = ()
    """Of the whole value, or of each item."""
    parts: tuple[bytes, ...] = ()
    """What the rows of a list hold, if that is just the list; digests may be left out then."""


def from_loaded(sealing: Sealing, loaded: Loaded, name: str) -> Stored:
    """How a channel is stored that was loaded: nothing is decoded or encoded."""
    entry = loaded.record.entries[name]
    match entry:
        case Inline() | Composed():
            return Stored(entry)
        case Whole():
            rows = rows_of(loaded, entry.key)
            return Stored(entry, [hash(sealing.unseal(row.data)) for row in rows])
        case Spanned():
            found = [overlapping(rows_of(loaded, span.key), span) for span in entry.spans]
            if all(map(_are_just, found, entry.spans)):
                parts = [sealing.unseal(row.data) for rows in found for row in rows]
                return Stored(entry, parts=tuple(parts))
            digests: list[int] = []
            for rows, span in zip(found, entry.spans, strict=True):
                digests += _run_digests(sealing, rows, span)
            return Stored(entry, digests)


def size_of(entry: Spanned) -> int:
    """How many items a list has."""
    return sum([span.stop - span.start for span in entry.spans])


def begins_with(serializer: Serializer, value: list[Any], parts: Sequence[bytes]) -> bool:
    """True if the encoded items of a list are these bytes.

    False, too, if they may be: other serializers may have other bytes between items.
    """
    try:
        if not parts[0].startswith(serializer.dumps(value[0])):  # most others end here
            return False
        data = serializer.dumps(value)
    except SerializationError:  # together they may be too much, and each of them not
        return False
    at = 1 if len(value) < 16 else 3 if len(value) < 1 << 16 else 5
    for part in parts:  # a copy of all of them would take longer than the rest
        if not data.startswith(part, at):
            return False
        at += len(part)
    return at == len(data)


def digests_of(serializer: Serializer, stored: Stored) -> list[int]:
    """The digests of the items of a list."""
    if stored.digests or not stored.parts:
        return [*stored.digests]
    return [*map(hash, _split(serializer, stored.parts))]


def rows_of(loaded: Loaded, key: int) -> tuple[BlobRow, ...]:
    """The rows of one blob; raises CorruptDataError when the saver has none."""
    rows = loaded.blobs.get(key)
    if not rows:
        raise CorruptDataError(
            f"blob {key} of checkpoint {loaded.record.id!r} (thread {loaded.record.thread_id!r}) "
            "is missing; restore the database from a backup"
        )
    return rows


def dict_of(serializer: Serializer, entry: Composed) -> dict[Any, Any]:
    """What a composed entry holds itself, in which its lists have places.

    Raises DeserializationError, and CorruptDataError for what has no such places.
    """
    value: Any = serializer.loads(entry.data)
    found = cast("dict[Any, Any]", value) if type(value) is dict else None
    names = [name for name, _ in entry.lists]
    if found is None or not all(type(name) is str and name in found for name in names):
        raise CorruptDataError(
            f"{named(value)} is stored for a dict of the lists {names!r}; restore the database "
            "from a backup"
        )
    return found


def _are_just(rows: Sequence[BlobRow], span: Span) -> bool:
    """True if the rows hold the items of a span and no other."""
    count = sum([row.count for row in rows])
    return bool(rows) and rows[0].start == span.start and count == span.stop - span.start


def _run_digests(sealing: Sealing, rows: Sequence[BlobRow], span: Span) -> list[int]:
    digests: list[int] = []
    for group in together(rows):
        parts = [sealing.unseal(row.data) for row in group]
        digests += map(hash, _split(sealing.plain, parts))
    first = max(span.start - rows[0].start, 0) if rows else 0
    return digests[first : first + span.stop - span.start]


def _split(serializer: Serializer, parts: Sequence[bytes]) -> list[bytes]:
    try:
        return serializer.split_items(b"".join(parts))
    except DeserializationError:  # more at once than the serializer takes
        return [item for part in parts for item in serializer.split_items(part)]
