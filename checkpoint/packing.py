"""Checkpoints and pending writes as bytes of a row: small, because there is one per step.

A row holds the entries of the channels that changed against its parent, and the origin (run id,
config) only where another run begins.  A row without a parent, and one in `FULL_EVERY`, holds all
of that, so that a checkpoint is read from a bounded number of rows, and rows grow with what
changed, not with the number of channels.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]

from .errors import CorruptDataError
from .ids import id_from_bytes
from .lengths import check_lengths
from .record import (
    CheckpointRecord,
    Composed,
    Entry,
    Inline,
    Source,
    Span,
    Spanned,
    Whole,
)
from .rows import uuid_bytes
from .value import Value, slotted

FULL_EVERY = 16
"""Rows from one full map of entries to the next, along a line of checkpoints."""

_SOURCES: tuple[Source, ...] = ("input", "loop", "update", "fork")
_pack: Callable[[Any], bytes] = cast(Any, msgpack).packb
_unpack: Callable[[bytes], Any] = partial(cast(Any, msgpack).unpackb, strict_map_key=False)
T = TypeVar("T")
_Packed: TypeAlias = bytes | list[Any]
_FIELDS = 9


@slotted
class Origin(Value):
    """What the checkpoints of one run have in common; `extra` is still encoded, b"" if empty."""

    run_id: str | None
    parents: Mapping[str, str]
    extra: bytes


@slotted
class PackedRow(Value):
    """A checkpoint row taken apart: the record's own facts, and what to do to the parent's map."""

    entries: Mapping[str, Entry]
    """All entries if the row is full, else the changed ones."""
    dropped: tuple[str, ...]
    changed: frozenset[str]
    created_at: float
    source: Source
    step: int
    origin: Origin | None
    """None if it is the parent's."""
    version: int
    wrote: tuple[str, ...]


def checksum(data: bytes, *place: object) -> int:
    """What is stored beside a row's bytes to notice damage to them, or to the columns that say
    where they belong; fits four bytes with a sign."""
    begin = zlib.crc32(repr(place).encode("utf-8", "surrogatepass")) if place else 0
    return zlib.crc32(data, begin) - 0x80000000


def is_sound(data: object, crc: object, *place: object) -> bool:
    """True if a row's bytes and place match what is stored beside them; damage may turn any of them
    into a value of another type."""
    return isinstance(data, bytes) and checksum(data, *place) == crc


def pack_depth(depth: int, before: int) -> int:
    """How many rows up stands a full map, and how many tasks had pending writes after the parent,
    in one number: there is one per step."""
    return depth + FULL_EVERY * before


def unpack_depth(packed: object) -> tuple[int, int]:
    """Both again.  Raises CorruptDataError for what a damaged row may hold instead of a number."""
    if not isinstance(packed, int):
        raise CorruptDataError(
            f"{packed!r} is no depth of a checkpoint; restore the database from a backup"
        )
    return packed % FULL_EVERY, packed // FULL_EVERY


def pack_checkpoint(record: CheckpointRecord, origin: Origin | None, *, full: bool) -> bytes:
    """The bytes of a checkpoint row: with all entries, or with the changed ones only."""
    entries = record.entries
    names: Iterable[str] = entries if full else [name for name in record.changed if name in entries]
    dropped = record.changed.difference(entries)
    unchanged = sorted(entries.keys() - record.changed) if full else ()
    fields = [
        record.version,
        record.metadata.step,
        _SOURCES.index(record.metadata.source),
        record.created_at,
        {name: _pack_entry(entries[name], record.version) for name in names},
        record.wrote,
        sorted(dropped) if dropped else (),
        unchanged,
        _pack_origin(origin) if origin else None,
    ]
    while fields and not fields[-1]:
        fields.pop()
    return _pack(fields)


def unpack_checkpoint(data: bytes) -> PackedRow:
    """The parts of a checkpoint row.  Raises CorruptDataError."""
    return _unpacked(_checkpoint_of, data)


