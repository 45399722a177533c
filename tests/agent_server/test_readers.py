from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors import START, StateGraph
from agent_server.ended import PastRun
from agent_server.live import LiveRun
from agent_server.readers import PIECE, STOPPING, Look, RunReader
from agent_server.records import WireMode
from checkpoint import SqliteSaver
from streaming import Custom, RunFailed, RunLog, RunStarted
from tests.agent_server.harness import graphs
from tests.agent_server.lib_streams import Frame, engine, frames_in, names_of, run_of, started
from tests.waiting import let_all_run

CUSTOM = Look(("custom",), after=0)


class Engine:
    """Stands where the engine's run stands: all that readers ask of it is its log."""

    def __init__(self, log: RunLog) -> None:
        self.log = log


def live_run(log: RunLog) -> LiveRun:
    live = LiveRun(run_of())
    live.begin(Engine(log), 1)  # type: ignore[arg-type]
    return live


async def read(reader: RunReader) -> list[Frame]:
    return frames_in(b"".join([piece async for piece in reader]))


def write(log: RunLog, *data: Any) -> None:
    for each in data:
        log.publish(Custom(data=each))


async def joke(saver: SqliteSaver, system: Any, graph: Any = graphs.agent) -> LiveRun:
    live, run = await started(system, graph, {"topic": "x"}, saver=saver)
    await run.ended()
    return live


class TestTheStream:
    async def test_it_ends_when_the_row_says_how_the_run_ended(self, tmp_path: Path) -> None:
        async with engine(tmp_path / "a.db") as (system, saver):
            live = await joke(saver, system)
            reading = asyncio.ensure_future(read(RunReader(live, Look(("updates",)))))
            await let_all_run()
            assert not reading.done()
            live.settle("success", b"{}")
            assert names_of(await reading) == ["metadata", "updates", "updates"]

    async def test_one_that_came_before_the_beginning_sees_everything(self) -> None:
        live, log = LiveRun(run_of()), RunLog("run")
        reading = asyncio.ensure_future(read(RunReader(live, Look(("custom",), from_now=True))))
        await let_all_run()
        live.begin(Engine(log), 1)  # type: ignore[arg-type]
        log.publish(RunStarted(run_id="run"))
        write(log, 1)
        log.close()
        live.settle("success", b"{}")
        assert names_of(await reading) == ["metadata", "custom"]

    async def test_one_that_joins_sees_what_comes_from_now_on(self) -> None:
        log = RunLog("run")
        live = live_run(log)
        write(log, "before")
        reader = RunReader(live, Look(("custom",), from_now=True))
        write(log, "after")
        log.close()
        live.settle("success", b"{}")
        assert [frame.data for frame in await read(reader)] == ["after"]

    async def test_after_an_id_comes_the_rest_and_of_a_later_one_nothing(self) -> None:
        log = RunLog("run")
        live = live_run(log)
        write(log, 1, 2, 3)
        log.close()
        live.settle("success", b"{}")
        everything = await read(RunReader(live, CUSTOM))
        for at, frame in enumerate(everything, 1):
            rest = await read(RunReader(live, Look(("custom",), after=frame.id)))
            assert rest == everything[at:]
        assert await read(RunReader(live, Look(("custom",), after=10**9))) == []

    async def test_modes_that_were_not_asked_for_at_the_start_may_be_asked_for_later(
        self, tmp_path: Path
    ) -> None:
        async with engine(tmp_path / "a.db") as (system, saver):
            live = await joke(saver, system)
            live.settle("success", b"{}")
            modes: Sequence[WireMode] = ("values", "tasks")
            seen = names_of(await read(RunReader(live, Look(modes, after=0, metadata=False))))
        assert seen == ["values", *(["tasks", "tasks", "values"] * 2)]

    async def test_partial_messages_are_whole_for_one_that_comes_back(self, tmp_path: Path) -> None:
        from tests.agent_server.harness import chats

        given = {"messages": [{"role": "user", "content": "hi"}]}
        async with engine(tmp_path / "a.db") as (system, saver):
            live, run = await started(
                system, chats.chat, given, saver=saver, stream_mode=("messages",)
            )
            await run.ended()
            live.settle("success", b"{}")
            everything = await read(RunReader(live, Look(("messages",), after=0)))
            rest = await read(RunReader(live, Look(("messages",), after=everything[-3].id)))
        assert rest == everything[-2:]


