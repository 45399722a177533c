"""Lists as spans over item runs: which part of a list is stored already, and where.

A run is an append-only sequence of encoded items; a list version is a few spans over runs.  When a
list changes, the items that did not move out of the kept head and tail keep their place, and only
what is new between them is stored.  Items are told apart by the hash of their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .record import BlobRow, Span

Spans = tuple[Span, ...]

TOGETHER = 1 << 18
"""Bytes of rows that are read at once: a call for each row of a chat takes ten times as long."""


@dataclass(slots=True, eq=False, repr=False)
class Difference:
    """How a new list can be made of an old one: old[head_start:head_stop] + fresh + old[tail:]."""

    head_start: int
    head_stop: int
    tail: int
    fresh_start: int
    """The fresh items are new[fresh_start:fresh_stop]."""
    fresh_stop: int


def difference(old: Sequence[int], new: Sequence[int]) -> Difference:
    """The parts of `old` that `new` keeps: its head, or a window that moved on, and its tail."""
    start, kept = 0, _common_head(old, new)
    if kept == 0 and (moved := _window(old, new)):
        start, kept = moved, len(old) - moved
    tail = 0
    room = min(len(old) - start - kept, len(new) - kept)
    while tail < room and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return Difference(start, start + kept, len(old) - tail, kept, len(new) - tail)


def _common_head(old: Sequence[int], new: Sequence[int]) -> int:
    count = min(len(old), len(new))
    if old[:count] == new[:count]:  # the usual case, at the speed of C
        return count
    return next(i for i in range(count) if old[i] != new[i])


def _window(old: Sequence[int], new: Sequence[int]) -> int:
    """Where the whole rest of `old` is the head of `new` (a trimmed history); 0 if nowhere."""
    if not new or new[0] not in old:
        return 0
    start = old.index(new[0])
    return start if old[start:] == new[: len(old) - start] else 0


def cut(spans: Spans, start: int, stop: int) -> Spans:
    """The spans of the items start (inclusive) to stop (exclusive) of a list."""
    found: list[Span] = []
    at = 0
    for span in spans:
        size = span.stop - span.start
        first, last = max(start - at, 0), min(stop - at, size)
        if first < last:
            found.append(Span(span.key, span.start + first, span.start + last))
        at += size
    return tuple(found)


def join(spans: Iterable[Span]) -> Spans:
    """The same items in as few spans as possible."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last and last.key == span.key and last.stop == span.start:
            joined[-1] = Span(last.key, last.start, span.stop)
        else:
            joined.append(span)
    return tuple(joined)


def find(part: Sequence[int], whole: Sequence[int]) -> int | None:
    """Where `part` stands inside `whole`, or None."""
    for at in range(len(whole) - len(part) + 1):
        if whole[at : at + len(part)] == part:
            return at
    return None


def overlapping(rows: Iterable[BlobRow], span: Span) -> list[BlobRow]:
    """The rows of a run that hold items of the span."""
    start, stop = span.start, span.stop
    return [row for row in rows if row.start < stop and start < row.start + row.count]


def together(rows: Sequence[BlobRow]) -> Iterator[Sequence[BlobRow]]:
    """The rows in groups that are read at once."""
    if sum([len(row.data) for row in rows]) <= TOGETHER:
        if rows:
            yield rows
        return
    group: list[BlobRow] = []
    size = 0
    for row in rows:
        if group and size + len(row.data) > TOGETHER:
            yield group
            group, size = [], 0
        group.append(row)
        size += len(row.data)
    yield group


def merged(rows: Sequence[BlobRow]) -> tuple[BlobRow, ...]:
    """The same items in as few rows as are read at once."""
    found: list[BlobRow] = []
    for group in together(rows):
        first, last = group[0], group[-1]
        count = sum([row.count for row in group])
        if len(group) == 1 or first.start + count != last.start + last.count:
            found += group
        else:
            data = b"".join([row.data for row in group])
            found.append(BlobRow(first.ns, first.key, first.start, count, data))
    return tuple(found)
