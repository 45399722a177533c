"""`ainvoke` and `astream` outside of a system: lockstep, and how runs end with their reader."""

from __future__ import annotations

import asyncio
import gc
import operator
import pickle
import threading
import weakref
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any, TypedDict

import pytest

from actors import (
    START,
    GraphStream,
    NodeStoppedError,
    Runtime,
    StateGraph,
    get_stream_writer,
)
from actors.context import current
from actors.scheduler import Scheduler
from checkpoint import MemorySaver
from streaming import SubscriberBusyError, UnknownStreamModeError
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
from tests.waiting import let_all_run, until


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


def others() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


class Counting:
    """Async nodes that write down that they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def node(state: Any) -> dict[str, Any]:
            self.ran.append(name)
            return {"log": [name]}

        return node


# --- lockstep ----------------------------------------------------------------------------------


async def test_a_stream_does_nothing_before_its_first_chunk_is_asked_for() -> None:
    count = Counting()
    stream = chain(a=count.a).compile().astream({"log": []})
    await let_all_run()
    assert count.ran == []
    assert [chunk async for chunk in stream] == [{"a": {"log": ["a"]}}]


async def test_the_next_step_starts_when_its_reader_asks_for_more() -> None:
    count = Counting()
    stream = chain(a=count.a, b=count.b, c=count.c).compile().astream({"log": []})
    for ran in (["a"], ["a", "b"], ["a", "b", "c"]):
        await anext(stream)
        await let_all_run()
        assert count.ran == ran
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_lockstep_holds_with_a_saver_and_every_mode() -> None:
    count = Counting()
    graph = chain(a=count.a, b=count.b).compile(checkpointer=MemorySaver())
    stream = graph.astream({"log": []}, on("t"), stream_mode=["values", "updates", "tasks"])
    async for mode, data in stream:
        if mode == "updates" and "a" in data:
            await let_all_run()
            assert count.ran == ["a"]
    assert count.ran == ["a", "b"]


async def test_a_step_that_showed_nothing_does_not_stop_the_run() -> None:
    async def silent(state: Any) -> None:
        return None

    stream = chain(a=silent, b=silent, c=saying("c")).compile()
    assert [chunk async for chunk in stream.astream({"log": []}, stream_mode="values")] == [
        {"log": []},
        {"log": ["c"]},
    ]


async def test_chunks_of_a_task_come_before_its_siblings_have_finished() -> None:
    gated = Gated("b")
    stream = fan(a=saying("a"), b=gated).compile().astream({"log": []})
    assert await anext(stream) == {"a": {"log": ["a"]}}
    gated.gate.set()
    assert [chunk async for chunk in stream] == [{"b": {"log": ["b"]}}]


async def test_custom_chunks_leave_while_their_node_runs() -> None:
    gated = Gated()

    async def node(state: Any) -> dict[str, Any]:
        get_stream_writer()("one")
        return await gated(state)

    stream = chain(a=node).compile().astream({"log": []}, stream_mode="custom")
    assert await anext(stream) == "one"
    assert gated.calls == 1
    gated.gate.set()
    assert [chunk async for chunk in stream] == []


async def test_until_the_first_chunk_a_stream_has_no_task_but_its_nodes() -> None:
    seen: list[set[str]] = []

    async def node(state: Any) -> dict[str, Any]:
        seen.append({task.get_name() for task in asyncio.all_tasks()} - names)
        return {"log": ["a"]}

    names = {task.get_name() for task in asyncio.all_tasks()}
    async with chain(a=node, b=saying("b")).compile().astream({"log": []}) as stream:
        assert await anext(stream) == {"a": {"log": ["a"]}}
    assert (seen, others()) == ([{"a"}], set())


async def test_a_run_that_fails_before_it_waits_ends_its_stream() -> None:
    class State(TypedDict):
        n: Annotated[int, operator.floordiv]

    graph = StateGraph(State).add_node("a", lambda state: {}).add_edge(START, "a").compile()
    stream = graph.astream({"n": 0}, stream_mode="values")
    with pytest.raises(ZeroDivisionError):
        await anext(stream)
    assert others() == set()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


# --- leaving -----------------------------------------------------------------------------------


async def test_breaking_out_and_closing_starts_no_later_node_and_keeps_what_was_done() -> None:
    count, saver = Counting(), MemorySaver()
    graph = chain(a=count.a, b=count.b).compile(checkpointer=saver)
    async with graph.astream({"log": []}, on("t")) as stream:
        async for _ in stream:
            break
    assert (count.ran, others()) == (["a"], set())
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": ["a"]}, ("b",))
    assert await graph.ainvoke(None, on("t"), on_busy="reject") == {"log": ["a", "b"]}


async def test_closing_keeps_the_writes_of_siblings_that_had_finished() -> None:
    gated, count = Gated("b"), Counting()
    graph = fan(a=count.a, b=gated).compile(checkpointer=MemorySaver())
    stream = graph.astream({"log": []}, on("t"))
    await anext(stream)
    await gated.started.wait()
    await stream.aclose()
    assert (gated.cancelled, gated.cleaned) == (1, 1)
    gated.gate.set()
    assert await graph.ainvoke(None, on("t")) == {"log": ["a", "b"]}
    assert (count.ran, gated.calls) == (["a"], 2)


async def test_a_stream_that_nobody_holds_cancels_its_run() -> None:
    gated = Gated()
    stream = fan(a=saying("a"), b=gated).compile().astream({"log": []})
    await anext(stream)
    del stream
    gc.collect()
    await until(lambda: not others())
    assert (gated.cancelled, gated.cleaned) == (1, 1)


async def test_a_stream_that_nobody_holds_starts_no_later_step() -> None:
    count = Counting()
    graph = chain(a=count.a, b=count.b).compile(checkpointer=MemorySaver())
    stream = graph.astream({"log": []}, on("t"))
    await anext(stream)
    del stream
    gc.collect()
    await until(lambda: not others())
    assert count.ran == ["a"]
    assert (await graph.ainvoke(None, on("t"), on_busy="reject"))["log"] == ["a", "b"]


async def test_a_reader_whose_stream_another_task_closes_just_ends() -> None:
    gated = Gated()
    stream = chain(a=gated).compile().astream({"log": []})

    async def read() -> list[Any]:
        return [chunk async for chunk in stream]

    reader = asyncio.create_task(read())
    await gated.started.wait()
    await stream.aclose()
    assert (gated.cleaned, await reader) == (1, [])


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_closing_again_or_before_the_start_or_after_the_end_is_harmless(times: int) -> None:
    graph = chain(a=saying("a")).compile()
    unread, read = graph.astream({"log": []}), graph.astream({"log": []})
    assert len([chunk async for chunk in read]) == 1
    for stream in (unread, read):
        for _ in range(times):
            await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_cancelling_the_task_that_reads_and_leaving_ends_the_run() -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())

    async def read() -> None:
        async with graph.astream({"log": []}, on("t")) as stream:
            async for _ in stream:
                pass

    reader = asyncio.create_task(read())
    await gated.started.wait()
    reader.cancel()
    await asyncio.wait({reader})
    assert reader.cancelled()
    assert (gated.cancelled, gated.cleaned, others()) == (1, 1, set())


async def read(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


async def cancelled_at(gated: Gated, call: Coroutine[Any, Any, Any]) -> None:
    """Cancel who waits for a node; when that arrives, nothing of the run is alive."""
    waiting = asyncio.create_task(call)
    await gated.started.wait()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert (gated.cancelled, gated.cleaned, others()) == (1, 1, set())


async def cancelled_after(turns: int, call: Coroutine[Any, Any, Any]) -> None:
    """The same at a turn of the loop, by which it may have ended."""
    waiting = asyncio.create_task(call)
    await let_all_run(turns)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert others() == set()


@pytest.mark.parametrize("mode", ["updates", ["updates", "custom"]])
async def test_cancelling_a_loop_ends_its_run_before_the_cancel_arrives(mode: Any) -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    held = graph.astream({"log": []}, on("t"), stream_mode=mode)
    await cancelled_at(gated, read(held))
    gated.gate.set()
    assert await graph.ainvoke(None, on("t"), on_busy="reject") == {"log": ["gated"]}


@pytest.mark.parametrize("turns", range(12))
async def test_a_loop_can_be_cancelled_at_any_turn(turns: int) -> None:
    graph = chain(a=says("a"), b=saying("b"), c=saying("c")).compile(checkpointer=MemorySaver())
    held = graph.astream({"log": []}, on("t"))
    await cancelled_after(turns, read(held))
    assert "log" in await graph.ainvoke({"log": []}, on("t"), on_busy="reject")


async def test_cancelling_a_call_that_prints_ends_its_run_before_the_cancel_arrives() -> None:
    gated = Gated()
    graph = chain(a=gated).compile()
    await cancelled_at(gated, graph.ainvoke({"log": []}, print_mode="values"))


async def test_waiting_for_a_chunk_with_a_deadline_loses_nothing() -> None:
    gated, count = Gated("a"), Counting()
    stream = chain(a=gated, b=count.b).compile().astream({"log": []})
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.001)
    gated.gate.set()
    assert [chunk async for chunk in stream] == [{"a": {"log": ["a"]}}, {"b": {"log": ["b"]}}]
    assert (gated.calls, gated.cancelled) == (1, 0)


# --- errors ------------------------------------------------------------------------------------


async def test_a_nodes_error_reaches_the_reader_with_its_type_note_and_frames() -> None:
    async def bad(state: Any) -> None:
        raise LookupError("no")

    stream = chain(a=saying("a"), b=bad).compile().astream({"log": []})
    assert await anext(stream) == {"a": {"log": ["a"]}}
    with pytest.raises(LookupError, match="no") as caught:
        await anext(stream)
    assert any("During task with name 'b' and id" in note for note in caught.value.__notes__)
    assert "bad" in [entry.name for entry in caught.traceback]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_sync_nodes_error_shows_the_users_frames_too() -> None:
    def bad(state: Any) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError) as caught:
        await chain(a=bad).compile().ainvoke({"log": []})
    assert "bad" in [entry.name for entry in caught.traceback]


async def test_a_failure_ends_siblings_that_still_run() -> None:
    gated = Gated()

    async def bad(state: Any) -> None:
        await gated.started.wait()
        raise LookupError

    with pytest.raises(LookupError):
        await fan(a=gated, b=bad).compile().ainvoke({"log": []})
    assert (gated.cancelled, gated.cleaned, others()) == (1, 1, set())


async def test_wrong_arguments_are_refused_when_the_stream_is_made() -> None:
    graph = chain(a=saying("a")).compile()
    with pytest.raises(UnknownStreamModeError):
        graph.astream({"log": []}, stream_mode="all")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        graph.astream({"log": []}, stream_modes="values")  # pyright: ignore[reportCallIssue]
    assert isinstance(graph.astream({"log": []}), GraphStream)


# --- ainvoke -----------------------------------------------------------------------------------


async def test_cancelling_ainvoke_ends_its_run_before_the_cancel_arrives() -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    await cancelled_at(gated, graph.ainvoke({"log": []}, on("t")))
    gated.gate.set()
    assert await graph.ainvoke(None, on("t"), on_busy="reject") == {"log": ["gated"]}


@pytest.mark.parametrize("turns", range(10))
async def test_ainvoke_can_be_cancelled_at_any_turn(turns: int) -> None:
    graph = chain(a=says("a"), b=saying("b"), c=saying("c")).compile(checkpointer=MemorySaver())
    await cancelled_after(turns, graph.ainvoke({"log": []}, on("t")))
    await graph.ainvoke({"log": []}, on("t"), on_busy="reject")


async def test_a_timeout_around_ainvoke_works() -> None:
    gated = Gated()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await chain(a=gated).compile().ainvoke({"log": []})
    assert gated.cleaned == 1


async def test_cancelling_ainvoke_lets_go_of_a_worker_thread() -> None:
    blocked = Blocked()
    call = asyncio.create_task(chain(a=blocked, b=says("b")).compile().ainvoke({"log": []}))
    await set_in_thread(blocked.started)
    call.cancel()
    await asyncio.wait({call})
    assert others() == set()
    blocked.gate.set()
    await set_in_thread(blocked.ended)


async def test_two_streams_of_one_graph_do_not_see_each_other() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile()
    first, second = graph.astream({"log": [1]}), graph.astream({"log": [2]}, stream_mode="values")
    assert await anext(first) == {"a": {"log": ["a"]}}
    assert await anext(second) == {"log": [2]}
    assert [chunk async for chunk in first] == [{"b": {"log": ["b"]}}]
    assert [chunk["log"] async for chunk in second] == [[2, "a"], [2, "a", "b"]]


async def test_no_modes_show_nothing_and_run_all_the_same() -> None:
    count = Counting()
    stream = chain(a=count.a, b=count.b).compile().astream({"log": []}, stream_mode=[])
    assert [chunk async for chunk in stream] == []
    assert count.ran == ["a", "b"]


async def test_a_sync_writer_waits_for_its_reader_and_goes_on_when_that_has_left() -> None:
    written, ended = [], threading.Event()

    def node(state: Any, writer: Any) -> None:
        try:
            for n in range(10_000):
                writer(n)
                written.append(n)
        finally:
            ended.set()

    stream = chain(a=node).compile().astream({"log": []}, stream_mode="custom")
    assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
    await until(lambda: len(written) > 1000)
    assert not ended.is_set()
    await stream.aclose()
    await set_in_thread(ended)
    assert others() == set()


async def test_a_second_reader_of_one_stream_is_told_so() -> None:
    gated = Gated()
    stream = chain(a=gated).compile().astream({"log": []})
    first = asyncio.create_task(anext(stream))
    await gated.started.wait()
    with pytest.raises(SubscriberBusyError):
        await anext(stream)
    gated.gate.set()
    assert await first == {"a": {"log": ["gated"]}}
    await stream.aclose()


class Blob:
    """Something big that a run was given."""


class Held(TypedDict):
    blob: Blob


async def look(state: Held) -> None: ...


async def look_around(state: Held, runtime: Runtime[Blob]) -> None:
    runtime.heartbeat()


@pytest.mark.parametrize("node", [look, look_around])
async def test_what_a_run_held_goes_with_it_and_not_with_the_collector(node: Any) -> None:
    graph = StateGraph(Held).add_node("look", node).add_edge(START, "look").compile()
    blob = Blob()
    gone = weakref.ref(blob)
    gc.disable()
    try:
        await graph.ainvoke({"blob": blob}, context=blob)
        await asyncio.sleep(0)  # the loop has yet to tell of the end of the node's asyncio task
        del blob
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("left", [True, False])
async def test_a_stream_leaves_the_collector_nothing(left: bool) -> None:
    schedulers = list[weakref.ref[Scheduler]]()

    async def look(state: Any) -> dict[str, Any]:
        task = current()
        assert task is not None
        schedulers.append(weakref.ref(task.scheduler))
        return {"log": []}

    graph = chain(a=look, b=look, c=look).compile()
    gc.disable()
    try:
        stream = graph.astream({"log": []})
        await anext(stream)
        await anext(stream)
        if not left:
            assert [chunk async for chunk in stream] == [{"c": {"log": []}}]
        await stream.aclose()
        await let_all_run()
        assert [each() for each in schedulers] == [None] * (2 if left else 3)
    finally:
        gc.enable()


@pytest.mark.parametrize("mode", ["updates", "values"])
@pytest.mark.parametrize("chunks", [1, 2, 9])
async def test_what_a_stream_was_given_goes_with_it_and_not_with_the_collector(
    mode: Any, chunks: int
) -> None:
    builder = StateGraph(Held).add_node("look", look).add_node("again", look)
    graph = builder.add_edge(START, "look").add_edge("look", "again").compile()
    blob = Blob()
    gone = weakref.ref(blob)
    gc.disable()
    try:
        async with graph.astream({"blob": blob}, stream_mode=mode) as stream:
            for _ in range(chunks):
                await anext(stream, None)
        del blob, stream
        await let_all_run()
        assert gone() is None
    finally:
        gc.enable()


# --- a node that raises what ends a stream -------------------------------------------------------


async def no_items() -> AsyncIterator[Any]:
    return
    yield


async def runs_dry(state: Any) -> dict[str, Any]:
    return {"log": [await anext(no_items())]}


async def test_a_node_that_takes_from_an_empty_iterator_does_not_end_the_stream_quietly() -> None:
    stream = chain(a=runs_dry).compile().astream({"log": []}, stream_mode="updates")
    with pytest.raises(NodeStoppedError, match="give `anext` a default") as stopped:
        await anext(stream)
    assert str(pickle.loads(pickle.dumps(stopped.value))) == str(stopped.value)
    cause = stopped.value.__cause__
    assert isinstance(cause, StopAsyncIteration)
    assert any("'a'" in note for note in cause.__notes__)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_what_is_invoked_raises_what_such_a_node_raised() -> None:
    with pytest.raises(StopAsyncIteration):
        await chain(a=runs_dry).compile().ainvoke({"log": []})


async def test_a_node_that_reads_a_graph_with_such_a_node_fails() -> None:
    inner = chain(a=runs_dry).compile()

    async def reads(state: Any) -> dict[str, Any]:
        return {"log": [chunk async for chunk in inner.astream({"log": []})]}

    with pytest.raises(NodeStoppedError):
        await chain(b=reads).compile().ainvoke({"log": []})


def test_sync_code_that_streams_such_a_node_is_told() -> None:
    with pytest.raises(NodeStoppedError):
        list(chain(a=runs_dry).compile().stream({"log": []}))
