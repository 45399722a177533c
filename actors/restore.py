"""From what a saver loaded to what the machine goes on from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checkpoint import Decoder, Loaded, Saver, TaskWrites

from .commands import NULL_TASK, ONCE, RUNS_TASK, Restored
from .errors import ThreadStateError
from .spec import Writes


async def load_asked(
    saver: Saver, thread_id: str, ns: str, checkpoint_id: str | None
) -> Loaded | None:
    """The checkpoint asked for (None: the newest); None when the thread has none yet.

    Raises ThreadStateError for an id that the thread does not have.
    """
    loaded = await saver.load(thread_id, ns, checkpoint_id)
    if loaded is None and checkpoint_id is not None:
        raise ThreadStateError(
            f"thread {thread_id!r} has no checkpoint {checkpoint_id!r}; take an id from "
            "get_state_history, or leave checkpoint_id out for the newest"
        )
    return loaded


def restored_from(loaded: Loaded, decoder: Decoder, *, replayed: bool = False) -> Restored:
    """A loaded checkpoint, decoded, with the pending writes of the step after it by task.

    `replayed`: the run goes back to it on purpose, so what its tasks came to does not count; what
    a Command gave beside them does, as snapshots show it.
    """
    record = loaded.record
    pending: dict[str, Writes] = {}
    notes: dict[str, Callable[[], Any]] = {}
    for task in loaded.writes:
        if task.task_id == RUNS_TASK or (replayed and task.task_id != NULL_TASK):
            continue
        alone = replace(loaded, writes=(task,))
        if _is_note(task):
            notes[task.task_id] = lambda it=alone: decoder.writes(it)[0].value
        else:
            pending[task.task_id] = [(w.channel, w.value) for w in decoder.writes(alone)]
    return Restored(
        checkpoint_id=record.id,
        parent_id=record.parent_id,
        step=record.metadata.step,
        version=record.version,
        values=decoder.values(loaded),
        versions={name: entry.version for name, entry in record.entries.items()},
        pending=pending,
        notes=notes,
        replayed=replayed,
        newest_id=loaded.newest_id,
        created_at=record.created_at,
        source=record.metadata.source,
        wrote=record.wrote,
    )


def _is_note(task: TaskWrites) -> bool:
    return any(channel == ONCE for channel, _ in task.writes)
