"""Error handlers: rules in the machine, and whole runs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from actors import (
    START,
    CachePolicy,
    Command,
    CompiledGraph,
    GraphBuildError,
    IsLastStep,
    NodeCancelledError,
    NodeError,
    NodeTimeoutError,
    RetryPolicy,
    Runtime,
    Send,
    StateGraph,
    interrupt,
)
from actors.commands import PULL, PUSH, Task
from actors.handlers import hand_over, handler_task, is_handled
from checkpoint import MemoryCache, MemorySaver, RemoteError, SqliteSaver
from tests.actors.engine import State, chain, on, saying, says
from tests.waiting import let_all_run


async def fails(state: Any) -> None:
    """A node that always raises."""
    raise ValueError("no")


def tells(state: Any, error: NodeError) -> dict[str, Any]:
    """A handler that logs what it was told."""
    return {"log": [f"{error.node}: {error.error!r}"]}


def handled(handler: Any = tells, node: Any = fails, **given: Any) -> StateGraph:
    """START → bad → after, where `bad` has a handler."""
    builder = StateGraph(State).add_node("bad", node, error_handler=handler, **given)
    builder.add_node("after", saying("after")).add_edge(START, "bad").add_edge("bad", "after")
    return builder


# --- rules --------------------------------------------------------------------------------------


def failed_task() -> tuple[Task, Any]:
    spec = handled().compile().spec
    node = spec.nodes["bad"]
    return Task(node, (PULL, "bad"), node.triggers, step=3), spec


def test_only_a_failure_of_a_node_with_a_handler_is_handed_over() -> None:
    task, spec = failed_task()
    other = Task(spec.nodes["after"], (PULL, "after"), ())
    assert hand_over(other, ValueError()) is False
    assert other.failure is None
    assert hand_over(task, KeyboardInterrupt()) is False
    assert not is_handled(task)
    error = ValueError()
    assert hand_over(task, error) is True
    assert is_handled(task)
    assert task.failure is not None
    assert (task.failure.node, task.failure.error) == ("bad", error)


def test_the_handlers_task_stands_in_for_the_failed_one() -> None:
    task, spec = failed_task()
    hand_over(task, ValueError())
    handler = handler_task(task, spec)
    assert not is_handled(handler)
    assert handler.node.name == "__error_handler__bad"
    assert handler.path == (PULL, "bad", "node_error_handler", False)
    assert handler.triggers == (PUSH,)
    assert handler.step == 3
    assert handler.failure is task.failure


def test_a_node_that_fails_again_and_again_has_one_handler() -> None:
    task, spec = failed_task()
    hand_over(task, ValueError())
    assert handler_task(task, spec).node is handler_task(task, spec).node


# --- building -----------------------------------------------------------------------------------


def test_handlers_are_no_nodes_of_the_graph() -> None:
    spec = handled().compile().spec
    assert list(spec.nodes) == ["bad", "after"]
    assert [h.name for h in spec.handlers.values()] == ["__error_handler__bad"]
    assert spec.nodes["bad"].error_handler == "__error_handler__bad"


def test_a_default_handler_is_one_for_all_nodes_without_their_own() -> None:
    builder = handled().set_node_defaults(error_handler=says("default"))
    spec = builder.compile().spec
    assert spec.nodes["bad"].error_handler == "__error_handler__bad"
    assert spec.nodes["after"].error_handler == "__default_error_handler__"
    names = {node: handler.name for node, handler in spec.handlers.items()}
    assert names == {"bad": "__error_handler__bad", "after": "__default_error_handler__"}


def test_retries_and_limits_of_the_graph_hold_for_handlers_and_its_cache_does_not() -> None:
    retry = RetryPolicy(max_attempts=2)
    builder = handled().set_node_defaults(retry_policy=retry, timeout=5, cache_policy=CachePolicy())
    handler = builder.compile().spec.handlers["bad"]
    assert handler.retry == (retry,)
    assert handler.timeout is not None
    assert handler.cache is None
    assert handler.error_handler is None


@pytest.mark.parametrize("handler", [5, "tells", lambda: None, lambda state, more: None])
def test_a_handler_that_cannot_be_called_so_is_refused(handler: Any) -> None:
    with pytest.raises(GraphBuildError, match="Node 'bad': its error handler"):
        StateGraph(State).add_node("bad", fails, error_handler=handler)


def test_only_handlers_may_ask_for_the_error() -> None:
    def node(state: State, error: NodeError) -> None: ...

    with pytest.raises(GraphBuildError, match="needs a parameter 'error' that nothing fills"):
        StateGraph(State).add_node("a", node)


@pytest.mark.parametrize("name", ["__error_handler__x", "__default_error_handler__"])
def test_names_of_handlers_are_reserved(name: str) -> None:
    with pytest.raises(GraphBuildError, match="is reserved"):
        StateGraph(State).add_node(name, fails)


# --- running ------------------------------------------------------------------------------------


async def test_what_a_handler_returns_is_the_update() -> None:
    assert await handled().compile().ainvoke({"n": 1}) == {
        "log": ["bad: ValueError('no')"],
        "n": 1,
    }


async def test_the_edges_of_the_failed_node_are_not_followed() -> None:
    chunks = [chunk async for chunk in handled().compile().astream({})]
    assert chunks == [{"__error_handler__bad": {"log": ["bad: ValueError('no')"]}}]


async def test_a_command_of_the_handler_says_where_to_go() -> None:
    def handler(state: State) -> Command[str]:
        return Command(update={"log": ["handled"]}, goto="after")

    assert await handled(handler).compile().ainvoke({}) == {"log": ["handled", "after"]}


async def test_a_handler_may_ask_for_the_error_by_name_alone_or_not_at_all() -> None:
    def by_name(state: State, error: Any) -> dict[str, Any]:
        return {"log": [type(error).__name__]}

    async def with_runtime(state: State, runtime: Runtime[Any], failure: NodeError) -> Any:
        assert runtime.execution_info is not None
        return {"log": [runtime.execution_info.node, failure.node]}

    assert await handled(by_name).compile().ainvoke({}) == {"log": ["NodeError"]}
    assert await handled(with_runtime).compile().ainvoke({}) == {
        "log": ["__error_handler__bad", "bad"]
    }
    assert await handled(says("plain")).compile().ainvoke({}) == {"log": ["plain"]}


def test_a_sync_handler_of_a_sync_node_runs_through_the_sync_door() -> None:
    def bad(state: State) -> None:
        raise ValueError("no")

    assert handled(node=bad).compile().invoke({}) == {"log": ["bad: ValueError('no')"]}


async def test_a_handler_that_returns_nothing_changes_nothing() -> None:
    assert await handled(lambda state: None).compile().ainvoke({"n": 1}) == {"log": [], "n": 1}


async def test_siblings_of_a_handled_node_run_on() -> None:
    builder = handled().add_node("beside", saying("beside")).add_edge(START, "beside")
    final = await builder.compile().ainvoke({})
    assert final == {"log": ["bad: ValueError('no')", "beside"]}


async def test_a_handler_writes_in_the_failed_nodes_place() -> None:
    async def late(state: State) -> None:
        await let_all_run()
        raise ValueError("late")

    builder = StateGraph(State)
    for name, node in {"a": saying("a"), "b": late, "c": saying("c")}.items():
        builder.add_node(name, node, error_handler=says(f"handled {name}"))
        builder.add_edge(START, name)
    assert (await builder.compile().ainvoke({}))["log"] == ["a", "handled b", "c"]


async def test_each_of_many_sends_has_its_own_handling() -> None:
    async def odd(state: Any) -> dict[str, Any]:
        if state["n"] % 2:
            raise ValueError(state["n"])
        return {"log": [state["n"]]}

    def handler(state: Any, error: NodeError) -> dict[str, Any]:
        return {"log": [f"{state['n']} {error.error}"]}

    def fan(state: State) -> list[Send]:
        return [Send("odd", {"n": n}) for n in range(5)]

    builder = StateGraph(State).add_node("odd", odd, error_handler=handler)
    graph = builder.add_conditional_edges(START, fan).compile()
    assert (await graph.ainvoke({}))["log"] == [0, "1 1", 2, "3 3", 4]


class Narrow(BaseModel):
    n: int


async def test_the_default_handler_gets_what_the_failed_node_reads() -> None:
    async def picky(state: Narrow) -> None:
        raise ValueError("no")

    def handler(state: Any) -> dict[str, Any]:
        return {"log": [type(state).__name__]}

    builder = StateGraph(State).set_node_defaults(error_handler=handler)
    builder.add_node("picky", picky).add_node("plain", fails).add_edge(START, "picky")
    graph = builder.add_edge(START, "plain").compile()
    assert (await graph.ainvoke({"n": 1}))["log"] == ["Narrow", "dict"]


async def test_retries_come_before_the_handler() -> None:
    attempts = list[int]()

    async def node(state: State) -> None:
        attempts.append(1)
        raise ConnectionError("gone")

    retry = RetryPolicy(initial_interval=0, jitter=False)
    final = await handled(node=node, retry_policy=retry).compile().ainvoke({})
    assert final == {"log": ["bad: ConnectionError('gone')"]}
    assert len(attempts) == 3


async def test_a_graph_that_a_node_is_can_be_handled() -> None:
    graph = handled(node=chain(inner=fails).compile()).compile()
    assert await graph.ainvoke({}) == {"log": ["bad: ValueError('no')"]}


async def test_a_graph_can_be_the_handler() -> None:
    graph = handled(chain(mend=saying("mended")).compile()).compile()
    assert await graph.ainvoke({"log": ["x"]}) == {"log": ["x", "x", "mended"]}


async def test_a_time_limit_is_handled_like_any_failure() -> None:
    async def hangs(state: State) -> None:
        await asyncio.Event().wait()

    def handler(state: State, error: NodeError) -> dict[str, Any]:
        assert isinstance(error.error, NodeTimeoutError)
        return {"log": [error.error.kind]}

    graph = handled(handler, hangs, timeout=0.001).compile()
    assert await graph.ainvoke({}) == {"log": ["run"]}


async def test_a_node_that_cancels_itself_can_be_handled() -> None:
    async def cancels(state: State) -> None:
        raise asyncio.CancelledError

    def handler(state: State, error: NodeError) -> dict[str, Any]:
        return {"log": [type(error.error) is NodeCancelledError]}

    assert await handled(handler, cancels).compile().ainvoke({}) == {"log": [True]}


async def test_an_update_that_cannot_be_is_handled_too() -> None:
    async def wrong(state: State) -> Any:
        return 5

    def handler(state: State, error: NodeError) -> dict[str, Any]:
        return {"log": [type(error.error).__name__]}

    assert await handled(handler, wrong).compile().ainvoke({}) == {"log": ["InvalidUpdateError"]}


async def test_a_pause_is_no_failure() -> None:
    async def asks(state: State) -> dict[str, Any]:
        return {"log": [interrupt("what?")]}

    graph = handled(node=asks).compile(checkpointer=MemorySaver())
    await graph.ainvoke({}, on("t"))
    assert await graph.ainvoke(Command(resume="this"), on("t")) == {"log": ["this", "after"]}


async def test_a_handler_may_pause() -> None:
    def asks(state: State, error: NodeError) -> dict[str, Any]:
        return {"log": [f"{error.error} {interrupt('go on?')}"]}

    runs = list[int]()

    async def bad(state: State) -> None:
        runs.append(1)
        raise ValueError("no")

    graph = handled(asks, bad).compile(checkpointer=MemorySaver())
    paused = await graph.ainvoke({}, on("t"))
    assert [i.value for i in paused["__interrupt__"]] == ["go on?"]
    assert await graph.ainvoke(Command(resume="yes"), on("t")) == {"log": ["no yes"]}
    assert runs == [1]


# --- when it goes wrong, and on threads ---------------------------------------------------------


class Fragile:
    """A handler that fails as often as it is told."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.told: list[NodeError] = []

    def __call__(self, state: Any, error: NodeError) -> dict[str, Any]:
        self.told.append(error)
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError("the handler fails")
        return {"log": ["handled"]}


