"""What of an event a durable log keeps; pure functions.

Readers of a live run see everything.  A log that outlives the run leaves out what no checkpoint
keeps either: state keys behind channels that are never stored, and what a config carries beside
plain values (clients, callbacks, the engine's own objects).  Of what nodes write to the stream it
keeps the parts where it cannot keep the object.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, cast

from streaming import (
    CheckpointSaved,
    Event,
    StepCommitted,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskStarted,
    Traced,
)

from .config import plain_configurable
from .hints import is_pydantic
from .instances import updates_of
from .spec import ROOT

_PLAIN: tuple[type[Any], ...] = (int, float, str)


def storable(event: Event) -> Event:
    """The event without what is never stored; the event itself if it holds nothing of that kind."""
    match event:
        case TaskStarted(unstored=keys) if keys:
            return replace(event, input=without(event.input, keys))
        case TaskFinished(unstored=keys) if keys:
            result = {k: v for k, v in event.result.items() if k not in keys}
            return replace(event, update=_update_without(event.update, keys), result=result)
        case TaskInterrupted(unstored=keys) if keys:
            return replace(event, values=without(event.values, keys))
        case Traced(unstored=keys, data=dict()) if keys:
            parts = cast("dict[str, Any]", event.data)
            return replace(event, data={name: without(part, keys) for name, part in parts.items()})
        case StepCommitted(unstored=keys, checkpoint=saved) if keys or saved is not None:
            return replace(
                event,
                values=without(event.values, keys),
                checkpoint=None if saved is None else _checkpoint(saved, keys),
            )
        case _:
            return event


def without(value: Any, keys: Collection[str]) -> Any:
    """State without some keys.

    An instance of a schema that has one of them becomes a dict of its other keys; a state of one
    unnamed value becomes None.
    """
    if ROOT in keys:
        return None
    if not isinstance(value, Mapping):
        found = updates_of(value) if any(hasattr(value, key) for key in keys) else None
        if found is None:
            return value
        value = found
    return {k: v for k, v in cast("Mapping[str, Any]", value).items() if k not in keys}


def _update_without(update: Any, keys: Collection[str]) -> Any:
    """What a task wrote, without some keys; None when nothing is left."""
    if isinstance(update, list):
        parts = [without(part, keys) for part in cast("list[Any]", update)]
        return [part for part in parts if part] or None
    return without(update, keys) or None


def parts_of(value: Any) -> Any:
    """What an object consists of, in plainer values; the object itself if nobody can tell."""
    given: Any = value
    if isinstance(value, type):
        return value
    if isinstance(value, Enum):
        return value.value
    if is_pydantic(type(value)):
        return given.model_dump()
    if is_dataclass(value):
        return {field.name: getattr(given, field.name) for field in fields(value)}
    if hasattr(given, "_asdict"):
        return given._asdict()
    if isinstance(value, AbstractSet | deque):
        return list(cast("Collection[Any]", value))
    for kind in _PLAIN:
        if isinstance(value, kind) and type(given) is not kind:
            return kind(given)
    return value


_OF_TASKS = (TaskStarted, TaskFinished, TaskFailed, TaskInterrupted)


def place_of(event: Event) -> str:
    """What an error about the event calls it."""
    kind = type(event).__name__
    name = event.name if isinstance(event, _OF_TASKS) else ""
    name = name or getattr(event, "node", "")
    return f"event {kind} of node {name!r}" if name else f"event {kind} of step {event.step}"


def _checkpoint(saved: CheckpointSaved, keys: Collection[str]) -> CheckpointSaved:
    return replace(
        saved,
        config=_config(saved.config),
        parent_config=None if saved.parent_config is None else _config(saved.parent_config),
        values=without(saved.values, keys),
        tasks=[_task(task, keys) for task in saved.tasks],
    )


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    return {**config, "configurable": plain_configurable(config["configurable"])}


def _task(view: Mapping[str, Any], keys: Collection[str]) -> Mapping[str, Any]:
    if not keys or "result" not in view:
        return view
    return {**view, "result": {k: v for k, v in view["result"].items() if k not in keys}}
