"""What checkpoints need of other scopes, decoded from the channel that says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .contents import Place
from .record import LINKS, CheckpointRecord, Entry, Inline, TaskWrites, Whole
from .serde import Serializer


class LinkReader:
    """Reads the links of one scope's checkpoints; `whole` gives the bytes of a stored value."""

    def __init__(self, serializer: Serializer, whole: Callable[[int], bytes]) -> None:
        self._serializer = serializer
        self._whole = whole
        self._read: dict[Entry, frozenset[Place]] = {}
        """Most checkpoints have the entry of the one before."""

    def of(self, record: CheckpointRecord, tasks: Iterable[TaskWrites]) -> frozenset[Place]:
        """What a checkpoint and its pending writes need.

        Raises DeserializationError, and what `whole` raises.
        """
        return frozenset[Place]().union(*map(self._places, _entries(record, tasks)))

    def _places(self, entry: Entry) -> frozenset[Place]:
        found = self._read.get(entry)
        if found is None:
            found = self._read[entry] = frozenset(self._decoded(entry))
        return found

    def _decoded(self, entry: Entry) -> Iterator[Place]:
        match entry:
            case Inline():
                yield from self._serializer.loads(entry.data).items()
            case Whole():
                yield from self._serializer.loads(self._whole(entry.key)).items()
            case _:
                return


def _entries(record: CheckpointRecord, tasks: Iterable[TaskWrites]) -> Iterator[Entry]:
    if (entry := record.entries.get(LINKS)) is not None:
        yield entry
    for task in tasks:
        for channel, written in task.writes:
            if channel == LINKS:
                yield written
