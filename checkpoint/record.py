"""What a saver stores, as plain values: no clock, no file, no event loop.

A *scope* is one (thread_id, ns) pair: a thread's root graph has ns "", a subgraph's ns is
"node:task_id" (nested ones joined by "|").  A *checkpoint* of a scope says, for each channel
that holds a value, where that value is stored (an *entry*).  Values are stored once:

* a small value rides inside the checkpoint itself (`Inline`);
* a larger one is one blob, shared by every checkpoint whose channel did not change (`Whole`);
* a list is cut into item runs, so a longer list adds only its tail (`Spanned`): a run is an
  append-only sequence of encoded items, and a list version is a short tuple of spans over runs;
* a dict of lists whose items a channel has taken, as an input is, points to them (`Composed`).

Blob keys are small integers, unique inside their scope; the one scheduler that holds the
thread's claim hands them out, counting on from `Loaded.next_key`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from .value import Value, slotted

Source = Literal["input", "loop", "update", "fork"]


@slotted
class Inline(Value):
    """A value small enough to ride in the checkpoint: its encoded bytes."""

    version: int
    data: bytes


@slotted
class Whole(Value):
    """A value stored as one blob."""

    version: int
    key: int


@slotted
class Span(Value):
    """Items start (inclusive) to stop (exclusive) of the item run `key`."""

    key: int
    start: int
    stop: int


@slotted
class Spanned(Value):
    """A list, as spans over item runs in list order."""

    version: int
    spans: tuple[Span, ...]


@slotted
class Composed(Value):
    """A dict with lists that are stored as items of runs."""

    version: int
    data: bytes
    """The dict's encoded bytes, with None in the places of those lists."""
    lists: tuple[tuple[str, tuple[Span, ...]], ...]
    """Where they are, by their keys."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """Those of all lists."""
        return tuple([span for _, spans in self.lists for span in spans])


Entry = Inline | Whole | Spanned | Composed


@slotted
class BlobRow(Value):
    """Bytes to store: a whole value (start 0, count 0), or `count` items of a run from `start`.

    `data` of an item row is the encoded items one after the other.
    """

    ns: str
    key: int
    start: int
    count: int
    data: bytes


LINKS = "__kept__"
"""A channel that pruning reads: its value, {ns: checkpoint id}, says what its checkpoint needs of
other scopes.  A task's pending writes to it count, too."""


@slotted
class CheckpointMetadata(Value):
    """Why a checkpoint was written."""

    source: Source
    step: int
    """-1 for the input, 0 for the first loop checkpoint, counting on over the runs of a thread."""
    run_id: str | None = None
    parents: Mapping[str, str] = field(default_factory=dict[str, str])
    """Checkpoint ids of the enclosing graphs, by ns."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The run config's metadata and plain configurable values (JSON-like)."""


@slotted
class CheckpointRecord(Value):
    """One checkpoint as stored; append-only, never changed once committed."""

    id: str
    """Time-ordered; strictly greater than the ids of all earlier checkpoints of its scope."""
    thread_id: str
    ns: str
    parent_id: str | None
    created_at: float
    """Seconds since the epoch."""
    metadata: CheckpointMetadata
    entries: Mapping[str, Entry]
    """Every channel that holds a value; a channel that is not here is empty."""
    changed: frozenset[str]
    """Channels whose entry differs from the parent's, or that the parent had and this has not."""
    version: int
    """The channel version of this step: channels whose entry has it were updated by it."""
    wrote: tuple[str, ...] = ()
    """Names of the nodes that ran last when it was made, sorted."""


@slotted
class TaskWrites(Value):
    """All pending writes of one finished (or failed) task of the step after `checkpoint_id`."""

    ns: str
    checkpoint_id: str
    task_id: str
    writes: tuple[tuple[str, Entry], ...]
    """(channel, entry) in the order the task wrote them; `version` of these entries says nothing,
    and is not stored."""


@slotted
class EventRow(Value):
    """One opaque event of a run's durable log."""

    run_id: str
    id: int
    data: bytes


@slotted
class Batch(Value):
    """What belongs to one commit: all of it becomes durable, or none."""

    thread_id: str
    epoch: int
    """The claim's epoch; the commit is refused when the thread has been taken over since."""
    checkpoints: tuple[CheckpointRecord, ...] = ()
    blobs: tuple[BlobRow, ...] = ()
    writes: tuple[TaskWrites, ...] = ()
    events: tuple[EventRow, ...] = ()


@slotted
class Claim(Value):
    """The right to write to a thread, held by one scheduler at a time."""

    thread_id: str
    owner: str
    epoch: int


@slotted
class Loaded(Value):
    """A checkpoint with everything needed to go on from it, still encoded."""

    record: CheckpointRecord
    blobs: Mapping[int, tuple[BlobRow, ...]]
    """Rows of every key that the record's entries or the writes point to, by start."""
    writes: tuple[TaskWrites, ...]
    newest_id: str
    """The newest checkpoint of the scope; the id of the next one must be greater."""
    next_key: int
    """First blob key of the scope that no row uses yet."""

    @property
    def newest(self) -> bool:
        """True if no checkpoint of the scope is newer; only then may item runs be extended in
        place."""
        return self.record.id == self.newest_id


@slotted
class Checkpoint(Value):
    """A checkpoint with its channel values decoded."""

    id: str
    thread_id: str
    ns: str
    parent_id: str | None
    created_at: float
    channel_values: Mapping[str, Any]
    channel_versions: Mapping[str, int]
    version: int
    wrote: tuple[str, ...]


@slotted
class PendingWrite(Value):
    """One write of a task that finished in a step which is not yet complete."""

    task_id: str
    channel: str
    value: Any


@slotted
class CheckpointTuple(Value):
    """A decoded checkpoint, why it was written, and the pending writes of the step after it."""

    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    pending_writes: tuple[PendingWrite, ...]
