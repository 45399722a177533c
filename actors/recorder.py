"""Turns what the machine wants saved into saver batches, as the run's durability says.

* `async`, `sync`: everything asked for since the last commit goes into one batch.
* `exit`: steps are only remembered; the last one is stored when the run ends, with the writes of
  the tasks that had finished after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from checkpoint import (
    Batch,
    Begin,
    Begun,
    BlobRow,
    CheckpointMetadata,
    CheckpointRecord,
    Claim,
    ClaimTable,
    Encoded,
    Entry,
    EventRow,
    Loaded,
    RewindPoint,
    Saver,
    ScopeEncoder,
    SerializationError,
    StaleClaimError,
    TaskWrites,
    Whole,
    begin_of,
    is_instant,
    rewind_point,
)

from .channels import MISSING
from .commands import NULL_TASK, Restored, Snapshot, Task
from .kept import kept_of
from .layout import Layout
from .spec import MIGRATED
from .values import Durability
from .views import error_text


class Recorder:
    """Stores one scope's checkpoints and pending writes under its thread's claim."""

    __slots__ = (
        "_batch",
        "_begin",
        "_begun",
        "_changed",
        "_encoder",
        "_entries",
        "_input",
        "_last",
        "_notes",
        "_ns",
        "_unevolved",
        "_unsaved",
        "_unstored",
        "_writes",
        "claim",
        "durability",
        "fenced",
        "instant",
        "metadata",
        "points",
        "saver",
        "turns",
    )

    def __init__(
        self,
        saver: Saver,
        claim: Claim,
        ns: str,
        loaded: Loaded | None,
        *,
        durability: Durability,
        metadata: CheckpointMetadata,
        unstored: frozenset[str],
        points: dict[str, RewindPoint | None] | None = None,
        turns: ClaimTable | None = None,
    ) -> None:
        self.saver = saver
        self.claim = claim
        self.instant = is_instant(saver)
        """Its commits wait for nothing."""
        self._begin = begin_of(saver)
        self._begun: Begun | None = None
        """A commit that is not over yet."""
        self.durability: Durability = durability
        self.metadata = metadata
        """What the checkpoints' metadata have in common."""
        self.points: dict[str, RewindPoint | None] = {} if points is None else points
        """What the scopes that the run came to held then, by ns; one for all graphs of a run."""
        self.turns = ClaimTable() if turns is None else turns
        """Who writes to a scope that several calls share; one for all graphs of a run."""
        self._ns = ns
        self._unstored = unstored
        self._encoder = ScopeEncoder(saver.serializer, ns, loaded)
        self._entries: dict[str, Entry] = dict(loaded.record.entries) if loaded else {}
        self._changed = loaded.record.changed if loaded else frozenset[str]()
        """What the last checkpoint taken, or loaded, changed."""
        self._unsaved: dict[str, tuple[int, Any]] = {}
        """Channels changed since the last stored checkpoint: version and value (exit)."""
        self._unevolved: tuple[str, tuple[str, ...]] | None = None
        """A checkpoint of an older graph, and the migrations of what is kept beside it."""
        self._last: Snapshot | None = None
        """The newest checkpoint that is not stored yet."""
        self._writes: list[tuple[Task, str]] = []
        self._input: Encoded | None = None
        """An input that is not committed yet, as long as it is stored beside what channels took."""
        self._notes: dict[str, TaskWrites] = {}
        """What is known of the effects of the step that runs (exit)."""
        self._batch = _Parts()
        self.fenced = False
        """True: the run was given up while a worker thread still drives this; nothing is stored."""

    def go_on_from(self, restored: Restored, layout: Layout) -> None:
        """Note what the checkpoint is that the run goes on from."""
        if restored.outdated and layout.migrations:
            past = tuple(each.note for each in layout.migrations)
            self._unevolved = (restored.checkpoint_id, past)

    # --- asked by the scheduler ----------------------------------------------------------

    def save(self, snapshot: Snapshot) -> None:
        """Take a checkpoint; SerializationError names the channel, and it is not taken then."""
        if self.durability == "exit":
            for version, changed in _by_version(snapshot).items():
                for name, value in changed.items():
                    self._unsaved[name] = version, value
            base = self._last.parent_id if self._last else snapshot.parent_id
            snapshot.parent_id = base
            self._last = snapshot
            self._writes.clear()
            self._notes.clear()
            return
        encoded = self._encode(snapshot, _by_version(snapshot))
        self._encode_writes(encoded)
        if snapshot.source == "input":
            self._input = encoded

    def repeat(self, snapshot: Snapshot) -> None:
        """Take a checkpoint beside the last one that holds exactly what that one holds."""
        self._batch.checkpoints.append(self._record(snapshot, self._entries, self._changed))

    def keep(self, task: Task, checkpoint_id: str) -> None:
        """Take the writes (or the error) of a finished task."""
        self._writes.append((task, checkpoint_id))

    @property
    def pending(self) -> bool:
        """True if there is something to commit now."""
        return self.durability != "exit" and bool(self._writes or self._batch)

    async def commit(self, events: Sequence[EventRow] = ()) -> None:
        """Store what was taken since the last commit; returns when it is committed."""
        batch = self._taken(tuple(events))
        try:
            await self.saver.commit(batch)
        except BaseException:
            self._encoder.rewind()
            raise
        self._encoder.accept()

    @property
    def begins(self) -> bool:
        """True if its saver begins commits, and need not be asked to `commit`."""
        return self._begin is not None and self.durability != "exit"

    def begin(self, *, synced: bool) -> Begun:
        """Begin to store what was taken since the last commit; `settle` has to hear of its end.

        `synced`: it ends when it is on the disk.  Only if it `begins`.
        """
        batch = self._taken()
        try:
            self._begun = cast(Begin, self._begin)(batch, synced=synced)
        except BaseException:
            self._encoder.rewind()
            raise
        return self._begun

    def settle(self, begun: Begun) -> bool:
        """What was begun is over; true if it is committed."""
        self._begun = None
        if begun.made:
            self._encoder.accept()
        else:
            self._encoder.rewind()
        return begun.made

    async def flush(self) -> None:
        """Commit whatever was taken and is not committed yet (`exit`: all of it)."""
        if self._begun is not None:
            await self._begun
        if self._last is not None:
            changed: dict[int, dict[str, Any]] = {}
            for name, (version, value) in self._unsaved.items():
                changed.setdefault(version, {})[name] = value
            self._encode(self._last, changed)
            self._last, self._unsaved = None, {}
        self._batch.writes += list(self._notes.values())  # a given-up thread may add one meanwhile
        self._notes.clear()
        if not (self._writes or self._batch):
            return
        try:
            await self.commit()
        except SerializationError as error:
            self.drop_refused(error)
            await self.commit()
            raise

    async def note(self, writes: TaskWrites) -> None:
        """Store what is known of one effect, at once and by itself; `exit`: at the run's end."""
        if self.durability == "exit":
            self._notes[writes.task_id] = writes
            return
        claim = self.claim
        await self.saver.commit(Batch(claim.thread_id, claim.epoch, writes=(writes,)))
        if self.durability == "sync":
            await self.saver.synced()

    async def mark(self, loaded: Loaded | None) -> None:
        """Note what the scope holds, before anything is stored in it; the first time counts."""
        if self._ns in self.points:
            return
        point, head = None, loaded
        if loaded is not None:
            if not loaded.newest:
                head = await self.saver.load(self.claim.thread_id, self._ns)
            point = rewind_point(loaded, (head or loaded).record.id)
        self.points[self._ns] = point

    async def rewind(self) -> None:
        """Forget all that the run stored, in every scope it came to; it stores no more then."""
        await self.saver.rewind(self.claim, dict(self.points))

    async def synced(self) -> None:
        """Wait until everything committed is on the disk."""
        await self.saver.synced()

    def drop_refused(self, raised: SerializationError) -> None:
        """Keep the error of a task whose writes or interrupts were refused instead of those, so
        that what its siblings wrote can still be stored.  Of answers, and of a Command as input,
        that were refused nothing is kept: what was stored stays.

        Whoever reads what was raised is told the nodes whose writes were refused.
        """
        kept: list[tuple[Task, str]] = []
        for task, checkpoint_id in self._writes:
            error = self._refusal(task)
            if error is not None and task.id != NULL_TASK:
                task.interrupts, task.error = (), task.error or error_text(error)
                raised.add_note(_REFUSED.format(task.node.name))
            if error is None or (task.id != NULL_TASK and self._refusal(task) is None):
                kept.append((task, checkpoint_id))
        self._writes = kept

    def _refusal(self, task: Task) -> SerializationError | None:
        try:
            self._encoder.encode_writes(kept_of(task, self._unstored))
        except SerializationError as error:
            return error
        return None

    # --- encoding ------------------------------------------------------------------------

    def _taken(self, events: tuple[EventRow, ...] = ()) -> Batch:
        """What was taken since the last commit, with events of it."""
        if self.fenced:
            raise StaleClaimError(
                f"a checkpoint of thread {self.claim.thread_id!r} came after its run was given up; "
                "nothing was stored; run the thread again"
            )
        self._encode_writes()
        given, self._input = self._input, None
        if given is not None and given.rows:
            self._compose(given)
        parts, self._batch = self._batch, _Parts()
        return parts.batch(self.claim, events)

    def _encode(
        self, snapshot: Snapshot, changed: Mapping[int, Mapping[str, Any]]
    ) -> Encoded | None:
        """Take a checkpoint whose channels changed in the steps of these versions; gives what the
        last of them changed."""
        entries, encoded = dict(self._entries), None
        for version, part in changed.items():
            values: dict[str, Any] = {}
            for name, value in part.items():
                if value is not MISSING:
                    values[name] = value
                elif name in entries:
                    del entries[name]
            if values:  # with "exit", most versions of a long run only emptied triggers
                encoded = self._encoder.encode(values, version)
                entries.update(encoded.entries)
                self._batch.blobs += encoded.rows
        self._entries = entries
        self._changed = _NO_NAMES.union(*changed.values())
        self._batch.checkpoints.append(self._record(snapshot, entries, self._changed))
        return encoded

    def _compose(self, given: Encoded) -> None:
        """Have an input point to what channels have taken of it, where it is stored beside that."""
        for name, value in given.values.items():
            entry = given.entries[name]
            if isinstance(entry, Whole) and name not in self._entries:
                composed = self._encoder.compose(name, value, entry.version)
                if composed is not None:
                    self._batch.put(name, entry, composed)

    def _record(
        self, snapshot: Snapshot, entries: Mapping[str, Entry], changed: frozenset[str]
    ) -> CheckpointRecord:
        known = self.metadata
        return CheckpointRecord(  # in the order of its fields: naming them takes twice as long
            snapshot.id,
            self.claim.thread_id,
            self._ns,
            snapshot.parent_id,
            snapshot.created_at,
            CheckpointMetadata(
                snapshot.source, snapshot.step, known.run_id, known.parents, known.extra
            ),
            entries,
            changed,
            snapshot.version,
            snapshot.wrote,
        )

    def _encode_writes(self, beside: Encoded | None = None) -> None:
        """Take the writes of finished tasks; `beside`: the step that has just been encoded."""
        if not self._writes:
            return
        for task, checkpoint_id in self._writes:
            writes = kept_of(task, self._unstored)
            if self._unevolved is not None and self._unevolved[0] == checkpoint_id:
                writes = [*writes, (MIGRATED, list(self._unevolved[1]))]
            encoded = self._encoder.encode_writes(writes, beside)
            self._batch.blobs += encoded.rows
            self._batch.writes.append(TaskWrites(self._ns, checkpoint_id, task.id, encoded.writes))
        self._writes.clear()


