"""Nodes that are tried again or given up in time: attempts, fences, cancelling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from actors import (
    START,
    ActorSystem,
    Command,
    CompiledGraph,
    InvalidUpdateError,
    NodeCancelledError,
    NodeTimeoutError,
    RetryPolicy,
    RunCancelledError,
    Runtime,
    Send,
    StateGraph,
    TimeoutPolicy,
    get_stream_writer,
    interrupt,
)
from actors.channelset import ChannelSet
from actors.spec import TASKS
from checkpoint import MemorySaver
from tests.actors.engine import DEADLINE, Blocked, Gated, State, chain, on, saying, set_in_thread
from tests.waiting import let_all_run

AT_ONCE = RetryPolicy(initial_interval=0, jitter=False, retry_on=Exception)
SHORT = 0.002
"""Seconds of a limit that is to be passed."""


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


@pytest.fixture
async def system() -> AsyncIterator[ActorSystem]:
    async with ActorSystem(drain_timeout=0) as system:
        yield system


class Flaky:
    """A node that raises so many times, then works; it notes its attempts."""

    def __init__(self, times: int, error: type[Exception] = ConnectionError) -> None:
        self.left = times
        self.error = error
        self.attempts: list[tuple[int, float | None]] = []

    async def __call__(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        assert runtime.execution_info is not None
        info = runtime.execution_info
        self.attempts.append((info.node_attempt, info.node_first_attempt_time))
        runtime.stream_writer(info.node_attempt)
        self.left -= 1
        if self.left >= 0:
            raise self.error(f"{self.left} left")
        return {"log": ["ok"]}


def guarded(node: Any, **policies: Any) -> StateGraph:
    """START → a (guarded) → b."""
    builder = StateGraph(State).add_node("a", node, **policies).add_node("b", saying("b"))
    return builder.add_edge(START, "a").add_edge("a", "b")


# --- trying again -------------------------------------------------------------------------------


async def test_a_node_runs_again_until_it_works() -> None:
    flaky = Flaky(2)
    assert await guarded(flaky, retry_policy=AT_ONCE).compile().ainvoke({}) == {"log": ["ok", "b"]}
    assert [attempt for attempt, _ in flaky.attempts] == [1, 2, 3]


async def test_all_attempts_know_when_the_first_began() -> None:
    flaky = Flaky(2)
    await guarded(flaky, retry_policy=AT_ONCE).compile().ainvoke({})
    (first,) = {begun for _, begun in flaky.attempts}
    assert isinstance(first, float)


async def test_the_last_error_comes_out_with_its_node() -> None:
    with pytest.raises(ConnectionError, match="0 left") as failed:
        await guarded(Flaky(3), retry_policy=AT_ONCE).compile().ainvoke({})
    assert [note.partition(" and ")[0] for note in failed.value.__notes__] == [
        "During task with name 'a'"
    ]


async def test_what_no_policy_covers_comes_out_at_once() -> None:
    flaky = Flaky(1, ValueError)
    with pytest.raises(ValueError, match="0 left"):
        await guarded(flaky, retry_policy=RetryPolicy()).compile().ainvoke({})
    assert len(flaky.attempts) == 1


async def test_the_first_of_several_policies_that_covers_the_error_decides() -> None:
    policies = [
        RetryPolicy(retry_on=KeyError, max_attempts=1),
        RetryPolicy(initial_interval=0, jitter=False, retry_on=ValueError),
    ]
    graph = guarded(Flaky(2, ValueError), retry_policy=policies).compile()
    assert await graph.ainvoke({}) == {"log": ["ok", "b"]}


async def test_a_run_of_the_thread_later_counts_attempts_anew() -> None:
    flaky = Flaky(4)
    graph = guarded(flaky, retry_policy=AT_ONCE).compile(checkpointer=MemorySaver())
    with pytest.raises(ConnectionError):
        await graph.ainvoke({}, on("t"))
    assert await graph.ainvoke(None, on("t")) == {"log": ["ok", "b"]}
    assert [attempt for attempt, _ in flaky.attempts] == [1, 2, 3, 1, 2]


async def test_every_attempt_streams_and_only_the_last_one_updates() -> None:
    graph = guarded(Flaky(2), retry_policy=AT_ONCE).compile()
    chunks = [c async for c in graph.astream({}, stream_mode=["custom", "updates"])]
    assert chunks[:4] == [
        ("custom", 1),
        ("custom", 2),
        ("custom", 3),
        ("updates", {"a": {"log": ["ok"]}}),
    ]


async def test_each_send_is_tried_by_itself() -> None:
    left = {1: 1, 2: 2}

    async def node(state: Any) -> dict[str, Any]:
        n = state["n"]
        if left.get(n, 0):
            left[n] -= 1
            raise ConnectionError
        return {"log": [n]}

    def fan(state: State) -> list[Send]:
        return [Send("a", {"n": n}) for n in range(4)]

    builder = StateGraph(State).add_node("a", node, retry_policy=AT_ONCE)
    graph = builder.add_conditional_edges(START, fan).compile()
    assert (await graph.ainvoke({}))["log"] == [0, 1, 2, 3]


def test_sync_nodes_are_tried_again_through_both_doors() -> None:
    left = [2]

    def node(state: State) -> dict[str, Any]:
        left[0] -= 1
        if left[0] % 2:
            raise ConnectionError
        return {"log": ["ok"]}

    graph = guarded(node, retry_policy=AT_ONCE).compile()
    assert graph.invoke({}) == {"log": ["ok", "b"]}
    left[0] = 2
    assert asyncio.run(graph.ainvoke({})) == {"log": ["ok", "b"]}


async def test_an_update_that_cannot_be_and_a_path_that_fails_are_tried_again() -> None:
    results: list[Any] = [5, {"log": ["ok"]}, {"log": ["ok"]}]
    paths: list[Any] = ["nowhere", "__end__"]

    async def node(state: State) -> Any:
        return results.pop(0)

    builder = StateGraph(State).add_node("a", node, retry_policy=AT_ONCE).add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: paths.pop(0))
    assert await builder.compile().ainvoke({}) == {"log": ["ok"]}
    assert (results, paths) == ([], [])


async def test_a_graph_that_is_tried_again_goes_on_where_it_had_come_to() -> None:
    runs = list[str]()

    async def first(state: State) -> dict[str, Any]:
        runs.append("first")
        return {"log": ["first"]}

    child = chain(first=first, flaky=Flaky(1)).compile()
    graph = guarded(child, retry_policy=AT_ONCE).compile(checkpointer=MemorySaver())
    assert await graph.ainvoke({}, on("t")) == {"log": ["first", "ok", "b"]}
    assert runs == ["first"]


async def test_an_interrupt_is_no_failure_and_its_answer_survives_a_retry() -> None:
    left = [1]

    async def asks(state: State) -> dict[str, Any]:
        answer = interrupt("name?")
        left[0] -= 1
        if left[0] >= 0:
            raise ConnectionError
        return {"log": [answer]}

    graph = guarded(asks, retry_policy=AT_ONCE).compile(checkpointer=MemorySaver())
    paused = await graph.ainvoke({}, on("t"))
    assert [i.value for i in paused["__interrupt__"]] == ["name?"]
    assert await graph.ainvoke(Command(resume="Ada"), on("t")) == {"log": ["Ada", "b"]}


async def test_a_cancel_ends_the_wait_between_two_attempts_at_once(system: ActorSystem) -> None:
    flaky = Flaky(9)
    forever = RetryPolicy(initial_interval=3600, max_interval=3600, jitter=False)
    graph = guarded(flaky, retry_policy=forever).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {}, on("t"))
    while not flaky.attempts:
        await let_all_run()
    await run.cancel()
    assert run.status == "cancelled"
    state = await graph.aget_state(on("t"))
    assert (state.next, state.tasks[0].error) == (("a",), None)
    flaky.left = 0
    assert await graph.ainvoke(None, on("t")) == {"log": ["ok", "b"]}


async def test_a_failing_sibling_cuts_the_wait_short() -> None:
    flaky = Flaky(9)

    async def fails(state: State) -> None:
        while not flaky.attempts:
            await let_all_run()
        raise ValueError("no")

    forever = RetryPolicy(initial_interval=3600, max_interval=3600)
    builder = guarded(flaky, retry_policy=forever).add_node("fails", fails).add_edge(START, "fails")
    with pytest.raises(ValueError, match="no"):
        await builder.compile().ainvoke({})


async def test_what_a_failed_attempt_left_running_can_stream_no_more() -> None:
    gate, left, writers = asyncio.Event(), [1], list[Any]()

    async def node(state: State) -> dict[str, Any]:
        writers.append(get_stream_writer())
        left[0] -= 1
        if left[0] >= 0:
            raise ConnectionError
        writers[0]("late")
        writers[1]("in time")
        gate.set()
        return {"log": ["ok"]}

    graph = guarded(node, retry_policy=AT_ONCE).compile()
    chunks = [chunk async for chunk in graph.astream({}, stream_mode="custom")]
    assert chunks == ["in time"]
    assert writers[0].fenced
    assert not writers[1].fenced


# --- giving up in time --------------------------------------------------------------------------


async def forever(state: State) -> None:
    """A node that never ends by itself."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("limit", [SHORT, timedelta(seconds=SHORT), TimeoutPolicy(SHORT)])
