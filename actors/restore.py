"""From what a saver loaded to what the machine goes on from."""

from __future__ import annotations

from checkpoint import Decoder, Loaded

from .commands import Restored
from .spec import Writes


def restored_from(loaded: Loaded, decoder: Decoder, *, replayed: bool = False) -> Restored:
    """A loaded checkpoint, decoded, with the pending writes of the step after it by task.

    `replayed`: the run goes back to it on purpose, so what came after it does not count.
    """
    record = loaded.record
    pending: dict[str, Writes] = {}
    if not replayed:
        pending = {task.task_id: [] for task in loaded.writes}
        for write in decoder.writes(loaded):
            pending[write.task_id].append((write.channel, write.value))
    return Restored(
        checkpoint_id=record.id,
        parent_id=record.parent_id,
        step=record.metadata.step,
        version=record.version,
        values=decoder.values(loaded),
        versions={name: entry.version for name, entry in record.entries.items()},
        pending=pending,
        replayed=replayed,
        newest_id=loaded.newest_id,
        created_at=record.created_at,
        source=record.metadata.source,
        wrote=record.wrote,
    )
