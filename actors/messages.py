"""Messages of a graph: a state of them, pushing one from inside a node, and which may be stored."""

from __future__ import annotations

from reprlib import repr as shortened
from typing import Annotated, Any, TypedDict, cast

from checkpoint import register_type, register_when_loaded

from . import plain_messages
from .context import running_task
from .errors import MessageError
from .merging import add_messages, loaded_messages
from .plain_messages import RemoveMessage


class MessagesState(TypedDict):
    """A state of messages; subclass it to add keys."""

    messages: Annotated[list[Any], add_messages]


def push_message(message: Any, *, state_key: str | None = "messages") -> Any:
    """Show a message in the mode `messages` at once, and write it to the state; gives the message.

    It is written under `state_key`, before what the node returns; with None it is only shown.  A
    task of the functional API has no state, and only shows it.  Raises NoTaskError (a RuntimeError)
    outside of a task, MessageError (a ValueError) for a message without id, InvalidUpdateError for
    a key that the state does not have.

        push_message({"role": "assistant", "content": "One moment …", "id": "wait-1"})
    """
    context = running_task("push_message")
    pushed = _whole(message)
    if state_key is not None:
        context.push(state_key, pushed)
    context.emit_message(pushed)
    return pushed


def _whole(message: Any) -> Any:
    """A message with an id, in the form that messages have in this process."""
    plain = isinstance(message, dict)
    known = cast("dict[str, Any]", message).get("id") if plain else getattr(message, "id", None)
    if known is None:
        raise MessageError(
            f"Message ID is required: {shortened(message)} has none, and would be shown under "
            "another id than it is held under; give it one, such as str(uuid4())"
        )
    langchain = loaded_messages()
    if langchain is not None and langchain.is_message(message):
        return message
    return (langchain or plain_messages).convert([message])[0][0]


# ------------------------------------------------------------------------------ what may be stored

register_type(RemoveMessage, name="understudy.RemoveMessage")


def _register_messages() -> None:
    from .langchain_messages import MESSAGES

    for cls in MESSAGES:
        register_type(cls)


def _register_documents() -> None:
    from .langchain_messages import document_classes

    for cls in document_classes():
        register_type(cls)


register_when_loaded("langchain_core.messages", _register_messages)
register_when_loaded("langchain_core.documents", _register_documents)
