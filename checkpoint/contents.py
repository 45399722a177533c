"""What a thread holds, without the bytes of its blobs, and what of it goes when only a part stays.

Checkpoints are linked by `parent_id`.  When some go, each that stays is linked to the nearest one
above it that stays (None: there is none), and its `changed` says what differs from that one.  Blob
rows stay as long as an entry of what stays points into them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import field, replace

from .record import CheckpointRecord, Composed, Entry, Span, Spanned, TaskWrites, Whole
from .reports import Removed, ThreadInfo
from .value import slotted

Place = tuple[str, str]
"""(ns, checkpoint id)"""


@slotted
class BlobSize:
    """A blob row without its bytes."""

    key: int
    start: int
    count: int
    size: int


@slotted
class ScopeContents:
    """What one scope holds."""

    ns: str
    checkpoints: tuple[CheckpointRecord, ...]
    """Oldest first."""
    writes: Mapping[str, tuple[TaskWrites, ...]]
    """By the id of the checkpoint that they come after."""
    blobs: tuple[BlobSize, ...]
    links: Mapping[str, frozenset[Place]] = field(default_factory=dict[str, frozenset[Place]])
    """What checkpoints need of other scopes, by their ids."""


Contents = Mapping[str, ScopeContents]
"""The scopes of a thread by ns."""


@slotted
class ScopeRemoval:
    """What to do to a scope of which a part stays (nothing, if `emptied`)."""

    ns: str
    gone: tuple[str, ...]
    """Ids of the checkpoints that go, with their pending writes."""
    relinked: tuple[CheckpointRecord, ...]
    """Checkpoints that stay and get another parent."""
    blobs: tuple[tuple[int, int], ...]
    """(key, start) of the blob rows that go."""
    emptied: bool


@slotted
class Removal:
    """What to do to a thread, and what that comes to."""

    scopes: tuple[ScopeRemoval, ...]
    removed: Removed
    emptied: bool
    """True: no checkpoint of the thread stays."""


def places_of(contents: Contents) -> frozenset[Place]:
    """Every checkpoint of a thread."""
    return frozenset(
        (ns, record.id) for ns, scope in contents.items() for record in scope.checkpoints
    )


def run_ids_of(contents: Contents) -> set[str]:
    """The runs that wrote the checkpoints of a thread."""
    return {
        record.metadata.run_id
        for scope in contents.values()
        for record in scope.checkpoints
        if record.metadata.run_id is not None
    }


def info_of(thread_id: str, contents: Contents) -> ThreadInfo:
    """The thread's line in a list of threads."""
    newest = contents[min(contents)].checkpoints[-1]  # the root's ns sorts first
    count = sum(len(scope.checkpoints) for scope in contents.values())
    return ThreadInfo(thread_id, count, newest.id, newest.created_at)


def removal_of(contents: Contents, staying: Collection[Place]) -> Removal:
    """What to do so that only the checkpoints in `staying` stay, and what they need."""
    kept: dict[str, set[str]] = {}
    for ns, checkpoint_id in staying:
        kept.setdefault(ns, set()).add(checkpoint_id)
    scopes: list[ScopeRemoval] = []
    removed = Removed()
    for ns, scope in contents.items():
        removal, size = _of_scope(scope, kept.get(ns, set()))
        if removal.gone or removal.blobs:
            scopes.append(removal)
            removed += Removed(len(removal.gone), len(removal.blobs), size)
    return Removal(tuple(scopes), removed, emptied=not staying)


def _of_scope(scope: ScopeContents, kept: AbstractSet[str]) -> tuple[ScopeRemoval, int]:
    gone = tuple(record.id for record in scope.checkpoints if record.id not in kept)
    uses = _Uses()
    for record in scope.checkpoints:
        if record.id in kept:
            uses.add(record.entries.values())
            for task in scope.writes.get(record.id, ()):
                uses.add(entry for _, entry in task.writes)
    blobs = [blob for blob in scope.blobs if not uses.need(blob)] if gone else []
    removal = ScopeRemoval(
        ns=scope.ns,
        gone=gone,
        relinked=tuple(_relinked(scope, kept)) if gone else (),
        blobs=tuple((blob.key, blob.start) for blob in blobs),
        emptied=not kept,
    )
    return removal, sum(blob.size for blob in blobs)


def _relinked(scope: ScopeContents, kept: AbstractSet[str]) -> Iterator[CheckpointRecord]:
    records = {record.id: record for record in scope.checkpoints}
    for record in scope.checkpoints:
        if record.id not in kept or record.parent_id is None or record.parent_id in kept:
            continue
        above = records.get(record.parent_id)
        while above is not None and above.id not in kept:
            above = records.get(above.parent_id or "")
        yield replace(record, parent_id=above and above.id, changed=changed_between(record, above))


def changed_between(record: CheckpointRecord, parent: CheckpointRecord | None) -> frozenset[str]:
    """The channels whose entries differ."""
    entries: Mapping[str, Entry] = parent.entries if parent else {}
    differ = [name for name, entry in record.entries.items() if entries.get(name) != entry]
    return frozenset(differ) | (entries.keys() - record.entries.keys())


class _Uses:
    """Which blob rows entries point into."""

    def __init__(self) -> None:
        self._whole: set[int] = set()
        self._spans: dict[int, set[Span]] = {}
        self._parts: dict[int, list[tuple[int, int]]] = {}

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            match entry:
                case Whole():
                    self._whole.add(entry.key)
                case Spanned() | Composed():
                    for span in entry.spans:
                        self._spans.setdefault(span.key, set()).add(span)
                case _:
                    pass

    def need(self, blob: BlobSize) -> bool:
        """True if an entry points into a row; to be asked when all are added."""
        if blob.key in self._whole:
            return True
        if blob.key not in self._parts:
            spans = self._spans.get(blob.key, ())
            self._parts[blob.key] = joined((span.start, span.stop) for span in spans)
        parts = self._parts[blob.key]
        at = bisect_right(parts, blob.start, key=lambda part: part[0]) - 1
        follows = at + 1 < len(parts) and parts[at + 1][0] < blob.start + blob.count
        return follows or (at >= 0 and blob.start < parts[at][1])


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What ranges (start, stop) cover together, as few of them as possible, in order."""
    parts: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if parts and start <= parts[-1][1]:
            parts[-1] = (parts[-1][0], max(stop, parts[-1][1]))
        else:
            parts.append((start, stop))
    return parts