async def test_an_attempt_that_takes_too_long_fails(limit: Any) -> None:
    with pytest.raises(
        NodeTimeoutError, match=r"Node 'a' exceeded its run timeout of 0\.002s"
    ) as late:
        await guarded(forever, timeout=limit).compile().ainvoke({})
    error = late.value
    assert (error.node, error.kind, error.timeout) == ("a", "run", SHORT)
    assert (error.run_timeout, error.idle_timeout) == (SHORT, None)
    assert error.elapsed >= SHORT
    assert "During task with name 'a'" in error.__notes__[0]


async def test_an_attempt_that_makes_no_progress_fails() -> None:
    limit = TimeoutPolicy(idle_timeout=SHORT)
    with pytest.raises(NodeTimeoutError, match="without making progress") as late:
        await guarded(forever, timeout=limit).compile().ainvoke({})
    assert (late.value.kind, late.value.timeout, late.value.run_timeout) == ("idle", SHORT, None)


async def test_a_node_that_is_in_time_knows_nothing_of_its_limit() -> None:
    graph = guarded(saying("a"), timeout=3600).compile()
    assert await graph.ainvoke({}) == {"log": ["a", "b"]}


def sending(*sends: Send, saver: Any = None, **policies: Any) -> CompiledGraph:
    """A graph that sends these to a node which never ends when it gets "for ever"."""

    async def work(arg: Any) -> dict[str, Any]:
        if arg == "for ever":
            await asyncio.Event().wait()
        return {"log": [arg]}

    builder = StateGraph(State).add_node("work", work, **policies)
    return builder.add_conditional_edges(START, lambda _: [*sends], ["work"]).compile(saver)


