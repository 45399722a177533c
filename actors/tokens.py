"""Messages that a task shows in the mode `messages`: pieces from models, whole ones it returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

from checkpoint import new_id
from streaming import ShownMessages, TokenWriter

from .merging import loaded_messages
from .plain_chunks import chunk_of, is_plain
from .spec import BARE_KEYS
from .views import namespace_text

if TYPE_CHECKING:
    from .context import TaskContext
    from .spec import Writes


class TaskTokens(TokenWriter):
    """Publishes the messages of one task, which count as signs of its progress."""

    __slots__ = ("handler",)

    def __init__(self, context: TaskContext, shown: ShownMessages) -> None:
        scheduler = context.scheduler
        super().__init__(
            scheduler.setting.log,
            metadata=lambda: task_metadata(context),
            shown=shown,
            tags=scheduler.config.tags,
            ns=scheduler.facts.ns,
            step=context.task.step,
            progress=context.progress if context.watched else None,
        )
        self.handler: Any = None
        """What publishes here for another library, once there is such a thing."""


def task_metadata(context: TaskContext) -> dict[str, Any]:
    """What is known of a task, as its config and its messages show it."""
    config, task = context.scheduler.config, context.task
    metadata = {**config.metadata, **_outer_metadata(context)}
    if config.thread_id is not None:
        metadata.setdefault("thread_id", config.thread_id)
    metadata |= {
        "langgraph_step": task.step,
        "langgraph_node": task.node.name,
        "langgraph_triggers": task.triggers,
        "langgraph_path": task.path,
        "langgraph_checkpoint_ns": namespace_text(context.namespace()),
    }
    return metadata | dict(task.node.metadata or {})


def _outer_metadata(context: TaskContext) -> dict[str, Any]:
    """What a graph inside of a task has of the nodes around it: their metadata, and the namespace
    of the outermost."""
    outer, known = context.scheduler.caller, dict[str, Any]()
    while outer is not None:
        known = {**(outer.task.node.metadata or {}), **known}
        context, outer = outer, outer.scheduler.caller
        if outer is None:
            known["checkpoint_ns"] = namespace_text(context.namespace())
    return known


def show_returned(context: TaskContext, writes: Writes, settled: Writes) -> None:
    """Show the messages that a task returned, but for those that were shown or that it was given.

    `settled` is what is to be stored of it, where all messages have ids; texts and pairs, which
    become messages then, are not shown.
    """
    tokens = context.tokens
    if tokens is None or context.task.node.hidden:
        return
    returned = [
        message
        for (key, value), (_, made) in zip(writes, settled, strict=True)
        for message in _written(key, value, made)
    ]
    if not returned:
        return
    tokens.know(known for one in _given(context) if (known := _known_as(tokens, one)))
    for message in returned:
        show_message(tokens, message)


def show_message(tokens: TokenWriter, message: Any) -> None:
    """Show a whole message, unless it was shown before."""
    tokens.whole(*_as_shown(tokens, message), tokens.metadata)


def push_piece(tokens: TokenWriter, message: Any) -> None:
    """Show a message, or a piece of one, that is written by hand."""
    tokens.piece(_as_shown(tokens, message)[0], tokens.metadata)


def _as_shown(tokens: TokenWriter, message: Any) -> tuple[Any, str]:
    """A message as the mode shows it, and its id, which one of LangChain's is given if need be."""
    if isinstance(message, dict):
        plain = cast("dict[str, Any]", message)
        known: str = _known_as(tokens, plain)
        return chunk_of(plain, known), known
    if message.id is None:
        message.id = new_id()
    return message, message.id


def _known_as(tokens: TokenWriter, message: Any) -> Any:
    """A message's id; a dict without one, which may be used again as another message, gets none
    of its own, and is known by another name as long as the run goes on."""
    known = _id_of(message)
    plain = cast("object", message)
    return tokens.name_of(plain) if isinstance(message, dict) and not known else known


def messages_in(value: Any) -> Iterable[Any]:
    """The messages that a value of the state is, or is a sequence of."""
    if is_message(value):
        return (value,)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return filter(is_message, cast("Sequence[Any]", value))
    return ()


def is_message(value: Any) -> bool:
    """True for what the mode shows as a message.

    Plain dicts count in a process without LangChain only: with it, the state's messages are its
    own.
    """
    langchain = loaded_messages()
    return is_plain(value) if langchain is None else langchain.is_message(value)


def _written(key: str, value: Any, made: Any) -> Iterable[Any]:
    """The messages in what was written to a key, of which `made` is to be stored; if that is a
    whole state, those in its values too.  One without an id is as it is to be stored."""
    if made is value:
        return _messages_of_state(value) if key in BARE_KEYS else messages_in(value)
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [
        old if _id_of(old) else new
        for old, new in zip(items, made, strict=False)
        if is_message(old)
    ]


def _given(context: TaskContext) -> Iterator[Any]:
    """The messages in what a task was called with: a state, or arguments."""
    given = context.scheduler.machine.channels.input_of(context.task)
    if context.task.parent is None:
        return _messages_of_state(given)
    args, kwargs = given
    return (message for value in (*args, *kwargs.values()) for message in messages_in(value))


def _messages_of_state(state: Any) -> Iterator[Any]:
    """The messages that a state is, or is a sequence of, or has in its values."""
    found = list(messages_in(state))
    if found:
        yield from found
        return
    for value in _values_of(state):
        yield from messages_in(value)


def _values_of(state: Any) -> Iterable[Any]:
    """The values of a state: a dict, or an instance of a schema."""
    if isinstance(state, dict):
        return cast("dict[str, Any]", state).values()
    if is_dataclass(state) and not isinstance(state, type):
        return [getattr(state, field.name, None) for field in fields(state)]
    return vars(state).values() if hasattr(state, "model_fields_set") else ()


def _id_of(message: Any) -> Any:
    return cast("dict[str, Any]", message).get("id") if isinstance(message, dict) else message.id