_NO_NAMES = frozenset[str]()
_REFUSED = "During task with name {!r}, whose writes are not stored"


def _by_version(snapshot: Snapshot) -> dict[int, Mapping[str, Any]]:
    """What a checkpoint changes, by the channel version it belongs to."""
    if not snapshot.before:
        return {snapshot.version: snapshot.changed}
    return {snapshot.version - 1: snapshot.before, snapshot.version: snapshot.changed}


class _Parts:
    """A batch in the making."""

    __slots__ = ("blobs", "checkpoints", "writes")

    def __init__(self) -> None:
        self.checkpoints: list[CheckpointRecord] = []
        self.blobs: list[BlobRow] = []
        self.writes: list[TaskWrites] = []

    def __bool__(self) -> bool:
        return bool(self.checkpoints or self.writes or self.blobs)

    def put(self, name: str, old: Whole, new: Entry) -> None:
        """Put another entry of a channel in the place of one whose blob is not needed then."""
        self.blobs = [row for row in self.blobs if row.key != old.key]
        for at, record in enumerate(self.checkpoints):
            if record.entries.get(name) is old:
                entries = {**record.entries, name: new}
                self.checkpoints[at] = replace(record, entries=entries)

    def batch(self, claim: Claim, events: tuple[EventRow, ...]) -> Batch:
        checkpoints, blobs, writes = tuple(self.checkpoints), tuple(self.blobs), tuple(self.writes)
        return Batch(claim.thread_id, claim.epoch, checkpoints, blobs, writes, events)