async def test_a_handler_that_fails_ends_the_run_and_nothing_handles_it() -> None:
    builder = handled(Fragile(1)).set_node_defaults(error_handler=says("never"))
    with pytest.raises(RuntimeError, match="the handler fails") as failed:
        await builder.compile().ainvoke({})
    assert "'__error_handler__bad'" in failed.value.__notes__[0]


async def test_going_on_runs_the_handler_again_and_not_the_node() -> None:
    runs = list[int]()

    async def bad(state: State) -> None:
        runs.append(1)
        raise ValueError("no")

    handler = Fragile(1)
    graph = handled(handler, bad).compile(checkpointer=MemorySaver())
    with pytest.raises(RuntimeError):
        await graph.ainvoke({}, on("t"))
    (task,) = (await graph.aget_state(on("t"))).tasks
    assert (task.name, task.error) == ("bad", "ValueError('no')")
    assert await graph.ainvoke(None, on("t")) == {"log": ["handled"]}
    assert runs == [1]
    again = handler.told[1]
    assert again.node == "bad"
    assert repr(again.error) == "ValueError('no')"


async def test_another_process_hands_the_stored_error_over(tmp_path: Any) -> None:
    class OwnError(Exception):
        """Unknown to who reads it."""

    async def bad(state: State) -> None:
        raise OwnError("special")

    path = str(tmp_path / "x.db")
    async with SqliteSaver.from_conn_string(path) as saver:
        with pytest.raises(RuntimeError):
            await handled(Fragile(1), bad).compile(checkpointer=saver).ainvoke({}, on("t"))
    handler = Fragile(0)
    async with SqliteSaver.from_conn_string(path) as saver:
        graph = handled(handler, bad).compile(checkpointer=saver)
        assert await graph.ainvoke(None, on("t")) == {"log": ["handled"]}
    error = handler.told[0].error
    assert isinstance(error, RemoteError)
    assert error.message == "special"


