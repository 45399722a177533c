"""Runs of a system: results, readers, cancelling, and two runs on one thread."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import (
    ActorSystem,
    CompiledGraph,
    ConfigError,
    NodeCancelledError,
    NodeStoppedError,
    RunCancelledError,
    SystemClosedError,
    get_stream_writer,
)
from actors.errors import ThreadStateError
from checkpoint import MemorySaver, ThreadBusyError
from streaming import UnknownStreamModeError
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


@pytest.fixture
async def system() -> AsyncIterator[ActorSystem]:
    async with asyncio.timeout(DEADLINE), ActorSystem(drain_timeout=1.0) as system:
        yield system


async def all_of(reader: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in reader]


# --- results -----------------------------------------------------------------------------------


async def test_a_run_goes_on_by_itself_and_gives_the_final_values(system: ActorSystem) -> None:
    run = await system.start(chain(a=saying("a"), b=says("b")).compile(), {"log": ["in"]})
    assert await run.result() == {"log": ["in", "a", "b"]}
    assert (run.status, run.error) == ("success", None)


async def test_a_run_is_pending_then_running_then_done(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(chain(a=gated).compile(), {"log": []})
    seen = [run.status]
    await gated.started.wait()
    seen.append(run.status)
    gated.gate.set()
    await run.ended()
    assert [*seen, run.status] == ["pending", "running", "success"]


async def test_several_waiters_get_the_same_result(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(chain(a=gated).compile(), {"log": []})
    waiters = [asyncio.create_task(run.result()) for _ in range(5)]
    await gated.started.wait()
    gated.gate.set()
    assert await asyncio.gather(*waiters) == [{"log": ["gated"]}] * 5


async def test_a_waiter_that_is_cancelled_leaves_the_run_and_the_others_alone(
    system: ActorSystem,
) -> None:
    gated = Gated()
    run = await system.start(chain(a=gated).compile(), {"log": []})
    first, second = (asyncio.create_task(run.result()) for _ in range(2))
    await gated.started.wait()
    first.cancel()
    await let_all_run()
    gated.gate.set()
    assert await second == {"log": ["gated"]}
    assert first.cancelled()


async def test_every_waiter_gets_the_nodes_own_exception(system: ActorSystem) -> None:
    async def bad(state: Any) -> None:
        raise LookupError("no")

    run = await system.start(chain(a=bad).compile(), {"log": []})
    for _ in range(3):
        with pytest.raises(LookupError, match="no"):
            await run.result()
    assert (run.status, type(run.error)) == ("error", LookupError)


async def test_an_error_names_the_task_and_shows_the_users_frames(system: ActorSystem) -> None:
    async def bad(state: Any) -> None:
        raise LookupError("no")

    run = await system.start(chain(a=bad).compile(), {"log": []})
    with pytest.raises(LookupError) as caught:
        await run.result()
    assert any("During task with name 'a' and id" in note for note in caught.value.__notes__)
    assert "bad" in [entry.name for entry in caught.traceback]


async def test_waiting_again_does_not_grow_the_traceback(system: ActorSystem) -> None:
    async def bad(state: Any) -> None:
        raise LookupError("no")

    run = await system.start(chain(a=bad).compile(), {"log": []})
    lengths: list[int] = []
    for _ in range(4):
        with pytest.raises(LookupError) as caught:
            await run.result()
        lengths.append(len(caught.traceback))
    assert len(set(lengths)) == 1


class QuitError(BaseException):
    """No Exception: what asyncio and most code do not catch."""


async def assert_it_ends(
    system: ActorSystem, graph: CompiledGraph, raised: type[BaseException]
) -> None:
    run = await system.start(graph, {"log": []})
    with pytest.raises(raised):
        await run.result()
    assert run.status == "error"


@pytest.mark.parametrize("error", [QuitError("out"), GeneratorExit()])
async def test_a_node_that_raises_no_plain_exception_still_ends_the_run(
    system: ActorSystem, error: BaseException
) -> None:
    async def bad(state: Any) -> None:
        raise error

    await assert_it_ends(system, chain(a=bad).compile(), type(error))


@pytest.mark.parametrize("shape", [chain, fan])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (QuitError("out"), QuitError),
        (GeneratorExit(), GeneratorExit),
        (StopIteration(), RuntimeError),
        (StopAsyncIteration(), StopAsyncIteration),
        (asyncio.CancelledError(), NodeCancelledError),
    ],
)
async def test_a_sync_node_that_raises_no_plain_exception_still_ends_the_run(
    system: ActorSystem, error: BaseException, raised: type[BaseException], shape: Any
) -> None:
    def bad(state: Any) -> None:
        raise error

    inner = shape(a=saying("a"), bad=bad).compile()
    for graph in (inner, chain(inner=inner).compile()):
        await assert_it_ends(system, graph, raised)


@pytest.mark.parametrize("shape", [chain, fan])
async def test_a_node_that_awaits_what_closes_coroutines_still_ends_the_run(
    system: ActorSystem, shape: Any
) -> None:
    def leave() -> None:
        raise GeneratorExit

    async def bad(state: Any) -> None:
        await asyncio.to_thread(leave)

    inner = shape(a=saying("a"), bad=bad).compile()
    for graph in (inner, chain(inner=inner).compile()):
        await assert_it_ends(system, graph, GeneratorExit)


async def test_a_node_that_something_else_cancelled_fails_its_run(system: ActorSystem) -> None:
    async def bad(state: Any) -> None:
        raise asyncio.CancelledError

    run = await system.start(chain(a=bad).compile(), {"log": []})
    with pytest.raises(NodeCancelledError, match=r"raised asyncio\.CancelledError"):
        await run.result()
    assert run.status == "error"


async def test_readers_see_that_a_node_raised_what_ends_their_loops(system: ActorSystem) -> None:
    async def bad(state: Any) -> None:
        raise StopAsyncIteration

    run = await system.start(chain(a=bad).compile(), {"log": []})
    with pytest.raises(NodeStoppedError):
        [chunk async for chunk in run.stream("updates")]
    with pytest.raises(StopAsyncIteration):
        await run.result()


async def test_a_run_survives_the_task_that_started_it(system: ActorSystem) -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    started: list[Any] = []

    async def request() -> None:
        started.append(await system.start(graph, {"log": []}, on("t")))
        await started[0].result()

    task = asyncio.create_task(request())
    await gated.started.wait()
    task.cancel()
    await asyncio.wait({task})
    gated.gate.set()
    assert await started[0].result() == {"log": ["gated"]}


# --- readers -----------------------------------------------------------------------------------


async def test_readers_with_other_modes_may_come_at_any_time(system: ActorSystem) -> None:
    gated = Gated("b")

    async def speaks(state: Any) -> dict[str, Any]:
        get_stream_writer()("hello")
        return {"log": ["a"]}

    run = await system.start(chain(a=speaks, b=gated).compile(), {"log": ["in"]})
    early = asyncio.create_task(all_of(run.stream("updates")))
    await gated.started.wait()
    middle = asyncio.create_task(all_of(run.stream(["values", "custom"])))
    gated.gate.set()
    await run.result()
    late = await all_of(run.stream("values"))
    assert [chunk.data for chunk in await early] == [{"a": {"log": ["a"]}}, {"b": {"log": ["b"]}}]
    assert [(chunk.mode, chunk.data) for chunk in await middle] == [
        ("values", {"log": ["in"]}),
        ("custom", "hello"),
        ("values", {"log": ["in", "a"]}),
        ("values", {"log": ["in", "a", "b"]}),
    ]
    assert [chunk.data["log"] for chunk in late] == [["in"], ["in", "a"], ["in", "a", "b"]]


async def test_a_reader_that_comes_back_gets_exactly_what_it_missed(system: ActorSystem) -> None:
    modes: Any = ["values", "updates", "tasks", "debug"]
    nodes = {name: saying(name) for name in "abc"}
    run = await system.start(chain(**nodes).compile(), {"log": []})
    whole = await all_of(run.stream(modes))
    ids = [chunk.id for chunk in whole]
    assert ids == sorted(set(ids))
    for at, chunk in enumerate(whole):
        assert await all_of(run.stream(modes, after=chunk.id)) == whole[at + 1 :]
    assert await all_of(run.stream(modes, after=0)) == whole


async def test_a_reader_that_waits_at_the_end_ends_with_the_run(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(chain(a=gated).compile(), {"log": []})
    readers = [asyncio.create_task(all_of(run.stream(mode))) for mode in ("values", "updates")]
    await gated.started.wait()
    gated.gate.set()
    assert [len(chunks) for chunks in await asyncio.gather(*readers)] == [2, 1]


async def test_a_reader_of_a_failed_run_gets_its_chunks_and_then_the_error(
    system: ActorSystem,
) -> None:
    async def bad(state: Any) -> None:
        raise LookupError("no")

    run = await system.start(chain(a=saying("a"), b=bad).compile(), {"log": []})
    seen: list[Any] = []

    async def read() -> None:
        async for chunk in run.stream():
            seen.append(chunk)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(LookupError):
        await read()
    assert [chunk.data for chunk in seen] == [{"a": {"log": ["a"]}}]


async def test_a_reader_of_a_cancelled_run_just_ends(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(chain(a=saying("a"), b=gated).compile(), {"log": []})
    await gated.started.wait()
    await run.cancel()
    assert [chunk.data for chunk in await all_of(run.stream())] == [{"a": {"log": ["a"]}}]


async def test_a_reader_that_is_slow_holds_nobody_up(system: ActorSystem) -> None:
    run = await system.start(chain(a=saying("a"), b=saying("b")).compile(), {"log": []})
    slow = run.stream("values")
    await anext(slow)
    assert await run.result() == {"log": ["a", "b"]}
    assert len(await all_of(slow)) == 2


async def test_a_reader_that_left_is_forgotten(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(chain(a=saying("a"), b=gated).compile(), {"log": []})
    reader = run.stream()
    await anext(reader)
    assert system.stats().subscribers == 1
    del reader
    gc.collect()
    assert system.stats().subscribers == 0
    gated.gate.set()
    await run.result()


async def test_an_unknown_mode_is_refused_at_once(system: ActorSystem) -> None:
    run = await system.start(chain(a=saying("a")).compile(), {"log": []})
    with pytest.raises(UnknownStreamModeError):
        run.stream("valuess")  # pyright: ignore[reportArgumentType]
    await run.result()


# --- cancelling --------------------------------------------------------------------------------


async def test_cancel_lets_async_nodes_clean_up_and_leaves_nothing_alive(
    system: ActorSystem,
) -> None:
    gated = [Gated() for _ in range(3)]
    before = asyncio.all_tasks()
    run = await system.start(fan(a=gated[0], b=gated[1], c=gated[2]).compile(), {"log": []})
    for node in gated:
        await node.started.wait()
    await run.cancel()
    assert [(node.cancelled, node.cleaned) for node in gated] == [(1, 1)] * 3
    assert asyncio.all_tasks() - before == set()
    assert run.status == "cancelled"
    with pytest.raises(RunCancelledError, match=run.run_id):
        await run.result()


async def test_cancel_before_the_first_turn_of_the_run_ends_it(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(chain(a=gated).compile(), {"log": []})
    await run.cancel()
    assert (run.status, gated.calls, run.log.closed) == ("cancelled", 0, True)
    assert await all_of(run.stream()) == []


@pytest.mark.parametrize("turns", range(12))
async def test_cancel_at_any_turn_ends_the_run_and_frees_its_thread(
    system: ActorSystem, turns: int
) -> None:
    graph = chain(a=saying("a"), b=says("b"), c=saying("c")).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {"log": []}, on("t"))
    await let_all_run(turns)
    await run.cancel()
    assert run.status in ("cancelled", "success")
    log = (await graph.ainvoke({"log": []}, on("t"), on_busy="reject"))["log"]
    assert log[-3:] == ["a", "b", "c"]


async def test_cancel_twice_and_after_the_end_is_harmless(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(chain(a=gated).compile(), {"log": []})
    await gated.started.wait()
    await asyncio.gather(run.cancel(), run.cancel(grace=0.5))
    await run.cancel()
    assert (gated.cancelled, gated.cleaned) == (1, 1)
    done = await system.start(chain(a=saying("a")).compile(), {"log": []})
    await done.result()
    await done.cancel()
    assert done.status == "success"


@pytest.mark.parametrize("grace", [-1, "1", float("nan"), True])
async def test_a_grace_that_is_no_time_cancels_nothing(system: ActorSystem, grace: Any) -> None:
    gated = Gated()
    run = await system.start(chain(a=gated).compile(), {"log": []})
    await gated.started.wait()
    with pytest.raises(ConfigError, match=r"grace=.*give seconds"):
        await run.cancel(grace=grace)
    assert run.status == "running"
    gated.gate.set()
    assert await run.result() == {"log": ["gated"]}


async def test_a_cancelled_canceller_leaves_the_cancel_under_way(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(chain(a=gated).compile(), {"log": []})
    await gated.started.wait()
    canceller = asyncio.create_task(run.cancel())
    await asyncio.sleep(0)
    canceller.cancel()
    await run.ended()
    assert (run.status, gated.cleaned) == ("cancelled", 1)


async def test_a_node_may_cancel_its_own_run(system: ActorSystem) -> None:
    runs: list[Any] = []

    async def suicidal(state: Any) -> dict[str, Any]:
        await runs[0].cancel()
        return {"log": ["never"]}

    runs.append(await system.start(chain(a=suicidal).compile(), {"log": []}))
    await runs[0].ended()
    assert runs[0].status == "cancelled"


async def test_what_siblings_had_finished_is_kept_when_a_run_is_cancelled(
    system: ActorSystem,
) -> None:
    gated = Gated("b")
    graph = fan(a=saying("a"), b=gated).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {"log": []}, on("t"))
    async for _ in run.stream():
        break  # a's update
    await gated.started.wait()
    await run.cancel()
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": ["a"]}, ("b",))
    gated.gate.set()
    assert await graph.ainvoke(None, on("t")) == {"log": ["a", "b"]}


async def test_a_worker_thread_that_goes_on_is_fenced_and_what_it_says_is_counted(
    system: ActorSystem,
) -> None:
    blocked = Blocked()
    blocked.after = lambda: get_stream_writer()("late")
    graph = chain(a=blocked).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {"log": []}, on("t"))
    await set_in_thread(blocked.started)
    refused = system.stats().refused
    await run.cancel()
    blocked.gate.set()
    await set_in_thread(blocked.ended)
    await let_all_run()
    assert blocked.late == [None]
    assert system.stats().refused == refused + 1
    assert await all_of(run.stream("custom")) == []
    assert (await graph.aget_state(on("t"))).values == {"log": []}


async def test_a_fenced_worker_thread_cannot_run_graphs_any_more(system: ActorSystem) -> None:
    calls: list[str] = []

    def inner(state: Any) -> None:
        calls.append("inner")

    sub = chain(x=inner).compile()
    blocked = Blocked()
    blocked.after = lambda: sub.invoke({"log": []})
    run = await system.start(chain(a=blocked).compile(), {"log": []})
    await set_in_thread(blocked.started)
    await run.cancel()
    blocked.gate.set()
    await set_in_thread(blocked.ended)
    assert calls == []
    assert isinstance(blocked.late[0], RunCancelledError)


async def test_an_async_node_that_ignores_its_cancel_is_fenced_after_the_grace(
    system: ActorSystem, caplog: pytest.LogCaptureFixture
) -> None:
    started, gate, late = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn(state: Any) -> dict[str, Any]:
        started.set()
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        get_stream_writer()("late")
        late.set()
        return {"log": ["late"]}

    graph = chain(a=stubborn, b=saying("b")).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {"log": []}, on("t"))
    await started.wait()
    await run.cancel(grace=0.01)
    assert run.status == "cancelled"
    gate.set()
    await late.wait()
    await let_all_run()
    assert await all_of(run.stream("custom")) == []
    assert (await graph.aget_state(on("t"))).values == {"log": []}
    assert "still running after" in caplog.text


# --- two runs on one thread --------------------------------------------------------------------


async def test_a_second_run_on_a_thread_waits_for_the_first(system: ActorSystem) -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    first = await system.start(graph, {"log": ["1"]}, on("t"))
    await gated.started.wait()
    second = await system.start(graph, {"log": ["2"]}, on("t"))
    await let_all_run()
    assert (gated.calls, second.status) == (1, "pending")
    gated.gate.set()
    assert await first.result() == {"log": ["1", "gated"]}
    assert await second.result() == {"log": ["1", "gated", "2", "gated"]}


async def test_a_second_run_is_rejected_with_the_name_of_the_first(system: ActorSystem) -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    first = await system.start(graph, {"log": []}, on("t"))
    await gated.started.wait()
    second = await system.start(graph, {"log": []}, on("t"), on_busy="reject")
    with pytest.raises(ThreadBusyError, match=first.run_id) as caught:
        await second.result()
    assert (caught.value.thread_id, second.status) == ("t", "error")
    with pytest.raises(ThreadBusyError, match=first.run_id):
        await graph.ainvoke({"log": []}, on("t"), busy_timeout=0.01)
    gated.gate.set()
    await first.result()


async def test_runs_on_other_threads_do_not_wait(system: ActorSystem) -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    runs = [await system.start(graph, {"log": []}, on(str(n))) for n in range(3)]
    await until(lambda: gated.calls == 3)
    gated.gate.set()
    await asyncio.gather(*(run.result() for run in runs))


async def test_cancelling_a_run_that_waits_for_its_thread_leaves_the_holder_alone(
    system: ActorSystem,
) -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    first = await system.start(graph, {"log": []}, on("t"))
    await gated.started.wait()
    second = await system.start(graph, {"log": []}, on("t"))
    third = await system.start(graph, {"log": []}, on("t"))
    await let_all_run()
    await second.cancel()
    assert second.status == "cancelled"
    gated.gate.set()
    await first.result()
    await third.result()
    assert gated.calls == 2


async def test_a_node_that_starts_a_run_on_its_own_thread_is_told_at_once(
    system: ActorSystem,
) -> None:
    graphs: list[Any] = []

    async def again(state: Any) -> None:
        run = await system.start(graphs[0], {"log": []}, on("t"))
        await run.result()

    graphs.append(chain(a=again).compile(checkpointer=MemorySaver()))
    run = await system.start(graphs[0], {"log": []}, on("t"))
    async with asyncio.timeout(2):
        with pytest.raises(ThreadBusyError, match="wait for itself") as caught:
            await run.result()
    assert run.run_id in caught.value.owner


async def test_a_node_that_comes_back_to_its_thread_over_another_is_told_at_once() -> None:
    saver, graphs = MemorySaver(), {}

    async def there(state: Any) -> None:
        await graphs["middle"].ainvoke({"log": []}, on("2"))

    async def back(state: Any) -> None:
        await graphs["outer"].ainvoke({"log": []}, on("1"))

    graphs["outer"] = chain(a=there).compile(checkpointer=saver)
    graphs["middle"] = chain(b=back).compile(checkpointer=saver)
    async with asyncio.timeout(2):
        with pytest.raises(ThreadBusyError):
            await graphs["outer"].ainvoke({"log": []}, on("1"))


async def test_a_checkpoint_that_the_thread_does_not_have_is_refused(system: ActorSystem) -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    config = {"configurable": {"thread_id": "t", "checkpoint_id": "no such id"}}
    run = await system.start(graph, None, config)
    with pytest.raises(ThreadStateError, match="no such id"):
        await run.result()
    assert await graph.ainvoke({"log": []}, on("t"), on_busy="reject")


async def test_a_commit_under_way_when_the_run_is_cancelled_is_whole() -> None:
    saver = SlowCommit()
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=saver)
    async with asyncio.timeout(DEADLINE), ActorSystem() as system:
        run = await system.start(graph, {"log": []}, on("t"))
        await saver.committing.wait()
        cancel = asyncio.create_task(run.cancel())
        await let_all_run()
        assert not cancel.done()
        saver.gate.set()
        await cancel
        assert run.status == "cancelled"
        assert await graph.ainvoke(None, on("t")) == {"log": ["a", "b"]}


class SlowCommit(MemorySaver):
    """Holds every commit until the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.committing = asyncio.Event()
        self.gate = asyncio.Event()

    async def commit(self, batch: Any) -> None:
        self.committing.set()
        await self.gate.wait()
        await super().commit(batch)


