"""Futures of called tasks: threads, slots, cancellation, and what is given up."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from actors import (
    START,
    ActorSystem,
    CachePolicy,
    NoTaskError,
    RetryPolicy,
    RunCancelledError,
    StateGraph,
    TaskPendingError,
    TimeoutPolicy,
    entrypoint,
    task,
)
from actors.context import current
from actors.threads import MAX_THREADS
from checkpoint import CacheKey, MemoryCache, MemorySaver
from tests.actors.engine import DEADLINE, Blocked, State, fan, on, set_in_thread

colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


@task
async def double(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


@task
def double_in_thread(x: int) -> int:
    return 2 * x


def scheduler_here() -> Any:
    """What drives the run that this code is part of."""
    context = current()
    assert context is not None
    return context.scheduler


class Running:
    """Counts the calls that run at a time."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def __call__(self, x: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return x


class Hanging:
    """An async function that waits until it is cancelled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


# --- futures ------------------------------------------------------------------------------------


async def test_an_async_caller_awaits_gathers_and_asks_what_is_done() -> None:
    @entrypoint()
    async def main(x: int) -> Any:
        one = double(x)
        before = one.done()
        both = await asyncio.gather(one, double(x + 1))
        return [before, both, one.done(), one.result(), one.exception(), one.cancel()]

    assert await main.ainvoke(1) == [False, [2, 4], True, 2, None, False]


async def test_a_result_asked_for_on_the_loop_is_refused() -> None:
    @entrypoint()
    async def main(x: int) -> Any:
        future = double(x)
        with pytest.raises(TaskPendingError, match="await the task instead"):
            future.result()
        return await future

    assert await main.ainvoke(1) == 2


@pytest.mark.usefixtures("taskless")
def test_a_result_is_refused_where_the_first_task_is_defined_in_the_loops_thread() -> None:
    def node(state: Any) -> None:
        task(lambda: None)().result()

    graph = StateGraph(dict).add_node("node", node).add_edge(START, "node").compile()
    with pytest.raises(TaskPendingError, match="run after the task was defined"):
        graph.invoke({})
    assert graph.invoke({}) == {}


def test_a_sync_caller_waits_with_its_thread() -> None:
    @entrypoint()
    def main(x: int) -> Any:
        futures = [double(x), double_in_thread(x + 1)]
        return [future.result() for future in futures]

    assert main.invoke(1) == [2, 4]


def test_a_thread_may_run_a_loop_of_its_own_and_await_there() -> None:
    async def inner(x: int) -> Any:
        return await asyncio.gather(double(x), double_in_thread(x))

    @entrypoint()
    def main(x: int) -> Any:
        return asyncio.run(inner(x))

    assert main.invoke(1) == [2, 2]


def test_a_wait_in_a_thread_may_take_only_so_long() -> None:
    gate = threading.Event()

    @task
    def slow() -> str:
        gate.wait(DEADLINE)
        return "done"

    @entrypoint()
    def main(x: Any) -> Any:
        future: Any = slow()
        with pytest.raises(TimeoutError):
            future.result(timeout=0.001)
        gate.set()
        return future.result()

    assert main.invoke(1) == "done"


async def test_a_future_may_be_handed_to_another_task() -> None:
    @task
    async def add(one: Any, two: Any) -> int:
        return await one + await two

    @entrypoint()
    async def main(x: int) -> Any:
        return await add(double(x), double(x + 1))

    assert await main.ainvoke(1, {"max_concurrency": 1}) == 6


async def test_an_error_that_nobody_asks_for_is_not_logged(caplog: Any) -> None:
    @task
    async def bad() -> None:
        raise ValueError("no")

    @entrypoint()
    async def main(x: Any) -> str:
        bad()
        return "done"

    assert await main.ainvoke(1) == "done"
    assert caplog.records == []


async def test_a_call_sees_the_context_variables_of_the_calling_code() -> None:
    @task
    async def look() -> str:
        return colour.get()

    @task
    def look_in_thread() -> str:
        return colour.get()

    @entrypoint()
    async def main(x: Any) -> Any:
        colour.set("red")
        return [await look(), await look_in_thread()]

    assert await main.ainvoke(1) == ["red", "red"]


# --- where there is nobody to run it --------------------------------------------------------------


def test_a_call_outside_of_a_run_is_refused() -> None:
    with pytest.raises(NoTaskError, match="'double' was called outside of a run") as raised:
        double(1)
    assert isinstance(raised.value, RuntimeError)


async def test_code_that_a_task_left_behind_can_call_nothing() -> None:
    left: list[asyncio.Task[Any]] = []
    gate = asyncio.Event()

    async def behind() -> Any:
        await gate.wait()
        return await double(1)

    @entrypoint()
    async def main(x: Any) -> str:
        left.append(asyncio.ensure_future(behind()))
        return "done"

    await main.ainvoke(1)
    gate.set()
    with pytest.raises(NoTaskError):
        await left[0]


async def test_a_thread_that_waits_for_a_call_is_let_go_when_the_run_is_given_up() -> None:
    stuck, waits = Blocked(), Blocked()
    waits.gate.set()

    @task
    def never() -> Any:
        return stuck({})

    @entrypoint()
    def main(x: Any) -> Any:
        waits.after = never().result
        return waits({})

    async with ActorSystem() as system:
        run = await system.start(main, 1)
        await set_in_thread(stuck.started)
        await run.cancel()
        await set_in_thread(waits.ended)
    assert [type(error) for error in waits.late] == [RunCancelledError]
    stuck.gate.set()


async def test_a_thread_that_was_given_up_can_call_nothing() -> None:
    stuck = Blocked()
    stuck.after = lambda: double(1)

    @entrypoint()
    def main(x: Any) -> Any:
        return stuck({})

    async with ActorSystem() as system:
        run = await system.start(main, 1)
        await set_in_thread(stuck.started)
        await run.cancel()
    stuck.gate.set()
    await set_in_thread(stuck.ended)
    assert [type(error) for error in stuck.late] == [RunCancelledError]


async def test_whoever_waits_for_a_call_is_told_when_its_run_is_given_up() -> None:
    hanging, waiting = Hanging(), list[asyncio.Future[Any]]()
    hang = task(name="hang")(hanging)

    async def outside(future: Any) -> None:
        await future

    @entrypoint()
    async def main(x: Any) -> None:
        waiting.append(asyncio.ensure_future(outside(hang())))
        await asyncio.Event().wait()

    async with ActorSystem() as system:
        run = await system.start(main, 1)
        await hanging.begun.wait()
        await run.cancel()
    with pytest.raises(RunCancelledError, match="'hang'"):
        await waiting[0]


async def test_a_future_may_be_cancelled_by_a_thread_that_outlives_the_run() -> None:
    futures, runs = list[Any](), list[weakref.ref[Any]]()
    hang, called = task(name="hang")(Hanging()), asyncio.Event()
    cancelled, over = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        cancelled.set()
        assert over.wait(DEADLINE)

    @entrypoint()
    async def main(x: Any) -> None:
        runs.append(weakref.ref(scheduler_here()))
        futures.append(await asyncio.to_thread(hang))
        called.set()
        await asyncio.Event().wait()

    running = asyncio.ensure_future(main.ainvoke(1))
    await called.wait()
    futures[0].add_done_callback(hold)
    cancelling = asyncio.ensure_future(asyncio.to_thread(futures[0].cancel))
    await set_in_thread(cancelled)
    running.cancel()
    await asyncio.wait({running})
    del running
    gc.collect()
    assert runs[0]() is None
    over.set()
    assert await cancelling


# --- sync code under invoke -----------------------------------------------------------------------


def test_a_lone_sync_node_may_wait_for_a_task_under_invoke_and_stream() -> None:
    def node(state: Any) -> dict[str, Any]:
        return {"n": double(state["n"]).result()}

    graph = fan(node=node).compile()
    assert graph.invoke({"n": 1})["n"] == 2
    assert list(graph.stream({"n": 1})) == [{"double": 2}, {"node": {"n": 2}}]


def test_a_path_may_wait_for_a_task() -> None:
    def path(state: Any) -> str:
        return "big" if double(state["n"]).result() > 2 else "small"

    builder = StateGraph(State)
    builder.add_node("big", lambda state: {"text": "big"})
    builder.add_node("small", lambda state: {"text": "small"})
    graph = builder.add_conditional_edges("__start__", path, ["big", "small"]).compile()
    assert [graph.invoke({"n": n})["text"] for n in (1, 2)] == ["small", "big"]


def test_more_callers_than_threads_do_not_starve_what_they_wait_for() -> None:
    @task
    def outer(x: int) -> int:
        return double_in_thread(x).result()

    @entrypoint()
    def main(x: int) -> int:
        futures = [outer(i) for i in range(x)]
        return sum(future.result() for future in futures)

    count = MAX_THREADS + 10
    assert main.invoke(count) == sum(2 * i for i in range(count))


# --- slots --------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_calls_are_bound_and_their_waiting_caller_holds_no_slot(most: int) -> None:
    running = Running()
    work = task(name="work")(running)

    @task
    async def outer(x: int) -> Any:
        return await asyncio.gather(work(x), work(x))

    @entrypoint()
    async def main(x: int) -> Any:
        return await asyncio.gather(*(outer(i) for i in range(x)))

    expected = [[i, i] for i in range(5)]
    assert await main.ainvoke(5, {"max_concurrency": most}) == expected
    assert running.most == most


def test_sync_callers_do_not_lock_each_other_out_with_one_slot() -> None:
    def node(state: Any) -> dict[str, Any]:
        return {"log": [double_in_thread(double(1).result()).result()]}

    graph = fan(a=node, b=node, c=node).compile()
    assert graph.invoke({"log": []}, {"max_concurrency": 1})["log"] == [4, 4, 4]


async def test_a_caller_whose_calls_are_over_holds_a_slot_again() -> None:
    running = Running()

    async def node(state: Any) -> dict[str, Any]:
        await double(1)
        await running(1)
        return {}

    graph = fan(a=node, b=node, c=node).compile()
    await graph.ainvoke({"log": []}, {"max_concurrency": 1})
    assert running.most == 1


# --- cancelling ---------------------------------------------------------------------------------


async def test_a_cancelled_future_stops_its_task() -> None:
    hanging = Hanging()
    hang = task(name="hang")(hanging)

    @entrypoint()
    async def main(x: Any) -> str:
        future = hang()
        await hanging.begun.wait()
        assert future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        return "went on"

    assert await main.ainvoke(1) == "went on"
    assert hanging.cancelled.is_set()


async def test_a_call_that_takes_too_long_is_stopped_by_wait_for() -> None:
    hanging = Hanging()
    hang = task(name="hang")(hanging)

    @entrypoint()
    async def main(x: Any) -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hang(), 0.001)
        return await double(x)

    assert await main.ainvoke(1, {"max_concurrency": 1}) == 2


async def test_a_call_cancelled_before_it_begins_never_runs() -> None:
    ran: list[int] = []

    @task
    async def note(x: int) -> None:
        ran.append(x)

    @entrypoint()
    async def main(x: Any) -> str:
        note(1).cancel()
        waiting = [note(2), note(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await waiting[0]
        return "done"

    assert await main.ainvoke(1, {"max_concurrency": 1}) == "done"
    assert ran == [2]


class Doubtful(MemoryCache):
    """Answers when its gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def get(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Any]:
        self.asked.set()
        await self.gate.wait()
        return await super().get(keys)


