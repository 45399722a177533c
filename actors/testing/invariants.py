"""What must hold of a disk after every single commit; told of each entry, it raises at the first
that breaks a promise.

* Checkpoints of a scope form a chain: each follows one that is there, its step is the next one, its
  id and its channel versions only grow, and a channel that it does not say it changed is as it was.
* Only the step in flight is written to: pending writes belong to the newest checkpoint.
* A task that is said to have finished has its writes there.
* A task whose writes are committed does not run again, nor does one that its error handler takes
  care of, nor an effect that is noted as done.
* Events of a run are numbered 1, 2, 3, … and none follows its end.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from actors.commands import FAILURE, NULL_TASK, ONCE, RUNS_TASK
from actors.kept import MARKS
from actors.testing.errors import BrokenPromiseError
from checkpoint import CheckpointRecord, Inline, Serializer, TaskWrites
from checkpoint.testing_disk import Appended, Batch, Entry, Rewound
from streaming import Event, RunFailed, RunFinished, TaskFinished

if TYPE_CHECKING:
    from checkpoint import RewindPoint

Decode = Callable[[bytes], Event]


@dataclass(slots=True)
class _Scope:
    """One (thread, namespace)."""

    checkpoints: dict[str, CheckpointRecord] = field(default_factory=dict[str, CheckpointRecord])
    writes: dict[str, dict[str, TaskWrites]] = field(
        default_factory=dict[str, dict[str, TaskWrites]]
    )
    """By checkpoint and task."""

    @property
    def head(self) -> CheckpointRecord | None:
        """The newest checkpoint."""
        return next(reversed(self.checkpoints.values()), None)


class Ledger:
    """What the disk holds, as far as promises speak of it."""

    def __init__(
        self, serializer: Serializer, decode: Decode, exits: Container[str | None]
    ) -> None:
        self._serializer = serializer
        self._decode = decode
        self._exits = exits
        """Runs that store the last of their steps only."""
        self._scopes: dict[tuple[str, str], _Scope] = {}
        self.events: dict[str, int] = {}
        """The number of the last event, by run."""
        self.ended: set[str] = set()
        """Runs whose last event is there."""
        self._finished: set[str] = set()
        """Ids of tasks whose writes are there, or that were handed over to an error handler."""

    def take(self, entries: Iterable[Entry]) -> None:
        """Take in what was committed.  Raises BrokenPromiseError."""
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take in one commit.  Raises BrokenPromiseError."""
        match entry:
            case Batch():
                self._add_batch(entry)
            case Appended(run_id, rows):
                for number, data in rows:
                    self._add_event(run_id, number, data)
            case Rewound(thread_id, points):
                for ns, point in points.items():
                    self._rewind(thread_id, ns, point)
                self._finished = {task.task_id for task in self._writes() if _is_over(task)}
            case _:
                pass

    def _add_batch(self, batch: Batch) -> None:
        added = {(record.ns, record.id) for record in batch.checkpoints}
        last = {(each.ns, each.checkpoint_id, each.task_id): each for each in batch.writes}
        for task in last.values():  # those of the step that ends with this very batch
            if (task.ns, task.checkpoint_id) not in added:
                self._add_writes(batch.thread_id, task)
        for record in batch.checkpoints:
            self._add_checkpoint(record)
        for task in last.values():
            if (task.ns, task.checkpoint_id) in added:
                self._add_writes(batch.thread_id, task)
        for event in batch.events:
            self._add_event(event.run_id, event.id, event.data)

    def _writes(self) -> Iterator[TaskWrites]:
        for scope in self._scopes.values():
            for tasks in scope.writes.values():
                yield from tasks.values()

    def _scope(self, thread_id: str, ns: str) -> _Scope:
        return self._scopes.setdefault((thread_id, ns), _Scope())

    # --- checkpoints ----------------------------------------------------------------------------

    def _add_checkpoint(self, record: CheckpointRecord) -> None:
        scope = self._scope(record.thread_id, record.ns)
        where = f"checkpoint {record.id} of thread {record.thread_id!r}, ns {record.ns!r}"
        head = scope.head
        if head is not None and record.id <= head.id:
            _broken(f"{where} is not newer than {head.id}")
        if record.parent_id is None:
            if head is not None and not record.ns:  # a graph that is called may begin once more
                _broken(f"{where} has no parent, but the thread has {head.id}")
        elif record.parent_id not in scope.checkpoints:
            _broken(f"{where} follows {record.parent_id}, which is not there")
        else:
            skips = record.metadata.run_id in self._exits
            _check_step(where, scope.checkpoints[record.parent_id], record, skips=skips)
        scope.checkpoints[record.id] = record

    # --- pending writes -------------------------------------------------------------------------

    def _add_writes(self, thread_id: str, task: TaskWrites) -> None:
        scope = self._scope(thread_id, task.ns)
        head = scope.head
        where = f"task {task.task_id} of thread {thread_id!r}, ns {task.ns!r}"
        if head is None or task.checkpoint_id != head.id:
            _broken(f"{where} wrote to the step after {task.checkpoint_id}, which is over")
        tasks = scope.writes.setdefault(task.checkpoint_id, {})
        before = tasks.get(task.task_id)
        if before is not None and task.task_id not in (NULL_TASK, RUNS_TASK):
            self._check_again(where, before, task)
        tasks[task.task_id] = task
        if _is_over(task):
            self._finished.add(task.task_id)

    def begins(self, task_id: str, node: str) -> None:
        """A task begins to run.  Raises BrokenPromiseError if it has finished before."""
        if task_id in self._finished:
            _broken(f"task {task_id} of node {node!r} had finished and runs again")

    def _check_again(self, where: str, before: TaskWrites, now: TaskWrites) -> None:
        if _is_final(before):
            _broken(f"{where} had finished and was run again")
        if self._stage(before) == "done":
            _broken(f"{where}: an effect that was noted as done is now {self._stage(now)!r}")

    def _stage(self, task: TaskWrites) -> str | None:
        for channel, value in task.writes:
            if channel == ONCE and isinstance(value, Inline):
                return self._serializer.loads(value.data)[0]
        return None

    # --- events ---------------------------------------------------------------------------------

    def _add_event(self, run_id: str, number: int, data: bytes) -> None:
        last = self.events.get(run_id, 0)
        if number != last + 1:
            _broken(f"event {number} of run {run_id} follows event {last}")
        if run_id in self.ended:
            _broken(f"event {number} of run {run_id} comes after the run's end")
        self.events[run_id] = number
        match self._decode(data):
            case RunFinished() | RunFailed():
                self.ended.add(run_id)
            case TaskFinished(ns=(), cached=False, task_id=task, name=name) if (
                task not in self._finished and run_id not in self._exits
            ):
                _broken(f"task {task} of node {name!r} is said to have finished, without writes")
            case _:
                pass

    def _rewind(self, thread_id: str, ns: str, point: RewindPoint | None) -> None:
        if point is None:
            self._scopes.pop((thread_id, ns), None)
            return
        scope = self._scope(thread_id, ns)
        for gone in [each for each in scope.checkpoints if each > point.head]:
            del scope.checkpoints[gone]
            scope.writes.pop(gone, None)
        scope.writes[point.base] = {task.task_id: task for task in point.writes}


