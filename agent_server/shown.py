"""What the frames of an event show; where it is not just what a stream mode shows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from streaming import SKIP, Event, StepCommitted, StreamMode, TaskFailed, Token, project

from .failures import error_json
from .messages import piece_json

Show: TypeAlias = Callable[[Any], Any]
"""Event -> data of its frame, or SKIP."""


def shown(kind: type[Event], mode: StreamMode) -> Show:
    """What makes the data of such events in a mode."""
    if kind is Token:
        return _piece
    if kind is TaskFailed:
        return _failed_debug if mode == "debug" else _failed
    if kind is StepCommitted and mode == "debug":
        return _checkpoint_debug
    return lambda event: project(event, mode)


def _piece(event: Token) -> Any:
    return (piece_json(event.chunk), event.metadata)


def _failed(event: TaskFailed) -> Any:
    return {**project(event, "tasks"), "error": error_json(event.error)}


def _failed_debug(event: TaskFailed) -> Any:
    return {**project(event, "debug"), "payload": _failed(event)}


def _checkpoint_debug(event: StepCommitted) -> Any:
    """The places of checkpoints stand in it as clients give them back, beside the configs."""
    data = project(event, "debug")
    if data is SKIP:
        return SKIP
    payload = data["payload"]
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