@pytest.mark.parametrize("known", [False, True])
async def test_a_call_cancelled_while_its_result_is_looked_up_never_runs(known: bool) -> None:
    ran: list[int] = []

    @task(cache_policy=CachePolicy())
    async def note(x: int) -> None:
        ran.append(x)

    @entrypoint(cache=(cache := Doubtful()))
    async def main(x: int) -> str:
        cache.gate.clear()
        cache.asked.clear()
        future = note(x)
        await cache.asked.wait()
        future.cancel()
        cache.gate.set()
        return "done"

    @entrypoint(cache=cache)
    async def before(x: int) -> None:
        await note(x)

    if known:
        cache.gate.set()
        await before.ainvoke(1)
    assert await main.ainvoke(1) == "done"
    assert ran == ([1] if known else [])


def test_a_thread_may_cancel_a_call() -> None:
    gate = threading.Event()

    @task
    def slow() -> None:
        gate.wait(DEADLINE)

    @entrypoint()
    def main(x: Any) -> str:
        future = slow()
        assert (future.cancel(), future.cancel(), future.cancelled()) == (True, True, True)
        return "went on"

    assert main.invoke(1) == "went on"
    gate.set()


async def test_leaving_the_stream_cancels_called_tasks() -> None:
    hanging = Hanging()
    hang = task(name="hang")(hanging)

    @entrypoint()
    async def main(x: Any) -> None:
        await double(1)
        await hang()

    async for chunk in main.astream(1):
        assert chunk == {"double": 2}
        await hanging.begun.wait()
        break
    await hanging.cancelled.wait()


