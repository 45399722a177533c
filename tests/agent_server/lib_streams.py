"""What the tests of streams share: runs of real graphs, and what is on the wire of them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import uvicorn

import actors
from actors import ActorSystem, CompiledGraph
from agent_server.frames import FrameCache, Frames
from agent_server.live import LiveRun
from agent_server.records import Order, Run, WireMode
from agent_server.serving import listen
from checkpoint import SqliteSaver, new_id
from streaming import Event, RunLog


class Frame(NamedTuple):
    """One event as a client gets it."""

    name: str
    data: Any
    id: int | None


def frames_in(received: bytes) -> list[Frame]:
    """The events in what was received; comments are left out."""
    found: list[Frame] = []
    for block in received.decode().split("\r\n\r\n"):
        fields = dict(
            line.split(": ", 1) for line in block.split("\r\n") if line and line[0] != ":"
        )
        if "event" in fields:
            number = fields.get("id")
            data = json.loads(fields["data"])
            found.append(Frame(fields["event"], data, None if number is None else int(number)))
    return found


def names_of(frames: Iterable[Frame]) -> list[str]:
    """Their names; ids of tasks in them are left out."""
    return [re.sub(r":[0-9a-f-]{36}", "", frame.name) for frame in frames]


async def events_of(log: RunLog) -> list[Event]:
    """All events of a run that has ended."""
    found: list[Event] = []
    async with log.read() as reader:
        while batch := await reader.batch():
            assert isinstance(batch, list)
            found += batch
    return found


def shown(events: Sequence[Event], *modes: WireMode, **options: Any) -> list[Frame]:
    """What a reader of the modes is shown of events."""
    frames = Frames("run-1", modes, FrameCache(), **options)
    return frames_in(b"".join(map(frames.of, events)))


def run_of(graph_id: str = "agent", **changes: Any) -> Run:
    """A run as it was accepted."""
    given: dict[str, Any] = {"order": Order(), "status": "pending", **changes}
    run_id, thread_id = new_id(), new_id()
    return Run(run_id, thread_id, new_id(), graph_id, created_at=1.0, updated_at=1.0, **given)


@asynccontextmanager
async def engine(database: Path) -> AsyncGenerator[tuple[ActorSystem, SqliteSaver]]:
    """A system whose runs on threads keep their events in a database."""
    async with (
        SqliteSaver(database) as saver,
        ActorSystem(event_log=saver.events) as system,
    ):
        yield system, saver


async def started(
    system: ActorSystem,
    graph: CompiledGraph,
    given: Mapping[str, Any],
    *,
    saver: SqliteSaver | None = None,
    stream_mode: Sequence[Any] = ("values",),
) -> tuple[LiveRun, actors.Run]:
    """A run of a graph, on a thread of its own if there is a saver."""
    run = run_of(stateless=saver is None)
    config: Any = {"run_id": run.run_id, "configurable": {"thread_id": run.thread_id}}
    served = graph if saver is None else graph.stored_in(saver, None)
    live = LiveRun(run)
    of_engine = await system.start(
        served, given, config, stream_mode=stream_mode, stateless=saver is None
    )
    live.begin(of_engine, 1)
    return live, of_engine


class Server(uvicorn.Server):
    """uvicorn's, which leaves the test's signals alone."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def listening(app: Any, lifespan: Literal["on", "off"] = "on") -> AsyncGenerator[int]:
    """An app behind a real socket, in the test's own process; gives the port."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        app, lifespan=lifespan, log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    server = Server(config)
    task = asyncio.ensure_future(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


class Wire:
    """A client that sees the bytes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self._open:
            writer.close()
        await asyncio.gather(*(w.wait_closed() for w in self._open), return_exceptions=True)

    async def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
        """(head of the answer, the rest to read, the connection)."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 25)
        self._open.append(writer)
        data = b"" if body is None else json.dumps(body).encode()
        named = {**headers, "host": "x", "content-length": str(len(data))}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + data)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        return head, reader, writer

    async def stream(self, method: str, path: str, body: Any = None, **headers: str) -> list[Frame]:
        """All events of a stream."""
        head, reader, _ = await self.ask(method, path, body, **headers)
        assert head.startswith("HTTP/1.1 200"), head
        received = await unchunked(reader)
        return frames_in(received)

    async def json(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of an answer that is no stream, under "status" its status."""
        head, reader, _ = await self.ask(method, path, body, **headers)
        length = re.search(r"content-length: (\d+)", head)
        assert length is not None, head
        found = json.loads(await reader.readexactly(int(length[1])))
        return {"status": int(head.split()[1]), **found}

    async def thread(self) -> str:
        """A new thread."""
        return (await self.json("POST", "/threads", {}))["thread_id"]


async def unchunked(reader: asyncio.StreamReader) -> bytes:
    """A body that comes in chunks, to its end."""
    parts: list[bytes] = []
    while size := int(await reader.readline(), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    return b"".join(parts)


async def next_frames(reader: asyncio.StreamReader) -> list[Frame]:
    """The events of the next chunk of a body."""
    size = int(await reader.readline(), 16)
    return frames_in((await reader.readexactly(size + 2))[:-2])


def place_in(head: str) -> str:
    """Where a stream is."""
    found = re.search(r"\r\nlocation: (\S+)", head)
    assert found is not None, head
    return found[1]
