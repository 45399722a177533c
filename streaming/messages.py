"""Messages of models, piece by piece: what the mode `messages` shows.

A model that knows nothing of graphs is streamed with `stream_message`; libraries with callbacks of
their own publish their own pieces through the task's `TokenWriter`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from reprlib import repr as shortened
from typing import Any, Self

from . import sources
from .draft import Draft
from .errors import MessageClosedError, MessageOptionError, StreamingError, UnknownPieceError
from .model_call import ModelCall, whole_call
from .pieces import ToolCallChunk, piece_of
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
    tool_call_chunks: tuple[ToolCallChunk, ...] = ()
    """Pieces of calls of tools."""
    usage_metadata: Mapping[str, int] | None = None
    """What the message cost in tokens, in the last piece, if the client says so."""
    refusal: str = ""
    """A piece of what the model says instead of an answer."""
    tool_call_id: str | None = None
    """Of a tool's message: the call that it answers."""
    reasoning_content: str = ""
    """A piece of what the model thinks before it answers, or of a summary of that."""
    annotations: tuple[Mapping[str, Any], ...] = ()
    """Sources that the text cites, as the service tells of them."""
    output_items: tuple[Mapping[str, Any], ...] = ()
    """What a response of OpenAI's API has beside texts and calls of the caller's tools: calls of
    the service's own tools and what they gave, and reasoning to be sent back."""

    def __add__(self, other: MessageChunk) -> MessageChunk:
        """Both pieces as one."""
        return MessageChunk(
            self.content + other.content,
            self.id,
            self.role,
            self.name,
            (*self.tool_call_chunks, *other.tool_call_chunks),
            other.usage_metadata or self.usage_metadata,
            self.refusal + other.refusal,
            self.tool_call_id,
            self.reasoning_content + other.reasoning_content,
            (*self.annotations, *other.annotations),
            (*self.output_items, *other.output_items),
        )


class MessageStream:
    """A message in the making: `await token(text)` in async code, `write(text)` in any; or all
    that a client streams, with `await follow(stream)` or `follow_sync(stream)`.

    `message` is the message so far, as a dict to return from the node; it is not shown again then.
    """

    def __init__(
        self,
        role: str,
        id: str,  # noqa: A002 - the name messages have for it
        name: str | None,
        tags: Iterable[str],
        call: ModelCall,
    ) -> None:
        self.id = id
        self._role = role
        self._name = name
        self._tags = list(tags)
        self._draft = Draft()
        self._writer: TokenWriter | None = None
        self._metadata: Mapping[str, Any] = {}
        self._is_open = False
        self._own = call
        """The call of the model, unless the message is what a call around it says."""
        self._call = call

    @property
    def content(self) -> str:
        """The text so far."""
        return self._draft.text

    @property
    def message(self) -> dict[str, Any]:
        """{"role", "content", "id"}, and if it has them "name", "tool_calls" (in OpenAI's form),
        "refusal", "reasoning_content", "annotations", "output_items" and "usage_metadata"."""
        named = {} if self._name is None else {"name": self._name}
        return {"role": self._role, **self._draft.parts(), "id": self.id, **named}

    def write(self, text: str) -> None:
        """Add a piece.  Never waits on the event loop; in a worker thread, for a slow owner.

        Raises UnknownPieceError (a TypeError) for what is no text, MessageClosedError before and
        after the `with`.
        """
        if not self._is_open or not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise self._refusal(text)
        self._draft.texts.append(text)
        if self._writer is not None or self._call.spans is not None:
            self._show(MessageChunk(text, self.id, self._role, self._name))

    async def token(self, text: str) -> None:
        """Add a piece, and wait until there is room for more."""
        self.write(text)
        await self._drain()

    async def follow(self, stream: AsyncIterable[Any]) -> dict[str, Any]:
        """Add all that a model's client streams; gives the message.

        `stream` gives texts, or what the async client of OpenAI's API gives: chunks of a chat
        completion, or events of a response.  It is closed if this ends early.

        Raises UnknownPieceError (a TypeError) for anything else, ModelBrokeOffError when the model
        says that it failed, MessageClosedError before and after the `with`, and what the client
        raises; what was said before stays said.

            stream = await client.chat.completions.create(model=…, messages=…, stream=True)
            async with stream_message() as message:
                await message.follow(stream)
        """
        if not hasattr(stream, "__aiter__"):
            await _close(stream)  # what was to be awaited says else that it never was
            raise _no_stream(stream, "an async iterator", _FOLLOW)
        try:
            async for given in stream:
                self._add(given)
                await self._drain()
        except BaseException:
            await _close(stream)
            raise
        return self.message

    def follow_sync(self, stream: Iterable[Any]) -> dict[str, Any]:
        """The same as `follow`, for sync code and clients."""
        if isinstance(stream, str | Mapping) or not hasattr(stream, "__iter__"):
            raise _no_stream(stream, "an iterator of pieces", _FOLLOW_SYNC)
        try:
            for given in stream:
                self._add(given)
        except BaseException:
            if (close := getattr(stream, "close", None)) is not None:
                close()
            raise
        return self.message

    def _refusal(self, given: Any) -> StreamingError:
        """Why this cannot be added."""
        if not self._is_open:
            return MessageClosedError(
                f"{shortened(given)} cannot be added to message {self.id!r}, which is not open: "
                "nobody would be shown it; add it inside of `with stream_message() as message`"
            )
        return UnknownPieceError(
            f"{shortened(given)} cannot be added to message {self.id!r}: it is of type "
            f"{type(given).__name__}; give a str, and leave out pieces without text"
        )

    def _add(self, given: Any) -> None:
        if not self._is_open:
            raise self._refusal(given)
        piece = piece_of(given)
        self._draft.add(piece)
        if piece and (self._writer is not None or self._call.spans is not None):
            chunk = MessageChunk(
                piece.text,
                self.id,
                self._role,
                self._name,
                piece.tool_calls,
                piece.usage,
                piece.refusal,
                None,
                piece.reasoning,
                piece.annotations,
                piece.items,
            )
            self._show(chunk)

    def _show(self, chunk: MessageChunk) -> None:
        if self._writer is not None:
            self._writer.piece(chunk, self._metadata)
        self._call.said(chunk)

    async def _drain(self) -> None:
        sink = self._writer or self._call.spans
        if sink is not None:
            await sink.drain()

    def __enter__(self) -> Self:
        self._is_open = True
        self._call = whole_call() or self._own.__enter__()
        scope = current_task.get(None)
        if scope is not None and not (self._tags and TAG_NOSTREAM in self._tags):
            self._writer = scope.tokens
        if self._writer is not None:
            known = self._own.known or self._call.known
            metadata = {**self._writer.metadata, **known}
            self._metadata = with_tags(metadata, (*self._writer.tags, *self._tags))
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        self._writer, self._is_open = None, False
        if self._call is self._own:
            self._own.output = self.message
            self._own.__exit__(kind)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        self.__exit__(kind)