@pytest.mark.parametrize("policies", [{}, {"timeout": 3600}])
async def test_a_send_limits_its_own_task(policies: Any) -> None:
    late = Send("work", "for ever", timeout=SHORT)
    graph = sending(Send("work", 1), late, Send("work", 2, timeout=60), **policies)
    with pytest.raises(NodeTimeoutError, match=r"run timeout of 0\.002s"):
        await graph.ainvoke({})


async def test_the_limit_of_a_send_is_stored_with_its_task() -> None:
    graph = sending(Send("work", "for ever", timeout=SHORT), saver=MemorySaver())
    for given in ({}, None):
        with pytest.raises(NodeTimeoutError):
            await graph.ainvoke(given, on("t"))


async def test_sends_with_equal_limits_share_an_actor_of_their_node() -> None:
    sends = [Send("work", n, timeout=60 + n % 2) for n in range(6)]
    graph = sending(*sends, Send("work", 6))
    channels = ChannelSet(graph.layout)
    channels.write({TASKS: [*sends, Send("work", 6)]})
    nodes = [task.node for task in channels.plan()]
    assert len(set(nodes)) == 3
    assert nodes[6] is graph.spec.nodes["work"]
    assert (await graph.ainvoke({}))["log"] == [*range(7)]


def test_a_send_may_lift_the_limit_of_its_node() -> None:
    graph = sending(timeout=60)
    channels = ChannelSet(graph.layout)
    channels.write({TASKS: [Send("work", 1, timeout=TimeoutPolicy()), Send("work", 2)]})
    lifted, limited = channels.plan()
    assert lifted.node.timeout is None
    assert limited.node.timeout == TimeoutPolicy(run_timeout=60)


