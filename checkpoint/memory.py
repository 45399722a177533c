"""A saver that keeps everything in this process, still as bytes: what was saved cannot change."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from .claims import ClaimTable
from .custodian import Change, Custodian, unknown_source
from .events import MemoryEvents, check_events
from .extras import ExtraEncoder
from .limits import checked_limit, id_of
from .memory_scope import MemoryScope
from .record import Batch, BlobRow, CheckpointRecord, Claim, Loaded
from .reports import Removed, ThreadInfo, Verification
from .rewind import RewindPoint
from .rows import (
    blob_taken,
    check_id,
    id_taken,
    matches,
    no_checkpoint,
    no_point,
    stale,
    used_blobs,
)
from .saver import instant
from .serde import MsgpackSerializer, Serializer

if TYPE_CHECKING:
    from .contents import Contents, ScopeContents


class MemorySaver(Custodian):
    """Keeps checkpoints in memory: for tests, and for threads that need not outlive the process.

    Any event loop in any thread may use it.  `events` is its log of run events.  `serde` is
    LangGraph's word for `serializer`::

        graph = builder.compile(checkpointer=MemorySaver())
    """

    def __init__(
        self, serializer: Serializer | None = None, *, serde: Serializer | None = None
    ) -> None:
        self._serializer = serializer or serde or MsgpackSerializer()
        self._extras = ExtraEncoder(self._serializer)
        self._claims = ClaimTable()
        self._lock = threading.Lock()
        self._scopes: dict[tuple[str, str], MemoryScope] = {}
        self._runs: dict[str, list[bytes]] = {}
        self._threads_by_run: dict[str, str] = {}
        """The thread that a run's events came with."""
        self.events = MemoryEvents(self._lock, self._runs, self._threads_by_run)

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

    @instant
    async def commit(self, batch: Batch) -> None:
        """Store the batch.

        Raises StaleClaimError, CheckpointConflictError, InvalidIdError or SerializationError;
        nothing is changed then.
        """
        extras = [self._extras.encode(each.metadata.extra) for each in batch.checkpoints]
        with self._lock:
            if self._claims.writer(batch.thread_id) != batch.epoch:
                raise stale(batch)
            self._check(batch)
            for record, extra in zip(batch.checkpoints, extras, strict=True):
                self._scope(record.thread_id, record.ns).add(record, extra)
            for row in batch.blobs:
                self._scope(batch.thread_id, row.ns).blobs.setdefault(row.key, {})[row.start] = row
            for task in batch.writes:
                tasks = self._scope(batch.thread_id, task.ns).writes
                tasks.setdefault(task.checkpoint_id, {})[task.task_id] = task
            for event in batch.events:
                self._runs.setdefault(event.run_id, []).append(event.data)
                self._threads_by_run.setdefault(event.run_id, batch.thread_id)

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
                    self._scope(claim.thread_id, ns).rewind(point)

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
            return self._loaded(scope, self._record(scope, stored)) if stored else None

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
            check_id(before)
        with self._lock:
            scope = self._scopes.get((thread_id, ns), MemoryScope())
            stop = len(scope.ids) if before is None else bisect_left(scope.ids, before)
            newest_first = (scope.checkpoints[scope.ids[at]] for at in range(stop - 1, -1, -1))
            records = (self._record(scope, stored) for stored in newest_first)
            wanted = (record for record in records if matches(record.metadata, match))
            return [self._loaded(scope, record) for record in islice(wanted, limit)]

    # --- administration, see `Custodian` ---------------------------------------------------

    async def athreads(self, *, limit: int | None = None) -> Sequence[ThreadInfo]:
        """The threads that hold checkpoints, the one written last first."""
        from .contents import info_of

        with self._lock:
            threads: dict[str, dict[str, ScopeContents]] = {}
            for (thread_id, ns), scope in self._scopes.items():
                if scope.ids:
                    threads.setdefault(thread_id, {})[ns] = scope.contents(ns)
        infos = [info_of(thread_id, threads[thread_id]) for thread_id in sorted(threads)]
        infos.sort(key=lambda info: info.newest_id, reverse=True)
        return infos[: checked_limit(limit)]

    async def averify(self, thread_id: str | None = None) -> Verification:
        """Decode all that is stored, of one thread or of all, and tell what cannot be."""
        from .soundness import ScopeCheck

        wanted = None if thread_id is None else id_of("thread_id", thread_id)
        with self._lock:
            scopes = {
                place: (scope.contents(place[1]), list(scope.rows()))
                for place, scope in self._scopes.items()
                if wanted is None or place[0] == wanted
            }
        found = Verification(threads=len({thread for thread, _ in scopes}))
        for (thread, ns), (contents, rows) in scopes.items():
            check = ScopeCheck(self._serializer, thread, ns)
            check.blobs(rows)
            check.contents(contents)
            found += check.result()
        return found

    async def _contents(self, thread_id: str) -> Contents:
        with self._lock:
            return {
                ns: replace(contents, links=self._scopes[thread_id, ns].links(self._serializer))
                for ns, contents in self._look(thread_id).items()
            }

    async def _threads_of(self, run_ids: Sequence[str]) -> Sequence[str]:
        wanted = set(run_ids)
        with self._lock:
            return list(
                {
                    thread_id
                    for (thread_id, _), scope in self._scopes.items()
                    for record in scope.checkpoints.values()
                    if record.metadata.run_id in wanted
                }
            )

    async def _change(self, change: Change) -> Removed:
        claims = [*change.erased, *(claim for claim, _ in change.removals)]
        with self._lock:
            for claim in claims:
                if self._claims.writer(claim.thread_id) != claim.epoch:
                    raise stale(claim)
            removed = sum((self._erase_thread(each.thread_id) for each in change.erased), Removed())
            for claim, removal in change.removals:
                for part in removal.scopes:
                    if part.emptied:
                        del self._scopes[claim.thread_id, part.ns]
                    else:
                        self._scopes[claim.thread_id, part.ns].remove(part)
            self._forget_runs(change.run_ids)
        return removed

    async def _copy(self, source_thread_id: str, claim: Claim) -> None:
        from .contents import run_ids_of

        with self._lock:
            if self._claims.writer(claim.thread_id) != claim.epoch:
                raise stale(claim)
            contents = self._look(source_thread_id)
            if not contents:
                raise unknown_source(source_thread_id)
            for run_id in run_ids_of(contents):
                if run_id in self._runs:
                    self._threads_by_run.setdefault(run_id, source_thread_id)
            for ns in contents:
                scope = self._scopes[source_thread_id, ns]
                self._scopes[claim.thread_id, ns] = scope.copied(claim.thread_id)

    def _release_erased(self, claim: Claim) -> None:
        self.release(claim)

    def _erase_thread(self, thread_id: str) -> Removed:
        from .contents import removal_of, run_ids_of

        contents = self._look(thread_id)
        mine = [run for run, thread in self._threads_by_run.items() if thread == thread_id]
        alone = run_ids_of(contents) - self._threads_by_run.keys()
        self._forget_runs([*mine, *alone])
        for ns in [ns for thread, ns in self._scopes if thread == thread_id]:
            del self._scopes[thread_id, ns]
        return removal_of(contents, ()).removed

    def _forget_runs(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            self._runs.pop(run_id, None)
            self._threads_by_run.pop(run_id, None)

    def _look(self, thread_id: str) -> Contents:
        return {
            ns: scope.contents(ns)
            for (thread, ns), scope in self._scopes.items()
            if thread == thread_id and scope.ids
        }

    # --- storage ---------------------------------------------------------------------------

    def _scope(self, thread_id: str, ns: str) -> MemoryScope:
        scope = self._scopes.get((thread_id, ns))
        if scope is None:
            scope = self._scopes[thread_id, ns] = MemoryScope()
        return scope

    def _record(self, scope: MemoryScope, stored: CheckpointRecord) -> CheckpointRecord:
        """A record for a reader, who may change its dicts."""
        data = scope.extras.get(stored.id)
        extra: dict[str, Any] = self._serializer.loads(data) if data else {}
        metadata = replace(stored.metadata, parents=dict(stored.metadata.parents), extra=extra)
        return replace(stored, entries=dict(stored.entries), metadata=metadata)

    def _loaded(self, scope: MemoryScope, record: CheckpointRecord) -> Loaded:
        writes = scope.tasks(record.id)
        newest_id = scope.ids[-1]
        newest = record.id == newest_id
        blobs: dict[int, tuple[BlobRow, ...]] = {}
        for key, stop in used_blobs(record, writes).items():
            rows = sorted(scope.blobs.get(key, {}).items())
            blobs[key] = tuple(row for start, row in rows if newest or start < stop)
        return Loaded(record, blobs, writes, newest_id, max(scope.blobs, default=-1) + 1)

    def _check(self, batch: Batch) -> None:
        """Refuse a batch that does not fit what is stored, before anything is changed."""
        self._check_checkpoints(batch)
        if batch.blobs:
            self._check_blobs(batch)
        for task in batch.writes:
            scope = self._scopes.get((batch.thread_id, task.ns))
            known = scope is not None and task.checkpoint_id in scope.checkpoints
            if not known and not any(
                (each.ns, each.id) == (task.ns, task.checkpoint_id) for each in batch.checkpoints
            ):
                raise no_checkpoint(batch.thread_id, task)
        if batch.events:
            check_events(batch.events, lambda run_id: len(self._runs.get(run_id, ())))

    def _check_checkpoints(self, batch: Batch) -> None:
        newest: dict[str, str] = {}
        for record in batch.checkpoints:
            check_id(record.id)
            scope = self._scopes.get((batch.thread_id, record.ns))
            last = newest.get(record.ns) or (scope.ids[-1] if scope and scope.ids else "")
            if record.id <= last:
                raise id_taken(record, last)
            newest[record.ns] = record.id

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
