from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from actors import Supervisor
from agent_server.errors import OverloadedError
from agent_server.sse import HEADERS, HEARTBEAT, EventStream, Streams
from tests.agent_server.lib_streams import listening


class Fed:
    """Pieces that the test hands out."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.taken = 0
        self.whole = True
        self.closed = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self.queue.get()
        if piece is None:
            raise StopAsyncIteration
        self.taken += 1
        return piece

    def close(self) -> None:
        self.closed.set()


class Endless(Fed):
    """Pieces without end, as fast as they are taken."""

    async def __anext__(self) -> bytes:
        self.taken += 1
        return b"x" * 10_000


def served(answer: EventStream) -> AbstractAsyncContextManager[int]:
    """The answer to every request, from a real server; gives the port."""
    return listening(answer, lifespan="off")


async def asked(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    return reader, writer


@pytest.fixture
async def supervisor() -> AsyncGenerator[Supervisor]:
    async with Supervisor() as owner:
        yield owner


async def test_pieces_are_sent_as_they_come_and_the_end_ends_the_answer(
    supervisor: Supervisor,
) -> None:
    pieces = Fed()
    streams = Streams(supervisor, heartbeat=100, most=1)
    async with served(streams.answer(pieces, headers={"location": "/here"})) as port:
        reader, writer = await asked(port)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 200 OK")
        for name, value in (*HEADERS.items(), ("location", "/here")):
            assert f"{name}: {value}\r\n" in head
        pieces.queue.put_nowait(b"event: a\r\n\r\n")
        assert await reader.readuntil(b"a\r\n\r\n\r\n") == b"c\r\nevent: a\r\n\r\n\r\n"
        assert streams.count == 1
        pieces.queue.put_nowait(None)
        assert await reader.readuntil(b"0\r\n\r\n") == b"0\r\n\r\n"
        await pieces.closed.wait()
        assert streams.count == 0
        writer.close()


async def test_pieces_that_end_before_their_time_cut_the_connection(
    supervisor: Supervisor,
) -> None:
    pieces = Fed()
    async with served(Streams(supervisor, heartbeat=100, most=1).answer(pieces)) as port:
        reader, writer = await asked(port)
        pieces.queue.put_nowait(b": stopping\r\n\r\n")
        await reader.readuntil(b"stopping\r\n\r\n\r\n")
        pieces.whole = False
        pieces.queue.put_nowait(None)
        assert await reader.read() == b""  # no last chunk: the answer is not whole
        assert pieces.closed.is_set()
        writer.close()


def test_a_heartbeat_is_a_line_alone_since_an_empty_one_ends_an_event() -> None:
    assert HEARTBEAT.startswith(b":")
    assert HEARTBEAT.endswith(b"t\r\n")
    assert HEARTBEAT.count(b"\n") == 1


async def test_heartbeats_come_while_nothing_else_does(supervisor: Supervisor) -> None:
    pieces = Fed()
    streams = Streams(supervisor, heartbeat=0.01, most=1)
    async with served(streams.answer(pieces)) as port:
        reader, writer = await asked(port)
        for _ in range(3):
            await reader.readuntil(HEARTBEAT)
        pieces.queue.put_nowait(b"event: a\r\n\r\n")
        await reader.readuntil(b"event: a")
        await reader.readuntil(HEARTBEAT)
        pieces.queue.put_nowait(None)
        await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()


async def test_when_the_client_goes_the_reading_ends_and_its_leave_is_told(
    supervisor: Supervisor,
) -> None:
    pieces, told = Fed(), asyncio.Event()

    async def leave() -> None:
        told.set()

    streams = Streams(supervisor, heartbeat=100, most=1)
    async with served(streams.answer(pieces, on_disconnect=leave)) as port:
        reader, writer = await asked(port)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await asyncio.wait_for(told.wait(), 20)
        assert pieces.closed.is_set()


async def test_one_that_stays_to_the_end_has_not_gone(supervisor: Supervisor) -> None:
    pieces, told = Fed(), asyncio.Event()

    async def leave() -> None:
        told.set()

    streams = Streams(supervisor, heartbeat=100, most=1)
    async with served(streams.answer(pieces, on_disconnect=leave)) as port:
        reader, writer = await asked(port)
        pieces.queue.put_nowait(None)
        await reader.readuntil(b"0\r\n\r\n")
        writer.close()
    assert pieces.closed.is_set()
    assert not told.is_set()


async def test_what_a_client_does_not_take_is_not_read(supervisor: Supervisor) -> None:
    pieces = Endless()
    streams = Streams(supervisor, heartbeat=0.01, most=1)
    async with served(streams.answer(pieces)) as port:
        reader, writer = await asked(port)
        await reader.readuntil(b"x" * 10_000)
        before = -1
        while pieces.taken != before:  # until its socket, and ours, are full
            before = pieces.taken
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.3)
        assert pieces.taken * 10_000 < 32 << 20
        writer.close()
        await asyncio.wait_for(pieces.closed.wait(), 20)


async def test_an_error_in_the_reading_closes_it(supervisor: Supervisor) -> None:
    class Broken(Fed):
        async def __anext__(self) -> bytes:
            raise TimeoutError("of the database")

    pieces = Broken()
    answer = Streams(supervisor, heartbeat=100, most=1).answer(pieces)

    async def receive() -> dict[str, str]:
        return await asyncio.get_running_loop().create_future()

    async def send(message: object) -> None:
        del message

    with pytest.raises(TimeoutError, match="of the database"):
        await answer({"type": "http"}, receive, send)  # type: ignore[arg-type]
    assert pieces.closed.is_set()


def test_there_are_no_more_streams_than_may_be() -> None:
    streams = Streams(Supervisor(), heartbeat=1, most=2)
    streams.check()
    streams.count = 2
    with pytest.raises(OverloadedError, match="2 streams are open"):
        streams.check()
