"""Many inputs through one graph: order, bounds, errors, leaving early."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import ConfigError
from checkpoint import MemorySaver
from tests.actors.engine import DEADLINE, Gated, chain, on, saying, says
from tests.waiting import let_all_run, until


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(3 * DEADLINE):
        yield


def others() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def inputs(count: int) -> list[dict[str, Any]]:
    return [{"log": [], "n": n} for n in range(count)]


class Crowd:
    """A node that counts how many run at once."""

    def __init__(self) -> None:
        self.live = self.top = self.calls = 0

    async def __call__(self, state: Any) -> dict[str, Any]:
        self.calls += 1
        self.live += 1
        self.top = max(self.top, self.live)
        await asyncio.sleep(0)
        self.live -= 1
        return {"log": [state["n"]]}


async def odd_fails(state: Any) -> dict[str, Any]:
    if state["n"] % 2:
        raise LookupError(state["n"])
    return {"log": [state["n"]]}


async def test_results_come_in_input_order_whatever_the_order_of_ending() -> None:
    gates = [asyncio.Event() for _ in range(5)]

    async def node(state: Any) -> dict[str, Any]:
        await gates[state["n"]].wait()
        return {"log": [state["n"]]}

    batch = asyncio.create_task(chain(a=node).compile().abatch(inputs(5)))
    for gate in reversed(gates):
        await let_all_run()
        gate.set()
    assert [result["log"] for result in await batch] == [[n] for n in range(5)]


async def test_no_inputs_give_no_results() -> None:
    graph = chain(a=saying("a")).compile()
    assert await graph.abatch([]) == []
    assert [item async for item in graph.abatch_as_completed([])] == []


async def test_ten_thousand_inputs_run_a_bounded_number_at_a_time() -> None:
    crowd = Crowd()
    results = await chain(a=crowd).compile().abatch(inputs(10_000))
    assert [result["log"][0] for result in results] == list(range(10_000))
    assert (crowd.calls, crowd.top) == (10_000, 64)


@pytest.mark.parametrize("bound", [1, 3])
async def test_max_concurrency_of_the_config_bounds_the_runs(bound: int) -> None:
    crowd = Crowd()
    await chain(a=crowd).compile().abatch(inputs(20), {"max_concurrency": bound})
    assert crowd.top == bound


async def test_max_concurrency_of_a_bound_config_counts_too() -> None:
    crowd = Crowd()
    graph = chain(a=crowd).compile().with_config({"max_concurrency": 2})
    await graph.abatch(inputs(20))
    assert crowd.top == 2


@pytest.mark.parametrize("wrong", [0, -1, "2", 1.5])
async def test_a_max_concurrency_that_cannot_be_is_refused_by_name(wrong: Any) -> None:
    crowd = Crowd()
    with pytest.raises(ConfigError, match="max_concurrency"):
        await chain(a=crowd).compile().abatch(inputs(2), {"max_concurrency": wrong})
    assert crowd.calls == 0


async def test_the_first_error_cancels_the_rest_and_is_raised() -> None:
    gated = Gated()

    async def node(state: Any) -> dict[str, Any]:
        if state["n"] == 0:
            await gated.started.wait()
            raise LookupError("first")
        return await gated(state)

    with pytest.raises(LookupError, match="first"):
        await chain(a=node).compile().abatch(inputs(200))
    assert 0 < gated.calls <= 64
    assert gated.calls == gated.cancelled == gated.cleaned
    assert others() == set()


async def test_errors_may_stand_in_the_place_of_results() -> None:
    results = await chain(a=odd_fails).compile().abatch(inputs(6), return_exceptions=True)
    assert [type(result) for result in results] == [dict, LookupError] * 3
    assert [result["log"] for result in results[::2]] == [[0], [2], [4]]


async def test_an_error_that_is_false_is_an_error_all_the_same() -> None:
    class EmptyError(Exception):
        def __len__(self) -> int:
            return 0

    async def node(state: Any) -> None:
        raise EmptyError

    [result] = await chain(a=node).compile().abatch(inputs(1), return_exceptions=True)
    assert isinstance(result, EmptyError)


async def test_each_input_may_have_a_config_of_its_own() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    await graph.abatch(inputs(3), [on(str(n)) for n in range(3)])
    states = [(await graph.aget_state(on(str(n)))).values["n"] for n in range(3)]
    assert states == [0, 1, 2]


async def test_configs_must_be_as_many_as_inputs() -> None:
    graph = chain(a=saying("a")).compile()
    with pytest.raises(ConfigError, match="2 configs for 3 inputs"):
        await graph.abatch(inputs(3), [{}, {}])


async def test_cancelling_a_batch_ends_its_runs() -> None:
    gated = Gated()
    batch = asyncio.create_task(chain(a=gated).compile().abatch(inputs(5)))
    await until(lambda: gated.calls == 5)
    batch.cancel()
    await asyncio.wait({batch})
    assert (gated.cancelled, gated.cleaned, others()) == (5, 5, set())


async def test_a_cancelled_batch_is_over_when_its_runs_are_whatever_outlives_their_grace() -> None:
    started, gate = asyncio.Event(), asyncio.Event()

    async def stuck(state: Any) -> None:
        started.set()
        while not gate.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await gate.wait()

    graph = chain(stuck=stuck).compile(checkpointer=MemorySaver())
    batch = asyncio.create_task(graph.abatch(inputs(1), on("t")))
    await started.wait()
    batch.cancel()
    await asyncio.wait({batch})
    left = [task.get_name() for task in others()]
    gate.set()
    await until(lambda: not others())
    assert left == ["stuck"]


async def test_results_can_be_taken_as_they_come() -> None:
    gates = [asyncio.Event() for _ in range(3)]

    async def node(state: Any) -> dict[str, Any]:
        await gates[state["n"]].wait()
        return {"log": [state["n"]]}

    seen: list[int] = []
    gates[2].set()
    async for index, result in chain(a=node).compile().abatch_as_completed(inputs(3)):
        assert result["log"] == [index]
        seen.append(index)
        if len(seen) < 3:
            gates[2 - len(seen)].set()
    assert seen == [2, 1, 0]


async def test_a_slow_taker_holds_back_later_inputs() -> None:
    crowd = Crowd()
    results = chain(a=crowd).compile().abatch_as_completed(inputs(500), {"max_concurrency": 4})
    await anext(results)
    await let_all_run(200)
    assert crowd.calls < 20
    assert len([item async for item in results]) == 499


async def test_leaving_early_ends_what_runs() -> None:
    gated = Gated()

    async def node(state: Any) -> dict[str, Any]:
        return {"log": [0]} if state["n"] == 0 else await gated(state)

    results = chain(a=node).compile().abatch_as_completed(inputs(5))
    async for index, _ in results:
        assert index == 0
        break
    await results.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    assert gated.calls == gated.cleaned
    assert others() == set()


async def test_errors_as_completed_are_raised_or_given() -> None:
    graph = chain(a=odd_fails).compile()
    given = [r async for _, r in graph.abatch_as_completed(inputs(4), return_exceptions=True)]
    assert sorted(type(result).__name__ for result in given) == ["LookupError"] * 2 + ["dict"] * 2
    with pytest.raises(LookupError):
        async for _ in graph.abatch_as_completed(inputs(4)):
            pass
    await until(lambda: not others())


def test_sync_code_takes_results_as_they_come_too() -> None:
    graph = chain(a=odd_fails).compile()
    given = dict(graph.batch_as_completed(inputs(4), return_exceptions=True))
    assert sorted(given) == [0, 1, 2, 3]
    assert [type(given[n]).__name__ for n in range(4)] == ["dict", "LookupError"] * 2
    results = graph.batch_as_completed(inputs(4), {"max_concurrency": 1}, output_keys="n")
    assert next(results) == (0, 0)
    with pytest.raises(LookupError):
        next(results)


async def test_options_of_a_call_reach_every_run() -> None:
    graph = chain(a=says("a")).compile(checkpointer=MemorySaver())
    results = await graph.abatch(inputs(3), stateless=True, output_keys="n")
    assert results == [0, 1, 2]


async def test_inputs_on_one_thread_take_turns() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    await graph.abatch([{"log": []}] * 10, on("t"))
    assert (await graph.aget_state(on("t"))).values["log"] == ["a"] * 10
