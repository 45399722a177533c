"""Graphs inside nodes: namespaces, checkpoints of their own, going on, and ending with the task."""

from __future__ import annotations

import asyncio
import gc
import operator
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields
from typing import Annotated, Any, TypedDict

import pytest

from actors import ActorSystem, StateGraph, SupervisorClosedError, get_config
from actors.context import current
from actors.scheduler import Scheduler
from checkpoint import MemorySaver
from tests.actors.engine import (
    DEADLINE,
    Blocked,
    Gated,
    chain,
    fan,
    on,
    saying,
    says,
    set_in_thread,
)


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


class Flaky:
    """A node that fails until it is mended, and counts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0
        self.mended = False

    async def __call__(self, state: Any) -> dict[str, Any]:
        self.calls += 1
        if not self.mended:
            raise LookupError(self.name)
        return {"log": [self.name]}


class Counted:
    """A node that counts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0

    async def __call__(self, state: Any) -> dict[str, Any]:
        self.calls += 1
        return {"log": [self.name]}


def heads(chunks: list[tuple[Any, Any]]) -> list[tuple[tuple[str, ...], str]]:
    """(node names of the namespace, node) of `updates` chunks with subgraphs."""
    return [(tuple(part.partition(":")[0] for part in ns), next(iter(data))) for ns, data in chunks]


def caller_of(graph: Any, times: int = 1) -> Any:
    async def node(state: Any) -> dict[str, Any]:
        logs = [(await graph.ainvoke({"log": [n]}))["log"] for n in range(times)]
        return {"log": [entry for log in logs for entry in log]}

    return node


# --- what is seen ------------------------------------------------------------------------------


async def test_a_graph_as_a_node_shows_its_steps_under_its_namespace() -> None:
    inner = chain(x=says("x"), y=saying("y")).compile()
    graph = chain(a=says("a"), sub=inner).compile()
    chunks = [c async for c in graph.astream({"log": []}, subgraphs=True)]
    assert heads(chunks) == [((), "a"), (("sub",), "x"), (("sub",), "y"), ((), "sub")]
    assert len({ns for ns, _ in chunks}) == 2


async def test_without_subgraphs_only_the_roots_chunks_are_shown() -> None:
    graph = chain(a=says("a"), sub=chain(x=says("x")).compile()).compile()
    assert [next(iter(c)) async for c in graph.astream({"log": []})] == ["a", "sub"]


async def test_namespaces_nest() -> None:
    inmost = chain(z=says("z")).compile()
    graph = chain(outer=chain(middle=inmost).compile()).compile()
    chunks = [c async for c in graph.astream({"log": []}, subgraphs=True)]
    assert heads(chunks) == [
        (("outer", "middle"), "z"),
        (("outer",), "middle"),
        ((), "outer"),
    ]


async def test_chunks_of_a_subgraph_come_before_its_siblings_have_finished() -> None:
    gated = Gated("b")
    graph = fan(b=gated, sub=chain(x=says("x")).compile()).compile()
    stream = graph.astream({"log": []}, subgraphs=True)
    ns, chunk = await anext(stream)
    assert (ns[0].partition(":")[0], chunk) == ("sub", {"x": {"log": ["x"]}})
    gated.gate.set()
    assert heads([c async for c in stream]) == [((), "sub"), ((), "b")]


async def test_a_graph_called_twice_in_one_node_has_two_namespaces() -> None:
    graph = chain(n=caller_of(chain(x=says("x")).compile(), 2)).compile(checkpointer=MemorySaver())
    chunks = [c async for c in graph.astream({"log": []}, on("t"), subgraphs=True)]
    first, second, _ = (ns for ns, _ in chunks)
    assert first != second
    assert chunks[-1] == ((), {"n": {"log": [0, "x", 1, "x"]}})


async def test_graphs_called_at_once_in_one_node_do_not_mix() -> None:
    sub = chain(x=saying("x"), y=saying("y")).compile()

    async def node(state: Any) -> dict[str, Any]:
        results = await asyncio.gather(*(sub.ainvoke({"log": [n]}) for n in range(20)))
        return {"log": [result["log"] for result in results]}

    graph = chain(n=node).compile(checkpointer=MemorySaver())
    result = await graph.ainvoke({"log": []}, on("t"))
    assert result["log"] == [[n, "x", "y"] for n in range(20)]


