"""Runs that are rolled back: their thread is what it would be if they had never been."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from actors import (
    ActorSystem,
    CompiledGraph,
    ConfigError,
    Run,
    RunCancelledError,
    RunEndedError,
)
from actors.values import CancelAction
from checkpoint import Claim, Loaded, MemorySaver, RewindPoint, Saver, SqliteSaver
from checkpoint.story import SaverWithEvents
from streaming import Chunk, Gap
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
from tests.waiting import let_all_run

LONG = "long " * 50
"""Too long to ride inline."""


@pytest.fixture
async def system() -> AsyncIterator[ActorSystem]:
    async with asyncio.timeout(DEADLINE), ActorSystem(drain_timeout=1.0) as system:
        yield system


@pytest.fixture(params=["memory", "sqlite"])
async def saver(request: Any, tmp_path: Path) -> AsyncIterator[SaverWithEvents]:
    if request.param == "memory":
        yield MemorySaver()
    else:
        async with SqliteSaver(tmp_path / "threads.db") as saver:
            yield saver


async def stored(saver: Saver, *namespaces: str) -> dict[str, list[Loaded]]:
    """All checkpoints of the thread's scopes, with their blobs and pending writes."""
    scopes = ("", *namespaces)
    return {ns: list(await saver.history("t", ns, limit=1000)) for ns in scopes}


async def started(system: ActorSystem, graph: CompiledGraph, value: Any, *nodes: Gated) -> Run:
    """A run on thread "t" whose gated nodes have all begun."""
    run = await system.start(graph, value, on("t"))
    for node in nodes:
        await node.started.wait()
        node.started.clear()
    return run


async def node_of(reader: AsyncIterator[Chunk | Gap]) -> str:
    """The node that the next chunk of a reader of `updates` is about."""
    chunk = await anext(reader)
    assert isinstance(chunk, Chunk)
    return next(iter(chunk.data))


# --- what is forgotten ------------------------------------------------------------------------


async def test_a_rollback_is_on_the_disk_when_cancel_returns(system: ActorSystem) -> None:
    done: list[str] = []

    class Noted(MemorySaver):
        async def rewind(self, claim: Claim, points: Mapping[str, RewindPoint | None]) -> None:
            await super().rewind(claim, points)
            done.append("rewound")

        async def synced(self) -> None:
            done.append("synced")

    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=Noted())
    run = await started(system, graph, {"log": []}, gated)
    await run.cancel(action="rollback")
    assert done[-2:] == ["rewound", "synced"]


