"""Runs that were being rolled back when their process died: they are undone at the next start."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, CompiledGraph, StateGraph, interrupt
from agent_server.errors import NotFoundError
from agent_server.run_rows import stop_runs
from tests.agent_server.stage import Doors, Stage, crashed, said, stage


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


class Scene:
    """A graph with a task that is done and one that asks, side by side, and a last one at a door;
    the asking one may stand in a graph inside."""

    def __init__(self, *, inside: bool) -> None:
        self.doors = Doors()
        self.done = 0
        builder = StateGraph(State).add_node("quick", self._quick).add_node("last", self._last)
        asks: Any = self._inner() if inside else self._ask
        builder.add_node("ask", asks).add_edge(START, "quick").add_edge(START, "ask")
        self.graph: CompiledGraph = builder.add_edge(["quick", "ask"], "last").compile()

    def _inner(self) -> CompiledGraph:
        builder = StateGraph(State).add_node("inner", self._ask).add_edge(START, "inner")
        return builder.compile()

    def _quick(self, state: State) -> State:
        self.done += 1
        return {"log": ["quick"]}

    def _ask(self, state: State) -> State:
        return {"log": [interrupt("?")]}

    async def _last(self, state: State) -> State:
        await self.doors.pass_by("last")
        return {"log": ["last"]}


async def died_while_undoing(at: Stage, scene: Scene, path: Path) -> tuple[str, str, Path]:
    """The thread, the run that had taken up an answer, and what is left of the database."""
    thread = await at.thread()
    await at.end("asks", {"log": []}, thread)
    live = await at.start("asks", None, thread, command={"resume": "yes"})
    await scene.doors.arrival()  # the answer's step is committed
    await at.tables.write(lambda db: stop_runs(db, [live.run.run_id], "rollback"))
    return thread, live.run.run_id, await crashed(at, path)


@pytest.mark.parametrize("inside", [False, True], ids=["a node", "a graph inside"])
async def test_what_a_run_took_up_is_taken_back_and_what_was_done_before_it_stays(
    tmp_path: Path, inside: bool
) -> None:
    scene, path = Scene(inside=inside), tmp_path / "server.db"
    async with stage(path, {"asks": scene.graph}, drain=0.1) as at:
        thread, run_id, left = await died_while_undoing(at, scene, path)
    scene.doors.open()
    async with stage(left, {"asks": scene.graph}) as at:
        with pytest.raises(NotFoundError):
            await at.runs.get(thread, run_id)
        shown = await at.threads.get(thread)
        assert (shown.status, shown.values) == ("interrupted", {"log": ["quick"]})
        again = await at.end("asks", None, thread, command={"resume": "no"})
        assert sorted(said(again)["log"]) == ["last", "no", "quick"]
        assert scene.done == 1
        assert (await at.saver.averify()).ok


async def test_a_run_whose_graph_is_gone_loses_its_checkpoints(tmp_path: Path) -> None:
    scene, path = Scene(inside=False), tmp_path / "server.db"
    async with stage(path, {"asks": scene.graph}, drain=0.1) as at:
        thread, run_id, left = await died_while_undoing(at, scene, path)
    async with stage(left, {"other": scene.graph}) as at:
        with pytest.raises(NotFoundError):
            await at.runs.get(thread, run_id)
        loaded = await at.saver.load(thread)
        assert loaded is not None
        assert loaded.record.metadata.run_id != run_id
