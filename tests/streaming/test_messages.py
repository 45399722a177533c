"""Messages in the making: pieces published under one id, the whole put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import pytest

from streaming import (
    SILENT_WRITER,
    MessageChunk,
    MessageClosedError,
    MessageOptionError,
    RunLog,
    ShownMessages,
    StreamWriter,
    TokenWriter,
    UnknownPieceError,
    current_task,
    stream_message,
)
from tests.streaming.lib import take

TASK = {"langgraph_node": "joker", "langgraph_step": 1}


@dataclass
class Scope:
    tokens: TokenWriter | None
    writer: StreamWriter = SILENT_WRITER
    spans: None = None


def tokens_of(log: RunLog, *tags: str) -> TokenWriter:
    return TokenWriter(log, metadata=lambda: TASK, shown=ShownMessages(), tags=tags)


async def test_a_message_is_shown_piece_by_piece_and_put_together() -> None:
    log = RunLog("run")
    current_task.set(Scope(tokens_of(log)))
    async with stream_message(id="m1") as message:
        for text in ("why ", "not"):
            await message.token(text)

    reader = log.subscribe("messages")
    assert await take(reader, 2) == [
        (MessageChunk("why ", "m1"), TASK),
        (MessageChunk("not", "m1"), TASK),
    ]
    assert message.message == {"role": "assistant", "content": "why not", "id": "m1"}


def test_sync_code_writes_without_awaiting() -> None:
    log = RunLog("run")

    def node() -> dict[str, Any]:
        current_task.set(Scope(tokens_of(log)))
        with stream_message(role="tool", name="search") as message:
            message.write("found")
        return message.message

    said = copy_context().run(node)
    assert log.last == 1
    assert (said["role"], said["name"], said["content"]) == ("tool", "search", "found")


async def test_tags_of_the_message_stand_beside_those_of_the_run() -> None:
    log = RunLog("run")
    current_task.set(Scope(tokens_of(log, "run")))
    with stream_message(tags=["joke", "run"]) as message:
        message.write("x")

    [(_, metadata)] = await take(log.subscribe("messages"), 1)
    assert metadata["tags"] == ["run", "joke"]


async def test_the_models_name_stands_in_the_metadata_of_its_pieces() -> None:
    log = RunLog("run")
    current_task.set(Scope(tokens_of(log)))
    with stream_message(model="poet-1") as message:
        message.write("a")

    [(_, metadata)] = await take(log.subscribe("messages"), 1)
    assert metadata == {**TASK, "ls_model_name": "poet-1", "ls_model_type": "chat"}


@pytest.mark.parametrize("scope", [None, Scope(None)])
async def test_outside_of_a_run_or_unasked_it_only_puts_the_text_together(
    scope: Scope | None,
) -> None:
    if scope is not None:
        current_task.set(scope)
    async with stream_message() as message:
        await message.token("a")
        message.write("b")
    assert message.content == "ab"


async def test_the_tag_nostream_shows_nothing() -> None:
    log = RunLog("run")
    current_task.set(Scope(tokens_of(log)))
    with stream_message(tags=["nostream"]) as message:
        message.write("secret")
    assert log.last == 0
    assert message.content == "secret"


async def test_what_was_said_before_an_error_stays_said() -> None:
    log = RunLog("run")
    current_task.set(Scope(tokens_of(log)))
    message = stream_message()

    async def breaks() -> None:
        async with message:
            await message.token("half")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await breaks()
    assert log.last == 1
    assert message.content == "half"


@pytest.mark.parametrize("begun", [False, True])
async def test_what_is_added_before_or_after_the_with_is_refused_as_nobody_would_see_it(
    begun: bool,
) -> None:
    message, client = stream_message(), AsyncClient("a")
    if begun:
        with message:
            message.write("whole")
    with pytest.raises(MessageClosedError, match="add it inside of `with stream_message"):
        await message.token("more")
    with pytest.raises(MessageClosedError, match="'a' cannot be added"):
        await message.follow(client)
    assert client.closed
    assert message.content == ("whole" if begun else "")


@pytest.mark.parametrize("given", [None, 5, b"bytes", ["a"]])
async def test_what_is_no_text_is_refused_and_changes_nothing(given: Any) -> None:
    log = RunLog("run")
    current_task.set(Scope(tokens_of(log)))
    async with stream_message() as message:
        await message.token("a")
        with pytest.raises(UnknownPieceError, match="give a str, and leave out pieces without"):
            await message.token(given)
    assert (message.content, log.last) == ("a", 1)


@pytest.mark.parametrize(
    "options",
    [{"tags": "joke"}, {"tags": None}, {"tags": 5}, {"id": 5}, {"role": None}, {"name": b"ann"}],
)
def test_options_of_other_types_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(MessageOptionError, match=f"{next(iter(options))}=.* give a "):
        stream_message(**options)


def test_pieces_add_up() -> None:
    assert MessageChunk("a", "1") + MessageChunk("b", "1") == MessageChunk("ab", "1")


def test_pieces_of_calls_refusals_and_usage_add_up_too() -> None:
    piece: Any = {"name": "f", "args": "", "id": "c", "index": 0, "type": "tool_call_chunk"}
    used = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    first = MessageChunk("", "1", tool_call_chunks=(piece,), refusal="I ")
    second = MessageChunk("", "1", usage_metadata=used, tool_call_chunks=(piece,), refusal="won't")
    whole = first + second
    assert whole.tool_call_chunks == (piece, piece)
    assert (whole.usage_metadata, whole.refusal) == (used, "I won't")


# --- following what a client streams ------------------------------------------------------------


class Client:
    """A stream of a client, that may break, and that wants to be closed."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = iter(pieces)
        self.closed = False

    def __iter__(self) -> Client:
        return self

    def __next__(self) -> Any:
        piece = next(self._pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        self.closed = True


class AsyncClient(Client):
    def __aiter__(self) -> AsyncClient:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.close()


async def test_all_that_a_client_streams_is_shown_but_for_pieces_that_add_nothing() -> None:
    log = RunLog("run")
    current_task.set(Scope(tokens_of(log)))
    async with stream_message(id="m") as message:
        made = await message.follow(AsyncClient("a", "", "b"))
    shown = await take(log.subscribe("messages"), 2)
    assert [chunk.content for chunk, _ in shown] == ["a", "b"]
    assert made == message.message == {"role": "assistant", "content": "ab", "id": "m"}
    assert log.last == 2


def test_a_sync_client_is_followed_in_sync_code() -> None:
    with stream_message(name="ann") as message:
        assert message.follow_sync(["a", "b"])["content"] == "ab"
    assert message.message["name"] == "ann"


async def test_a_stream_that_breaks_is_closed_and_its_error_goes_on() -> None:
    for client in (AsyncClient("a", ConnectionError()), AsyncClient("a", 5)):
        with stream_message() as message, pytest.raises((ConnectionError, UnknownPieceError)):
            await message.follow(client)
        assert (message.content, client.closed) == ("a", True)


def test_a_sync_stream_that_breaks_is_closed_too() -> None:
    client = Client("a", ConnectionError())
    with stream_message() as message:
        with pytest.raises(ConnectionError):
            message.follow_sync(client)
        assert (message.content, client.closed) == ("a", True)
        with pytest.raises(UnknownPieceError):
            message.follow_sync([5])


async def test_what_gives_no_pieces_cannot_be_followed() -> None:
    async def create() -> AsyncClient:
        return AsyncClient("never awaited")

    async def texts() -> AsyncIterator[str]:
        yield "never asked for"

    with stream_message() as message:
        for given in (create(), Client("a"), "text", None):
            with pytest.raises(UnknownPieceError, match="cannot be followed: it is not an async"):
                await message.follow(given)  # pyright: ignore[reportArgumentType]
        for wrong in ("text", {"role": "assistant"}, None, texts()):
            with pytest.raises(UnknownPieceError, match="cannot be followed: it is not an iter"):
                message.follow_sync(wrong)  # pyright: ignore[reportArgumentType]
    assert message.content == ""
