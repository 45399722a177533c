"""Whether what is stored of a scope can be read: every value decoded once, every list complete."""

from __future__ import annotations

from collections.abc import Iterable

from .contents import ScopeContents, joined
from .errors import CheckpointError, UnknownTypeTagError
from .record import (
    BlobRow,
    CheckpointRecord,
    Composed,
    Entry,
    Inline,
    Span,
    Spanned,
    TaskWrites,
    Whole,
)
from .reports import Damage, Verification
from .serde import Serializer
from .stored import dict_of


class ScopeCheck:
    """Collects what is wrong with one scope: give it the blob rows, then the contents.

    A class that is not registered here is no damage.
    """

    def __init__(self, serializer: Serializer, thread_id: str, ns: str) -> None:
        self._serializer = serializer
        self._thread_id = thread_id
        self._ns = ns
        self._rows: dict[int, dict[int, int]] = {}
        """Counts of the rows that are there, by key and start."""
        self._parts: dict[int, list[tuple[int, int]]] = {}
        """What those cover, once all are given."""
        self._seen: set[Entry] = set()
        self._checkpoints = 0
        self._blobs = 0
        self._damage: list[Damage] = []

    def note(self, what: str, checkpoint_id: str | None = None) -> None:
        """Something is wrong."""
        self._damage.append(Damage(self._thread_id, self._ns, checkpoint_id, what))

    def blobs(self, rows: Iterable[BlobRow]) -> None:
        """Decode the values and items of blob rows."""
        for row in rows:
            self.seen(row.key, row.start, row.count)
            try:
                if row.count == 0:
                    self._serializer.loads(row.data)
                elif len(found := self._serializer.split_items(row.data)) != row.count:
                    self.note(
                        f"blob {row.key}:{row.start} holds {len(found)} items, not {row.count}"
                    )
                else:
                    self._serializer.unpack_items(row.data)
            except UnknownTypeTagError:
                continue
            except CheckpointError as error:
                self.note(f"blob {row.key}:{row.start} cannot be decoded: {error}")

    def seen(self, key: int, start: int, count: int) -> None:
        """A blob row is there, whatever is in it."""
        self._rows.setdefault(key, {})[start] = count
        self._blobs += 1

    def contents(self, contents: ScopeContents) -> None:
        """Look for what checkpoints and pending writes point to."""
        for record in contents.checkpoints:
            self.checkpoint(record)
            for task in contents.writes.get(record.id, ()):
                self.task(task)

    def checkpoint(self, record: CheckpointRecord) -> None:
        """Look for what a checkpoint points to."""
        self._checkpoints += 1
        for name, entry in record.entries.items():
            self._entry(record.id, f"channel {name!r}", entry)

    def task(self, task: TaskWrites) -> None:
        """Look for what the pending writes of a task point to."""
        for channel, entry in task.writes:
            name = f"what task {task.task_id!r} wrote to {channel!r}"
            self._entry(task.checkpoint_id, name, entry)

    def result(self) -> Verification:
        """What was found."""
        return Verification(0, self._checkpoints, self._blobs, tuple(self._damage))

    def _entry(self, checkpoint_id: str, name: str, entry: Entry) -> None:
        if entry in self._seen:
            return
        self._seen.add(entry)
        if (what := self.wrong_with(entry)) is not None:
            self.note(f"{name} {what}", checkpoint_id)

    def wrong_with(self, entry: Entry) -> str | None:
        """What is wrong with what an entry points to; to be asked when all blobs are given."""
        match entry:
            case Inline():
                return self._undecodable(entry)
            case Whole():
                there = self._rows.get(entry.key)
                return None if there else f"needs blob {entry.key}, which is missing"
            case Spanned():
                return self._missing(entry.spans)
            case Composed():
                return self._undecodable(entry) or self._missing(entry.spans)

    def _missing(self, spans: Iterable[Span]) -> str | None:
        lost = [span for span in spans if not self._is_there(span)]
        return f"needs items that are missing: {lost[0]}" if lost else None

    def _undecodable(self, entry: Inline | Composed) -> str | None:
        try:
            if isinstance(entry, Inline):
                self._serializer.loads(entry.data)
            else:
                dict_of(self._serializer, entry)
        except UnknownTypeTagError:
            return None
        except CheckpointError as error:
            return f"cannot be decoded: {error}"
        return None

    def _is_there(self, span: Span) -> bool:
        if span.key not in self._parts:
            rows = self._rows.get(span.key, {})
            self._parts[span.key] = joined((start, start + rows[start]) for start in rows)
        return any(
            start <= span.start and span.stop <= stop for start, stop in self._parts[span.key]
        )
