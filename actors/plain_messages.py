"""Messages as plain dicts, for processes without LangChain, and for states that keep dicts.

    {"role": "user", "content": "hi", "id": "…"}              and whatever else a message has

A message may be written as such a dict (with or without id), as `(role, content)`, or as a str,
which the user said.  What it is written as is checked here, for LangChain's messages too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any, cast

from checkpoint import new_id

from .errors import MessageError, MessageTypeError

REMOVE = "remove"
"""Role (and LangChain's type) of what asks for a message to be removed."""
REMOVE_ALL_MESSAGES = "__remove_all__"
"""Id that stands for all messages: `RemoveMessage(id=REMOVE_ALL_MESSAGES)` removes them."""

ROLES = ("user", "human", "assistant", "ai", "system", "developer", "tool", "function", REMOVE)
"""What may stand in `role`; `human` and `ai` are LangChain's words for user and assistant."""
CHAT = "chat"
"""Type of a message whose role may be any word, as that of LangChain's ChatMessage."""
_PLAIN_ROLES = {"human": "user", "ai": "assistant"}

PlainMessage = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RemoveMessage:
    """An update that removes the message with this id; with REMOVE_ALL_MESSAGES, all before it.

    It stands beside LangChain's class of this name: each is understood wherever the other is.
    """

    id: str

    @property
    def type(self) -> str:
        """ "remove", as LangChain's class has it."""
        return REMOVE


def is_removal(message: Any) -> bool:
    """True for a RemoveMessage, LangChain's or ours, and for its dict."""
    if isinstance(message, dict):
        return _role_of(cast("PlainMessage", message)) == REMOVE
    return is_removing_object(message)


def is_removing_object(message: object) -> bool:
    """True for a RemoveMessage, LangChain's or ours."""
    return getattr(message, "type", None) == REMOVE


def _role_of(message: Mapping[str, Any]) -> Any:
    return message.get("role", message.get("type"))


def role_as_stored(message: Mapping[str, Any]) -> Any:
    """The role that a dict says it has, or LangChain's type of one; None if neither."""
    if "role" in message:
        return message["role"]
    kind = message.get("type")
    return _PLAIN_ROLES.get(kind, kind) if kind in (*ROLES, CHAT) else None


def checked(message: Any) -> Any:
    """What is written as a message, as it is: a dict, a pair of role and content, or a str.

    Raises MessageTypeError for anything else, MessageError for a message that lacks what it needs.
    """
    if isinstance(message, str):
        return message
    if isinstance(message, dict):
        _check_dict(cast("PlainMessage", message), message)
        return cast("PlainMessage", message)
    if isinstance(message, Sequence):
        pair = cast("Sequence[Any]", message)
        if len(pair) != 2 or not isinstance(pair[0], str):
            raise MessageTypeError(
                f"{shown(pair)} cannot be a message: a message as a sequence is a pair of role "
                "and content; give (role, content), or a list of messages"
            )
        _check_dict({"role": pair[0], "content": pair[1]}, pair)
        return pair
    raise MessageTypeError(
        f"{shown(message)} cannot be a message: it is of type {type(message).__name__}; "
        "give a dict with role and content, a pair (role, content), a str, or a LangChain message"
    )


def _check_dict(message: PlainMessage, given: Any) -> None:
    role = _role_of(message)
    if role is None:
        raise _refusal(
            given,
            "it must contain 'role' and 'content' keys, and has no 'role'",
            f"add one of {_LISTED}",
        )
    if role not in ROLES and message.get("type") != CHAT:
        raise _refusal(
            given, f"Unexpected message type: {shortened(role)}", f"the role is one of {_LISTED}"
        )
    if role == REMOVE:
        _check_removal(message, given)
    else:
        _check_content(message, given)
    if role == "tool" and "tool_call_id" not in message:
        raise _refusal(
            given,
            "the role 'tool' needs a 'tool_call_id'",
            "add the id of the tool call that it answers",
        )
    known = message.get("id")
    if known is not None and not isinstance(known, str | int):
        raise _refusal(
            given,
            f"its id is of type {type(known).__name__}",
            "give a str, or leave it out to have one made",
        )


def _check_removal(message: PlainMessage, given: Any) -> None:
    if message.get("id") is None or message.get("content"):
        raise _refusal(
            given,
            "one that removes a message has its 'id' and no content",
            "give the id of the message to remove and nothing else",
        )


def _check_content(message: PlainMessage, given: Any) -> None:
    if "content" not in message and not message.get("tool_calls"):
        raise _refusal(
            given,
            "it must contain 'role' and 'content' keys, and has no 'content'",
            "add it, if need be an empty str",
        )
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        raise _refusal(
            given,
            f"its content is of type {type(content).__name__}",
            "give a str, or a list of content blocks",
        )


def _refusal(given: Any, why: str, mend: str) -> MessageError:
    return MessageError(f"{shown(given)} cannot be a message: {why}; {mend}")


def shown(message: Any) -> str:
    """A message in an error: a short repr."""
    return shortened(message)


_LISTED = ", ".join(map(repr, ROLES[:-1]))

# ------------------------------------------------------------------------------ as plain dicts


def held(messages: Iterable[Any]) -> tuple[list[PlainMessage], list[str]]:
    """Messages that a state holds, as dicts, and their ids; those that are so already are kept."""
    kept = [
        message if type(message) is dict and type(message.get("id")) is str else _plain(message)
        for message in cast("Iterable[PlainMessage]", messages)
    ]
    return kept, [message["id"] for message in kept]


def convert(messages: Iterable[Any]) -> tuple[list[PlainMessage], list[str]]:
    """New messages as dicts, and their ids; none of what is given is changed.

    Raises as `checked`.
    """
    converted = [_plain(message) for message in messages]
    return converted, [message["id"] for message in converted]


def _plain(message: Any) -> PlainMessage:
    if is_removing_object(message):
        return {"role": REMOVE, "content": "", "id": message.id}
    plain = _as_dict(checked(message))
    known = plain.get("id")
    if type(known) is str:
        return plain
    return {**plain, "id": new_id() if known is None else str(known)}


def _as_dict(message: Any) -> PlainMessage:
    """A checked message as a dict with `role` and `content`."""
    if isinstance(message, str):
        return {"role": "user", "content": message}
    if not isinstance(message, dict):
        role, content = message
        return {"role": _PLAIN_ROLES.get(role, role), "content": content}
    plain = cast("PlainMessage", message)
    if "role" not in plain:
        rest = {name: value for name, value in plain.items() if name != "type"}
        plain = {"role": role_as_stored(plain), **rest}
    return plain if "content" in plain else {**plain, "content": ""}
