"""Looking at threads: the newest state, older ones, history, and the state of subgraphs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from actors import CompiledGraph, ConfigError, Send, StateGraph, StateSnapshot
from actors.snapshots import before_id
from actors.values import START
from checkpoint import MemorySaver, SqliteSaver, rewind_point
from tests.actors.engine import DEADLINE, Gated, State, chain, fan, on, saying, says
from tests.waiting import until


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


async def bad(state: Any) -> None:
    raise LookupError("no")


async def history(graph: CompiledGraph, **options: Any) -> list[StateSnapshot]:
    return [s async for s in graph.aget_state_history(on("t"), **options)]


async def run_failing(*siblings: str) -> CompiledGraph:
    """A graph whose node `bad` has failed once its siblings had finished."""
    gates = [Gated(name) for name in siblings]

    async def fails(state: Any) -> None:
        for gate in gates:
            gate.gate.set()
        await until(lambda: all(gate.cleaned for gate in gates))
        await asyncio.sleep(0)
        raise LookupError("no")

    nodes = dict(zip(siblings, gates, strict=True))
    graph = fan(**nodes, zbad=fails).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": ["in"]}, on("t"))
    return graph


# --- the newest state --------------------------------------------------------------------------


async def test_a_finished_thread_shows_its_state_and_nothing_next() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next, state.tasks) == ({"log": ["a", "b"]}, (), ())
    assert state.metadata is not None
    assert (state.metadata["source"], state.metadata["step"]) == ("loop", 2)
    assert state.interrupts == ()
    assert datetime.fromisoformat(state.created_at or "").utcoffset() is not None


@pytest.mark.parametrize("door", ["metadata", "configurable"])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_users_own_keys_take_no_place_of_the_checkpoints(
    door: str, kind: str, tmp_path: Path
) -> None:
    own = {"source": "mine", "step": 99, "parents": "none", "user": "u"}
    config: Any = on("t")
    config = {**config, door: {**config.get(door, {}), **own}}
    sqlite = SqliteSaver.from_conn_string(str(tmp_path / "threads.db"))
    async with nullcontext(MemorySaver()) if kind == "memory" else sqlite as saver:
        graph = chain(a=saying("a")).compile(checkpointer=saver)
        await graph.ainvoke({"log": []}, config)
        last = await graph.aget_state(on("t"))
        assert last.metadata == {"source": "loop", "step": 1, "parents": {}, "user": "u"}
        for snapshots in (
            await history(graph, filter={"source": "loop", "user": "u"}),
            [s async for s in graph.aget_state_history(last.config, filter={"source": "loop"})],
        ):
            assert {(s.metadata or {})["source"] for s in snapshots} == {"loop"}
        assert await history(graph, filter={"source": "mine"}) == []
        assert [s async for s in graph.aget_state_history(last.config, filter={"step": 99})] == []


async def test_an_unknown_thread_gives_an_empty_snapshot() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    state = await graph.aget_state(on("nobody"))
    assert (state.values, state.next, state.tasks) == ({}, (), ())
    assert (state.metadata, state.created_at, state.parent_config) == (None, None, None)
    assert state.config == on("nobody")
    assert await history(graph) == []


async def test_a_failed_task_shows_its_error_and_its_siblings_their_results() -> None:
    graph = await run_failing("a", "b")
    state = await graph.aget_state(on("t"))
    assert state.values == {"log": ["in", "a", "b"]}
    assert state.next == ("zbad",)
    shown = {task.name: (task.error, task.result) for task in state.tasks}
    assert shown == {
        "a": (None, {"log": ["a"]}),
        "b": (None, {"log": ["b"]}),
        "zbad": ("LookupError('no')", None),
    }


async def test_a_thread_left_in_the_middle_shows_what_comes_next() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    async with graph.astream({"log": []}, on("t")) as stream:
        await anext(stream)
    state = await graph.aget_state(on("t"))
    [task] = state.tasks
    assert (state.next, task.name, task.path) == (("b",), "b", ("__pregel_pull", "b"))
    assert (task.error, task.result, task.state) == (None, None, None)


async def test_a_step_whose_tasks_have_all_finished_is_followed_by_the_next() -> None:
    """As after a repair: the newest checkpoint is lost, the pending writes before it are not."""
    saver = MemorySaver()
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, on("t"))
    states = await history(graph)
    (a,) = [state for state in states if state.next == ("a",)]
    loaded = await saver.load("t", "", a.config["configurable"]["checkpoint_id"])
    assert loaded is not None
    claim = await saver.claim("t", "test", timeout=0)
    await saver.rewind(claim, {"": rewind_point(loaded, loaded.record.id)})
    saver.release(claim)
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": ["a"]}, ("b",))
    assert await graph.ainvoke(None, on("t")) == {"log": ["a", "b"]}


async def test_task_ids_are_those_that_the_stream_shows() -> None:
    graph = chain(a=saying("a"), b=bad).compile(checkpointer=MemorySaver())
    ids: dict[str, str] = {}

    async def read() -> None:
        async for chunk in graph.astream({"log": []}, on("t"), stream_mode="tasks"):
            ids[chunk["name"]] = chunk["id"]

    with pytest.raises(LookupError):
        await read()
    [task] = (await graph.aget_state(on("t"))).tasks
    assert task.id == ids["b"]


async def test_sends_that_are_left_show_one_task_each() -> None:
    async def work(state: Any) -> None:
        raise LookupError

    builder = StateGraph(State).add_node("work", work)
    builder.add_conditional_edges(START, lambda s: [Send("work", n) for n in range(3)])
    graph = builder.compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    state = await graph.aget_state(on("t"))
    assert state.next == ("work",) * 3
    assert [task.path for task in state.tasks] == [("__pregel_push", n, False) for n in range(3)]


async def test_looking_at_a_busy_thread_does_not_wait() -> None:
    gated = Gated("b")
    graph = chain(a=saying("a"), b=gated).compile(checkpointer=MemorySaver())
    call = asyncio.create_task(graph.ainvoke({"log": []}, on("t")))
    await gated.started.wait()
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": ["a"]}, ("b",))
    gated.gate.set()
    await call


async def test_a_snapshot_can_be_changed_without_changing_the_thread() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    (await graph.aget_state(on("t"))).values["log"].append("mine")
    assert (await graph.aget_state(on("t"))).values == {"log": ["a"]}


async def test_writes_that_cannot_be_applied_together_do_not_hide_the_thread() -> None:
    graph = fan(a=saying("a", n=1), b=saying("b", n=2)).compile(checkpointer=MemorySaver())
    with pytest.raises(Exception, match="At key 'n'"):
        await graph.ainvoke({"log": ["in"]}, on("t"))
    state = await graph.aget_state(on("t"))
    assert state.values["log"] == ["in"]
    assert len(state.tasks) == 2


# --- older states ------------------------------------------------------------------------------


async def test_history_goes_from_the_newest_to_the_input() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": ["in"]}, on("t"))
    seen = await history(graph)
    assert [s.values["log"] for s in seen] == [["in", "a", "b"], ["in", "a"], ["in"], []]
    assert [s.next for s in seen] == [(), ("b",), ("a",), ("__start__",)]
    for newer, older in pairwise(seen):
        assert newer.parent_config == older.config
    assert seen[-1].parent_config is None
    assert seen[0] == await graph.aget_state(on("t"))


async def test_each_snapshots_config_finds_it_again() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    for snapshot in await history(graph):
        again = await graph.aget_state(snapshot.config)
        assert (again.values, again.next, again.config) == (
            snapshot.values,
            snapshot.next,
            snapshot.config,
        )


async def test_history_can_be_limited_filtered_and_begun_before_a_snapshot() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    whole = await history(graph)
    assert await history(graph, limit=2) == whole[:2]
    assert await history(graph, limit=0) == []
    assert await history(graph, before=whole[1].config) == whole[2:]
    assert await history(graph, before=whole[1].config, limit=1) == whole[2:3]
    assert await history(graph, filter={"source": "input"}) == whole[-1:]
    assert await history(graph, filter={"step": 1}) == [whole[1]]
    assert await history(graph, filter={"step": 1, "source": "input"}) == []


async def test_a_history_longer_than_a_page_is_whole() -> None:
    builder = StateGraph(State).add_node("a", saying("a")).add_edge(START, "a")
    builder.add_conditional_edges("a", lambda s: "a" if len(s["log"]) < 250 else "__end__")
    graph = builder.compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    seen = await history(graph)
    assert [len(s.values["log"]) for s in seen] == [*range(250, -1, -1), 0]
    assert len(await history(graph, limit=150)) == 150


@pytest.mark.parametrize("wrong", [-1, -100])
async def test_a_negative_limit_is_refused(wrong: int) -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    with pytest.raises(ConfigError, match="limit"):
        graph.aget_state_history(on("t"), limit=wrong)


async def test_running_from_an_old_checkpoint_makes_a_branch_and_changes_nothing_old() -> None:
    calls: list[str] = []

    def node(name: str) -> Any:
        async def run(state: Any) -> dict[str, Any]:
            calls.append(name)
            return {"log": [f"{name}{len(calls)}"]}

        return run

    graph = chain(a=node("a"), b=node("b"), c=node("c")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    before = await history(graph)
    old = next(s for s in before if s.next == ("b",))
    result = await graph.ainvoke(None, old.config)
    assert calls == ["a", "b", "c", "b", "c"]
    assert result["log"] == ["a1", "b4", "c5"]
    after = await history(graph)
    assert after[-len(before) :] == before
    assert (await graph.aget_state(on("t"))).values == result


async def test_running_from_an_old_checkpoint_with_an_input_branches_there() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": ["1"]}, on("t"))
    old = (await history(graph))[1]
    result = await graph.ainvoke({"log": ["2"]}, old.config)
    assert result["log"] == ["1", "a", "2", "a", "b"]


async def test_the_newest_checkpoint_by_its_id_is_the_newest() -> None:
    graph = await run_failing("a")
    state = await graph.aget_state(on("t"))
    with pytest.raises(LookupError):
        await graph.ainvoke(None, state.config)
    assert (await graph.aget_state(on("t"))).next == ("zbad",)
    assert len(await history(graph)) == 2


# --- which thread ------------------------------------------------------------------------------


async def test_a_graph_without_a_saver_has_no_threads_to_look_at() -> None:
    graph = chain(a=saying("a")).compile()
    with pytest.raises(ConfigError, match="checkpointer"):
        await graph.aget_state(on("t"))


async def test_a_config_without_a_thread_is_refused() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    with pytest.raises(ConfigError, match="thread_id"):
        await graph.aget_state({})


@pytest.mark.parametrize("ns", ["nobody:1", "a:1", "sub:1|x:2", "5", "1|sub:1", 5])
async def test_a_namespace_of_no_subgraph_is_refused(ns: Any) -> None:
    sub = chain(x=saying("x")).compile()
    graph = chain(a=saying("a"), sub=sub).compile(checkpointer=MemorySaver())
    config = {"configurable": {"thread_id": "t", "checkpoint_ns": ns}}
    with pytest.raises(ConfigError, match="checkpoint_ns"):
        await graph.aget_state(config)


@pytest.mark.parametrize(
    ("before", "found"),
    [
        (None, None),
        ("c1", "c1"),
        ({"configurable": {"checkpoint_id": "c1"}}, "c1"),
        ({"checkpoint_id": "c1"}, "c1"),
    ],
)
def test_before_may_be_an_id_or_a_config(before: Any, found: str | None) -> None:
    assert before_id(before) == found


@pytest.mark.parametrize("wrong", [{}, {"configurable": {}}, {"configurable": 5}, 5])
def test_a_before_that_names_no_checkpoint_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="before"):
        before_id(wrong)


async def test_the_history_of_a_subgraph_is_read_under_its_namespace() -> None:
    graph = chain(sub=chain(x=says("x"), y=bad).compile()).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": ["in"]}, on("t"))
    [task] = (await graph.aget_state(on("t"))).tasks
    inside = [s async for s in graph.aget_state_history(task.state)]
    assert [s.next for s in inside] == [("y",), ("x",), ("__start__",)]
    assert inside[0].metadata is not None
    assert list(inside[0].metadata["parents"]) == [""]
