"""Rules about stored rows that every saver shares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from .errors import CheckpointConflictError, InvalidIdError, StaleClaimError
from .record import (
    Batch,
    CheckpointMetadata,
    CheckpointRecord,
    Claim,
    Composed,
    Entry,
    Spanned,
    TaskWrites,
    Whole,
)

EVENT_BITS = 32
"""Low bits of an event row's id that hold its id in the run."""

_is_uuid = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def id_bytes(checkpoint_id: str) -> bytes:
    """A checkpoint id as its 16 bytes, which sort as the id does.

    Raises InvalidIdError for anything but a UUID in lower case with dashes.
    """
    if (data := uuid_bytes(checkpoint_id)) is None:
        raise _no_id(checkpoint_id)
    return data


def check_id(checkpoint_id: str) -> None:
    """Raises InvalidIdError for anything but a UUID in lower case with dashes."""
    if not _is_uuid(checkpoint_id):
        raise _no_id(checkpoint_id)


def _no_id(checkpoint_id: str) -> InvalidIdError:
    return InvalidIdError(
        f"{checkpoint_id!r} is no checkpoint id: ids are UUIDs in lower case with dashes; "
        "make them with checkpoint.new_id()"
    )


@lru_cache(1024)  # of a step's four ids three are those of the step before
def uuid_bytes(text: str) -> bytes | None:
    """The 16 bytes of a UUID in its usual form; None for any other text."""
    return bytes.fromhex(text.replace("-", "")) if _is_uuid(text) else None


def matches(metadata: CheckpointMetadata, match: Mapping[str, Any] | None) -> bool:
    """True if every item of `match` equals metadata's source, step, run_id, parents or key of
    extra; a key that extra does not have counts as None."""
    return all(_has(metadata, key, value) for key, value in match.items()) if match else True


def _has(metadata: CheckpointMetadata, key: str, value: Any) -> bool:
    if key in {"source", "step", "run_id"}:
        return bool(getattr(metadata, key) == value)
    if key == "parents":
        return bool(dict(metadata.parents) == value)
    return bool(metadata.extra.get(key) == value)


def used_blobs(record: CheckpointRecord, writes: Iterable[TaskWrites]) -> dict[int, int]:
    """The blob keys a checkpoint and its pending writes point to, each with the item to stop at."""
    stops: dict[int, int] = {}
    for entry in record.entries.values():
        _use(stops, entry)
    for task in writes:
        for _, entry in task.writes:
            _use(stops, entry)
    return stops


def _use(stops: dict[int, int], entry: Entry) -> None:
    match entry:
        case Whole():
            stops[entry.key] = max(1, stops.get(entry.key, 0))
        case Spanned() | Composed():
            for span in entry.spans:
                stops[span.key] = max(span.stop, stops.get(span.key, 0))
        case _:
            pass


def stale(given: Batch | Claim) -> StaleClaimError:
    """The error for what comes under a claim that is over."""
    return StaleClaimError(
        f"epoch {given.epoch} of thread {given.thread_id!r} is over: its claim was released, "
        "rewound or taken over; nothing was stored; claim the thread, load it again and go on "
        "from there"
    )


def id_taken(record: CheckpointRecord, newest: str) -> CheckpointConflictError:
    """The error for a checkpoint that is not newer than those of its scope."""
    return CheckpointConflictError(
        f"checkpoint id {record.id!r} of thread {record.thread_id!r}, namespace {record.ns!r} "
        f"cannot be stored: {newest!r} is there already and ids must grow; nothing was changed; "
        "load the thread again and make the id with checkpoint.new_id(after=newest)"
    )


def blob_taken(thread_id: str, ns: str, key: int, start: int) -> CheckpointConflictError:
    """The error for a blob row that is there already."""
    return CheckpointConflictError(
        f"blob {key}:{start} of thread {thread_id!r}, namespace {ns!r} is stored already; "
        "nothing was changed; load the thread again and encode from there"
    )


def no_checkpoint(thread_id: str, writes: TaskWrites) -> CheckpointConflictError:
    """The error for pending writes of a checkpoint that is not stored."""
    return CheckpointConflictError(
        f"pending writes of task {writes.task_id!r} belong to checkpoint "
        f"{writes.checkpoint_id!r}, which thread {thread_id!r}, namespace {writes.ns!r} does not "
        "have; nothing was changed; commit that checkpoint before or with them"
    )


def no_point(thread_id: str, ns: str, checkpoint_id: str) -> CheckpointConflictError:
    """The error for a rewind point at a checkpoint that is not stored."""
    return CheckpointConflictError(
        f"thread {thread_id!r}, namespace {ns!r} cannot be rewound to checkpoint "
        f"{checkpoint_id!r}: it is not stored; nothing was changed; give a point that was made "
        "from what this thread loaded"
    )


def not_next_event(run_id: str, given: int, last: int) -> CheckpointConflictError:
    """The error for an event id that does not follow the last one of its run."""
    return CheckpointConflictError(
        f"event {given} of run {run_id!r} cannot be stored: the next id is {last + 1}; "
        "nothing was changed; read the log's last id and go on from there"
    )