async def test_what_a_node_raises_in_time_comes_out_as_it_is() -> None:
    async def node(state: State) -> None:
        raise TimeoutError("my own")

    with pytest.raises(TimeoutError, match="my own"):
        await guarded(node, timeout=3600).compile().ainvoke({})


async def test_an_attempt_that_was_too_slow_is_tried_again() -> None:
    left = [1]

    async def node(state: State) -> dict[str, Any]:
        left[0] -= 1
        if left[0] >= 0:
            await forever(state)
        return {"log": ["in time"]}

    retry = RetryPolicy(initial_interval=0, jitter=False)
    graph = guarded(node, timeout=SHORT, retry_policy=retry).compile()
    assert await graph.ainvoke({}) == {"log": ["in time", "b"]}


async def test_a_slow_attempt_may_clean_up_before_the_next_one() -> None:
    happened = list[str]()

    async def node(state: State) -> dict[str, Any]:
        happened.append("begun")
        if len(happened) == 1:
            try:
                await forever(state)
            finally:
                await asyncio.sleep(0)
                happened.append("cleaned")
        return {"log": ["ok"]}

    graph = guarded(node, timeout=SHORT, retry_policy=AT_ONCE).compile()
    await graph.ainvoke({})
    assert happened == ["begun", "cleaned", "begun"]


async def test_a_result_that_comes_after_the_limit_is_lost() -> None:
    async def stubborn(state: State) -> dict[str, Any]:
        try:
            await forever(state)
        except asyncio.CancelledError:
            get_stream_writer()("late")
            return {"log": ["late"]}
        return {}

    graph = guarded(stubborn, timeout=SHORT).compile(checkpointer=MemorySaver())
    with pytest.raises(NodeTimeoutError):
        await anext(graph.astream({}, on("t"), stream_mode="custom"))
    assert (await graph.aget_state(on("t"))).values == {"log": []}


async def test_code_that_will_not_be_cancelled_is_waited_for_no_longer_than_the_grace() -> None:
    stop = asyncio.Event()

    async def stubborn(state: State) -> None:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    graph = guarded(stubborn, timeout=SHORT, error_handler=saying("handled")).compile()
    stream = graph.astream({})
    assert await anext(stream) == {"__error_handler__a": {"log": ["handled"]}}
    stop.set()
    await stream.aclose()


async def test_a_sync_node_that_is_too_slow_is_fenced_in_its_thread() -> None:
    blocked, writers = Blocked(), list[Any]()
    blocked.after = lambda: get_stream_writer()("late")

    def node(state: State) -> dict[str, Any]:
        writers.append(get_stream_writer())
        return blocked(state)

    graph = guarded(node, timeout=0.05).compile()
    with pytest.raises(NodeTimeoutError):
        await anext(graph.astream({}, stream_mode="custom"))
    blocked.gate.set()
    await set_in_thread(blocked.ended)
    assert writers[0].fenced


def test_a_limited_sync_node_runs_in_a_thread_through_the_sync_door() -> None:
    threads = list[int]()

    def node(state: State) -> dict[str, Any]:
        threads.append(threading.get_ident())
        return {"log": ["ok"]}

    assert guarded(node, timeout=3600).compile().invoke({}) == {"log": ["ok", "b"]}
    assert threads[0] != threading.get_ident()


