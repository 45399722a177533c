"""Walks: tasks that follow each other at once, and what their code sees of that: nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextvars import Context, ContextVar
from typing import Annotated, Any, TypedDict

import pytest

from actors import (
    END,
    START,
    ActorSystem,
    NodeCancelledError,
    NodeTimeoutError,
    StateGraph,
    StepTimeoutError,
    task,
)
from actors.channels import LastValue
from checkpoint import MemorySaver, SerializationError
from tests.actors.engine import DEADLINE, Gated, State, chain, fan, noting, on, saying
from tests.waiting import let_all_run

word: ContextVar[str] = ContextVar("word", default="none")


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


async def turn() -> None:
    await asyncio.sleep(0)


async def nothing() -> None:
    pass


async def run(*nodes: Any, **options: Any) -> Any:
    named = {f"n{at}": node for at, node in enumerate(nodes)}
    return await chain(**named).compile().ainvoke({"log": []}, **options)


def own_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


# --- what code sees ------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [turn, nothing])
async def test_each_node_begins_with_the_callers_context_and_keeps_what_it_sets(wait: Any) -> None:
    async def node(state: Any) -> dict[str, Any]:
        before = word.get()
        word.set(f"set {len(state['log'])}")
        await wait()
        return {"log": [(before, word.get())]}

    word.set("caller's")
    result = await run(*[node] * 40)
    assert result["log"] == [("caller's", f"set {at}") for at in range(40)]


async def test_code_that_waits_goes_on_in_its_context_whatever_ends_the_wait() -> None:
    async def node(state: Any) -> dict[str, Any]:
        word.set("mine")
        try:
            async with asyncio.timeout(0):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return {"log": [word.get()]}
        return {"log": ["not ended"]}

    assert (await run(node, node, node))["log"] == ["mine"] * 3


async def test_sixteen_nodes_in_a_row_share_an_asyncio_task_and_no_context() -> None:
    tasks, contexts = list[asyncio.Task[Any]](), list[str]()

    async def node(state: Any) -> None:
        tasks.append(own_task())
        contexts.append(word.get())
        word.set("another's")
        await asyncio.sleep(0)

    await run(*[node] * 20)
    assert [tasks.count(each) for each in dict.fromkeys(tasks)] == [16, 4]
    assert set(contexts) == {"none"}


async def test_tasks_that_a_node_makes_inherit_its_context() -> None:
    async def inner() -> str:
        return word.get()

    async def node(state: Any) -> dict[str, Any]:
        word.set(f"set {len(state['log'])}")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(inner())
        return {"log": [task.result()]}

    assert (await run(node, node, node))["log"] == ["set 0", "set 1", "set 2"]


async def test_the_asyncio_task_is_named_after_the_node_that_runs() -> None:
    async def node(state: Any) -> dict[str, Any]:
        return {"log": [own_task().get_name()]}

    assert (await run(*[node] * 20))["log"] == [f"n{at}" for at in range(20)]


async def test_a_graph_that_never_waits_leaves_turns_to_others() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(others())
    await run(*[saying("x")] * 100)
    other.cancel()
    assert turns > 100 // 16


async def test_an_error_of_a_node_that_follows_shows_the_users_frames_and_the_node() -> None:
    async def bad(state: Any) -> None:
        raise LookupError("bad")

    with pytest.raises(LookupError, match="bad") as caught:
        await run(saying("a"), bad)
    assert any("'n1'" in note for note in caught.value.__notes__)
    assert caught.traceback[-1].name == "bad"
    assert not any(entry.name == "receive" for entry in caught.traceback)


async def test_a_step_that_fans_out_and_joins_again_is_followed_as_any_other() -> None:
    builder = fan(a=saying("a"), b=saying("b"))
    builder.add_node("c", saying("c")).add_edge(["a", "b"], "c")
    builder.add_node("d", saying("d")).add_edge("c", "d").add_edge("d", END)
    result = await builder.compile().ainvoke({"log": []}, {"max_concurrency": 1})
    assert result["log"] == ["a", "b", "c", "d"]


# --- graphs that are nodes -----------------------------------------------------------------------


def looped(inner: Any, passes: int) -> Any:
    """A graph that goes through another one again and again."""

    def path(state: Any) -> str:
        return END if state["n"] == passes else "count"

    async def count(state: Any) -> dict[str, Any]:
        return {"n": state["n"] + 1}

    builder = StateGraph(State).add_node("count", count).add_node("inner", inner)
    builder.add_edge(START, "count").add_edge("count", "inner")
    return builder.add_conditional_edges("inner", path).compile()


async def test_a_lone_graphs_nodes_run_in_its_asyncio_task_each_in_a_context_of_its_own() -> None:
    seen: list[tuple[Any, str, str]] = []

    async def node(state: Any) -> dict[str, Any]:
        seen.append((own_task(), own_task().get_name(), word.get()))
        word.set("another's")
        await asyncio.sleep(0)
        return {}

    async def path(state: Any) -> str:
        seen.append((own_task(), own_task().get_name(), word.get()))
        return END

    builder = StateGraph(State).add_node("inner", chain(a=node, b=node).compile())
    builder.add_edge(START, "inner").add_conditional_edges("inner", path)
    word.set("caller's")
    await builder.compile().ainvoke({"log": []})
    assert len({task for task, _, _ in seen}) == 1
    assert [name for _, name, _ in seen] == ["a", "b", "inner"]
    assert {held for _, _, held in seen} == {"caller's"}


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_an_asyncio_task_takes_sixteen_tasks_of_whatever_graphs(depth: int) -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def node(state: Any) -> None:
        tasks.append(own_task())

    inner = chain(a=node, b=node).compile()
    for _ in range(depth - 1):
        inner = chain(only=inner).compile()
    await looped(inner, 40).ainvoke({"n": 0}, {"recursion_limit": 100})
    assert len(tasks) == 80
    assert max(map(tasks.count, tasks)) <= 16


async def test_a_lone_graph_may_fan_out_inside() -> None:
    inner = fan(a=saying("a"), b=saying("b"))
    inner.add_node("c", saying("c")).add_edge(["a", "b"], "c")
    graph = chain(first=saying("first"), inner=inner.compile(), last=saying("last")).compile()
    assert (await graph.ainvoke({"log": []}))["log"][-4:] == ["a", "b", "c", "last"]


async def test_a_node_of_a_lone_graph_may_call_tasks() -> None:
    @task
    async def double(x: int) -> int:
        return 2 * x

    async def calls(state: Any) -> dict[str, Any]:
        first, second = double(1), double(2)
        return {"log": [await first, await second]}

    inner = chain(a=saying("a"), calls=calls, b=saying("b")).compile()
    graph = chain(inner=inner).compile()
    assert (await graph.ainvoke({"log": []}))["log"] == ["a", 2, 4, "b"]


async def test_a_task_that_a_node_of_a_lone_graph_called_ends_with_the_run() -> None:
    gated = Gated()

    @task
    async def hangs() -> None:
        await gated({})

    async def calls(state: Any) -> None:
        await hangs()

    async with ActorSystem() as system:
        graph = chain(inner=chain(calls=calls).compile()).compile()
        handle = await system.start(graph, {"log": []})
        await gated.started.wait()
        await handle.cancel()
    assert (handle.status, gated.cancelled, gated.cleaned) == ("cancelled", 1, 1)


@pytest.mark.parametrize("before", [0, 3])
async def test_a_cancelled_run_cancels_the_node_of_a_lone_graph_once(before: int) -> None:
    gated = Gated()
    nodes = {f"n{at}": saying("x") for at in range(before)}
    async with ActorSystem() as system:
        inner = chain(**nodes, gated=gated, after=saying("never")).compile()
        handle = await system.start(chain(inner=inner).compile(), {"log": []})
        await gated.started.wait()
        await handle.cancel()
    assert (handle.status, gated.cancelled, gated.cleaned) == ("cancelled", 1, 1)


async def test_a_node_of_a_lone_graph_that_cancels_its_own_task_fails_the_run() -> None:
    async def suicidal(state: Any) -> None:
        own_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(NodeCancelledError):
        await run(saying("a"), chain(inner=suicidal).compile(), saying("never"))


async def test_a_cancel_that_a_node_of_a_lone_graph_swallows_reaches_nobody_else() -> None:
    async def stubborn(state: Any) -> dict[str, Any]:
        own_task().cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return {"log": ["swallowed"]}

    async def node(state: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"log": [own_task().cancelling()]}

    inner = chain(stubborn=stubborn, node=node).compile()
    assert (await run(inner, node))["log"][-3:] == ["swallowed", 0, 0]


async def test_a_lone_graphs_step_may_take_only_so_long() -> None:
    inner = chain(a=saying("a"), gated=Gated()).compile()
    inner.step_timeout = 0.01
    with pytest.raises(StepTimeoutError):
        await chain(inner=inner).compile().ainvoke({"log": []})


async def test_an_attempt_of_a_lone_graph_that_took_too_long_is_cancelled_inside() -> None:
    gated = Gated()
    builder = StateGraph(State).add_edge(START, "inner")
    builder.add_node("inner", chain(gated=gated).compile(), timeout=0.01)
    with pytest.raises(NodeTimeoutError, match="inner"):
        await builder.compile().ainvoke({"log": []})
    assert (gated.cancelled, gated.cleaned) == (1, 1)


async def test_a_reader_in_lockstep_holds_up_the_steps_of_a_lone_graph() -> None:
    ran: list[str] = []
    inner = chain(a=noting("a", ran), b=noting("b", ran)).compile()
    graph = chain(inner=inner, c=noting("c", ran)).compile()
    async with graph.astream({"log": []}, subgraphs=True) as stream:
        for name in ("a", "b"):
            assert (await anext(stream))[1] == {name: {"log": [name]}}
            await let_all_run()
            assert ran[-1] == name
    assert ran == ["a", "b"]


# --- cancelling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1, 20])
async def test_a_node_that_cancels_its_own_task_fails(before: int) -> None:
    async def suicidal(state: Any) -> None:
        own_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(NodeCancelledError, match=f"'n{before}'"):
        await run(*[saying("x")] * before, suicidal, saying("never"))


async def test_a_cancel_that_a_node_swallows_does_not_reach_the_next_one() -> None:
    async def stubborn(state: Any) -> dict[str, Any]:
        own_task().cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return {"log": [own_task().cancelling()]}
        return {"log": ["not cancelled"]}

    async def node(state: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"log": [own_task().cancelling()]}

    assert (await run(saying("a"), stubborn, node))["log"] == ["a", 1, 0]


@pytest.mark.parametrize("before", [0, 3])
async def test_a_cancelled_run_cancels_the_node_it_is_at_once_and_waits_for_its_cleanup(
    before: int,
) -> None:
    gated = Gated()
    nodes = {f"n{at}": saying("x") for at in range(before)}
    async with ActorSystem() as system:
        handle = await system.start(chain(**nodes, gated=gated).compile(), {"log": []})
        await gated.started.wait()
        await handle.cancel()
    assert (handle.status, gated.cancelled, gated.cleaned) == ("cancelled", 1, 1)


async def cancels_now(state: Any) -> dict[str, Any]:
    own_task().cancel()
    return {"log": ["cancels"]}


async def others_cancel(state: Any) -> dict[str, Any]:
    asyncio.get_running_loop().call_soon(own_task().cancel, context=Context())
    return {"log": ["cancels"]}


@pytest.mark.parametrize("node", [cancels_now, others_cancel])
@pytest.mark.parametrize("saver", [None, MemorySaver])
async def test_a_cancel_that_meets_no_code_but_the_wait_for_a_reader_ends_nothing(
    node: Any, saver: Any
) -> None:
    for cancels in (node, chain(inner=node).compile()):
        nodes = {"a": saying("a"), "b": cancels, "c": saying("c")}
        graph = chain(**nodes).compile(checkpointer=saver and saver())
        chunks = [chunk async for chunk in graph.astream({"log": []}, on("t"))]
        assert [next(iter(chunk)) for chunk in chunks] == ["a", "b", "c"]


async def test_a_cancel_by_what_a_node_left_behind_does_not_reach_the_next_one() -> None:
    async def leaves(state: Any) -> dict[str, Any]:
        def cancel() -> None:
            tried.append(own.cancel())
            cancelled.set()

        own, cancelled = own_task(), asyncio.Event()
        gates.append(cancelled)
        asyncio.get_running_loop().call_soon(cancel)
        return {"log": ["leaves"]}

    async def waits(state: Any) -> dict[str, Any]:
        await gates[-1].wait()
        await asyncio.sleep(0)
        return {"log": [own_task().cancelling()]}

    gates, tried = list[asyncio.Event](), list[bool]()
    for nodes in (leaves, waits), (chain(leaves=leaves, waits=waits).compile(),):
        assert (await run(*nodes))["log"] == ["leaves", 0]
    assert (await run(chain(leaves=leaves).compile(), waits))["log"] == ["leaves", 0]
    assert tried == [False] * 3


async def test_a_node_is_cancelled_when_what_another_left_behind_stops_the_system() -> None:
    gated = Gated()

    async def stops() -> None:
        await gated.started.wait()
        system.supervisor.stop_nowait()

    async def leaves(state: Any) -> None:
        left.append(asyncio.create_task(stops()))

    left, system = list[asyncio.Task[None]](), ActorSystem()
    handle = await system.start(chain(leaves=leaves, gated=gated).compile(), {"log": []})
    await handle.ended()
    assert (handle.status, gated.cancelled, gated.cleaned) == ("cancelled", 1, 1)


async def test_a_node_that_outlives_the_grace_is_left_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    started, gate = asyncio.Event(), asyncio.Event()

    async def stuck(state: Any) -> dict[str, Any]:
        started.set()
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return {"log": ["late"]}

    async with ActorSystem() as system:
        graph = chain(first=saying("a"), stuck=stuck, after=saying("never")).compile()
        handle = await system.start(graph, {"log": []})
        await started.wait()
        await handle.cancel(grace=0)
        assert handle.status == "cancelled"
        assert "grace: stuck" in caplog.text
        gate.set()


async def test_a_run_that_is_cancelled_by_its_own_node_goes_no_further() -> None:
    ran: list[str] = []

    async def asks(state: Any) -> None:
        handle.cancel_nowait()

    async def after(state: Any) -> None:
        ran.append("after")

    async with ActorSystem() as system:
        graph = chain(a=saying("a"), asks=asks, after=after).compile()
        handle = await system.start(graph, {"log": []})
        await handle.ended()
    assert (handle.status, ran) == ("cancelled", [])


async def test_a_step_that_follows_has_its_own_time() -> None:
    graph = chain(a=saying("a"), b=saying("b"), gated=Gated()).compile()
    graph.step_timeout = 0.01
    with pytest.raises(StepTimeoutError):
        await graph.ainvoke({"log": []})


# --- what is stored and shown ---------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_tasks_that_follow_each_other_are_stored_as_any_others(durability: Any) -> None:
    saver = MemorySaver()
    graph = chain(a=saying("a"), b=saying("b"), c=saying("c")).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, on("t"), durability=durability)
    steps = [state.metadata["step"] async for state in graph.aget_state_history(on("t"))]
    assert steps == ([3] if durability == "exit" else [3, 2, 1, 0, -1])
    assert (await graph.aget_state(on("t"))).values == {"log": ["a", "b", "c"]}


async def test_what_cannot_be_stored_between_two_steps_ends_the_run_and_the_rest_stays() -> None:
    async def bad(state: Any) -> dict[str, Any]:
        return {"text": object()}

    graph = chain(a=saying("a"), bad=bad, c=saying("c")).compile(checkpointer=MemorySaver())
    with pytest.raises(SerializationError):
        await graph.ainvoke({"log": []}, on("t"))
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": ["a"]}, ("bad",))


async def test_a_reader_in_lockstep_holds_up_tasks_that_follow_each_other() -> None:
    ran: list[str] = []
    nodes = {name: noting(name, ran) for name in "abc"}
    stream = chain(**nodes).compile().astream({"log": []})
    for name in "abc":
        assert await anext(stream) == {name: {"log": [name]}}
        await let_all_run()
        assert ran[-1] == name
    assert [chunk async for chunk in stream] == []


async def test_a_run_that_is_cancelled_while_its_reader_is_away_goes_no_further() -> None:
    ran: list[str] = []

    async def after(state: Any) -> None:
        ran.append("after")

    stream = chain(a=saying("a"), b=saying("b"), after=after).compile().astream({"log": []})
    assert await anext(stream) == {"a": {"log": ["a"]}}
    assert await anext(stream) == {"b": {"log": ["b"]}}
    await stream.aclose()
    assert ran == []


async def test_a_reader_that_holds_up_nobody_sees_each_step() -> None:
    graph = chain(a=saying("a"), b=saying("b"), c=saying("c")).compile()
    async with ActorSystem() as system:
        handle = await system.start(graph, {"log": []}, stream_mode="updates")
        await handle.ended()
        shown = [chunk.data async for chunk in handle.stream()]
    assert shown == [{name: {"log": [name]}} for name in "abc"]


# --- errors of the engine's own ------------------------------------------------------------------


class _Unsettled(LastValue[Any]):
    """A channel whose writes cannot be settled."""

    __slots__ = ()

    @property
    def settles(self) -> bool:
        return True

    def settle(self, value: Any) -> Any:
        if value == "bad":
            raise LookupError(value)
        return value


class Settling(TypedDict):
    text: Annotated[Any, _Unsettled]


@pytest.mark.parametrize("before", [0, 2])
async def test_an_error_between_two_steps_ends_the_run(before: int) -> None:
    def writes(text: str) -> Callable[[Any], Any]:
        async def node(state: Any) -> dict[str, Any]:
            return {"text": text}

        return node

    nodes = {f"n{at}": writes("good") for at in range(before)}
    graph = chain(Settling, **nodes, bad=writes("bad"), after=writes("good")).compile()
    with pytest.raises(LookupError, match="bad"):
        await graph.ainvoke({"text": ""})


async def test_a_loop_runs_to_its_end() -> None:
    async def count(state: Any) -> dict[str, Any]:
        return {"n": state["n"] + 1}

    def path(state: Any) -> str:
        return END if state["n"] == 100 else "count"

    builder = StateGraph(State).add_node("count", count).add_edge(START, "count")
    graph = builder.add_conditional_edges("count", path).compile()
    assert (await graph.ainvoke({"n": 0}))["n"] == 100
