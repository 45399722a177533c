"""A saver that keeps everything in this process, still as bytes: what was saved cannot change."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from .claims import ClaimTable
from .events import MemoryEvents, check_events
from .record import Batch, BlobRow, CheckpointRecord, Claim, Loaded, TaskWrites
from .rewind import RewindPoint
from .rows import (
    blob_taken,
    id_bytes,
    id_taken,
    matches,
    no_checkpoint,
    no_point,
    stale,
    used_blobs,
)
from .serde import MsgpackSerializer, Serializer, encode_extra


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Stored:
    record: CheckpointRecord
    extra: bytes
    """The metadata's `extra`, encoded: the caller's dict may change later."""


@dataclass(slots=True, eq=False, repr=False)
class _Scope:
    ids: list[str] = field(default_factory=list[str])
    """Ascending."""
    checkpoints: dict[str, _Stored] = field(default_factory=dict[str, _Stored])
    writes: dict[str, dict[str, TaskWrites]] = field(
        default_factory=dict[str, dict[str, TaskWrites]]
    )
    blobs: dict[int, dict[int, BlobRow]] = field(default_factory=dict[int, dict[int, BlobRow]])
    """By key and start."""


class MemorySaver:
    """Keeps checkpoints in memory: for tests, and for threads that need not outlive the process.

    Any event loop in any thread may use it.  `events` is its log of run events::

        graph = builder.compile(checkpointer=MemorySaver())
    """

    def __init__(self, serializer: Serializer | None = None) -> None:
        self._serializer = serializer or MsgpackSerializer()
        self._claims = ClaimTable()
        self._lock = threading.Lock()
        self._scopes: dict[tuple[str, str], _Scope] = {}
        self._runs: dict[str, list[bytes]] = {}
        self.events = MemoryEvents(self._lock, self._runs)

    @property
    def serializer(self) -> Serializer:
        """Turns channel values into bytes and back."""
        return self._serializer

    async def claim(self, thread_id: str, owner: str, *, timeout: float | None) -> Claim:
        """Take the right to write to a thread; raises ThreadBusyError, which names the owner."""
        return Claim(thread_id, owner, await self._claims.acquire(thread_id, owner, timeout))

    def release(self, claim: Claim) -> None:
        """Give a claim back."""
        self._claims.release(claim.thread_id, claim.epoch)

    async def commit(self, batch: Batch) -> None:
        """Store the batch.

        Raises StaleClaimError, CheckpointConflictError, InvalidIdError or SerializationError;
        nothing is changed then.
        """
        extras = [encode_extra(self._serializer, c.metadata.extra) for c in batch.checkpoints]
        with self._lock:
            if self._claims.writer(batch.thread_id) != batch.epoch:
                raise stale(batch)
            self._check(batch)
            for record, extra in zip(batch.checkpoints, extras, strict=True):
                self._add_checkpoint(record, extra)
            for row in batch.blobs:
                self._scope(batch.thread_id, row.ns).blobs.setdefault(row.key, {})[row.start] = row
            for task in batch.writes:
                tasks = self._scope(batch.thread_id, task.ns).writes
                tasks.setdefault(task.checkpoint_id, {})[task.task_id] = task
            for event in batch.events:
                self._runs.setdefault(event.run_id, []).append(event.data)

    async def rewind(self, claim: Claim, points: Mapping[str, RewindPoint | None]) -> None:
        """Make scopes again what they were at their points; see `Saver.rewind`.

        Raises StaleClaimError or CheckpointConflictError; nothing is changed then.
        """
        self._claims.seal(claim.thread_id, claim.epoch)
        with self._lock:
            if self._claims.turn(claim.thread_id) != claim.epoch:
                raise stale(claim)
            self._check_points(claim.thread_id, points)
            for ns, point in points.items():
                if point is None:
                    self._scopes.pop((claim.thread_id, ns), None)
                else:
                    _rewind(self._scope(claim.thread_id, ns), point)

    async def synced(self) -> None:
        """Nothing to wait for: memory has no disk."""

    async def load(
        self, thread_id: str, ns: str = "", checkpoint_id: str | None = None
    ) -> Loaded | None:
        """The newest checkpoint of a scope, or the one asked for; None when there is none."""
        with self._lock:
            scope = self._scopes.get((thread_id, ns))
            if scope is None or not scope.ids:
                return None
            stored = scope.checkpoints.get(checkpoint_id or scope.ids[-1])
            return self._loaded(scope, self._record(stored)) if stored else None

    async def history(
        self,
        thread_id: str,
        ns: str = "",
        *,
        before: str | None = None,
        limit: int = 100,
        match: Mapping[str, Any] | None = None,
    ) -> Sequence[Loaded]:
        """Checkpoints of a scope, newest first; see `Saver.history`."""
        if before is not None:
            id_bytes(before)
        with self._lock:
            scope = self._scopes.get((thread_id, ns), _Scope())
            stop = len(scope.ids) if before is None else bisect_left(scope.ids, before)
            newest_first = (scope.checkpoints[scope.ids[at]] for at in range(stop - 1, -1, -1))
            records = map(self._record, newest_first)
            wanted = (record for record in records if matches(record.metadata, match))
            return [self._loaded(scope, record) for record in islice(wanted, limit)]

    def _scope(self, thread_id: str, ns: str) -> _Scope:
        return self._scopes.setdefault((thread_id, ns), _Scope())

    def _add_checkpoint(self, record: CheckpointRecord, extra: bytes) -> None:
        scope = self._scope(record.thread_id, record.ns)
        scope.ids.append(record.id)
        scope.checkpoints[record.id] = _Stored(replace(record, entries=dict(record.entries)), extra)

    def _record(self, stored: _Stored) -> CheckpointRecord:
        extra: dict[str, Any] = self._serializer.loads(stored.extra) if stored.extra else {}
        return replace(stored.record, metadata=replace(stored.record.metadata, extra=extra))

    def _loaded(self, scope: _Scope, record: CheckpointRecord) -> Loaded:
        tasks = scope.writes.get(record.id, {})
        writes = tuple(tasks[task_id] for task_id in sorted(tasks))
        newest_id = scope.ids[-1]
        newest = record.id == newest_id
        blobs: dict[int, tuple[BlobRow, ...]] = {}
        for key, stop in used_blobs(record, writes).items():
            rows = sorted(scope.blobs.get(key, {}).items())
            blobs[key] = tuple(row for start, row in rows if newest or start < stop)
        return Loaded(record, blobs, writes, newest_id, max(scope.blobs, default=-1) + 1)

    def _check(self, batch: Batch) -> None:
        """Refuse a batch that does not fit what is stored, before anything is changed."""
        added = self._check_checkpoints(batch)
        self._check_blobs(batch)
        for task in batch.writes:
            scope = self._scopes.get((batch.thread_id, task.ns))
            known = scope is not None and task.checkpoint_id in scope.checkpoints
            if not known and (task.ns, task.checkpoint_id) not in added:
                raise no_checkpoint(batch.thread_id, task)
        check_events(batch.events, lambda run_id: len(self._runs.get(run_id, ())))

    def _check_checkpoints(self, batch: Batch) -> set[tuple[str, str]]:
        newest: dict[str, str] = {}
        added: set[tuple[str, str]] = set()
        for record in batch.checkpoints:
            id_bytes(record.id)
            scope = self._scopes.get((batch.thread_id, record.ns))
            last = newest.get(record.ns) or (scope.ids[-1] if scope and scope.ids else "")
            if record.id <= last:
                raise id_taken(record, last)
            newest[record.ns] = record.id
            added.add((record.ns, record.id))
        return added

    def _check_points(self, thread_id: str, points: Mapping[str, RewindPoint | None]) -> None:
        for ns, point in points.items():
            scope = self._scopes.get((thread_id, ns))
            if point and (scope is None or point.base not in scope.checkpoints):
                raise no_point(thread_id, ns, point.base)

    def _check_blobs(self, batch: Batch) -> None:
        added: set[tuple[str, int, int]] = set()
        for row in batch.blobs:
            place = (row.ns, row.key, row.start)
            scope = self._scopes.get((batch.thread_id, row.ns))
            stored = scope is not None and row.start in scope.blobs.get(row.key, {})
            if stored or place in added:
                raise blob_taken(batch.thread_id, *place)
            added.add(place)


def _rewind(scope: _Scope, point: RewindPoint) -> None:
    stop = bisect_right(scope.ids, point.head)
    for gone in scope.ids[stop:]:
        del scope.checkpoints[gone]
        scope.writes.pop(gone, None)
    del scope.ids[stop:]
    scope.writes[point.base] = {task.task_id: task for task in point.writes}
    scope.blobs = {key: rows for key, rows in scope.blobs.items() if key < point.next_key}
    for key, end in point.ends.items():
        rows = scope.blobs[key]
        scope.blobs[key] = {start: row for start, row in rows.items() if start < end}
