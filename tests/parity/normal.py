"""Chunks and snapshots with everything that may differ between two runs replaced.

Ids become placeholders by first appearance, so that two runs agree exactly when the same id shows
up at the same places; times become "<time>".  Everything else, tuple or list included, stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

NOTE_ID = re.compile(r"id '([^']+)'")
MADE_ID = re.compile(r"(?:lc_run-+)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-\d+)?")
"""Ids that messages are given when they have none."""
ELAPSED = re.compile(r"elapsed: [\d.]+s")
CHECKPOINT_KEYS = ("checkpoint_id",)
NS_KEYS = ("checkpoint_ns", "langgraph_checkpoint_ns")
TIME_KEYS = ("timestamp", "created_at", "ts")
CHECKPOINTS_BY_NS = ("parents", "checkpoint_map")
INTERRUPT_KEYS = {"id", "value", "response_schema"}
OWN_ERRORS = (
    "InvalidUpdateError",
    "GraphRecursionError",
    "EmptyInputError",
    "EmptyChannelError",
    "ThreadStateError",
)
"""Errors that an engine raises itself: their texts are each engine's own."""
OWN_TEXTS = ("When there are multiple pending interrupts", "Cannot use Command(resume=...) without")
"""How texts begin of RuntimeErrors that LangGraph raises and that have a name of their own here."""


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
        if type(value) in (list, tuple):
            return type(value)(self.value(item) for item in in_order(value))
        return self._object(value)

    def _object(self, value: Any) -> Any:
        if isinstance(value, BaseException):
            return ("exception", *error_text(value))
        if isinstance(value, BaseMessage):
            return self._message(value)
        kind = type(value).__name__
        if kind == "Overwrite":
            return ("overwrite", self.value(value.value))
        if kind == "Interrupt":
            return ("interrupt", *self._interrupt(value.id, value.value, value.response_schema))
        if kind == "GraphOutput":
            return ("output", self.value(value.value), self.value(value.interrupts))
        return value

    def _interrupt(self, name: str, value: Any, schema: Any) -> tuple[Any, ...]:
        return self._name("interrupt", name), self.value(value), schema

    def _message(self, message: BaseMessage) -> tuple[str, dict[str, Any]]:
        shown = message.model_dump()
        if shown["id"] and MADE_ID.fullmatch(shown["id"]):
            shown["id"] = self._name("message", shown["id"])
        return type(message).__name__, shown

    def _metadata(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Of a message, without who runs the model, and without a tag that LangGraph has for
        itself."""
        shown = {key: item for key, item in known.items() if key not in ("ls_integration", "tags")}
        tags = [tag for tag in known.get("tags", ()) if tag != "langsmith:hidden"]
        return {**shown, "tags": tags} if tags else shown

    def _mapping(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        if value.keys() == INTERRUPT_KEYS:
            shown = self._interrupt(value["id"], value["value"], value["response_schema"])
            return dict(zip(("id", "value", "response_schema"), shown, strict=True))
        if "langgraph_node" in value:
            value = self._metadata(value)
        is_task = "id" in value and "name" in value
        if is_task and "state" in value and value.get("result") is not None:
            value = {**value, "interrupts": ()}  # see `_snapshot_task`
        return {key: self._item(key, item, is_task) for key, item in value.items()}

    def _item(self, key: Any, item: Any, is_task: bool) -> Any:
        if key == "id" and is_task:
            return self.task(item)
        if key in CHECKPOINT_KEYS:
            return self.checkpoint(item)
        if key == "ns" and isinstance(item, tuple):
            return self.path(item)
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
            "interrupts": self.value(
                tuple(i for task in state.tasks if task.result is None for i in task.interrupts)
            ),
        }

    def _snapshot_task(self, task: Any) -> dict[str, Any]:
        # LangGraph goes on showing the error, and the interrupts that were answered, of a task that
        # succeeded when it ran again
        done = task.result is not None
        return {
            "id": self.task(task.id),
            "name": task.name,
            "path": task.path,
            "error": None if done or task.error is None else error_repr(task.error),
            "interrupts": () if done else self.value(task.interrupts),
            "state": self.value(task.state),
            "result": self.value(task.result),
        }


def in_order(items: Any) -> Any:
    """Interrupts, which LangGraph shows in no fixed order, by what they ask; others as given."""
    asked = [_asked(item) for item in items]
    if None in asked:
        return items
    ordered = sorted(zip(asked, items, strict=True), key=lambda pair: str(pair[0]))
    return type(items)(item for _, item in ordered)


def _asked(item: Any) -> tuple[Any] | None:
    """What an interrupt asks; None if it is none."""
    if isinstance(item, Mapping):
        return (item["value"],) if item.keys() == INTERRUPT_KEYS else None
    return (item.value,) if type(item).__name__ == "Interrupt" else None


def error_text(error: BaseException) -> tuple[str, str]:
    """Class name and message; an engine's own error only its name."""
    name, text = type(error).__name__, ELAPSED.sub("elapsed: <time>", str(error))
    if name == "StepTimeoutError" or (name == "TimeoutError" and text in ("", "Timed out")):
        return "TimeoutError", ""
    if text.startswith(OWN_TEXTS):
        return "ResumeError", ""
    return name, "" if name in OWN_ERRORS else text


def error_repr(text: str) -> str:
    """The repr of an error; of an engine's own error only its name."""
    name = text.partition("(")[0]
    return name if name in OWN_ERRORS else ELAPSED.sub("elapsed: <time>", text)
