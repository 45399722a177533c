"""The mode `messages`: every message as far as it has been said.

A reader keeps what it has read of the messages that are being said, as pieces, and adds them up
only when the sum is asked for: where another reader has asked for it before, it never is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streaming import Namespace, StepCommitted, Token

from .messages import added, is_piece, whole_json

_MOST_PIECES = 64
"""Pieces that are kept before they are added up, so that what is kept is as long as the text."""


class Partials:
    """The messages that are being said, as one reader has heard them."""

    def __init__(self) -> None:
        self._said: dict[Namespace, dict[str, list[Any]]] = {}

    def hear(self, token: Token) -> bool:
        """Take in a piece, or a whole message; True if it is the first of its message."""
        said = self._said.setdefault(token.ns, {})
        pieces = said.get(token.chunk.id)
        if pieces is None or not is_piece(token.chunk):
            said[token.chunk.id] = [token.chunk]
            return pieces is None
        pieces.append(token.chunk)
        if len(pieces) > _MOST_PIECES:
            pieces[:] = [added(pieces)]
        return False

    def message(self, token: Token) -> Any:
        """The message of a token, with all that was heard of it."""
        pieces = self._said[token.ns][token.chunk.id]
        if len(pieces) > 1:
            pieces[:] = [added(pieces)]
        return whole_json(pieces[0])

    def forget(self, step: StepCommitted) -> None:
        """A step of a graph is over, and so is what its nodes were saying."""
        self._said.pop(step.ns, None)


def metadata_json(token: Token) -> Mapping[str, Any]:
    """What goes before the first piece of a message."""
    return {token.chunk.id: {"metadata": token.metadata}}


def partial_name(token: Token) -> str:
    """The name of the event that shows a token."""
    return "messages/partial" if is_piece(token.chunk) else "messages/complete"
