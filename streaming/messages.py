"""Messages of models, piece by piece: what the mode `messages` shows.

A model that knows nothing of graphs is streamed with `stream_message`; libraries with callbacks of
their own publish their own pieces through the task's `TokenWriter`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import urandom
from types import TracebackType
from typing import Any, Self

from .tokens import TokenWriter
from .writer import current_task


@dataclass(frozen=True, slots=True)
class MessageChunk:
    """A piece of a message, or a whole one."""

    content: str
    id: str
    """The same for all pieces of a message."""
    role: str = "assistant"
    name: str | None = None
    """Of the author, if it has one."""

    def __add__(self, other: MessageChunk) -> MessageChunk:
        """Both pieces as one."""
        return MessageChunk(self.content + other.content, self.id, self.role, self.name)


class MessageStream:
    """A message in the making: `await token(text)` in async code, `write(text)` in any.

    `message` is the message so far, as a dict to return from the node; it is not shown again then.
    """

    def __init__(self, role: str, id: str, name: str | None, tags: Iterable[str]) -> None:  # noqa: A002
        self.id = id
        self._role = role
        self._name = name
        self._tags = list(tags)
        self._parts: list[str] = []
        self._writer: TokenWriter | None = None
        self._metadata: Mapping[str, Any] = {}

    @property
    def content(self) -> str:
        """The text so far."""
        return "".join(self._parts)

    @property
    def message(self) -> dict[str, Any]:
        """{"role", "content", "id"}, and "name" if it has one."""
        message = {"role": self._role, "content": self.content, "id": self.id}
        return message if self._name is None else {**message, "name": self._name}

    def write(self, text: str) -> None:
        """Add a piece.  Never waits on the event loop; in a worker thread, for a slow owner."""
        self._parts.append(text)
        if self._writer is not None:
            chunk = MessageChunk(text, self.id, self._role, self._name)
            self._writer.piece(chunk, self._metadata)

    async def token(self, text: str) -> None:
        """Add a piece, and wait until there is room for more."""
        self.write(text)
        if self._writer is not None:
            await self._writer.drain()

    def __enter__(self) -> Self:
        scope = current_task.get(None)
        if scope is not None and not (self._tags and TAG_NOSTREAM in self._tags):
            self._writer = scope.tokens
        if self._writer is not None:
            self._metadata = with_tags(self._writer.metadata, (*self._writer.tags, *self._tags))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer = None

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer = None


def stream_message(
    *,
    role: str = "assistant",
    id: str | None = None,  # noqa: A002 - the name messages have for it
    name: str | None = None,
    tags: Iterable[str] = (),
) -> MessageStream:
    """Show a message in the mode `messages` while a model of any kind makes it.

    `tags` stand in the metadata of its pieces, for readers to choose by; the tag "nostream" shows
    nothing.  Outside of a run, or when nobody asked for `messages`, it only puts the text together.

        async with stream_message(tags=["joke"]) as message:
            async for text in my_model(prompt):
                await message.token(text)
        return {"messages": [message.message]}
    """
    return MessageStream(role, id or urandom(16).hex(), name, tags)


def with_tags(metadata: Mapping[str, Any], tags: Iterable[str]) -> Mapping[str, Any]:
    """The metadata with these tags, each once."""
    several = list(dict.fromkeys(tags))
    return {**metadata, "tags": several} if several else metadata


TAG_NOSTREAM = "nostream"
"""Tag of models whose messages are not to be shown."""