async def test_a_node_reads_the_stream_of_a_graph_it_calls() -> None:
    sub = chain(x=says("x"), y=saying("y")).compile()

    async def node(state: Any) -> dict[str, Any]:
        return {"log": [next(iter(c)) async for c in sub.astream({"log": []})]}

    graph = chain(n=node).compile()
    chunks = [c async for c in graph.astream({"log": []}, subgraphs=True)]
    assert heads(chunks) == [(("n",), "x"), (("n",), "y"), ((), "n")]
    assert chunks[-1][1] == {"n": {"log": ["x", "y"]}}


@pytest.mark.parametrize("mode", ["values", "updates", "tasks", "custom"])
async def test_a_nested_reader_sees_the_mode_it_asked_for_whatever_the_outer_one(mode: Any) -> None:
    def speaks(state: Any, writer: Any) -> dict[str, Any]:
        writer("hi")
        return {"log": ["x"]}

    sub = chain(x=speaks).compile()

    async def node(state: Any) -> dict[str, Any]:
        return {"log": [len([c async for c in sub.astream({"log": []}, stream_mode=mode)])]}

    result = await chain(n=node).compile().ainvoke({"log": []})
    assert result == {"log": [{"values": 2, "updates": 1, "tasks": 2, "custom": 1}[mode]]}


async def test_a_nested_reader_that_leaves_ends_its_graph_only() -> None:
    gated, seen = Gated(), []
    sub = chain(x=saying("x"), y=gated).compile()

    async def node(state: Any) -> dict[str, Any]:
        async with sub.astream({"log": []}) as stream:
            async for chunk in stream:
                seen.append(chunk)
                break
        return {"log": ["n"]}

    assert await chain(n=node).compile().ainvoke({"log": []}) == {"log": ["n"]}
    assert (seen, gated.calls - gated.cleaned) == ([{"x": {"log": ["x"]}}], 0)


async def test_an_error_of_a_child_passes_through_and_names_both_tasks() -> None:
    graph = chain(sub=chain(bad=Flaky("bad")).compile()).compile()
    with pytest.raises(LookupError) as caught:
        await graph.ainvoke({"log": []})
    notes = " ".join(caught.value.__notes__)
    assert "'bad'" in notes
    assert "'sub'" in notes


async def test_a_node_may_catch_the_error_of_a_graph_it_calls() -> None:
    sub = chain(bad=Flaky("bad")).compile()

    async def node(state: Any) -> dict[str, Any]:
        try:
            await sub.ainvoke({"log": []})
        except LookupError as error:
            return {"log": [str(error)]}
        return {}

    graph = chain(n=node, after=says("after")).compile(checkpointer=MemorySaver())
    assert await graph.ainvoke({"log": []}, on("t")) == {"log": ["bad", "after"]}


# --- config and context ------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["node", "call"])
async def test_a_child_sees_the_config_of_the_call(how: str) -> None:
    seen: dict[str, Any] = {}

    async def look(state: Any) -> None:
        seen.update(get_config())

    sub = chain(x=look).compile()
    graph = chain(n=sub if how == "node" else caller_of(sub)).compile()
    config = {
        "configurable": {"user": "ada"},
        "tags": ["t"],
        "metadata": {"m": 1},
        "max_concurrency": 3,
        "recursion_limit": 7,
    }
    await graph.ainvoke({"log": []}, config)
    assert seen["configurable"]["user"] == "ada"
    assert (seen["tags"], seen["metadata"]["m"]) == (["t"], 1)
    assert (seen["max_concurrency"], seen["recursion_limit"]) == (3, 7)
    assert seen["metadata"]["langgraph_node"] == "x"


async def test_a_child_called_with_a_config_of_its_own_has_that_over_the_outer_one() -> None:
    seen: dict[str, Any] = {}

    async def look(state: Any) -> None:
        seen.update(get_config())

    sub = chain(x=look).compile()

    async def node(state: Any) -> None:
        await sub.ainvoke({"log": []}, {"configurable": {"user": "bob"}, "recursion_limit": 5})

    await (
        chain(n=node)
        .compile()
        .ainvoke({"log": []}, {"configurable": {"user": "ada", "team": 1}, "recursion_limit": 9})
    )
    assert (seen["configurable"]["user"], seen["configurable"]["team"]) == ("bob", 1)
    assert seen["recursion_limit"] == 5