async def test_another_process_hands_a_time_limit_over_as_it_was(tmp_path: Any) -> None:
    async def hangs(state: State) -> None:
        await asyncio.Event().wait()

    path = str(tmp_path / "x.db")
    async with SqliteSaver.from_conn_string(path) as saver:
        graph = handled(Fragile(1), hangs, timeout=0.001).compile(checkpointer=saver)
        with pytest.raises(RuntimeError):
            await graph.ainvoke({}, on("t"))
    handler = Fragile(0)
    async with SqliteSaver.from_conn_string(path) as saver:
        graph = handled(handler, hangs, timeout=0.001).compile(checkpointer=saver)
        assert await graph.ainvoke(None, on("t")) == {"log": ["handled"]}
    error = handler.told[0].error
    assert isinstance(error, NodeTimeoutError)
    assert (error.node, error.kind, error.timeout) == ("bad", "run", 0.001)


async def test_a_handler_that_had_finished_does_not_run_again() -> None:
    told: list[NodeError] = []
    left = [1]

    async def handler(state: State, error: NodeError) -> dict[str, Any]:
        told.append(error)
        return {"log": ["handled"]}

    async def flaky(state: State) -> dict[str, Any]:
        await let_all_run(100)  # the handler is on the same loop
        left[0] -= 1
        if left[0] >= 0:
            raise ValueError("flaky")
        return {"log": ["flaky"]}

    builder = handled(handler).add_node("flaky", flaky).add_edge(START, "flaky")
    graph = builder.compile(checkpointer=MemorySaver())
    with pytest.raises(ValueError, match="flaky"):
        await graph.ainvoke({}, on("t"))
    assert await graph.ainvoke(None, on("t")) == {"log": ["handled", "flaky"]}
    assert len(told) == 1


