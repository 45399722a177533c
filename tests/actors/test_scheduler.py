"""The scheduler: how many tasks run at once, in what order all is committed, streamed and run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import ActorSystem, Send, StateGraph
from actors.values import START
from checkpoint import MemorySaver, SerializationError, instant
from tests.actors.engine import DEADLINE, Blocked, Gated, State, chain, fan, on, saying, says
from tests.waiting import let_all_run, until


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


def spread(work: Any, count: int) -> StateGraph:
    """A graph that sends `count` numbers to `work`."""
    builder = StateGraph(State).add_node("work", work)
    builder.add_conditional_edges(START, lambda s: [Send("work", n) for n in range(count)])
    return builder


class Crowd:
    """A node that counts how many of its tasks run at once."""

    def __init__(self) -> None:
        self.live = 0
        self.top = 0
        self.gate = asyncio.Event()

    async def __call__(self, state: Any) -> dict[str, Any]:
        self.live += 1
        self.top = max(self.top, self.live)
        await self.gate.wait()
        self.live -= 1
        return {"log": [state]}


@pytest.mark.parametrize("bound", [1, 2, 7])
async def test_max_concurrency_bounds_running_tasks_exactly(bound: int) -> None:
    crowd = Crowd()
    call = asyncio.create_task(
        spread(crowd, 20).compile().ainvoke({"log": []}, {"max_concurrency": bound})
    )
    await until(lambda: crowd.live == bound)
    await let_all_run()
    assert crowd.live == bound
    crowd.gate.set()
    assert await call == {"log": list(range(20))}
    assert crowd.top == bound


async def test_max_concurrency_bounds_worker_threads_too() -> None:
    live = top = 0
    lock = threading.Lock()

    def work(state: Any) -> dict[str, Any]:
        nonlocal live, top
        with lock:
            live += 1
            top = max(top, live)
        with lock:
            live -= 1
        return {"log": [state]}

    result = await spread(work, 50).compile().ainvoke({"log": []}, {"max_concurrency": 2})
    assert result == {"log": list(range(50))}
    assert top <= 2


async def test_without_a_bound_all_tasks_of_a_step_run_at_once() -> None:
    crowd = Crowd()
    call = asyncio.create_task(spread(crowd, 1000).compile().ainvoke({"log": []}))
    await until(lambda: crowd.live == 1000)
    crowd.gate.set()
    assert await call == {"log": list(range(1000))}


async def test_a_thousand_sends_to_sync_code_come_back_in_order() -> None:
    graph = spread(lambda state: {"log": [state]}, 1000).compile()
    assert await graph.ainvoke({"log": []}) == {"log": list(range(1000))}


async def test_a_thousand_sends_are_stored_and_gone_on_from() -> None:
    calls: list[int] = []

    async def work(state: Any) -> dict[str, Any]:
        calls.append(state)
        if state == 999 and len(calls) == 1000:
            raise LookupError
        return {"log": [state]}

    graph = spread(work, 1000).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    assert await graph.ainvoke(None, on("t")) == {"log": list(range(1000))}
    assert calls == [*range(1000), 999]


async def test_threads_that_a_fan_out_used_do_not_stay() -> None:
    await spread(lambda state: {"log": [state]}, 300).compile().ainvoke({"log": []})
    many = sum("AnyIO" in thread.name for thread in threading.enumerate())
    assert many < 100


async def test_queued_tasks_never_start_after_a_failure() -> None:
    started: list[int] = []

    async def work(state: Any) -> dict[str, Any]:
        started.append(state)
        if state == 1:
            raise LookupError
        return {"log": [state]}

    with pytest.raises(LookupError):
        await spread(work, 100).compile().ainvoke({"log": []}, {"max_concurrency": 1})
    assert started in ([0, 1], [0, 1, 2])


async def test_updates_leave_as_tasks_finish_whatever_their_order() -> None:
    nodes = {name: Gated(name) for name in "abc"}
    stream = fan(**nodes).compile(checkpointer=MemorySaver()).astream({"log": []}, on("t"))
    seen: list[str] = []
    for name in "cab":
        ahead = asyncio.create_task(anext(stream))
        await until(lambda: all(node.calls for node in nodes.values()))
        nodes[name].gate.set()
        seen.append(next(iter(await ahead)))
    assert seen == ["c", "a", "b"]
    assert [chunk async for chunk in stream] == []


async def test_tasks_that_finish_together_are_committed_together() -> None:
    saver = Recording()
    gate = asyncio.Event()

    async def work(state: Any) -> dict[str, Any]:
        await gate.wait()
        return {"log": [state]}

    graph = spread(work, 50).compile(checkpointer=saver)
    call = asyncio.create_task(graph.ainvoke({"log": []}, on("t")))
    await let_all_run()
    before = len(saver.batches)
    gate.set()
    await call
    assert len(saver.batches) - before < 10
    assert sum(len(batch.writes) for batch in saver.batches[before:]) == 50


class Recording(MemorySaver):
    """Writes down the batches it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Any] = []

    async def commit(self, batch: Any) -> None:
        self.batches.append(batch)
        await super().commit(batch)


