"""Calls of tools, as the tasks that carry them out tell of them; pure.

A task that is given calls (by a Send), or that is called `tools` and sees a model's message that
asks for some, begins them; the tool messages that a task gives end them, and tell of those too
that began elsewhere: in a node of the user's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from streaming import TaskFailed, TaskFinished, TaskStarted

from .failures import error_json
from .messages import field_of, whole_json

TOOLS: Final = "tools"
"""What the node is called that carries out calls, unless it is called something else."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a model asks for."""

    id: str
    name: str
    args: Any


class ToolCalls:
    """The calls of one run; gives the data of notices on the channel `tools`."""

    def __init__(self) -> None:
        self._asked: dict[str, dict[str, Call]] = {}
        """Task -> calls that it may carry out."""
        self._begun: dict[str, set[str]] = {}
        """Task -> those that were told to have begun."""

    def begin(self, event: TaskStarted) -> Iterator[dict[str, Any]]:
        """What a task that starts begins."""
        given, asked = _given(event.input), _asked(event.input)
        if calls := given or asked:
            self._asked[event.task_id] = {call.id: call for call in calls}
        if given or event.name == TOOLS:
            for call in calls:
                yield self._start(event.task_id, call)

    def end(self, event: TaskFinished | TaskFailed) -> Iterator[dict[str, Any]]:
        """What a task that ends has carried out, or has failed at."""
        asked = self._asked.pop(event.task_id, {})
        if isinstance(event, TaskFinished):
            for message in _tool_messages(event.result):
                yield from self._answer(event.task_id, asked, message)
        left = self._begun.pop(event.task_id, set[str]())
        if isinstance(event, TaskFailed):
            told = str(error_json(event.error)["message"])
            for id_ in sorted(left):
                yield {"event": "tool-error", "tool_call_id": id_, "message": told}

    def _start(self, task_id: str, call: Call) -> dict[str, Any]:
        self._begun.setdefault(task_id, set()).add(call.id)
        return {
            "event": "tool-started",
            "tool_call_id": call.id,
            "tool_name": call.name,
            "input": call.args,
        }

    def _answer(
        self, task_id: str, asked: Mapping[str, Call], message: Any
    ) -> Iterator[dict[str, Any]]:
        id_ = str(field_of(message, "tool_call_id"))
        if id_ not in self._begun.get(task_id, ()):
            call = asked.get(id_) or Call(id_, str(field_of(message, "name") or ""), None)
            yield self._start(task_id, call)
        self._begun[task_id].discard(id_)
        if field_of(message, "status") == "error":
            text = field_of(message, "content")
            told = text if isinstance(text, str) else json.dumps(text, default=str)
            yield {"event": "tool-error", "tool_call_id": id_, "message": told}
        else:
            yield {"event": "tool-finished", "tool_call_id": id_, "output": _output(message)}


def _given(value: Any) -> list[Call]:
    """Calls that a task was sent: a list of them, or one with the state that it is to see."""
    if isinstance(value, Mapping) and "tool_call" in value:
        return _calls([cast("Mapping[str, Any]", value)["tool_call"]])
    if isinstance(value, list | tuple) and all(field_of(e, "type") == "tool_call" for e in value):  # pyright: ignore[reportUnknownVariableType]
        return _calls(value)
    return []


def _asked(value: Any) -> list[Call]:
    """Calls that the last message of a state asks for."""
    messages = field_of(value, "messages")
    if not isinstance(messages, list | tuple) or not messages:
        return []
    return _calls(field_of(cast("list[Any]", messages)[-1], "tool_calls"))


def _calls(given: Any) -> list[Call]:
    listed = cast("list[Any]", given) if isinstance(given, list | tuple) else []
    return [call for each in listed if (call := _call(each)) is not None]


def _call(given: Any) -> Call | None:
    """A call in LangChain's form, or in that of OpenAI's messages."""
    id_, function = field_of(given, "id"), field_of(given, "function")
    if not isinstance(id_, str):
        return None
    if function is None:
        return Call(id_, str(field_of(given, "name") or ""), field_of(given, "args"))
    return Call(
        id_, str(field_of(function, "name") or ""), _parsed(field_of(function, "arguments"))
    )


def _parsed(arguments: Any) -> Any:
    """Arguments that are a text of JSON, as they are in OpenAI's form; what is none stays."""
    try:
        return json.loads(arguments)
    except (TypeError, ValueError, RecursionError):
        return arguments


def _tool_messages(result: Mapping[str, Any]) -> Iterator[Any]:
    for value in result.values():
        for each in cast("list[Any]", value) if isinstance(value, list | tuple) else [value]:
            kind = field_of(each, "type") or field_of(each, "role")
            if kind == "tool" and isinstance(field_of(each, "tool_call_id"), str):
                yield each


def _output(message: Any) -> Any:
    """The message as clients know it, also one that is a plain dict."""
    if isinstance(message, Mapping):
        plain = cast("Mapping[str, Any]", message)
        return {"type": "tool", **{k: v for k, v in plain.items() if k != "role"}}
    return whole_json(message)