async def test_a_rolled_back_run_leaves_the_thread_as_it_found_it(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gated = Gated()
    gated.gate.set()
    graph = chain(a=saying("a" + LONG), b=saying("b"), c=gated).compile(checkpointer=saver)
    await graph.ainvoke({"log": ["first"], "text": LONG}, on("t"))
    before, state = await stored(saver), await graph.aget_state(on("t"))
    gated.started.clear()
    gated.gate.clear()
    run = await started(system, graph, {"log": ["second"], "text": LONG + "2"}, gated)
    assert len((await stored(saver))[""]) == len(before[""]) + 4
    await run.cancel(action="rollback")
    assert await stored(saver) == before
    assert await graph.aget_state(on("t")) == state
    assert (run.status, gated.cancelled, gated.cleaned) == ("cancelled", 1, 2)
    with pytest.raises(RunCancelledError, match=f"{run.run_id}.*rolled back"):
        await run.result()


async def test_the_next_run_starts_from_before(system: ActorSystem, saver: SaverWithEvents) -> None:
    gated = Gated("b")
    gated.gate.set()
    graph = chain(a=saying("a"), b=gated).compile(checkpointer=saver)
    await graph.ainvoke({"log": ["first" + LONG]}, on("t"))
    gated.started.clear()
    gated.gate.clear()
    run = await started(system, graph, {"log": ["lost" + LONG]}, gated)
    waiting = await system.start(graph, {"log": ["second"]}, on("t"))
    await run.cancel(action="rollback")
    gated.gate.set()
    assert await waiting.result() == {"log": ["first" + LONG, "a", "b", "second", "a", "b"]}
    steps = [loaded.record.metadata.step for loaded in (await stored(saver))[""]]
    assert steps == list(range(6, -2, -1))


async def test_a_thread_that_was_new_is_empty_again(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gated = Gated()
    graph = chain(a=saying("a"), b=gated).compile(checkpointer=saver)
    run = await started(system, graph, {"log": [LONG]}, gated)
    await run.cancel(action="rollback")
    assert await stored(saver) == {"": []}
    snapshot = await graph.aget_state(on("t"))
    assert (snapshot.values, snapshot.next) == ({}, ())
    gated.gate.set()
    assert await graph.ainvoke({"log": ["in"]}, on("t")) == {"log": ["in", "a", "gated"]}


async def test_what_finished_beside_the_cancelled_task_is_forgotten_too(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gated = Gated()
    graph = fan(a=saying("a" + LONG), b=saying("b"), c=gated).compile(checkpointer=saver)
    run = await started(system, graph, {"log": []}, gated)
    reader = run.stream()
    assert {await node_of(reader), await node_of(reader)} == {"a", "b"}
    assert len((await stored(saver))[""][0].writes) == 2
    await run.cancel(action="rollback")
    assert await stored(saver) == {"": []}


async def test_a_resumed_run_that_is_rolled_back_keeps_what_was_kept_before_it(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    first, second = Gated("b"), Gated("c")
    graph = fan(a=says("a" + LONG), b=first, c=second).compile(checkpointer=saver)
    run = await started(system, graph, {"log": []}, first, second)
    await anext(run.stream())
    await run.cancel()
    before = await stored(saver)
    assert [len(task.writes) for task in before[""][0].writes] == [1]
    resumed = await started(system, graph, None, first, second)
    first.gate.set()
    reader = resumed.stream()
    assert [await node_of(reader), await node_of(reader)] == ["a", "b"]
    assert len((await stored(saver))[""][0].writes) == 2
    await resumed.cancel(action="rollback")
    assert await stored(saver) == before
    second.gate.set()
    assert await graph.ainvoke(None, on("t")) == {"log": ["a" + LONG, "b", "c"]}


async def test_a_task_that_failed_before_the_run_has_failed_again_after_it(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    errors, gated = [LookupError("first try")], Gated()

    async def flaky(state: Any) -> dict[str, Any]:
        if errors:
            raise errors.pop()
        return {"log": ["mended"]}

    graph = fan(a=flaky, b=gated).compile(checkpointer=saver)
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    before = await stored(saver)
    gated.started.clear()
    resumed = await started(system, graph, None, gated)
    await anext(resumed.stream())
    assert await stored(saver) != before
    await resumed.cancel(action="rollback")
    assert await stored(saver) == before
    (failed,) = (task for task in (await graph.aget_state(on("t"))).tasks if task.name == "a")
    assert "first try" in str(failed.error)


async def test_the_scopes_of_subgraphs_are_rolled_back_too(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gates = [Gated("y"), Gated("z")]
    inner = chain(x=saying("x" + LONG), y=gates[0], z=gates[1]).compile()
    graph = chain(a=saying("a"), sub=inner).compile(checkpointer=saver)
    run = await started(system, graph, {"log": []}, gates[0])
    child = (await graph.aget_state(on("t"))).tasks[0]
    ns = f"sub:{child.id}"
    await run.cancel()
    before = await stored(saver, ns)
    assert len(before[ns]) == 3

    resumed = await started(system, graph, None, gates[0])
    gates[0].gate.set()
    await gates[1].started.wait()
    assert len((await stored(saver, ns))[ns]) == 4
    await resumed.cancel(action="rollback")
    assert await stored(saver, ns) == before, "the run before had come to y"

    gates[0].gate.clear()
    gates[0].started.clear()
    again = await started(system, graph, {"log": ["again"]}, gates[0])
    task = (await graph.aget_state(on("t"))).tasks[0]
    new = f"sub:{task.id}"
    assert new != ns
    assert (await stored(saver, new))[new]
    await again.cancel(action="rollback")
    assert await stored(saver, ns, new) == {**before, new: []}


async def test_a_branch_is_rolled_back_and_the_newer_checkpoints_stay(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gated = Gated("b")
    gated.gate.set()
    graph = chain(a=saying("a" + LONG), b=gated).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, on("t"))
    before = await stored(saver)
    old = [s async for s in graph.aget_state_history(on("t"))][2]
    assert old.next == ("a",)
    gated.started.clear()
    gated.gate.clear()
    for value in (None, {"log": ["new input"]}):
        run = await system.start(graph, value, old.config)
        await gated.started.wait()
        gated.started.clear()
        assert len((await stored(saver))[""]) > len(before[""])
        await run.cancel(action="rollback")
        assert await stored(saver) == before


async def test_under_exit_a_rolled_back_run_leaves_nothing(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gated = Gated()
    graph = chain(a=saying("a"), b=gated).compile(checkpointer=saver)
    run = await system.start(graph, {"log": []}, on("t"), durability="exit")
    await gated.started.wait()
    await run.cancel(action="rollback")
    assert await stored(saver) == {"": []}


async def test_the_events_of_a_rolled_back_run_stay(saver: SaverWithEvents) -> None:
    gated = Gated()
    graph = chain(a=saying("a"), b=gated).compile(checkpointer=saver)
    async with asyncio.timeout(DEADLINE), ActorSystem(event_log=saver.events) as system:
        run = await started(system, graph, {"log": []}, gated)
        await run.cancel(action="rollback")
        reader = run.stream(after=0)
        assert await node_of(reader) == "a"
        assert [chunk async for chunk in reader] == []
    assert await saver.events.last(run.run_id) == run.log.last > 0
    assert await stored(saver) == {"": []}


async def test_the_log_of_a_rolled_back_run_is_read_back_with_gaps_for_its_states(
    saver: SaverWithEvents,
) -> None:
    gated = Gated()
    graph = chain(a=saying("a"), b=gated).compile(checkpointer=saver)
    async with asyncio.timeout(DEADLINE), ActorSystem(event_log=saver.events) as system:
        run = await started(system, graph, {"log": []}, gated)
        await run.cancel(action="rollback")
    async with asyncio.timeout(DEADLINE), ActorSystem(event_log=saver.events) as system:
        log = await system.find_log(graph, run.run_id, on("t"))
        found = [item async for item in log.subscribe(["values", "updates"])]
        again = [item async for item in log.subscribe(["values", "updates"], after=found[0].id)]
    assert [getattr(item, "data", "gone") for item in found] == [
        "gone",
        {"a": {"log": ["a"]}},
        "gone",
    ]
    assert all(item.lost == 1 for item in found if isinstance(item, Gap))
    assert [item.id for item in found] == sorted({item.id for item in found})
    assert again == found[1:]


# --- when it is asked for ---------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(0, 30, 2))
async def test_at_any_turn_a_run_is_rolled_back_wholly_or_had_ended(
    system: ActorSystem, saver: SaverWithEvents, turns: int
) -> None:
    graph = chain(a=saying("a"), b=says("b"), c=saying("c")).compile(checkpointer=saver)
    await graph.ainvoke({"log": ["first"]}, on("t"))
    before = await stored(saver)
    run = await system.start(graph, {"log": ["second"]}, on("t"))
    await let_all_run(turns)
    try:
        await run.cancel(action="rollback")
    except RunEndedError:
        assert run.status == "success"
        assert len((await stored(saver))[""]) == len(before[""]) + 5
    else:
        assert run.status == "cancelled"
        assert await stored(saver) == before
    log = (await graph.ainvoke({"log": ["third"]}, on("t"), on_busy="reject"))["log"]
    assert log[-4:] == ["third", "a", "b", "c"]
    assert ("second" in log) == (run.status == "success")


async def test_a_run_that_has_ended_is_not_rolled_back(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    graph = chain(a=saying("a")).compile(checkpointer=saver)
    run = await system.start(graph, {"log": []}, on("t"))
    values = await run.result()
    before = await stored(saver)
    with pytest.raises(RunEndedError, match=rf"{run.run_id}.*has ended.*checkpoints stay"):
        await run.cancel(action="rollback")
    await run.cancel()
    assert (run.status, await run.result()) == ("success", values)
    assert await stored(saver) == before


async def test_a_run_that_waits_for_its_thread_has_nothing_to_roll_back(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=saver)
    first = await started(system, graph, {"log": ["first"]}, gated)
    second = await system.start(graph, {"log": ["second"]}, on("t"))
    before = await stored(saver)
    await second.cancel(action="rollback")
    assert (second.status, first.status) == ("cancelled", "running")
    assert await stored(saver) == before
    gated.gate.set()
    assert await first.result() == {"log": ["first", "gated"]}


async def test_rollback_wins_over_an_interrupt_that_is_under_way(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    pairs: list[tuple[CancelAction, CancelAction]] = [
        ("interrupt", "rollback"),
        ("rollback", "interrupt"),
        ("rollback", "rollback"),
    ]
    for first, second in pairs:
        gated = Gated()
        graph = chain(a=saying("a"), b=gated).compile(checkpointer=saver)
        run = await started(system, graph, {"log": []}, gated)
        await asyncio.gather(run.cancel(action=first), run.cancel(action=second))
        assert (run.status, gated.cancelled, gated.cleaned) == ("cancelled", 1, 1)
        assert await stored(saver) == {"": []}
        await run.cancel(action="rollback")
        await run.cancel()


async def test_a_canceller_that_is_cancelled_leaves_the_rollback_under_way(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gated = Gated()
    graph = chain(a=saying("a"), b=gated).compile(checkpointer=saver)
    run = await started(system, graph, {"log": []}, gated)
    canceller = asyncio.create_task(run.cancel(action="rollback"))
    await asyncio.sleep(0)
    canceller.cancel()
    await run.ended()
    assert (run.status, await stored(saver)) == ("cancelled", {"": []})


async def test_a_stateless_run_is_just_cancelled(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=saver)
    run = await system.start(graph, {"log": []}, stateless=True)
    await gated.started.wait()
    await run.cancel(action="rollback")
    assert (run.status, gated.cleaned) == ("cancelled", 1)
    await run.cancel(action="rollback")


async def test_another_action_is_refused_and_the_run_goes_on(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=saver)
    run = await started(system, graph, {"log": []}, gated)
    with pytest.raises(ConfigError, match=r"'undo'.*interrupt, rollback"):
        await run.cancel(action="undo")  # pyright: ignore[reportArgumentType]
    gated.gate.set()
    assert await run.result() == {"log": ["gated"]}


# --- what comes late, and what goes wrong -----------------------------------------------------


async def test_a_worker_thread_that_goes_on_stores_nothing_in_a_rolled_back_thread(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    blocked, gone_on = Blocked("x"), threading.Event()
    inner = chain(x=blocked, y=says("y")).compile()

    def calls(state: Any) -> Any:
        try:
            return inner.invoke({"log": []})
        finally:
            gone_on.set()

    graph = chain(a=saying("a"), b=calls).compile(checkpointer=saver)
    run = await system.start(graph, {"log": []}, on("t"))
    await set_in_thread(blocked.started)
    task = (await graph.aget_state(on("t"))).tasks[0]
    await run.cancel(action="rollback", grace=0.01)
    blocked.gate.set()
    await set_in_thread(gone_on)
    assert await stored(saver, f"b:{task.id}") == {"": [], f"b:{task.id}": []}
    assert run.status == "cancelled"


class NoRewind(MemorySaver):
    """A disk that fails when it is to forget."""

    async def rewind(self, claim: Claim, points: Mapping[str, RewindPoint | None]) -> None:
        raise OSError("the disk is gone")


async def test_a_rollback_that_fails_is_the_runs_error_and_the_cancellers(
    system: ActorSystem,
) -> None:
    gated, saver = Gated(), NoRewind()
    graph = chain(a=gated).compile(checkpointer=saver)
    run = await started(system, graph, {"log": []}, gated)
    with pytest.raises(OSError, match="the disk is gone"):
        await run.cancel(action="rollback")
    assert run.status == "error"
    with pytest.raises(OSError, match="the disk is gone"):
        await run.result()
    gated.gate.set()
    assert await graph.ainvoke(None, on("t"), on_busy="reject") == {"log": ["gated"]}


async def test_a_node_that_fails_while_it_is_rolled_back_changes_nothing(
    system: ActorSystem, saver: SaverWithEvents
) -> None:
    running = asyncio.Event()

    async def clumsy(state: Any) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("in the clean-up")

    graph = chain(a=saying("a"), b=clumsy).compile(checkpointer=saver)
    run = await system.start(graph, {"log": []}, on("t"))
    await running.wait()
    await run.cancel(action="rollback")
    assert (run.status, await stored(saver)) == ("cancelled", {"": []})