async def test_a_new_input_drops_the_handling() -> None:
    handler = Fragile(1)
    graph = handled(handler).compile(checkpointer=MemorySaver())
    with pytest.raises(RuntimeError):
        await graph.ainvoke({"n": 1}, on("t"))
    assert await graph.ainvoke({"n": 2}, on("t")) == {"log": ["handled"], "n": 2}


async def test_a_graph_without_the_handler_runs_the_node_again() -> None:
    saver = MemorySaver()
    with pytest.raises(RuntimeError):
        await handled(Fragile(9)).compile(checkpointer=saver).ainvoke({}, on("t"))
    mended = chain(bad=saying("mended"), after=saying("after")).compile(checkpointer=saver)
    assert await mended.ainvoke(None, on("t")) == {"log": ["mended", "after"]}


async def test_an_update_from_outside_counts_as_the_failed_nodes() -> None:
    graph = handled().compile(checkpointer=MemorySaver())
    await graph.ainvoke({}, on("t"))
    await graph.aupdate_state(on("t"), {"log": ["outside"]})
    assert (await graph.aget_state(on("t"))).next == ("after",)


def graph_with_policies() -> CompiledGraph:
    class Reduced(State):
        seen: Annotated[list[int], lambda a, b: a + b]

    builder = StateGraph(Reduced).set_node_defaults(
        cache_policy=CachePolicy(), error_handler=says("handled")
    )
    return builder.add_node("bad", fails).add_edge(START, "bad").compile(cache=MemoryCache())


async def test_a_handled_failure_is_not_cached() -> None:
    graph = graph_with_policies()
    for _ in range(2):
        chunks = [chunk async for chunk in graph.astream({})]
        assert chunks == [{"__default_error_handler__": {"log": ["handled"]}}]


async def test_a_default_handler_finds_what_the_failed_node_is_filled_in_with() -> None:
    class Last(State):
        last: IsLastStep

    found: list[bool] = []

    def handler(state: dict[str, Any]) -> None:
        found.append("last" in state)

    async def fails_too(state: Last) -> None:
        raise ValueError("no")

    builder = StateGraph(State).add_node("plain", fails, input_schema=State)
    builder.add_node("filled", fails_too, input_schema=Last).add_node(
        "end", saying("end"), input_schema=State
    )
    builder.add_edge(START, "plain").add_edge(START, "filled")
    builder.set_node_defaults(error_handler=handler)
    await builder.compile().ainvoke({})
    assert sorted(found) == [False, True]
