"""What the frames of an event show; where it is not just what a stream mode shows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from actors import TAG_HIDDEN
from streaming import SKIP, Event, StepCommitted, StreamMode, TaskFailed, Token, Traced, project

from .failures import error_json
from .messages import piece_json

Show: TypeAlias = Callable[[Any], Any]
"""Event -> data of its frame, or SKIP."""
_KEPT = frozenset({"checkpoint_map", "checkpoint_id", "checkpoint_ns", "thread_id"})
_PLAIN = (str, int, float, bool)
_NARROWED = frozenset({"values", "updates"})


def shown(kind: type[Event], mode: StreamMode, output_keys: Sequence[str] | None = None) -> Show:
    """What makes the data of such events in a mode.

    Of the state of the run's own graph `values` and `updates` show `output_keys` only.
    """
    if output_keys is not None and mode in _NARROWED:
        return lambda event: project(event, mode, None if event.ns else output_keys)
    if kind is Token:
        return _piece
    if kind is TaskFailed:
        return _failed_debug if mode == "debug" else _failed
    if kind is Traced:
        return _traced
    if kind is StepCommitted and mode == "checkpoints":
        return _checkpoint
    if kind is StepCommitted and mode == "debug":
        return _checkpoint_debug
    return lambda event: project(event, mode)


def _piece(event: Token) -> Any:
    return (piece_json(event.chunk), event.metadata)


def _traced(event: Traced) -> Any:
    return SKIP if TAG_HIDDEN in event.tags else project(event, "events")


def _failed(event: TaskFailed) -> Any:
    return {**project(event, "tasks"), "error": error_json(event.error)}


def _failed_debug(event: TaskFailed) -> Any:
    return {**project(event, "debug"), "payload": _failed(event)}


def _checkpoint(event: StepCommitted) -> Any:
    """Its configs hold what a stored event has of them, so that a replay says the same."""
    data = project(event, "checkpoints")
    return data if data is SKIP else _with_plain_configs(data)


def _with_plain_configs(payload: Mapping[str, Any]) -> dict[str, Any]:
    configs = {name: _plain(payload[name]) for name in ("config", "parent_config")}
    return {**payload, **configs}


def _plain(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if config is None:
        return None
    named = config["configurable"].items()
    kept = {key: value for key, value in named if key in _KEPT or _is_plain(key, value)}
    return {**config, "configurable": kept}


def _is_plain(key: str, value: Any) -> bool:
    return isinstance(value, _PLAIN) and not key.startswith("__")


def _checkpoint_debug(event: StepCommitted) -> Any:
    """The places of checkpoints stand in it as clients give them back, beside the configs."""
    data = project(event, "debug")
    if data is SKIP:
        return SKIP
    payload = _with_plain_configs(data["payload"])
    places = {
        "tasks": [_task(task) for task in payload["tasks"]],
        "checkpoint": _place(payload["config"]),
        "parent_checkpoint": _place(payload["parent_config"]),
    }
    return {**data, "payload": {**payload, **places}}


def _task(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """A task; of one that runs a subgraph its state's config becomes a place."""
    state = task.get("state")
    if not isinstance(state, Mapping) or "configurable" not in state:
        return task
    rest = {name: value for name, value in task.items() if name != "state"}
    return {**rest, "checkpoint": state["configurable"]}


def _place(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if config is None:
        return None
    named = config["configurable"]
    place = {key: named.get(key) for key in ("checkpoint_id", "thread_id", "checkpoint_ns")}
    if "checkpoint_map" in named:
        place["checkpoint_map"] = named["checkpoint_map"]
    return place
