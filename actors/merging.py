"""Merging messages: how an update of messages changes those that a state holds.

In a process that has loaded langchain_core, messages of any form become LangChain's; in one that
has not, they are plain dicts (`plain_messages.py`).  The rules are the same:

1. Every message gets an id before it is stored, unless it has one, and keeps it.
2. A message whose id is held takes the place of the one that has it; any other is appended.
3. `RemoveMessage(id=…)` removes the message with that id, which must be there.
4. `RemoveMessage(id=REMOVE_ALL_MESSAGES)` removes what is held and what the update has before it.
5. An update is applied in its order, so of two messages with one id the later counts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from reprlib import repr as shortened
from typing import Any, Final, Literal, Protocol, cast, overload

from . import plain_messages
from .errors import ConfigError, MessageError
from .plain_messages import REMOVE_ALL_MESSAGES, is_removal

Format = Literal["langchain-openai", "dict"]
Messages = Any
"""A message, or a list of messages, in any form."""


class AddMessages:
    """The reducer of messages, `add_messages`: appends, replaces by id, removes.

        messages: Annotated[list, add_messages]                    # in a state
        messages: Annotated[list, add_messages(format="dict")]     # always plain dicts
        messages = add_messages(messages, {"role": "user", "content": "hi"})

    A message is one of LangChain's, a dict of role and content, a pair of those, or a str that the
    user said.  Where langchain_core is loaded they become LangChain's, elsewhere dicts;
    `format="dict"` gives dicts everywhere, "langchain-openai" LangChain's messages with contents
    as OpenAI has them.
    """

    __slots__ = ("_format",)

    def __init__(self, format: Format | None = None) -> None:  # noqa: A002 - as users know it
        self._format: Format | None = format

    def __repr__(self) -> str:
        return "add_messages" if self._format is None else f"add_messages(format={self._format!r})"

    @overload
    def __call__(self, *, format: Format | None = None) -> AddMessages: ...
    @overload
    def __call__(
        self, left: Messages, right: Messages, *, format: Format | None = None
    ) -> list[Any]: ...
    def __call__(
        self,
        left: Messages = None,
        right: Messages = None,
        *,
        format: Format | None = None,  # noqa: A002
    ) -> AddMessages | list[Any]:
        """The messages `left` after the update `right`, each a message or a list of them; or,
        without those, the reducer of a format.

        Raises MessageError (a ValueError) for what is no message, and for an id to remove that is
        not held; ConfigError (a ValueError) for an unknown format, and for None as messages.
        """
        reducer = self if format is None else _reducer_of(format)
        if left is None and right is None:
            return reducer
        if left is None or right is None:
            raise ConfigError(
                "Must specify non-null arguments for both 'left' and 'right': got None beside "
                f"{shortened(right if left is None else left)}; give [] for no messages, or "
                "neither of the two to get a reducer"
            )
        return reducer.merge(left, right)

    def merge(self, left: Messages, right: Messages) -> list[Any]:
        """The messages `left` after the update `right`; raises as a call does."""
        dialect = self._dialect()
        merged = _merged(dialect, self._listed(left), self._listed(right))
        return dialect.openai_format(merged) if self._format == "langchain-openai" else merged

    def settle(self, right: Messages) -> Messages:
        """An update with the ids that its messages are to keep; what cannot be merged as it is."""
        given = self._listed(right)
        try:
            settled, _ = self._dialect().convert(given)
        except (ConfigError, MessageError):
            return right
        same = all(new is old for new, old in zip(settled, given, strict=True))
        return right if same else settled

    def _dialect(self) -> Any:
        langchain = None if self._format == "dict" else loaded_messages()
        if langchain is None and self._format == "langchain-openai":
            raise ConfigError(
                "format='langchain-openai' cannot be: it gives LangChain messages, and "
                "langchain_core is not loaded; import langchain_core.messages first, or give "
                "format='dict'"
            )
        return langchain or plain_messages

    def _listed(self, messages: Messages) -> list[Any]:
        listed = cast("list[Any]", messages) if isinstance(messages, list) else [messages]
        langchain = loaded_messages() if self._format == "dict" else None
        return listed if langchain is None else langchain.plain(listed)


add_messages: Final = AddMessages()
"""Merges messages into messages; see `AddMessages`."""
_REDUCERS = {"dict": AddMessages("dict"), "langchain-openai": AddMessages("langchain-openai")}


def _reducer_of(name: str) -> AddMessages:
    if not isinstance(name, str) or name not in _REDUCERS:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(
            f"Unrecognized format={name!r}. Expected one of 'langchain-openai', 'dict', None: give "
            "one of those"
        )
    return _REDUCERS[name]


class _Dialect(Protocol):
    """What messages are: LangChain's, or plain dicts.

    Each method gives new lists of the messages and their ids.
    """

    def held(self, messages: list[Any], /) -> tuple[list[Any], list[str]]: ...
    def convert(self, messages: list[Any], /) -> tuple[list[Any], list[str]]: ...


def _merged(dialect: _Dialect, left: list[Any], right: list[Any]) -> list[Any]:
    merged, ids = dialect.held(left)
    new, new_ids = dialect.convert(right)
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


def loaded_messages() -> Any:
    """The module that knows LangChain's messages; None in a process that has not loaded them."""
    if sys.modules.get("langchain_core.messages") is None:
        return None
    from . import langchain_messages

    return langchain_messages