async def test_a_failing_caller_cancels_the_calls_that_still_run() -> None:
    hanging = Hanging()
    hang = task(name="hang")(hanging)

    @entrypoint()
    async def main(x: Any) -> None:
        hang()
        await hanging.begun.wait()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await main.ainvoke(1)
    assert hanging.cancelled.is_set()


# --- policies -----------------------------------------------------------------------------------


async def test_a_task_is_tried_again_as_its_policy_says() -> None:
    tries: list[int] = []
    policy = RetryPolicy(initial_interval=0.0, jitter=False, retry_on=ValueError)

    @task(retry_policy=policy)
    async def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("no")
        return len(tries)

    @entrypoint()
    async def main(x: Any) -> int:
        return await flaky()

    assert await main.ainvoke(1) == 3


@pytest.mark.parametrize("kept", [True, False])
async def test_a_caller_that_is_tried_again_gets_the_results_it_had(kept: bool) -> None:
    ran: list[int] = []

    @task
    async def note(x: int) -> int:
        ran.append(x)
        return len(ran)

    policy = RetryPolicy(initial_interval=0.0, jitter=False, retry_on=ValueError)

    @entrypoint(checkpointer=MemorySaver() if kept else None, retry_policy=policy)
    async def main(x: int) -> list[int]:
        found = [await note(x), await note(x)]
        if len(ran) == 2 and not tries:
            tries.append(1)
            raise ValueError("the first time")
        return found

    tries: list[int] = []
    assert await main.ainvoke(7, on("t")) == [1, 2]
    assert ran == [7, 7]