def _checkpoint_of(data: bytes) -> PackedRow:
    fields: list[Any] = _unpack(data)
    fields += [None] * (_FIELDS - len(fields))
    _, step, source, created_at, packed, wrote, dropped, unchanged, origin = fields
    version: int = fields[0] or 0
    stored: dict[str, _Packed] = packed or {}
    entries = {name: _unpack_entry(entry, version) for name, entry in stored.items()}
    return PackedRow(
        entries=entries,
        dropped=tuple(dropped or ()),
        changed=frozenset(entries).union(dropped or ()).difference(unchanged or ()),
        created_at=created_at or 0.0,
        source=_SOURCES[source or 0],
        step=step or 0,
        origin=_unpack_origin(origin) if origin else None,
        version=version,
        wrote=tuple(wrote or ()),
    )


def pack_writes(writes: Iterable[tuple[str, Entry]]) -> bytes:
    """The bytes of one task's pending writes."""
    flat: list[Any] = []
    for channel, entry in writes:
        inline = type(entry) is Inline
        flat += (channel, entry.data if inline else _pack_entry(entry, entry.version))
    return _pack(flat)


def unpack_writes(data: bytes) -> tuple[tuple[str, Entry], ...]:
    """The pending writes of one task.  Raises CorruptDataError."""
    return _unpacked(_writes_of, data)


def _unpacked(read: Callable[[bytes], T], data: bytes) -> T:
    try:
        check_lengths(data)
        return read(data)
    except Exception as error:  # hostile bytes make any decoder raise anything
        raise CorruptDataError(
            f"a row of {len(data)} bytes cannot be read ({type(error).__name__}), though its "
            "checksum fits: a newer version wrote it, or it was changed; upgrade understudy, or "
            "restore the database from a backup"
        ) from error


def _writes_of(data: bytes) -> tuple[tuple[str, Entry], ...]:
    flat: list[Any] = _unpack(data)
    return tuple((flat[i], _unpack_entry(flat[i + 1], 0)) for i in range(0, len(flat), 2))


def _pack_entry(entry: Entry, version: int) -> _Packed:
    """An entry with its age in versions: b"…", or [age, b"…"], [age, key], [age, key, start, …],
    [age, b"…", name, [key, start, …], …]."""
    age = version - entry.version
    match entry:
        case Inline():
            return [age, entry.data] if age else entry.data
        case Whole():
            return [age, entry.key]
        case Spanned():
            return [age, *_pack_spans(entry.spans)]
        case Composed():
            packed: list[Any] = [age, entry.data]
            for name, spans in entry.lists:
                packed += (name, _pack_spans(spans))
            return packed


def _unpack_entry(packed: _Packed, version: int) -> Entry:
    if isinstance(packed, bytes):
        return Inline(version, packed)
    version -= packed[0]
    value = packed[1] if len(packed) > 1 else None
    if len(packed) == 2:
        return Inline(version, value) if isinstance(value, bytes) else Whole(version, packed[1])
    if isinstance(value, bytes):
        names = range(2, len(packed), 2)
        lists = tuple((packed[i], _unpack_spans(packed[i + 1])) for i in names)
        return Composed(version, value, lists)
    return Spanned(version, _unpack_spans(packed[1:]))


def _pack_spans(spans: Iterable[Span]) -> list[int]:
    packed: list[int] = []
    for span in spans:
        packed += (span.key, span.start, span.stop)
    return packed


def _unpack_spans(packed: list[int]) -> tuple[Span, ...]:
    return tuple(Span(*packed[i : i + 3]) for i in range(0, len(packed), 3))


def _pack_origin(origin: Origin) -> list[Any]:
    run_id = None if origin.run_id is None else _pack_id(origin.run_id)
    parents = {_pack_id(ns): _pack_id(parent) for ns, parent in origin.parents.items()}
    return [run_id, origin.extra, parents] if parents else [run_id, origin.extra]


def _unpack_origin(packed: list[Any]) -> Origin:
    run_id: bytes | str | None = packed[0]
    parents: dict[bytes | str, bytes | str] = packed[2] if len(packed) > 2 else {}
    return Origin(
        run_id=None if run_id is None else _unpack_id(run_id),
        parents={_unpack_id(ns): _unpack_id(parent) for ns, parent in parents.items()},
        extra=packed[1],
    )


def _pack_id(text: str) -> bytes | str:
    return uuid_bytes(text) or text


def _unpack_id(packed: bytes | str) -> str:
    return id_from_bytes(packed) if isinstance(packed, bytes) else packed


pack_task_id, unpack_task_id = _pack_id, _unpack_id