async def test_a_child_has_the_context_of_the_call() -> None:
    seen: list[Any] = []

    async def look(state: Any, runtime: Any) -> None:
        seen.append(runtime.context)

    graph = chain(sub=chain(x=look).compile()).compile()
    await graph.ainvoke({"log": []}, context={"key": 1})
    assert seen == [{"key": 1}]


async def test_max_concurrency_bounds_the_tasks_of_children_too() -> None:
    live = top = 0

    async def node(state: Any) -> dict[str, Any]:
        nonlocal live, top
        live += 1
        top = max(top, live)
        await asyncio.sleep(0)
        live -= 1
        return {"log": ["x"]}

    sub = fan(a=node, b=node, c=node).compile()
    await fan(s=sub, t=sub).compile().ainvoke({"log": []}, {"max_concurrency": 1})
    assert top == 1


# --- checkpoints -------------------------------------------------------------------------------


async def test_a_child_goes_on_where_it_failed_and_repeats_nothing() -> None:
    x, flaky, a = Counted("x"), Flaky("y"), Counted("a")
    graph = chain(a=a, sub=chain(x=x, y=flaky).compile()).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    flaky.mended = True
    result = await graph.ainvoke(None, on("t"))
    assert result["log"][-2:] == ["x", "y"]
    assert (a.calls, x.calls, flaky.calls) == (1, 1, 2)


async def test_a_node_that_failed_after_its_child_had_finished_does_not_run_it_again() -> None:
    x, failing = Counted("x"), [True]
    sub = chain(x=x).compile()

    async def node(state: Any) -> dict[str, Any]:
        result = await sub.ainvoke({"log": []})
        if failing:
            raise LookupError
        return result

    graph = chain(n=node).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    failing.clear()
    assert await graph.ainvoke(None, on("t")) == {"log": ["x"]}
    assert x.calls == 1


async def test_a_child_starts_fresh_in_every_run_of_the_thread() -> None:
    x = Counted("x")
    graph = chain(sub=chain(x=x).compile()).compile(checkpointer=MemorySaver())
    for _ in range(3):
        await graph.ainvoke({"log": []}, on("t"))
    assert x.calls == 3


async def test_a_child_starts_fresh_in_every_turn_of_a_loop() -> None:
    x = Counted("x")
    builder = chain(sub=chain(x=x).compile()).add_conditional_edges(
        "sub", lambda state: "sub" if len(state["log"]) < 6 else "__end__"
    )
    graph = builder.compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    assert x.calls == 3


async def test_going_back_before_a_child_runs_it_again() -> None:
    x, a = Counted("x"), Counted("a")
    graph = chain(a=a, sub=chain(x=x).compile()).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    old = next(
        s for s in [h async for h in graph.aget_state_history(on("t"))] if s.next == ("sub",)
    )
    for runs in (2, 3):
        await graph.ainvoke(None, old.config)
        assert (a.calls, x.calls) == (1, runs)


async def test_a_child_that_opted_out_stores_nothing_and_starts_again() -> None:
    x, flaky = Counted("x"), Flaky("y")
    sub = chain(x=x, y=flaky).compile(checkpointer=False)
    graph = chain(sub=sub).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    flaky.mended = True
    await graph.ainvoke(None, on("t"))
    assert x.calls == 2


async def test_the_state_of_a_child_that_failed_is_shown_with_its_parents() -> None:
    graph = chain(sub=chain(x=saying("x"), y=Flaky("y")).compile()).compile(
        checkpointer=MemorySaver()
    )
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    plain = await graph.aget_state(on("t"))
    [task] = plain.tasks
    assert task.state["configurable"]["checkpoint_ns"] == f"sub:{task.id}"
    [whole] = (await graph.aget_state(on("t"), subgraphs=True)).tasks
    assert (whole.state.values, whole.state.next) == ({"log": ["x"]}, ("y",))
    assert "LookupError" in whole.state.tasks[0].error
    assert (await graph.aget_state(task.state)).values == {"log": ["x"]}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_children_go_on_with_every_durability(durability: Any) -> None:
    x, flaky = Counted("x"), Flaky("y")
    graph = chain(sub=chain(x=x, y=flaky).compile()).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"), durability=durability)
    flaky.mended = True
    result = await graph.ainvoke(None, on("t"), durability=durability)
    assert result["log"][-2:] == ["x", "y"]
    assert x.calls == 1


