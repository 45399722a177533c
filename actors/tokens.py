"""Messages that a task shows in the mode `messages`: pieces from models, whole ones it returns."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from checkpoint import new_id
from streaming import MessageChunk, TokenWriter

from .views import namespace_text

if TYPE_CHECKING:
    from .context import TaskContext
    from .spec import Writes


class TaskTokens(TokenWriter):
    """Publishes the messages of one task, which count as signs of its progress."""

    __slots__ = ("_context",)

    def __init__(self, context: TaskContext, shown: set[str]) -> None:
        scheduler = context.scheduler
        super().__init__(
            scheduler.setting.log,
            metadata=lambda: returned_metadata(context),
            shown=shown,
            ns=scheduler.facts.ns,
            step=context.task.step,
        )
        self._context = context

    def piece(self, chunk: Any, metadata: Mapping[str, Any]) -> None:
        """Publish a piece of a message."""
        self._context.progress()
        super().piece(chunk, metadata)


def task_metadata(context: TaskContext) -> dict[str, Any]:
    """What is known of a task, as its config and its messages show it."""
    facts, task = context.scheduler.facts, context.task
    metadata = dict(context.scheduler.config.metadata)
    if facts.thread_id is not None:
        metadata["thread_id"] = facts.thread_id
    metadata |= {
        "langgraph_step": task.step,
        "langgraph_node": task.node.name,
        "langgraph_triggers": task.triggers,
        "langgraph_path": task.path,
        "langgraph_checkpoint_ns": namespace_text(context.namespace()),
    }
    return metadata | dict(task.node.metadata or {})


def returned_metadata(context: TaskContext) -> dict[str, Any]:
    """The same with the run's tags, if it has any."""
    metadata, tags = task_metadata(context), context.scheduler.config.tags
    return {**metadata, "tags": list(tags)} if tags else metadata


def show_returned(context: TaskContext, writes: Writes) -> None:
    """Show the messages that a task returned, but for those that were shown or that it was given.

    One that has no id gets one, by which the state knows it too.
    """
    tokens = context.tokens
    if tokens is None or context.task.node.hidden:
        return
    returned = [message for _, value in writes for message in messages_in(value)]
    if not returned:
        return
    given = context.scheduler.machine.channels.input_of(context.task)
    tokens.know(filter(None, map(_id_of, _messages_of_state(given))))
    for message in returned:
        show_message(tokens, message)


def show_message(tokens: TokenWriter, message: Any) -> None:
    """Show a whole message, unless it was shown before."""
    if isinstance(message, dict):
        plain = cast("dict[str, Any]", message)
        known = plain.get("id") or plain.setdefault("id", new_id())
        shown: Any = MessageChunk(plain["content"], known, plain["role"], plain.get("name"))
    else:
        shown, known = message, message.id
        if known is None:
            known = message.id = new_id()
    tokens.whole(shown, known, tokens.metadata)


def messages_in(value: Any) -> Iterator[Any]:
    """The messages that a written value is, or is a sequence of.

    Plain dicts count as messages in a process without LangChain only: with it, the state's
    messages are its own.
    """
    is_message = _is_message if "langchain_core.messages" in sys.modules else _is_plain
    if is_message(value):
        yield value
    elif isinstance(value, list | tuple):
        yield from filter(is_message, cast("list[Any]", value))


def _messages_of_state(state: Any) -> Iterator[Any]:
    """The messages in the values of a state: of a dict, an instance of a schema, or a bare one."""
    whole: Any = state
    fields = whole if isinstance(state, dict) else getattr(whole, "__dict__", {"": whole})
    for value in fields.values():
        yield from messages_in(value)


def _is_message(value: Any) -> bool:
    return isinstance(value, sys.modules["langchain_core.messages"].BaseMessage)


def _is_plain(value: Any) -> bool:
    return isinstance(value, dict) and "role" in value and isinstance(_field(value, "content"), str)


def _id_of(message: Any) -> str | None:
    return _field(message, "id") if isinstance(message, dict) else message.id


def _field(message: Any, name: str) -> Any:
    return message.get(name)
