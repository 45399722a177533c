"""Turns what a saver loaded back into values, decoding shared bytes once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .errors import CorruptDataError, DeserializationError
from .record import (
    BlobRow,
    Checkpoint,
    CheckpointTuple,
    Composed,
    Entry,
    Inline,
    Loaded,
    PendingWrite,
    Span,
    Spanned,
    TaskWrites,
    Whole,
)
from .serde import Serializer
from .spans import Spans, overlapping, together
from .stored import dict_of, rows_of


class Decoder:
    """Decodes checkpoints of one scope; what several of them share is decoded once.

    A page of history whose checkpoints share a list of 1,000 messages decodes 1,000 messages, and
    the snapshots share those objects: treat them as read-only.
    """

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer
        self._decoded: dict[tuple[int, int], list[Any]] = {}

    def values(self, loaded: Loaded, only: Callable[[str], bool] | None = None) -> dict[str, Any]:
        """The value of every channel that holds one, or of those whose names `only` approves.

        Raises DeserializationError for bytes that cannot be decoded, CorruptDataError when stored
        rows are missing.
        """
        values: dict[str, Any] = {}
        for name, entry in loaded.record.entries.items():
            if only is None or only(name):
                values[name] = self._value(loaded, name, entry)
        return values

    def writes(
        self, loaded: Loaded, tasks: Iterable[TaskWrites] | None = None
    ) -> tuple[PendingWrite, ...]:
        """The pending writes of the step after the checkpoint, by task, in the order written.

        `tasks`: those of them that are to be decoded; None: all.
        """
        return tuple(
            [
                PendingWrite(task.task_id, channel, self._entry(loaded, entry))
                for task in (loaded.writes if tasks is None else tasks)
                for channel, entry in task.writes
            ]
        )

    def tuple(self, loaded: Loaded) -> CheckpointTuple:
        """The checkpoint with its values, its metadata and the pending writes after it."""
        record = loaded.record
        checkpoint = Checkpoint(
            id=record.id,
            thread_id=record.thread_id,
            ns=record.ns,
            parent_id=record.parent_id,
            created_at=record.created_at,
            channel_values=self.values(loaded),
            channel_versions={name: entry.version for name, entry in record.entries.items()},
            version=record.version,
            wrote=record.wrote,
        )
        return CheckpointTuple(checkpoint, record.metadata, self.writes(loaded))

    def _value(self, loaded: Loaded, name: str, entry: Entry) -> Any:
        try:
            return self._entry(loaded, entry)
        except DeserializationError as error:
            error.add_note(f"While reading {name!r} of thread {loaded.record.thread_id!r}")
            raise

    def _entry(self, loaded: Loaded, entry: Entry) -> Any:
        match entry:
            case Inline():
                return self._serializer.loads(entry.data)
            case Whole():
                return self._whole(rows_of(loaded, entry.key)[0])
            case Spanned():
                return self._list(loaded, entry.spans)
            case Composed():
                value = dict_of(self._serializer, entry)
                for name, spans in entry.lists:
                    value[name] = self._list(loaded, spans)
                return value

    def _list(self, loaded: Loaded, spans: Spans) -> list[Any]:
        items: list[Any] = []
        for span in spans:
            items += self._span(loaded, span)
        return items

    def _whole(self, row: BlobRow) -> Any:
        found = self._decoded.get((row.key, 0))
        if found is None:
            found = self._decoded[row.key, 0] = [self._serializer.loads(row.data)]
        return found[0]

    def _span(self, loaded: Loaded, span: Span) -> list[Any]:
        rows = overlapping(rows_of(loaded, span.key), span)
        self._decode_together([row for row in rows if (row.key, row.start) not in self._decoded])
        items: list[Any] = []
        for row in rows:
            items += self._decoded.get((row.key, row.start)) or self._items(row)
        start, stop = (rows[0].start, rows[-1].start + rows[-1].count) if rows else (0, 0)
        if start > span.start or stop < span.stop or len(items) != stop - start:
            raise CorruptDataError(
                f"items {span.start} to {span.stop} of blob {span.key} of checkpoint "
                f"{loaded.record.id!r} (thread {loaded.record.thread_id!r}) are not all there; "
                "restore the database from a backup"
            )
        return items[span.start - start : span.stop - start]

    def _items(self, row: BlobRow) -> list[Any]:
        found = self._decoded[row.key, row.start] = self._serializer.unpack_items(row.data)
        return found

    def _decode_together(self, rows: Sequence[BlobRow]) -> None:
        """Decode rows in a few calls; those that cannot be read so are left for `_items`, whose
        error tells which row it is."""
        for group in together(rows):
            try:
                items = self._serializer.unpack_items(b"".join([row.data for row in group]))
            except DeserializationError:
                continue
            if len(items) != sum(row.count for row in group):
                continue
            at = 0
            for row in group:
                self._decoded[row.key, row.start] = items[at : at + row.count]
                at += row.count