def _check_step(
    where: str, parent: CheckpointRecord, record: CheckpointRecord, *, skips: bool
) -> None:
    step = parent.metadata.step + 1
    if record.metadata.step < step or (record.metadata.step > step and not skips):
        _broken(f"{where} is step {record.metadata.step}, after step {parent.metadata.step}")
    if record.version <= parent.version:
        _broken(f"{where} has channel version {record.version}, after {parent.version}")
    for channel in record.entries.keys() | parent.entries.keys():
        before, now = parent.entries.get(channel), record.entries.get(channel)
        if channel not in record.changed:
            if before != now:
                _broken(f"{where} changed channel {channel!r} and does not say so")
        elif now is not None and not _version(before) < now.version <= record.version:
            _broken(
                f"{where} holds version {now.version} of channel {channel!r}, "
                f"after version {_version(before)}"
            )


def _is_final(task: TaskWrites) -> bool:
    """True for the writes of a task that has finished."""
    return not any(channel in MARKS or channel == ONCE for channel, _ in task.writes)


def _is_over(task: TaskWrites) -> bool:
    """True for what is kept of a task that is not to run again."""
    return _is_final(task) or any(channel == FAILURE for channel, _ in task.writes)


def _version(entry: object) -> int:
    return getattr(entry, "version", 0)


def _broken(what: str) -> NoReturn:
    raise BrokenPromiseError(f"{what}; report it with the seed")