async def test_a_caller_that_is_tried_again_joins_a_call_that_still_runs() -> None:
    gate, begun = asyncio.Event(), list[int]()

    @task
    async def slow() -> str:
        begun.append(1)
        await gate.wait()
        return "once"

    policy = RetryPolicy(initial_interval=0.0, jitter=False, retry_on=ValueError)

    @entrypoint(retry_policy=policy)
    async def main(x: Any) -> str:
        future = slow()
        await asyncio.sleep(0)
        if not tries:
            tries.append(1)
            raise ValueError("the first time")
        gate.set()
        return await future

    tries: list[int] = []
    assert await main.ainvoke(1) == "once"
    assert begun == [1]


async def test_a_task_that_takes_too_long_fails() -> None:
    hanging = Hanging()
    hang = task(name="hang", timeout=TimeoutPolicy(run_timeout=0.001))(hanging)

    @entrypoint()
    async def main(x: Any) -> str:
        try:
            await hang()
        except Exception as error:
            return type(error).__name__
        return "no error"

    assert await main.ainvoke(1) == "NodeTimeoutError"


async def test_results_of_calls_are_cached_by_their_arguments() -> None:
    ran: list[Any] = []

    @task(cache_policy=CachePolicy())
    async def square(x: int, *, more: int = 0) -> int:
        ran.append((x, more))
        return x * x + more

    @entrypoint(cache=MemoryCache())
    async def main(x: int) -> list[int]:
        return [await square(x), await square(x), await square(x, more=1)]

    assert await main.ainvoke(3) == [9, 9, 10]
    chunks = [chunk async for chunk in main.astream(3)]
    cached = {"cached": True}
    assert chunks[:2] == [{"square": 9, "__metadata__": cached}] * 2
    assert ran == [(3, 0), (3, 1)]


async def test_a_cache_may_be_cleared_of_one_tasks_results() -> None:
    cache, ran = MemoryCache(), list[int]()

    @task(cache_policy=CachePolicy(key_func=str))
    async def square(x: int) -> int:
        ran.append(x)
        return x * x

    @entrypoint(cache=cache)
    async def main(x: int) -> int:
        return await square(x)

    assert [await main.ainvoke(3), await main.ainvoke(3)] == [9, 9]
    await square.aclear_cache(cache)
    await main.ainvoke(3)
    assert ran == [3, 3]
