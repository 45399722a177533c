"""`step_timeout`: the timer, its rule in the machine, and runs that are ended by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import (
    START,
    CompiledGraph,
    ConfigError,
    RetryPolicy,
    StateGraph,
    StepTimeoutError,
)
from actors.commands import Begin, MachineEvent, StepTimedOut, TaskFinished
from actors.step_timer import StepTimer
from checkpoint import MemorySaver
from tests.actors.engine import (
    DEADLINE,
    Blocked,
    Gated,
    State,
    chain,
    ending,
    fan,
    kept,
    machine,
    on,
    ran,
    saying,
    writes_for,
)

SHORT = 0.02


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


# --- the timer ----------------------------------------------------------------------------------


async def test_it_rings_once_for_the_step_that_was_begun() -> None:
    rung, heard = list[MachineEvent](), asyncio.Event()

    def ring(event: MachineEvent) -> None:
        rung.append(event)
        heard.set()

    timer = StepTimer(asyncio.get_running_loop(), 0, ring)
    timer.begin(3)
    await heard.wait()
    assert rung == [StepTimedOut(3)]


async def test_it_does_not_ring_for_a_step_that_is_over() -> None:
    rung, heard = list[MachineEvent](), asyncio.Event()

    def ring(event: MachineEvent) -> None:
        rung.append(event)
        heard.set()

    timer = StepTimer(asyncio.get_running_loop(), 0, ring)
    timer.begin(1)
    timer.begin(2)
    await heard.wait()
    assert rung == [StepTimedOut(2)]
    timer.begin(3)
    timer.end()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert rung == [StepTimedOut(2)]


async def test_more_tasks_of_a_step_get_no_more_time() -> None:
    loop = asyncio.get_running_loop()
    rung = list[MachineEvent]()
    timer = StepTimer(loop, 0, rung.append)
    timer.begin(1)
    timer.begin(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert rung == [StepTimedOut(1)]


# --- the rule -----------------------------------------------------------------------------------


def test_the_machine_ends_the_step_that_takes_too_long_and_no_other() -> None:
    target = machine(fan(a=saying("a"), b=saying("b")), persist=True)
    a, _ = ran(target.feed(Begin({"n": 1})))
    assert kept(target.feed(TaskFinished(a, writes_for(a, {"log": ["a"]})))) == [a]
    assert target.feed(StepTimedOut(target.step - 1)) == []
    error = ending(target.feed(StepTimedOut(target.step))).error
    assert isinstance(error, StepTimeoutError)
    assert "['b'] still ran" in str(error)
    assert "Timed out" in str(error)


# --- runs ---------------------------------------------------------------------------------------


def limited(builder: StateGraph, seconds: float = SHORT, **given: Any) -> CompiledGraph:
    graph = builder.compile(**given)
    graph.step_timeout = seconds
    return graph


async def test_a_step_that_takes_too_long_ends_the_run() -> None:
    gated = Gated()
    graph = limited(fan(gated=gated, quick=saying("quick")), checkpointer=MemorySaver())
    with pytest.raises(TimeoutError, match="Timed out") as late:
        await graph.ainvoke({}, on("t"))
    assert isinstance(late.value, StepTimeoutError)
    assert (gated.cancelled, gated.cleaned) == (1, 1)
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": ["quick"]}, ("gated",))
    gated.gate.set()
    assert (await graph.ainvoke(None, on("t")))["log"] == ["gated", "quick"]


async def test_each_step_has_the_whole_time() -> None:
    async def brief(state: State) -> dict[str, Any]:
        paused = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.03, paused.set_result, None)
        await paused
        return {"log": ["brief"]}

    graph = limited(chain(a=brief, b=brief, c=brief, d=brief), 0.1)
    assert await graph.ainvoke({}) == {"log": ["brief"] * 4}


async def test_retries_and_handlers_are_cut_short_too() -> None:
    async def fails(state: State) -> None:
        raise ConnectionError

    retry = RetryPolicy(initial_interval=3600, max_interval=3600)
    builder = StateGraph(State).add_edge(START, "a")
    builder.add_node("a", fails, retry_policy=retry, error_handler=saying("never"))
    with pytest.raises(StepTimeoutError):
        await limited(builder).ainvoke({})


def test_the_sync_door_is_limited_too() -> None:
    async def forever(state: State) -> None:
        await asyncio.Event().wait()

    with pytest.raises(StepTimeoutError):
        limited(chain(a=forever)).invoke({})


@pytest.mark.usefixtures("taskless")
@pytest.mark.parametrize("inside", [False, True], ids=["node", "subgraph"])
def test_a_lone_sync_node_is_limited_too(*, inside: bool) -> None:
    blocked = Blocked()
    builder = chain(blocked=blocked)
    if inside:
        builder = chain(child=builder.compile())
    with pytest.raises(StepTimeoutError):
        limited(builder).invoke({})
    assert not blocked.ended.is_set()
    blocked.gate.set()
    assert not blocked.started.is_set() or blocked.ended.wait(DEADLINE)


async def test_a_graph_that_a_node_is_has_its_own_limit() -> None:
    gated = Gated()
    with pytest.raises(StepTimeoutError):
        await chain(child=limited(chain(gated=gated))).compile().ainvoke({})
    assert gated.cleaned == 1


def test_the_limit_goes_along_with_a_config() -> None:
    graph = limited(chain(a=saying("a")), 5)
    assert graph.with_config({"tags": ["x"]}).step_timeout == 5
    assert chain(a=saying("a")).compile().step_timeout is None
    graph.step_timeout = None
    assert graph.step_timeout is None


@pytest.mark.parametrize("seconds", [0, -1, "5", True])
def test_what_is_no_time_is_refused(seconds: Any) -> None:
    graph = chain(a=saying("a")).compile()
    with pytest.raises(ConfigError, match=r"step_timeout=.*give seconds"):
        graph.step_timeout = seconds
    assert graph.step_timeout is None
