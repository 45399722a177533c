"""What a MemorySaver keeps of one scope."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .record import BlobRow, CheckpointRecord, TaskWrites
from .rewind import RewindPoint
from .serde import Serializer

if TYPE_CHECKING:
    from .contents import Place, ScopeContents, ScopeRemoval


@dataclass(slots=True, eq=False, repr=False)
class MemoryScope:
    """The checkpoints, pending writes and blobs of a scope; used under the saver's lock.

    What a step leaves here is looked at by every full collection of garbage from then on: so it is
    as few objects as can be.
    """

    ids: list[str] = field(default_factory=list[str])
    """Ascending."""
    checkpoints: dict[str, CheckpointRecord] = field(default_factory=dict[str, CheckpointRecord])
    extras: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Their metadata's `extra`, encoded: the caller's dict may change later.  None if empty."""
    writes: dict[str, dict[str, TaskWrites]] = field(
        default_factory=dict[str, dict[str, TaskWrites]]
    )
    blobs: dict[int, dict[int, BlobRow]] = field(default_factory=dict[int, dict[int, BlobRow]])
    """By key and start."""

    def add(self, record: CheckpointRecord, extra: bytes) -> None:
        """Keep one more checkpoint, newer than all before."""
        self.ids.append(record.id)
        self.checkpoints[record.id] = record
        if extra:
            self.extras[record.id] = extra

    def tasks(self, checkpoint_id: str) -> tuple[TaskWrites, ...]:
        """The pending writes after a checkpoint, by task."""
        tasks = self.writes.get(checkpoint_id, {})
        return tuple(tasks[task_id] for task_id in sorted(tasks))

    def rows(self) -> Iterator[BlobRow]:
        """Every blob row."""
        for pieces in self.blobs.values():
            yield from pieces.values()

    def rewind(self, point: RewindPoint) -> None:
        """Be again what the scope was at a point."""
        stop = bisect_right(self.ids, point.head)
        self._forget(self.ids[stop:])
        self.writes[point.base] = {task.task_id: task for task in point.writes}
        self.blobs = {key: rows for key, rows in self.blobs.items() if key < point.next_key}
        for key, end in point.ends.items():
            rows = self.blobs[key]
            self.blobs[key] = {start: row for start, row in rows.items() if start < end}

    def contents(self, ns: str) -> ScopeContents:
        """What is kept, without the bytes of the blobs."""
        from .contents import BlobSize, ScopeContents

        return ScopeContents(
            ns=ns,
            checkpoints=tuple(self.checkpoints[each] for each in self.ids),
            writes={each: self.tasks(each) for each in self.ids if each in self.writes},
            blobs=tuple(
                BlobSize(row.key, row.start, row.count, len(row.data)) for row in self.rows()
            ),
        )

    def links(self, serializer: Serializer) -> dict[str, frozenset[Place]]:
        """What checkpoints need of other scopes, by their ids."""
        from .links import LinkReader

        reader = LinkReader(serializer, lambda key: self.blobs[key][0].data)
        found = {each: reader.of(self.checkpoints[each], self.tasks(each)) for each in self.ids}
        return {each: places for each, places in found.items() if places}

    def remove(self, removal: ScopeRemoval) -> None:
        """Keep what stays."""
        for record in removal.relinked:
            stored = self.checkpoints[record.id]
            relinked = replace(stored, parent_id=record.parent_id, changed=record.changed)
            self.checkpoints[record.id] = relinked
        self._forget(removal.gone)
        for key, start in removal.blobs:
            del self.blobs[key][start]
            if not self.blobs[key]:
                del self.blobs[key]

    def copied(self, thread_id: str) -> MemoryScope:
        """The same for another thread; what is stored never changes, so both share it."""
        return MemoryScope(
            ids=list(self.ids),
            checkpoints={
                each: replace(stored, thread_id=thread_id)
                for each, stored in self.checkpoints.items()
            },
            extras=dict(self.extras),
            writes={each: dict(tasks) for each, tasks in self.writes.items()},
            blobs={key: dict(rows) for key, rows in self.blobs.items()},
        )

    def _forget(self, gone: Iterator[str] | list[str] | tuple[str, ...]) -> None:
        lost = set(gone)
        self.ids = [each for each in self.ids if each not in lost]
        for each in lost:
            del self.checkpoints[each]
            self.extras.pop(each, None)
            self.writes.pop(each, None)
