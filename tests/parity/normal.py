"""Chunks and snapshots with everything that may differ between two runs replaced.

Ids become placeholders by first appearance, so that two runs agree exactly when the same id shows
up at the same places; times become "<time>".  Everything else, tuple or list included, stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

NOTE_ID = re.compile(r"id '([^']+)'")
CHECKPOINT_KEYS = ("checkpoint_id",)
NS_KEYS = ("checkpoint_ns", "langgraph_checkpoint_ns")
TIME_KEYS = ("timestamp", "created_at", "ts")
CHECKPOINTS_BY_NS = ("parents", "checkpoint_map")
OWN_ERRORS = (
    "InvalidUpdateError",
    "GraphRecursionError",
    "EmptyInputError",
    "EmptyChannelError",
    "ThreadStateError",
)
"""Errors that an engine raises itself: their texts are each engine's own."""


class Normaliser:
    """Replaces ids in the order they are met; one per observation."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}

    def _name(self, kind: str, value: str) -> str:
        return self._names.setdefault((kind, value), f"<{kind} {len(self._names)}>")

    def task(self, value: str) -> str:
        """The placeholder of a task id."""
        return self._name("task", value)

    def checkpoint(self, value: Any) -> Any:
        """The placeholder of a checkpoint id."""
        return value if value is None else self._name("checkpoint", value)

    def ns(self, value: str) -> str:
        """A namespace string with its task ids replaced."""
        return "|".join(self._segment(part) for part in value.split("|"))

    def path(self, value: Sequence[str]) -> tuple[str, ...]:
        """A namespace tuple with its task ids replaced."""
        return tuple(self._segment(part) for part in value)

    def _segment(self, part: str) -> str:
        name, colon, task = part.partition(":")
        return f"{name}:{self.task(task)}" if colon else part

    def note(self, text: str) -> str:
        """A note of an exception with the task id replaced."""
        return NOTE_ID.sub(lambda match: f"id '{self.task(match[1])}'", text)

    def value(self, value: Any) -> Any:
        """Any chunk or part of one."""
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, BaseException):
            return ("exception", *error_text(value))
        if type(value).__name__ == "Overwrite":
            return ("overwrite", self.value(value.value))
        if type(value) is list:
            return [self.value(item) for item in value]
        if type(value) is tuple:
            return tuple(self.value(item) for item in value)
        return value

    def _mapping(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        is_task = "id" in value and "name" in value
        return {key: self._item(key, item, is_task) for key, item in value.items()}

    def _item(self, key: Any, item: Any, is_task: bool) -> Any:
        if key == "id" and is_task:
            return self.task(item)
        if key in CHECKPOINT_KEYS:
            return self.checkpoint(item)
        if key in NS_KEYS:
            return self.ns(item)
        if key in TIME_KEYS:
            return "<time>"
        if key == "error" and isinstance(item, str):
            return error_repr(item)
        if key in CHECKPOINTS_BY_NS:
            return {self.ns(ns): self.checkpoint(each) for ns, each in item.items()}
        return self.value(item)

    def snapshot(self, state: Any) -> dict[str, Any]:
        """A StateSnapshot as plain values."""
        return {
            "values": self.value(state.values),
            "next": state.next,
            "config": self.value(state.config),
            "metadata": self.value(state.metadata),
            "created_at": type(state.created_at).__name__,
            "parent_config": self.value(state.parent_config),
            "tasks": tuple(self._snapshot_task(task) for task in state.tasks),
            "interrupts": state.interrupts,
        }

    def _snapshot_task(self, task: Any) -> dict[str, Any]:
        # LangGraph goes on showing the error of a task that succeeded when it ran again
        healed = task.error is None or task.result is not None
        return {
            "id": self.task(task.id),
            "name": task.name,
            "path": task.path,
            "error": None if healed else error_repr(task.error),
            "interrupts": task.interrupts,
            "state": self.value(task.state),
            "result": self.value(task.result),
        }


def error_text(error: BaseException) -> tuple[str, str]:
    """Class name and message; an engine's own error only its name."""
    name = type(error).__name__
    return name, "" if name in OWN_ERRORS else str(error)


def error_repr(text: str) -> str:
    """The repr of an error; of an engine's own error only its name."""
    name = text.partition("(")[0]
    return name if name in OWN_ERRORS else text