@pytest.mark.usefixtures("taskless")
@pytest.mark.parametrize("kind", ["node", "path", "subgraph"])
def test_sync_code_is_limited_through_the_sync_door(kind: str) -> None:
    blocked = Blocked()
    if kind == "path":
        builder = guarded(lambda state: None, timeout=SHORT)
        builder.add_conditional_edges("a", lambda state: blocked(state) and "b")
    else:
        node = chain(blocked=blocked).compile() if kind == "subgraph" else blocked
        builder = guarded(node, timeout=SHORT)
    with pytest.raises(NodeTimeoutError, match="Node 'a'"):
        builder.compile().invoke({})
    assert not blocked.ended.is_set()
    blocked.gate.set()
    assert not blocked.started.is_set() or blocked.ended.wait(DEADLINE)


async def test_a_graph_that_takes_too_long_stops_whole() -> None:
    gated = Gated()
    graph = guarded(chain(gated=gated).compile(), timeout=0.02).compile()
    with pytest.raises(NodeTimeoutError, match="Node 'a'"):
        await graph.ainvoke({})
    assert (gated.calls, gated.cancelled, gated.cleaned) == (1, 1, 1)


async def test_a_graph_that_was_too_slow_goes_on_where_it_had_come_to() -> None:
    runs, left = list[str](), [1]

    async def first(state: State) -> dict[str, Any]:
        runs.append("first")
        return {"log": ["first"]}

    async def slow(state: State) -> dict[str, Any]:
        left[0] -= 1
        if left[0] >= 0:
            await forever(state)
        return {"log": ["slow"]}

    child = chain(first=first, slow=slow).compile()
    builder = guarded(child, timeout=0.05, retry_policy=AT_ONCE)
    graph = builder.compile(checkpointer=MemorySaver())
    assert await graph.ainvoke({}, on("t")) == {"log": ["first", "slow", "b"]}
    assert runs == ["first"]


