"""From what a saver loaded to what the machine goes on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from checkpoint import Decoder, Loaded, Saver, TaskWrites

from .channels import MISSING
from .channelset import ChannelSet
from .commands import NULL_TASK, ONCE, RUNS_TASK, Restored
from .departed import CONTROL, rerouted
from .errors import ThreadStateError
from .evolution import Evolution
from .layout import Layout
from .spec import SCHEMA, WHOLE_STATE, Writes


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


def restored_from(
    loaded: Loaded, decoder: Decoder, layout: Layout, *, replayed: bool = False
) -> Restored:
    """A loaded checkpoint, decoded, with the pending writes of the step after it by task, all as
    the graph has it today.

    Raises KeyRetypedError, MigrationError for state that the graph cannot take.

    `replayed`: the run goes back to it on purpose, so what its tasks came to does not count; what
    a Command gave beside them does, as snapshots show it.
    """
    record, channels = loaded.record, layout.spec.channels
    read = _readable(layout)
    stored = decoder.values(loaded, read)
    evolution = Evolution(layout, record.thread_id, stored.pop(SCHEMA, None))
    values = evolution.values(stored)
    versions = {name: entry.version for name, entry in record.entries.items()}
    pending: dict[str, Writes] = {}
    notes: dict[str, Callable[[], Any]] = {}
    for task in loaded.writes:
        if task.task_id == RUNS_TASK or (replayed and task.task_id != NULL_TASK):
            continue
        if _is_note(task):
            notes[task.task_id] = lambda it=task: decoder.writes(loaded, (it,))[0].value
        else:
            known = (_without_lost(task, read),)
            kept = [(w.channel, w.value) for w in decoder.writes(loaded, known)]
            pending[task.task_id] = evolution.writes(kept)
    return Restored(
        checkpoint_id=record.id,
        parent_id=record.parent_id,
        step=record.metadata.step,
        version=record.version,
        values=values,
        versions=rerouted(values, versions, record.version, channels),
        pending=pending,
        notes=notes,
        replayed=replayed,
        newest_id=loaded.newest_id,
        created_at=record.created_at,
        source=record.metadata.source,
        wrote=record.wrote,
        schema=None if evolution.current else evolution.schema,
        outdated=evolution.outdated,
    )


def shown_by_events(loaded: Loaded, decoder: Decoder, layout: Layout) -> Any:
    """The state that a run's events show of a checkpoint.

    Events tell what was: of a thread that an older graph has stored, keys that are others now show
    what they held then, not migrated.  Keys that are gone are left out.
    """
    stored = decoder.values(loaded, lambda name: name in layout.state or name == SCHEMA)
    schema: Any = stored.get(SCHEMA)
    if not isinstance(schema, dict) or schema == layout.schema.get():
        return ChannelSet(layout, restored_from(loaded, decoder, layout)).state()
    keys, shown = layout.spec.state_keys, dict[str, Any]()
    types: Mapping[str, str] = cast("dict[str, Any]", schema).get("types", {})
    for key in keys:
        channel = layout.spec.channels[key].fresh()
        if types.get(key) != layout.types[key]:
            shown |= {key: stored[key]} if key in stored else {}
            continue
        channel.restore(stored.get(key, MISSING))
        if channel.is_available():
            shown[key] = channel.get()
    return shown.get(keys[0]) if keys in WHOLE_STATE else shown


def _readable(layout: Layout) -> Callable[[str], bool]:
    """Tells what the graph reads of what is stored; the rest stays bytes, as its classes may be
    gone with it."""
    known = layout.spec.channels
    sources = {each.was for each in layout.migrations}
    return lambda name: name in known or name in sources or name.startswith(("__", *CONTROL))


def _without_lost(task: TaskWrites, read: Callable[[str], bool]) -> TaskWrites:
    kept = tuple(write for write in task.writes if read(write[0]))
    return task if len(kept) == len(task.writes) else replace(task, writes=kept)


def _is_note(task: TaskWrites) -> bool:
    return any(channel == ONCE for channel, _ in task.writes)