async def test_a_step_of_one_task_is_one_commit() -> None:
    saver = Recording()
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, on("t"))
    assert [len(batch.checkpoints) for batch in saver.batches] == [2, 1, 1]
    assert [len(batch.writes) for batch in saver.batches] == [0, 1, 1]


async def test_a_chunk_is_committed_before_its_reader_sees_it() -> None:
    saver = MemorySaver()
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=saver)
    async for chunk in graph.astream({"log": []}, on("t"), stream_mode="values"):
        assert (await graph.aget_state(on("t"))).values == chunk


class Full(MemorySaver):
    """Has no room for step 1."""

    async def commit(self, batch: Any) -> None:
        if any(record.metadata.step == 1 for record in batch.checkpoints):
            raise OSError("disk full")
        await super().commit(batch)


class FullAtOnce(Full):
    @instant
    async def commit(self, batch: Any) -> None:
        await super().commit(batch)


@pytest.mark.parametrize("saver", [Full(), FullAtOnce()], ids=["waits", "instant"])
async def test_a_commit_that_fails_ends_the_run_and_shows_nothing_of_it(saver: Full) -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=saver)
    seen: list[Any] = []

    async def read() -> None:
        async for chunk in graph.astream({"log": []}, on("t")):
            seen.append(chunk)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(OSError, match="disk full"):
        await read()
    assert seen == []
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": []}, ("a",))


async def test_a_value_that_cannot_be_stored_ends_the_run_and_keeps_the_thread_usable() -> None:
    class Odd:
        pass

    odd = [True]

    async def b(state: Any) -> dict[str, Any]:
        return {"text": Odd() if odd else "fine"}

    graph = fan(a=saying("a"), b=b).compile(checkpointer=MemorySaver())
    with pytest.raises(SerializationError):
        await graph.ainvoke({"log": []}, on("t"))
    state = await graph.aget_state(on("t"))
    assert state.next in {("b",), ("a", "b")}
    odd.clear()
    result = await graph.ainvoke(None, on("t"), on_busy="reject")
    assert result == {"log": ["a"], "text": "fine"}


async def test_a_failure_while_a_sibling_sits_in_a_thread_ends_the_run_without_waiting() -> None:
    blocked = Blocked()

    async def bad(state: Any) -> None:
        await asyncio.to_thread(blocked.started.wait)
        raise LookupError

    with pytest.raises(LookupError):
        await fan(a=blocked, b=bad).compile().ainvoke({"log": []})
    assert not blocked.ended.is_set()
    blocked.gate.set()
    assert await asyncio.to_thread(blocked.ended.wait, DEADLINE)


async def test_two_failures_at_once_raise_the_first() -> None:
    meeting = asyncio.Barrier(2)

    async def bad(state: Any, config: Any) -> None:
        await meeting.wait()
        raise LookupError(config["metadata"]["langgraph_node"])

    graph = fan(a=bad, b=bad).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError) as caught:
        await graph.ainvoke({"log": []}, on("t"))
    assert str(caught.value) in ("a", "b")
    assert set((await graph.aget_state(on("t"))).next) == {"a", "b"}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_what_a_call_returns_is_synced_first(durability: Any) -> None:
    class Syncing(MemorySaver):
        def __init__(self) -> None:
            super().__init__()
            self.order: list[str] = []

        async def commit(self, batch: Any) -> None:
            await super().commit(batch)
            self.order.append("commit")

        async def synced(self) -> None:
            self.order.append("synced")

    saver = Syncing()
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, on("t"), durability=durability)
    commits, syncs = saver.order.count("commit"), saver.order.count("synced")
    assert saver.order[-1] == "synced"
    assert (commits, syncs >= commits) == {
        "sync": (3, True),
        "async": (3, False),
        "exit": (1, True),
    }[durability]


async def test_a_slow_owner_does_not_stop_a_free_run() -> None:
    async with ActorSystem() as system:
        nodes = {f"n{n}": says(str(n)) for n in range(5)}
        run = await system.start(chain(**nodes).compile(), {"log": []})
        reader = run.stream()
        await anext(reader)
        assert (await run.result())["log"] == list("01234")