async def test_a_cancel_stops_a_limited_node_with_its_clean_up(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(guarded(gated, timeout=3600).compile(), {})
    await gated.started.wait()
    await run.cancel()
    with pytest.raises(RunCancelledError):
        await run.result()
    assert (gated.cancelled, gated.cleaned) == (1, 1)


async def test_no_task_is_left_when_a_limited_run_has_ended() -> None:
    before = asyncio.all_tasks()
    with pytest.raises(NodeTimeoutError):
        await guarded(forever, timeout=SHORT, retry_policy=AT_ONCE).compile().ainvoke({})
    await let_all_run()
    assert asyncio.all_tasks() == before


# --- signs of progress --------------------------------------------------------------------------


def idle(node: Any, seconds: float = 0.2, **more: Any) -> CompiledGraph:
    return guarded(node, timeout=TimeoutPolicy(idle_timeout=seconds, **more)).compile()


def steadily(sign: Any, times: int = 8, pause: float = 0.05) -> Any:
    """A node that works longer than the limit and gives a sign now and then."""

    async def node(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        for _ in range(times):
            paused = loop.create_future()
            loop.call_later(pause, paused.set_result, None)
            await paused
            sign(runtime)
        return {"log": ["steady"]}

    return node


@pytest.mark.parametrize(
    "sign", [lambda runtime: runtime.heartbeat(), lambda runtime: runtime.stream_writer("x")]
)
async def test_heartbeats_and_stream_output_keep_a_node_alive(sign: Any) -> None:
    assert await idle(steadily(sign)).ainvoke({}) == {"log": ["steady", "b"]}


async def test_heartbeats_from_a_sync_node_keep_it_alive() -> None:
    def node(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
        gate = threading.Event()
        for _ in range(8):
            gate.wait(0.05)
            runtime.heartbeat()
        return {"log": ["steady"]}

    assert await idle(node).ainvoke({}) == {"log": ["steady", "b"]}


async def test_stream_output_is_no_sign_where_only_heartbeats_count() -> None:
    node = steadily(lambda runtime: runtime.stream_writer("x"), pause=0.01, times=50)
    with pytest.raises(NodeTimeoutError) as late:
        await idle(node, 0.05, refresh_on="heartbeat").ainvoke({})
    assert late.value.kind == "idle"


async def test_steps_of_a_graph_that_a_node_calls_are_signs() -> None:
    one = steadily(lambda runtime: None, times=1)
    child = chain(a=one, b=one, c=one, d=one, e=one, f=one, g=one, h=one).compile()

    async def node(state: State) -> Any:
        return await child.ainvoke({"log": []})

    assert (await idle(node).ainvoke({}))["log"] == ["steady"] * 8 + ["b"]


async def test_stream_output_and_heartbeats_inside_a_graph_are_signs() -> None:
    for sign in (lambda r: r.stream_writer("x"), lambda r: r.heartbeat()):
        child = chain(long=steadily(sign)).compile()
        assert await idle(child).ainvoke({}) == {"log": ["steady", "b"]}


async def test_without_a_limit_a_heartbeat_does_nothing() -> None:
    async def node(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
        runtime.heartbeat()
        return {"log": ["ok"]}

    assert await chain(a=node).compile().ainvoke({}) == {"log": ["ok"]}


# --- nodes that cancel themselves ---------------------------------------------------------------


async def cancels(state: State) -> None:
    """A node that raises CancelledError though nobody cancelled it."""
    raise asyncio.CancelledError


@pytest.mark.parametrize("policies", [{}, {"timeout": 3600}, {"retry_policy": AT_ONCE}])
async def test_a_node_that_cancels_itself_fails_by_name(policies: dict[str, Any]) -> None:
    with pytest.raises(NodeCancelledError, match=r"Node 'a' raised asyncio\.CancelledError") as own:
        await guarded(cancels, **policies).compile().ainvoke({})
    assert own.value.node == "a"
    assert not hasattr(own.value, "__notes__")


async def test_a_condition_that_fails_is_what_comes_out() -> None:
    def condition(error: Exception) -> bool:
        raise LookupError("the condition is wrong")

    retry = RetryPolicy(retry_on=condition)
    with pytest.raises(LookupError, match="the condition is wrong") as failed:
        await guarded(Flaky(1), retry_policy=retry).compile().ainvoke({})
    assert isinstance(failed.value.__context__, ConnectionError)


async def test_retries_of_the_graph_hold_for_nodes_without_their_own() -> None:
    once = RetryPolicy(max_attempts=1)
    builder = chain(a=Flaky(1)).set_node_defaults(retry_policy=AT_ONCE)
    assert await builder.compile().ainvoke({}) == {"log": ["ok"]}
    own = guarded(Flaky(1), retry_policy=once).set_node_defaults(retry_policy=AT_ONCE)
    with pytest.raises(ConnectionError):
        await own.compile().ainvoke({})
    none = guarded(Flaky(1), retry_policy=[]).set_node_defaults(retry_policy=AT_ONCE)
    with pytest.raises(ConnectionError):
        await none.compile().ainvoke({})


async def test_the_default_policy_covers_updates_that_cannot_be() -> None:
    runs = list[int]()

    async def node(state: State) -> Any:
        runs.append(1)
        return 5

    retry = RetryPolicy(initial_interval=0, jitter=False)
    with pytest.raises(InvalidUpdateError):
        await guarded(node, retry_policy=retry).compile().ainvoke({})
    assert len(runs) == 3


async def test_a_condition_that_raises_ends_a_task_whose_attempt_was_given_up_too() -> None:
    def condition(error: Exception) -> bool:
        raise LookupError("the condition is wrong")

    gated, retry = Gated(), RetryPolicy(retry_on=condition)
    with pytest.raises(LookupError, match="the condition is wrong") as failed:
        await guarded(gated, retry_policy=retry, timeout=SHORT).compile().ainvoke({})
    assert isinstance(failed.value.__context__, NodeTimeoutError)


@pytest.mark.parametrize("wait", [0.0, 3600.0])
async def test_a_node_that_turns_its_cancel_into_an_error_does_not_run_again(
    wait: float, system: ActorSystem
) -> None:
    begun: list[asyncio.Task[Any] | None] = []
    started = asyncio.Event()

    async def node(state: State) -> None:
        begun.append(asyncio.current_task())
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("the line broke") from None

    retry = RetryPolicy(initial_interval=wait, jitter=False)
    run = await system.start(guarded(node, retry_policy=retry).compile(), {})
    await started.wait()
    await run.cancel()
    assert [task is not None and task.done() for task in begun] == [True]