async def test_nothing_is_started_in_a_closed_system() -> None:
    system = ActorSystem()
    await system.aclose()
    with pytest.raises(SystemClosedError):
        await system.start(chain(a=saying("a")).compile(), {"log": []})


async def test_a_run_says_what_it_is(system: ActorSystem) -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {"log": []}, on("t", run_id="r1"))
    await run.result()
    assert (run.run_id, run.thread_id) == ("r1", "t")
    assert repr(run) == "<Run r1 success thread='t'>"
    stateless = await system.start(graph, {"log": []}, on("t"), stateless=True)
    await stateless.result()
    assert stateless.thread_id is None


async def test_what_a_node_gives_back_after_its_cancel_does_not_count(system: ActorSystem) -> None:
    started = asyncio.Event()

    async def swallows(state: Any) -> dict[str, Any]:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return {"log": ["swallowed"]}
        return {}

    graph = chain(a=swallows, b=saying("b")).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {"log": []}, on("t"))
    await started.wait()
    await run.cancel()
    assert run.status == "cancelled"
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": []}, ("a",))


async def test_ended_runs_are_let_go(system: ActorSystem) -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {"log": []}, on("t"))
    await run.result()
    stats = system.supervisor.stats()
    assert (stats.tasks, stats.actors, stats.children) == (0, 0, 0)


async def test_a_node_that_met_the_cancel_of_another_run_is_seen_in_the_traceback() -> None:
    async def ask_another(state: Any) -> None:
        raise RunCancelledError("the other run was cancelled, so it has no result; run it again")

    async with ActorSystem() as system:
        run = await system.start(chain(a=ask_another).compile(), {"log": []})
        with pytest.raises(RunCancelledError) as caught:
            await run.result()
    assert "ask_another" in [entry.name for entry in caught.traceback]