class TestFailures:
    async def test_the_error_is_the_rows_and_comes_last(self, tmp_path: Path) -> None:
        async with engine(tmp_path / "a.db") as (system, saver):
            live = await joke(saver, system, graphs.fail)
            told = {"error": "ValueError", "message": "boom: x"}
            live.settle("error", b"{}", told)
            *before, last = await read(RunReader(live, Look(("updates",))))
            assert (last.name, last.data) == ("error", told)
            assert last.id is not None
            assert last.id > (before[-1].id or 0)
            again = await read(RunReader(live, Look(("updates",), after=before[-1].id)))
            assert again == [last]
            assert await read(RunReader(live, Look(("updates",), after=last.id))) == []
            late = await read(RunReader(live, Look(("updates",), from_now=True)))
            assert late == [last]

    async def test_of_a_run_that_could_not_begin_there_is_only_the_error(self) -> None:
        live = LiveRun(run_of())
        told = {"error": "ValueError", "message": "no such node"}
        live.settle("error", b"{}", told)
        assert await read(RunReader(live, Look(("values",)))) == [
            Frame("metadata", {"run_id": live.run.run_id, "attempt": 1}, 8),
            Frame("error", told, 16),
        ]
        joined = await read(RunReader(live, Look(("values",), from_now=True)))
        assert joined == [Frame("error", told, 16)]
        assert await read(RunReader(live, Look(("values",), after=8))) == joined
        assert await read(RunReader(live, Look(("values",), after=16))) == []

    async def test_of_a_cancelled_run_the_stream_just_ends(self) -> None:
        log = RunLog("run")
        live = live_run(log)
        write(log, 1)
        log.close()
        live.settle("interrupted", b"{}")
        assert names_of(await read(RunReader(live, CUSTOM))) == ["custom"]

    async def test_a_log_that_breaks_is_told(self) -> None:
        log = RunLog("run")
        live = live_run(log)
        write(log, 1)
        log.close(OSError("disk full"))
        live.settle("success", b"{}")
        told = [(frame.name, frame.data) for frame in await read(RunReader(live, CUSTOM))]
        assert told[1][0] == "error"
        assert told[1][1]["error"] == "LogFailedError"

    async def test_when_the_server_stops_its_readers_are_told_and_may_come_back(self) -> None:
        log = RunLog("run")
        live = live_run(log)
        write(log, 1)
        log.close()
        reader = RunReader(live, CUSTOM)
        pieces = [await anext(reader)]
        live.suspend()
        pieces += [piece async for piece in reader]
        assert pieces[-1] == STOPPING
        assert not reader.whole
        assert names_of(frames_in(b"".join(pieces))) == ["custom"]


class TestPastRuns:
    async def test_they_are_read_from_the_durable_log_state_and_all(self, tmp_path: Path) -> None:
        async with engine(tmp_path / "a.db") as (system, saver):
            live = await joke(saver, system)
            live.settle("success", b"{}")
            everything = await read(RunReader(live, Look(("values", "updates", "debug"), after=0)))
        async with engine(tmp_path / "a.db") as (system, saver):
            config: Any = {"configurable": {"thread_id": live.run.thread_id}}
            served = graphs.agent.stored_in(saver, None)
            past = PastRun(live.run, await system.find_log(served, live.run.run_id, config))
            again = await read(RunReader(past, Look(("values", "updates", "debug"), after=0)))
        assert again == everything

    async def test_a_step_whose_checkpoint_is_gone_is_a_gap(self, tmp_path: Path) -> None:
        async with engine(tmp_path / "a.db") as (system, saver):
            live = await joke(saver, system)
            live.settle("success", b"{}")
        async with engine(tmp_path / "a.db") as (system, saver):
            await saver.aprune([live.run.thread_id], strategy="keep_latest")
            config: Any = {"configurable": {"thread_id": live.run.thread_id}}
            served = graphs.agent.stored_in(saver, None)
            past = PastRun(live.run, await system.find_log(served, live.run.run_id, config))
            seen = await read(RunReader(past, Look(("values", "updates"), after=0)))
        assert "gap" in names_of(seen)
        assert names_of(seen).count("updates") == 2

    async def test_one_whose_events_are_forgotten_gives_its_error_at_least(self) -> None:
        live = LiveRun(run_of())
        live.settle("error", b"{}", {"error": "KeyError", "message": "a"})
        past = PastRun(live.run, None)
        assert names_of(await read(RunReader(past, Look(("values",), from_now=True)))) == ["error"]


class TestMemory:
    async def test_many_events_make_pieces_of_bounded_length(self) -> None:
        log = RunLog("run")
        live = live_run(log)
        write(log, *["x" * 1_000] * 2_000)
        log.close()
        live.settle("success", b"{}")
        pieces = [piece async for piece in RunReader(live, CUSTOM)]
        assert len(frames_in(b"".join(pieces))) == 2_000
        assert max(map(len, pieces)) < PIECE + 2_000

    async def test_one_that_is_too_slow_for_a_log_in_memory_is_told_what_it_lost(self) -> None:
        log = RunLog("run", max_events=10)
        live = live_run(log)
        reader = RunReader(live, CUSTOM)
        write(log, *range(100))
        log.close()
        live.settle("success", b"{}")
        gap, *rest = await read(reader)
        assert (gap.name, gap.data) == ("gap", {"lost": 90})
        assert [frame.data for frame in rest] == list(range(90, 100))

    async def test_closing_ends_the_reading_and_leaves_the_log(self) -> None:
        log = RunLog("run")
        log.publish(RunFailed(error="E", message="m"))
        reader = RunReader(live_run(log), CUSTOM)
        reading = asyncio.ensure_future(read(reader))
        await let_all_run()
        reader.close()
        assert names_of(await reading) == ["metadata"]
        assert log.stats().subscribers == 0


async def test_events_of_nodes_come_while_they_run(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def wait(_: Any) -> dict[str, Any]:
        await gate.wait()
        return {"topic": "done"}

    graph = StateGraph(graphs.Story).add_node(wait).add_edge(START, "wait").compile()
    async with engine(tmp_path / "a.db") as (system, saver):
        live, run = await started(system, graph, {"topic": "x"}, saver=saver)
        reader = RunReader(live, Look(("values",)))
        first = await anext(reader)
        while names_of(frames_in(first)) != ["metadata", "values"]:
            first += await anext(reader)
        gate.set()
        await run.ended()
        live.settle("success", b"{}")
        assert [frame.data for frame in await read(reader)] == [{"topic": "done"}]