async def test_a_stateless_parent_has_stateless_children() -> None:
    saver = MemorySaver()
    graph = chain(sub=chain(x=saying("x")).compile()).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, stateless=True)
    assert saver._scopes == {}


# --- ending ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["node", "ainvoke", "astream"])
async def test_cancelling_the_run_ends_the_child(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    gated = Gated()
    sub: Any = chain(x=gated).compile()

    async def streams(state: Any) -> dict[str, Any]:
        async for _ in sub.astream({"log": []}):
            pass
        return {"log": ["n"]}

    node = {"node": sub, "ainvoke": caller_of(sub), "astream": streams}[how]
    graph = chain(n=node).compile(checkpointer=MemorySaver())
    before = asyncio.all_tasks()
    async with ActorSystem() as system:
        run = await system.start(graph, {"log": []}, on("t"))
        await gated.started.wait()
        await run.cancel()
        assert (gated.cancelled, gated.cleaned) == (1, 1)
        assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
    gated.gate.set()
    assert (await graph.ainvoke(None, on("t"), on_busy="reject"))["log"] != []
    gc.collect()
    assert caplog.text == ""


async def test_a_child_in_a_worker_thread_is_fenced_and_cancelled_with_the_run() -> None:
    blocked, after = Blocked("x"), []
    sub = chain(x=blocked, y=lambda state: after.append("y")).compile()

    def node(state: Any) -> dict[str, Any]:
        return sub.invoke({"log": []})

    graph = chain(n=node).compile(checkpointer=MemorySaver())
    async with ActorSystem() as system:
        run = await system.start(graph, {"log": []}, on("t"))
        await set_in_thread(blocked.started)
        await run.cancel()
        assert run.status == "cancelled"
        blocked.gate.set()
        await set_in_thread(blocked.ended)
    assert after == []
    assert (await graph.aget_state(on("t"))).next == ("n",)


async def test_a_child_in_a_worker_thread_that_was_given_up_stores_nothing_more() -> None:
    blocked, over = Blocked(), threading.Event()

    def added(log: list[Any], more: list[Any]) -> list[Any]:
        if more == ["x"]:
            blocked(None)  # the step is over, and not stored yet
        return [*log, *more]

    state = {"log": Annotated[list[Any], added]}
    sub = chain(TypedDict("Inner", state), x=says("x"), y=says("y")).compile()
    cleaning, cleaned = asyncio.Event(), asyncio.Event()

    def node(state: Any) -> None:
        try:
            sub.invoke({"log": []})
        finally:
            over.set()

    async def sibling(state: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await cleaned.wait()

    saver = MemorySaver()
    graph = fan(n=node, s=sibling).compile(checkpointer=saver)
    async with ActorSystem() as system:
        run = await system.start(graph, {"log": []}, on("t"))
        await set_in_thread(blocked.started)
        cancelling = asyncio.create_task(run.cancel(grace=DEADLINE))
        await cleaning.wait()  # the thread is still the run's
        (task,) = [task for task in (await graph.aget_state(on("t"))).tasks if task.name == "n"]
        stored = await saver.history("t", f"n:{task.id}")
        blocked.gate.set()
        await set_in_thread(over)
        left = await saver.history("t", f"n:{task.id}")
        cleaned.set()
        await cancelling
    assert left == stored != []


async def test_a_sync_node_reads_a_nested_sync_stream() -> None:
    sub = chain(x=says("x"), y=saying("y")).compile()

    def node(state: Any) -> dict[str, Any]:
        return {"log": [next(iter(chunk)) for chunk in sub.stream({"log": []})]}

    chunks = [c async for c in chain(n=node).compile().astream({"log": []}, subgraphs=True)]
    assert heads(chunks) == [(("n",), "x"), (("n",), "y"), ((), "n")]
    assert chunks[-1][1] == {"n": {"log": ["x", "y"]}}


async def test_a_background_task_of_a_node_runs_graphs_of_its_own_once_the_run_is_over() -> None:
    sub, gate, tasks = chain(x=says("x")).compile(), asyncio.Event(), []

    async def later() -> Any:
        await gate.wait()
        return await sub.ainvoke({"log": []})

    async def node(state: Any) -> None:
        tasks.append(asyncio.create_task(later()))

    await chain(n=node).compile().ainvoke({"log": []})
    gate.set()
    assert await tasks[0] == {"log": ["x"]}


async def test_a_graph_with_a_saver_and_a_thread_of_its_own_is_no_child() -> None:
    saver = MemorySaver()
    other = chain(x=saying("x")).compile(checkpointer=saver)

    async def node(state: Any) -> dict[str, Any]:
        return await other.ainvoke({"log": []}, on("other"))

    graph = chain(n=node).compile(checkpointer=saver)
    chunks = [c async for c in graph.astream({"log": []}, on("t"), subgraphs=True)]
    assert heads(chunks) == [((), "n")]
    assert (await other.aget_state(on("other"))).values == {"log": ["x"]}


async def test_a_child_with_another_state_is_called_and_mapped_by_a_node() -> None:
    class Inner(TypedDict):
        own: Annotated[list[Any], operator.add]

    async def x(state: Any) -> dict[str, Any]:
        return {"own": ["x"]}

    sub = StateGraph(Inner).add_node("x", x).set_entry_point("x").compile()

    async def node(state: Any) -> dict[str, Any]:
        return {"log": (await sub.ainvoke({"own": state["log"]}))["own"]}

    assert await chain(n=node).compile().ainvoke({"log": ["in"]}) == {"log": ["in", "in", "x"]}


async def test_a_graph_may_call_itself_a_hundred_deep_and_be_cancelled_there() -> None:
    gated, graphs = Gated("end"), []

    async def node(state: Any) -> dict[str, Any]:
        if state["n"] == 0:
            return await gated(state)
        result = await graphs[0].ainvoke({"log": [], "n": state["n"] - 1})
        return {"log": result["log"]}

    graphs.append(chain(a=node).compile())
    call = asyncio.create_task(graphs[0].ainvoke({"log": [], "n": 100}))
    await gated.started.wait()
    call.cancel()
    await asyncio.wait({call})
    assert (gated.cancelled, gated.cleaned) == (1, 1)
    gated.gate.set()
    assert (await graphs[0].ainvoke({"log": [], "n": 100}))["log"] == ["end"]


async def test_a_graph_that_is_begun_when_the_run_is_over_leaves_nothing_unawaited() -> None:
    sub, gated, found = chain(s=saying("s")).compile(), Gated(), list[BaseException]()

    async def late(state: Any) -> dict[str, Any]:
        try:
            return await gated(state)
        finally:
            with pytest.raises(SupervisorClosedError) as refused:
                await anext(sub.astream({"log": []}))
            found.append(refused.value)

    async with ActorSystem() as system:
        run = await system.start(chain(n=late).compile(), {"log": []})
        await gated.started.wait()
        await run.cancel()
    gc.collect()  # a coroutine that nobody awaited would be told of here
    assert len(found) == 1


async def test_a_child_shares_all_of_its_run_but_what_is_its_own() -> None:
    schedulers = list[Scheduler]()

    async def look(state: Any) -> dict[str, Any]:
        task = current()
        assert task is not None
        schedulers.append(task.scheduler)
        return {"log": []}

    graph = chain(a=look, b=chain(c=look).compile()).compile()
    await graph.ainvoke({"log": []}, {"metadata": {"user": "u"}}, context={"key": "value"})
    outer, inner = schedulers
    assert not {*changed(outer.facts, inner.facts)} - {"ns", "parents"}
    assert not [*changed(outer.setting, inner.setting)]
    assert outer.setting.log is inner.setting.log


def changed(outer: Any, inner: Any) -> Iterator[str]:
    """Fields of two dataclasses that hold something else."""
    for field in fields(outer):
        if getattr(outer, field.name) != getattr(inner, field.name):
            yield field.name
