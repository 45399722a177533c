"""Messages in a graph's state: how an update of messages is merged into those that are held.

In a process that has loaded langchain_core, messages of any form become LangChain's; in one that
has not, they are plain dicts (`plain_messages.py`).  The rules are the same:

1. Every message gets an id when it is merged, unless it has one, and keeps it.
2. A message whose id is held takes the place of the one that has it; any other is appended.
3. `RemoveMessage(id=…)` removes the message with that id, which must be there.
4. `RemoveMessage(id=REMOVE_ALL_MESSAGES)` removes what is held and what the update has before it.
5. An update is applied in its order, so of two messages with one id the later counts.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from reprlib import repr as shortened
from typing import Annotated, Any, Literal, Protocol, TypedDict, cast, overload

from checkpoint import register_type, register_when_loaded

from . import plain_messages
from .context import running_task
from .errors import ConfigError, MessageError
from .plain_messages import REMOVE_ALL_MESSAGES, RemoveMessage, is_removal

Format = Literal["langchain-openai", "dict"]
Messages = Any
"""A message, or a list of messages, in any form."""


class Reducer(Protocol):
    """Merges messages into messages."""

    def __call__(self, left: Messages, right: Messages, /) -> list[Any]:
        """The messages `left` after the update `right`."""
        ...


@overload
def add_messages(*, format: Format | None = None) -> Reducer: ...
@overload
def add_messages(left: Messages, right: Messages, *, format: Format | None = None) -> list[Any]: ...
def add_messages(
    left: Messages = None,
    right: Messages = None,
    *,
    format: Format | None = None,  # noqa: A002 - the name that users know
) -> Reducer | list[Any]:
    """The messages `left` after the update `right`: appended, replaced by id, removed.

        messages: Annotated[list, add_messages]                    # in a state
        messages: Annotated[list, add_messages(format="dict")]     # always plain dicts

    Either side is a message or a list of them: LangChain's, dicts of role and content, pairs of
    those, or a str that the user said.  LangChain's come out where langchain_core is loaded, dicts
    elsewhere; `format="dict"` gives dicts everywhere, `"langchain-openai"` LangChain's messages
    with contents as OpenAI has them.  Raises MessageError (a ValueError) for what is no message,
    and for an id to remove that is not held.
    """
    reducer = _reducer_of(format)
    if left is None and right is None:
        return reducer
    if left is None or right is None:
        raise ConfigError(
            "Must specify non-null arguments for both 'left' and 'right': got "
            f"{shortened(right if left is None else left)} and None; give [] for no messages, or "
            "neither of the two to get a reducer"
        )
    return reducer(left, right)


def _reducer_of(name: Format | None) -> Reducer:
    try:
        return _REDUCERS[name]
    except (KeyError, TypeError):
        raise ConfigError(
            f"Unrecognized format={name!r}. Expected one of 'langchain-openai', 'dict', None: give "
            "one of those"
        ) from None


def _add(left: Messages, right: Messages, /) -> list[Any]:
    return _merged(_langchain() or plain_messages, left, right)


def _add_dicts(left: Messages, right: Messages, /) -> list[Any]:
    langchain = _langchain()
    if langchain is not None:
        left, right = langchain.plain(_listed(left)), langchain.plain(_listed(right))
    return _merged(plain_messages, left, right)


def _add_openai(left: Messages, right: Messages, /) -> list[Any]:
    langchain = _langchain()
    if langchain is None:
        raise ConfigError(
            "format='langchain-openai' cannot be: it gives LangChain messages, and langchain_core "
            "is not loaded; import langchain_core.messages first, or give format='dict'"
        )
    return langchain.openai_format(_merged(langchain, left, right))


class _Dialect(Protocol):
    """What messages are: LangChain's, or plain dicts.

    Each method gives new lists of the messages and their ids.
    """

    def held(self, messages: list[Any], /) -> tuple[list[Any], list[str]]: ...
    def convert(self, messages: list[Any], /) -> tuple[list[Any], list[str]]: ...


def _merged(dialect: _Dialect, left: Messages, right: Messages) -> list[Any]:
    merged, ids = dialect.held(_listed(left))
    new, new_ids = dialect.convert(_listed(right))
    if REMOVE_ALL_MESSAGES in new_ids and (start := _after_remove_all(new, new_ids)):
        merged, ids, new, new_ids = [], [], new[start:], new_ids[start:]
    places = dict(zip(ids, range(len(ids)), strict=True))
    removed: set[str] = set()
    for message, known in zip(new, new_ids, strict=True):
        place = places.get(known)
        if is_removal(message):
            if place is None:
                raise _unknown(known, ids)
            removed.add(known)
        elif place is None:
            places[known] = len(merged)
            merged.append(message)
            ids.append(known)
        else:
            removed.discard(known)
            merged[place] = message
    if not removed:
        return merged
    pairs = zip(merged, ids, strict=True)
    return [message for message, known in pairs if known not in removed]


def _listed(messages: Messages) -> list[Any]:
    return cast("list[Any]", messages) if isinstance(messages, list) else [messages]


def _after_remove_all(messages: Sequence[Any], ids: Sequence[str]) -> int:
    """Where what is left of an update begins: after the last removal of everything."""
    starts = (
        index + 1
        for index, known in enumerate(ids)
        if known == REMOVE_ALL_MESSAGES and is_removal(messages[index])
    )
    return max(starts, default=0)


def _unknown(known: str, ids: Sequence[str]) -> MessageError:
    return MessageError(
        f"Attempting to delete a message with an ID that doesn't exist ({known!r}): the messages "
        f"there are have {shortened(ids)}; give one of those ids, or REMOVE_ALL_MESSAGES"
    )


def _langchain() -> Any:
    """The module that knows LangChain's messages; None in a process that has not loaded them."""
    if sys.modules.get("langchain_core.messages") is None:
        return None
    from . import langchain_messages

    return langchain_messages


_REDUCERS: Mapping[Format | None, Reducer] = {
    None: _add,
    "dict": _add_dicts,
    "langchain-openai": _add_openai,
}


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
    langchain = _langchain()
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