def stream_message(
    *,
    role: str = "assistant",
    id: str | None = None,  # noqa: A002 - the name messages have for it
    name: str | None = None,
    tags: Iterable[str] = (),
    model: str | None = None,
    prompt: Sequence[Any] | None = None,
) -> MessageStream:
    """Show a message in the modes `messages` and `events` while a model of any kind makes it.

    `tags` stand in the metadata of its pieces, for readers to choose by; the tag "nostream" shows
    nothing in `messages`.  `model` names the model (`ls_model_name` in the metadata), and `prompt`
    is what it was asked, a list of messages, for readers of `events`.  Outside of a run, or when
    nobody asked for these modes, it only puts the text together.
    Raises MessageOptionError (a TypeError) for options of other types.

        async with stream_message(tags=["joke"]) as message:
            async for text in my_model(prompt):
                await message.token(text)
        return {"messages": [message.message]}
    """
    for option, given in (("role", role), ("id", id), ("name", name), ("model", model)):
        if not isinstance(given, str) and (given is not None or option == "role"):
            raise MessageOptionError(
                f"{option}={given!r} is of type {type(given).__name__}; give a str"
            )
    if isinstance(tags, str) or not isinstance(tags, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise MessageOptionError(
            f"tags={tags!r} is of type {type(tags).__name__}; give a list of str, as in ['joke']"
        )
    tags = tuple(tags)
    call = ModelCall(model, prompt=prompt, tags=tags)
    return MessageStream(role, id or sources.random_bytes(16).hex(), name, tags, call)


_FOLLOW = (
    "await what the async client's create(…, stream=True) gives, or use follow_sync for a sync one"
)
_FOLLOW_SYNC = "give what the sync client's create(…, stream=True) gives, or await follow"


def _no_stream(given: Any, wanted: str, mend: str) -> UnknownPieceError:
    return UnknownPieceError(f"{shortened(given)} cannot be followed: it is not {wanted}; {mend}")


async def _close(stream: Any) -> None:
    """Close a generator, or a client's stream."""
    close = getattr(stream, "aclose", None) or getattr(stream, "close", None)
    closing = None if close is None else close()
    if isawaitable(closing):
        await closing


def with_tags(metadata: Mapping[str, Any], tags: Iterable[str]) -> Mapping[str, Any]:
    """The metadata with these tags, each once."""
    several = list(dict.fromkeys(tags))
    return {**metadata, "tags": several} if several else metadata


TAG_NOSTREAM = "nostream"
"""Tag of models whose messages are not to be shown."""
