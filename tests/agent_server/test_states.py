"""Where in a thread to look; the rest of it: `test_routes_threads.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors import START, StateGraph
from agent_server.errors import InvalidError, NotFoundError
from agent_server.graphs import Graphs
from agent_server.records import Thread
from agent_server.states import NEWEST, Place, States
from agent_server.threads import Threads
from checkpoint import SqliteSaver
from tests.agent_server.database import Clock, opened

ID = "01a1fde0-fc93-767e-84f2-01dca4057798"
THREAD = Thread("t", 1.0, 1.0, 1.0, {"graph_id": "g"}, "idle")


@pytest.mark.parametrize(
    "given",
    [
        {"checkpoint_id": ID},
        {"checkpoint_id": ID.upper(), "thread_id": "other"},
        {"configurable": {"checkpoint_id": ID}},
    ],
)
def test_a_checkpoint_is_named_in_any_form_and_only_in_its_thread(given: dict[str, Any]) -> None:
    place = Place.of(given)

    assert place == Place(ID)
    assert place.config(THREAD) == {
        "configurable": {"thread_id": "t", "checkpoint_id": ID, "graph_id": "g"}
    }


def test_what_is_no_checkpoint_id_is_refused() -> None:
    with pytest.raises(InvalidError, match="Invalid checkpoint ID"):
        Place.of({"checkpoint_id": "newest"})


def test_what_runs_of_the_thread_were_told_does_not_move_the_place() -> None:
    told = {"model": "small", "thread_id": "other", "checkpoint_id": ID, "checkpoint_ns": "a:b"}
    thread = replace(THREAD, config={"configurable": told})

    assert NEWEST.config(thread) == {
        "configurable": {"model": "small", "thread_id": "t", "graph_id": "g"}
    }
    assert Place(None, "n:1", {"": ID}).config(thread)["configurable"] == {
        "model": "small",
        "thread_id": "t",
        "graph_id": "g",
        "checkpoint_ns": "n:1",
        "checkpoint_map": {"": ID},
    }


class PagedSaver(SqliteSaver):
    """Lets something happen before the second portion of a history is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.between: Callable[[], Awaitable[object]] | None = None

    async def history(self, thread_id: str, ns: str = "", **asked: Any) -> Any:
        if asked["before"] is not None and self.between is not None:
            await self.between()
        return await super().history(thread_id, ns, **asked)


async def test_a_history_that_a_deletion_cuts_short_is_none(tmp_path: Path) -> None:
    async with PagedSaver(tmp_path / "server.db") as saver, opened(tmp_path) as parts:
        threads, graphs = Threads(parts.tables, saver, Clock()), Graphs(saver, parts.store)
        builder = StateGraph(dict).add_node("step", lambda _: {}).add_edge(START, "step")
        graphs.add("g", builder.compile())
        thread = (await threads.create(None, metadata={"graph_id": "g"})).thread_id
        async with graphs.open("g") as graph:
            for _ in range(60):
                await graph.ainvoke({}, {"configurable": {"thread_id": thread}})
        states = States(threads, graphs, dispatcher=None)  # type: ignore[arg-type] - for updates
        asked: dict[str, Any] = {"limit": 1000, "before": None, "metadata": None}
        assert len(await states.history(thread, NEWEST, **asked)) > 100
        saver.between = lambda: threads.delete(thread)
        with pytest.raises(NotFoundError):
            await states.history(thread, NEWEST, **asked)
