"""What is kept of ended runs that have no thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors import END, START, StateGraph
from agent_server.answers import run_json
from agent_server.ended import MAX_ENDED, PACKED_EVENTS, EndedRuns, PastRun
from agent_server.jsontext import to_json
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from agent_server.readers import Look, RunReader
from checkpoint import MsgpackSerializer
from streaming import StreamWriter
from tests.agent_server.database import Clock
from tests.agent_server.harness import graphs
from tests.agent_server.lib_streams import frames_in
from tests.agent_server.stage import assistant_of, said, stage

MIB = 1 << 20
ALL = ("values", "updates", "tasks", "debug", "custom")


def kept(clock: Clock | None = None, *, max_bytes: int = 32 * MIB) -> EndedRuns:
    return EndedRuns(
        MsgpackSerializer(), retention=10.0, max_bytes=max_bytes, clock=clock or Clock()
    )


def ended(answer: bytes = b"{}") -> LiveRun:
    body, assistant = RunBody(assistant_id="agent"), assistant_of("agent")
    live = LiveRun(run_from(body, assistant, thread_id=None, now=0.0))
    live.settle("success", answer)
    return live


def test_a_run_is_known_until_the_retention_is_over() -> None:
    clock, live = Clock(), ended(b'{"a":1}')
    runs = kept(clock)
    runs.add(live)
    past = runs.get(live.run.run_id)
    assert past is not None
    assert (past.run, past.answer, past.log) == (live.run, b'{"a":1}', None)
    clock.now += 11
    assert runs.get(live.run.run_id) is None
    assert (len(runs), runs.size) == (0, 0)


def test_only_so_many_are_known_and_the_newest_stay() -> None:
    runs, lives = kept(), [ended() for _ in range(MAX_ENDED + 3)]
    for live in lives:
        runs.add(live)
    known = [runs.get(live.run.run_id) is not None for live in lives]
    assert known == [False] * 3 + [True] * MAX_ENDED


def test_only_so_much_is_held_and_the_newest_stay() -> None:
    runs, lives = kept(max_bytes=MIB), [ended(b"x" * (MIB // 3)) for _ in range(4)]
    for live in lives:
        runs.add(live)
    assert [runs.get(live.run.run_id) is not None for live in lives] == [False, False, True, True]
    assert runs.size <= MIB


def test_one_that_is_forgotten_makes_room() -> None:
    runs, live = kept(), ended()
    runs.add(live)
    runs.forget(live.run.run_id)
    runs.forget(live.run.run_id)
    assert (len(runs), runs.size) == (0, 0)


class Unpackable:
    """What nothing is known of."""

    def __str__(self) -> str:
        return "here"


class Leaving:
    """What ends a program when it is looked at."""

    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


def writes(count: int, value: Any) -> Any:
    """A graph that writes this so often to the stream."""

    async def node(state: dict[str, Any], writer: StreamWriter) -> dict[str, Any]:
        for number in range(count):
            writer([number, value])
        return {"n": count}

    builder = StateGraph(dict).add_node(node).add_edge(START, "node").add_edge("node", END)
    return builder.compile()


async def frames_of(run: LiveRun | PastRun, after: int | None = 0) -> bytes:
    look = Look(modes=ALL, subgraphs=True, after=after)
    return b"".join([piece async for piece in RunReader(run, look)])


@pytest.mark.parametrize(
    ("graph", "packed"),
    [
        (graphs.agent, True),
        (graphs.sub, True),
        (graphs.fail, True),
        (writes(2, {"a": (1, None, b"x", {3})}), True),
        (writes(2, Unpackable()), False),
        (writes(2, Leaving()), False),
        (writes(PACKED_EVENTS, "many"), False),
        (writes(2, "x" * MIB), False),
    ],
    ids=["agent", "sub", "fail", "plain", "unpackable", "leaving", "many", "large"],
)
async def test_a_late_reader_sees_what_the_live_one_saw(
    tmp_path: Path, graph: Any, packed: bool
) -> None:
    async with stage(tmp_path / "db", {"graph": graph}) as at:
        live = await at.start("graph", {"topic": "x", "foo": "y"})
        seen = await frames_of(live)
        past = at.dispatcher.ended.get(live.run.run_id)
        assert past is not None
        assert (past.log is not live.log) is packed
        assert to_json(run_json(past.run)) == to_json(run_json(live.run))
        assert (past.run.error, said(past)) == (live.run.error, said(live))
        assert await frames_of(past) == seen
        second = int(seen.split(b"\r\nid: ")[2].split(b"\r\n")[0])
        assert await frames_of(past, after=second) == await frames_of(live, after=second)


async def test_a_packed_run_takes_few_bytes(tmp_path: Path) -> None:
    async with stage(tmp_path / "db", {"agent": graphs.agent}) as at:
        for _ in range(10):
            await at.end("agent", {"topic": "x"})
        assert len(at.dispatcher.ended) == 10
        assert at.dispatcher.ended.size < 10 * 4_000


async def test_runs_on_threads_are_left_to_the_database(tmp_path: Path) -> None:
    async with stage(tmp_path / "db", {"agent": graphs.agent}) as at:
        live = await at.end("agent", {"topic": "x"}, await at.thread())
        assert len(at.dispatcher.ended) == 0
        assert at.dispatcher.live(live.run.run_id) is None
        assert not at.system.runs
        assert at.system.stats().finished == 0


async def test_a_reader_that_is_slower_than_the_ring_gets_a_gap(tmp_path: Path) -> None:
    async with stage(
        tmp_path / "db", {"graph": writes(50, "x" * 10_000)}, ring_bytes=1 << 16
    ) as at:
        live = await at.end("graph", {})
        assert live.log is not None
        assert live.log.held[1] <= 1 << 16
        frames = frames_in(await frames_of(live))
        assert frames[0].name == "gap"
        lost = frames[0].data["lost"]
        numbers = [frame.data[0] for frame in frames if frame.name == "custom"]
        assert numbers == list(range(50 - len(numbers), 50))
        assert lost + live.log.held[0] == live.log.last
        past = at.dispatcher.ended.get(live.run.run_id)
        assert past is not None
        assert frames_in(await frames_of(past)) == frames


async def test_a_packed_run_is_known_by_what_it_has_instead_of_a_thread(tmp_path: Path) -> None:
    async with stage(tmp_path / "db", {"agent": graphs.agent}) as at:
        live = await at.end("agent", {"topic": "x"})
        await at.end("agent", {"topic": "y"})
        (past,) = at.dispatcher.known_on(live.run.thread_id)
        assert (past.run.run_id, said(past)) == (live.run.run_id, said(live))
