"""What streams and snapshots show of tasks and checkpoints; pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

from streaming import plain_interrupt

from .commands import Task
from .spec import BARE_KEYS, Writes


def update_of(writes: Writes, keys: AbstractSet[str]) -> Any:
    """What `updates` shows for a task: a dict, a list of dicts when a key was written twice, or
    None when it wrote no state key."""
    shown = [(name, value) for name, value in writes if name in keys]
    if not shown:
        return None
    if shown[0][0] in BARE_KEYS:
        return shown[-1][1]
    merged = dict(shown)
    if len(merged) == len(shown):
        return merged
    return [{name: value} for name, value in shown]


def result_of(writes: Iterable[tuple[str, Any]], keys: AbstractSet[str]) -> dict[str, Any]:
    """What `tasks` shows as a task's result: the state keys it wrote, several writes of one key
    under "$writes"."""
    result: dict[str, Any] = {}
    repeated: set[str] = set()
    for name, value in writes:
        if name not in keys:
            continue
        if name not in result:
            result[name] = value
        elif name in repeated:
            result[name]["$writes"].append(value)
        else:
            repeated.add(name)
            result[name] = {"$writes": [result[name], value]}
    return result


def error_text(error: object) -> str:
    """What a task's error, or a value that cannot be, is stored as: its repr, or, when that raises,
    its class."""
    try:
        return repr(error)
    except BaseException:  # noqa: BLE001 - user code; an error must not be lost because of it
        return f"<{type(error).__qualname__}>"


def message_text(error: BaseException) -> str:
    """An exception's message, or its repr when that raises."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - user code
        return error_text(error)


def iso_utc(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, always with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def namespace_text(ns: Sequence[str]) -> str:
    """A namespace as it is stored: its parts joined by "|"."""
    return "|".join(ns)


def shared_namespace(ns: Sequence[str]) -> tuple[str, ...]:
    """A namespace without task ids: that of a graph which keeps its state."""
    return tuple(part.partition(":")[0] for part in ns)


def config_view(
    *,
    thread_id: str | None,
    ns: str,
    checkpoint_id: str | None,
    configurable: Mapping[str, Any],
    parents: Mapping[str, str],
) -> dict[str, Any]:
    """The config that means one checkpoint, as streams and snapshots show it."""
    shown: dict[str, Any] = {"checkpoint_ns": ns, "thread_id": thread_id}
    shown.update((key, value) for key, value in configurable.items() if key not in _OURS)
    if parents:
        shown["checkpoint_map"] = {**parents, ns: checkpoint_id}
    shown["checkpoint_id"] = checkpoint_id
    return {"configurable": shown}


_OURS = frozenset({"thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map"})


def task_view(task: Task, state: Any, keys: AbstractSet[str]) -> dict[str, Any]:
    """A task of the next super-step, as `checkpoints` shows it."""
    view: dict[str, Any] = {"id": task.id, "name": task.node.name}
    if task.error is not None:
        view["error"] = task.error
    elif task.writes is not None:
        view["result"] = result_of(task.writes, keys)
    if task.error is None:
        view["interrupts"] = tuple(plain_interrupt(interrupt) for interrupt in task.interrupts)
    view["state"] = state
    return view
