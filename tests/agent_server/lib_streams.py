"""What the tests of streams share: runs of real graphs, and what is on the wire of them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import actors
from actors import ActorSystem, CompiledGraph
from agent_server.frames import FrameCache, Frames
from agent_server.live import LiveRun
from agent_server.records import Order, Run, WireMode
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
