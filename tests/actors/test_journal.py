"""Effects that nodes have once: over interrupts, retries, errors, cancels, graphs and threads."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from actors import (
    START,
    ActorSystem,
    Command,
    CompiledGraph,
    ConfigError,
    Durability,
    NoTaskError,
    OutcomeUnknown,
    OwnTaskError,
    RetryPolicy,
    RunCancelledError,
    Runtime,
    Send,
    StateGraph,
    entrypoint,
    get_runtime,
    interrupt,
    task,
)
from checkpoint import Batch, MemorySaver, Saver, SqliteSaver, UnregisteredTypeError
from tests.actors.engine import DEADLINE, State, on, saying

T = on("t")
AGAIN = RetryPolicy(initial_interval=0.0, jitter=False, max_attempts=3, retry_on=ConnectionError)


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        yield MemorySaver()
    else:
        with SqliteSaver(tmp_path / "db") as opened:
            yield opened


class World:
    """Another system, which counts what is done to it."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    async def charge(self, amount: Any, *, note: str = "") -> dict[str, Any]:
        self.done.append(amount)
        return {"receipt": amount, "note": note}

    def charge_sync(self, amount: Any, *, note: str = "") -> dict[str, Any]:
        self.done.append(amount)
        return {"receipt": amount, "note": note}


def graph(node: Any, saver: Saver | None = None, **more: Any) -> CompiledGraph:
    builder = StateGraph(State).add_node("pay", node, **more).add_edge(START, "pay")
    return builder.compile(checkpointer=saver)


def paying(world: World, then: Callable[[], Any]) -> Any:
    """An async node that charges, and then does something."""

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        receipt = await runtime.once("charge", world.charge, 7, note="tea")
        return {"log": [receipt, then()]}

    return pay


def paying_sync(world: World, then: Callable[[], Any]) -> Any:
    """The same, sync."""

    def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        receipt = runtime.once_sync("charge", world.charge_sync, 7, note="tea")
        return {"log": [receipt, then()]}

    return pay


PAYING = pytest.mark.parametrize("paying", [paying, paying_sync])
PAID = {"receipt": 7, "note": "tea"}


def fails_first(times: int = 1) -> Callable[[], str]:
    """Raises so many times."""
    left = [ConnectionError("gone")] * times

    def then() -> str:
        if left:
            raise left.pop()
        return "fine"

    return then


# --- given back -----------------------------------------------------------------------------------


@PAYING
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_node_that_goes_on_after_an_interrupt_gets_the_result_back(
    paying: Any, durability: Durability, saver: Saver
) -> None:
    world = World()
    shop = graph(paying(world, lambda: interrupt("sure?")), saver)
    await shop.ainvoke({}, T, durability=durability)
    again = graph(paying(world, lambda: interrupt("sure?")), saver)  # as another process builds it
    state = await again.ainvoke(Command(resume="yes"), T, durability=durability)
    assert state["log"] == [PAID, "yes"]
    assert world.done == [7]


@PAYING
def test_it_does_so_through_the_sync_door(paying: Any, saver: Saver) -> None:
    world = World()
    shop = graph(paying(world, lambda: interrupt("sure?")), saver)
    shop.invoke({}, T)
    assert shop.invoke(Command(resume="yes"), T)["log"] == [PAID, "yes"]
    assert world.done == [7]


@PAYING
async def test_a_node_that_failed_gets_the_result_back_when_its_thread_goes_on(
    paying: Any, saver: Saver
) -> None:
    world = World()
    shop = graph(paying(world, fails_first()), saver)
    with pytest.raises(ConnectionError):
        await shop.ainvoke({}, T)
    assert (await shop.ainvoke(None, T))["log"] == [PAID, "fine"]
    assert world.done == [7]


@PAYING
@pytest.mark.parametrize("stored", [True, False])
async def test_a_retry_in_the_same_run_gets_the_result_back(paying: Any, stored: bool) -> None:
    world = World()
    shop = graph(
        paying(world, fails_first(2)), MemorySaver() if stored else None, retry_policy=AGAIN
    )
    assert (await shop.ainvoke({}, T))["log"] == [PAID, "fine"]
    assert world.done == [7]


async def test_each_attempt_gets_a_result_that_the_one_before_it_has_not_touched(
    saver: Saver,
) -> None:
    then = fails_first()

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        receipts = await runtime.once("charge", lambda: [1])
        receipts.append(2)
        return {"log": [receipts, then()]}

    assert (await graph(pay, saver, retry_policy=AGAIN).ainvoke({}, T))["log"] == [[1, 2], "fine"]


async def test_results_of_any_kind_that_can_be_stored_come_back_as_they_were(saver: Saver) -> None:
    results: list[Any] = [None, 0, "", (1, 2), {"a": {3}}, [b"x"] * 3_000, "long" * 50_000]

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        got = [await runtime.once(f"{n}", lambda it=it: it) for n, it in enumerate(results)]
        interrupt("?")
        return {"log": got}

    shop = graph(pay, saver)
    await shop.ainvoke({}, T)
    assert (await shop.ainvoke(Command(resume=1), T))["log"] == results


async def test_keys_are_of_their_own_in_each_task_of_a_fan_out(saver: Saver) -> None:
    world = World()

    async def pay(part: Any, runtime: Runtime) -> dict[str, Any]:
        await runtime.once("charge", world.charge, part["n"])
        return {"log": [interrupt(part["n"])]}

    builder = StateGraph(State).add_node("pay", pay)
    builder.add_conditional_edges(START, lambda _: [Send("pay", {"n": n}) for n in range(3)])
    shop = builder.compile(checkpointer=saver)
    asked = (await shop.ainvoke({}, T))["__interrupt__"]
    answers = {each.id: each.value for each in asked}
    state = await shop.ainvoke(Command(resume=answers), T)
    assert state["log"] == [0, 1, 2]
    assert sorted(world.done) == [0, 1, 2]


async def test_in_durability_sync_what_is_noted_is_on_the_disk_before_anything_follows() -> None:
    order: list[str] = []

    class Noted(MemorySaver):
        async def commit(self, batch: Batch) -> None:
            await super().commit(batch)
            order.append("noted")

        async def synced(self) -> None:
            order.append("synced")

    async def charge() -> None:
        order.append("charged")

    async def pay(state: State, runtime: Runtime) -> None:
        order.clear()
        await runtime.once("charge", charge)
        seen.extend(order)

    seen: list[str] = []
    await graph(pay, Noted()).ainvoke({"log": []}, T, durability="sync")
    assert seen == ["noted", "synced", "charged", "noted", "synced"]


@pytest.mark.parametrize("durability", ["async", "exit"])
async def test_the_next_step_makes_the_call_anew(durability: Durability, saver: Saver) -> None:
    world = World()
    node = paying(world, lambda: "fine")
    builder = StateGraph(State).add_sequence([("a", node), ("b", node)]).add_edge(START, "a")
    await builder.compile(checkpointer=saver).ainvoke({}, T, durability=durability)
    assert world.done == [7, 7]


async def test_two_asks_at_once_with_one_key_make_one_call(saver: Saver) -> None:
    world = World()

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        asks = (runtime.once("charge", world.charge, 7) for _ in range(4))
        return {"log": await asyncio.gather(*asks)}

    state = await graph(pay, saver).ainvoke({}, T)
    assert [each["receipt"] for each in state["log"]] == [7] * 4
    assert world.done == [7]


def test_threads_of_a_sync_node_that_ask_at_once_make_one_call(saver: Saver) -> None:
    entered, gate, calls = threading.Event(), threading.Event(), list[int]()

    def charge() -> int:
        calls.append(1)
        entered.set()
        assert gate.wait(DEADLINE)
        return 7

    def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        got: list[int] = []
        asks = [
            threading.Thread(target=lambda: got.append(runtime.once_sync("charge", charge)))
            for _ in range(3)
        ]
        for ask in asks:
            ask.start()
        assert entered.wait(DEADLINE)
        gate.set()
        for ask in asks:
            ask.join(DEADLINE)
        return {"log": got}

    assert graph(pay, saver).invoke({}, T)["log"] == [7, 7, 7]
    assert calls == [1]


async def test_a_sync_function_of_an_async_node_runs_in_a_thread_inside_the_task() -> None:
    def charge() -> list[Any]:
        return [threading.current_thread() is threading.main_thread(), get_runtime().context]

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        return {"log": await runtime.once("charge", charge)}

    assert (await graph(pay).ainvoke({}, context="tea"))["log"] == [False, "tea"]


@pytest.mark.parametrize("kind", ["method", "partial of an object", "lambda"])
async def test_every_kind_of_async_function_is_awaited(kind: str) -> None:
    world = World()

    class Charge:
        async def __call__(self, amount: int) -> dict[str, Any]:
            return await world.charge(amount)

    kinds: dict[str, Any] = {
        "method": world.charge,
        "partial of an object": Charge(),
        "lambda": lambda amount: world.charge(amount),  # noqa: PLW0108 - no function by itself says so
    }

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        return {"log": [await runtime.once("charge", kinds[kind], 7)]}

    assert (await graph(pay).ainvoke({}))["log"] == [{"receipt": 7, "note": ""}]


def test_an_async_function_is_awaited_for_a_sync_node() -> None:
    world = World()

    def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        return {"log": [runtime.once_sync("charge", world.charge, 7)]}

    assert graph(pay).invoke({})["log"] == [{"receipt": 7, "note": ""}]


# --- inside other things --------------------------------------------------------------------------


@pytest.mark.parametrize("stores", [None, False, True])
@pytest.mark.parametrize("called", [True, False])
async def test_a_subgraph_that_is_run_again_gets_its_results_back(
    saver: Saver, stores: bool | None, called: bool
) -> None:
    world, then = World(), fails_first()
    inner = (
        StateGraph(State)
        .add_sequence([("pay", paying(world, lambda: "fine")), ("ship", lambda _: then() and None)])
        .add_edge(START, "pay")
        .compile(checkpointer=stores)
    )
    charged_twice = [("x", paying(world, lambda: "fine"))]

    async def calls(state: State) -> Any:
        return await inner.ainvoke({})

    builder = StateGraph(State).add_node("inner", calls if called else inner)
    builder.add_sequence(charged_twice).add_edge(START, "inner").add_edge("inner", "x")
    outer = builder.compile(checkpointer=saver)
    with pytest.raises(ConnectionError):
        await outer.ainvoke({}, T)
    state = await outer.ainvoke(None, T)
    assert state["log"][-2:] == [PAID, "fine"]
    assert world.done == [7, 7]


async def test_two_calls_of_a_graph_that_stores_nothing_have_effects_of_their_own(
    saver: Saver,
) -> None:
    world, then = World(), fails_first()
    inner = StateGraph(State).add_node("pay", paying(world, lambda: "fine"))
    small = inner.add_edge(START, "pay").compile(checkpointer=False)

    async def twice(state: State) -> dict[str, Any]:
        await small.ainvoke({})
        await small.ainvoke({})
        return {"log": [then()]}

    outer = graph(twice, saver)
    with pytest.raises(ConnectionError):
        await outer.ainvoke({}, T)
    assert (await outer.ainvoke(None, T))["log"] == ["fine"]
    assert world.done == [7, 7]


@pytest.mark.parametrize("stored", [True, False])
async def test_a_task_that_an_entrypoint_calls_again_gets_its_result_back(stored: bool) -> None:
    world, then = World(), fails_first()

    @task
    async def pay(amount: int) -> str:
        await get_runtime().once("charge", world.charge, amount)
        return then()

    @entrypoint(checkpointer=MemorySaver() if stored else None, retry_policy=AGAIN)
    async def shop(amount: int) -> str:
        return await pay(amount)

    assert await shop.ainvoke(7, T) == "fine"
    assert world.done == [7]


# --- unknown outcomes -----------------------------------------------------------------------------


async def stopped_inside(shop: CompiledGraph, entered: asyncio.Event) -> None:
    """Start a run and cancel it while it makes the call."""
    async with ActorSystem() as system:
        run = await system.start(shop, {}, T)
        await entered.wait()
        await run.cancel()


def hanging(on_unknown: Any, keys: list[str], entered: asyncio.Event) -> Any:
    """A node whose first call never ends."""

    async def charge() -> int:
        if not entered.is_set():
            entered.set()
            await asyncio.Event().wait()
        return 7

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        keys.append(runtime.idempotency_key("charge"))
        return {"log": [await runtime.once("charge", charge, on_unknown=on_unknown)]}

    return pay


async def test_a_call_that_was_cancelled_is_made_again_with_the_same_key(saver: Saver) -> None:
    entered, keys = asyncio.Event(), list[str]()
    shop = graph(hanging("retry", keys, entered), saver)
    await stopped_inside(shop, entered)
    assert (await shop.ainvoke(None, T))["log"] == [7]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_a_call_that_was_cancelled_raises_where_that_is_asked_for(saver: Saver) -> None:
    entered, keys = asyncio.Event(), list[str]()
    shop = graph(hanging("raise", keys, entered), saver)
    await stopped_inside(shop, entered)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown) as caught:
            await shop.ainvoke(None, T)
        assert caught.value.idempotency_key == keys[0]
    await shop.aupdate_state(T, {"log": ["looked it up"]}, as_node="pay")
    assert await shop.ainvoke(None, T) == {"log": ["looked it up"]}


async def test_an_unknown_outcome_is_not_retried_by_default(saver: Saver) -> None:
    entered, keys = asyncio.Event(), list[str]()
    node = hanging("raise", keys, entered)
    shop = graph(node, saver, retry_policy=RetryPolicy(initial_interval=0, max_attempts=5))
    await stopped_inside(shop, entered)
    with pytest.raises(OutcomeUnknown):
        await shop.ainvoke(None, T)
    assert len(keys) == 2


@PAYING
async def test_a_call_that_raised_is_made_again(paying: Any, saver: Saver) -> None:
    world = World()

    class Refusing(World):
        async def charge(self, amount: Any, *, note: str = "") -> dict[str, Any]:
            if not world.done:
                world.done.append("refused")
                raise ConnectionError("no answer")
            return await world.charge(amount, note=note)

        def charge_sync(self, amount: Any, *, note: str = "") -> Any:
            return self.charge(amount, note=note)

    shop = graph(paying(Refusing(), lambda: "fine"), saver)
    with pytest.raises(ConnectionError, match="no answer"):
        await shop.ainvoke({}, T)
    assert (await shop.ainvoke(None, T))["log"] == [PAID, "fine"]
    assert world.done == ["refused", 7]


@pytest.mark.parametrize("durability", ["async", "exit"])
async def test_a_result_that_cannot_be_stored_raises_after_the_effect_and_is_not_repeated(
    saver: Saver, durability: Durability
) -> None:
    world = World()

    def charge() -> Any:
        world.done.append(7)
        return threading.Lock()

    async def pay(state: State, runtime: Runtime) -> None:
        await runtime.once("charge", charge)

    shop = graph(pay, saver)
    with pytest.raises(UnregisteredTypeError) as caught:
        await shop.ainvoke({}, T, durability=durability)
    assert any("done all the same" in note for note in caught.value.__notes__)
    with pytest.raises(OutcomeUnknown, match="would repeat the effect"):
        await shop.ainvoke(None, T, durability=durability)
    assert world.done == [7]


async def test_an_effect_that_cannot_be_stored_leaves_the_steps_before_it_stored() -> None:
    world = World()

    async def pay(state: State, runtime: Runtime) -> None:
        world.done.append(7)
        await runtime.once("charge", threading.Lock)

    builder = StateGraph(State).add_node("order", saying("ordered")).add_node("pay", pay)
    builder.add_edge(START, "order").add_edge("order", "pay")
    shop = builder.compile(checkpointer=MemorySaver())
    with pytest.raises(UnregisteredTypeError):
        await shop.ainvoke({}, T, durability="exit")
    state = await shop.aget_state(T)
    assert (state.values, state.next) == ({"log": ["ordered"]}, ("pay",))
    with pytest.raises(OutcomeUnknown, match="would repeat the effect"):
        await shop.ainvoke(None, T, durability="exit")


async def test_an_effect_that_ends_after_its_attempt_was_given_up_is_not_repeated(
    saver: Saver,
) -> None:
    world, given_up = World(), threading.Event()
    attempts: list[int] = []

    def charge() -> int:
        assert given_up.wait(DEADLINE)
        world.done.append(7)
        return 7

    def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        assert runtime.execution_info is not None
        attempts.append(runtime.execution_info.node_attempt)
        if len(attempts) > 1:
            given_up.set()
        return {"log": [runtime.once_sync("charge", charge), interrupt("Pack it?")]}

    again = RetryPolicy(initial_interval=0, jitter=False, max_attempts=50)
    shop = graph(pay, saver, retry_policy=again, timeout=0.05)
    await shop.ainvoke({}, T)
    resumed = await shop.ainvoke(Command(resume="yes"), T)
    assert (resumed["log"], world.done) == ([7, "yes"], [7])


class Full(MemorySaver):
    """A saver whose disk is full at the n-th commit of a note."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    async def commit(self, batch: Batch) -> None:
        if batch.writes and any(name == "__once__" for name, _ in batch.writes[0].writes):
            self.left -= 1
            if not self.left:
                raise OSError("disk full")
        await super().commit(batch)


@pytest.mark.parametrize(("at", "calls", "on_unknown"), [(1, 1, "raise"), (2, 2, "retry")])
async def test_a_disk_that_is_full_fails_the_run_and_leaves_the_thread_whole(
    at: int, calls: int, on_unknown: Any
) -> None:
    world = World()

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        return {"log": [await runtime.once("charge", world.charge, 7, on_unknown=on_unknown)]}

    shop = graph(pay, Full(at))
    with pytest.raises(OSError, match="disk full"):
        await shop.ainvoke({}, T)
    assert shop.get_state(T).next == ("pay",)
    assert (await shop.ainvoke(None, T))["log"] == [{"receipt": 7, "note": ""}]
    assert len(world.done) == calls


# --- what is shown, and for how long --------------------------------------------------------------


async def test_notes_are_not_shown_in_states_histories_and_streams(saver: Saver) -> None:
    world = World()
    shop = graph(paying(world, lambda: interrupt("sure?")), saver)
    chunks = [c async for c in shop.astream({}, T, stream_mode=["debug", "updates", "values"])]
    assert "charge" not in repr(chunks)
    snapshot = await shop.aget_state(T)
    assert [each.name for each in snapshot.tasks] == ["pay"]
    assert snapshot.tasks[0].result is None
    history = [state async for state in shop.aget_state_history(T)]
    assert "receipt" not in repr(history)


async def test_replaying_an_older_checkpoint_has_the_effects_anew(saver: Saver) -> None:
    world = World()
    shop = graph(paying(world, lambda: "fine"), saver)
    await shop.ainvoke({}, T)
    before = [state.config async for state in shop.aget_state_history(T) if state.next == ("pay",)]
    await shop.ainvoke(None, before[0])
    assert world.done == [7, 7]


async def test_a_rolled_back_run_takes_its_notes_with_it(saver: Saver) -> None:
    entered = asyncio.Event()
    keys: list[str] = []
    shop = graph(hanging("raise", keys, entered), saver)
    async with ActorSystem() as system:
        run = await system.start(shop, {}, T)
        await entered.wait()
        await run.cancel(action="rollback")
    assert (await shop.ainvoke({}, T))["log"] == [7]
    assert len(set(keys)) == 2


# --- refused --------------------------------------------------------------------------------------


async def refusal(ask: Callable[[Runtime], Any]) -> BaseException:
    """What a node that asks so is told."""
    told: list[BaseException] = []

    async def pay(state: State, runtime: Runtime) -> None:
        try:
            result = ask(runtime)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            told.append(error)

    await graph(pay).ainvoke({})
    return told[0]


@pytest.mark.parametrize("key", ["", None, 7, b"charge", ["charge"]])
async def test_a_key_is_a_text_that_is_not_empty(key: Any) -> None:
    for ask in (
        lambda r: r.once(key, len, "x"),
        lambda r: r.once_sync(key, len, "x"),
        lambda r: r.idempotency_key(key),
    ):
        error = await refusal(ask)
        assert isinstance(error, ConfigError)
        assert repr(key) in str(error)


async def test_what_is_no_function_is_refused_before_anything_is_noted() -> None:
    world = World()
    asks: list[Callable[[Any], Any]] = [
        lambda r: r.once("charge", world.charge(7)),
        lambda r: r.once("charge", 7),
        lambda r: r.once_sync("charge", None),
    ]
    for ask in asks:
        error = await refusal(ask)
        assert isinstance(error, ConfigError)
        assert "give the function itself" in str(error)
    assert world.done == []


async def test_on_unknown_is_one_of_two_words() -> None:
    word: Any = "ignore"
    error = await refusal(lambda r: r.once("charge", len, "x", on_unknown=word))
    assert str(error) == "on_unknown='ignore' is unknown; give 'retry' or 'raise'"


async def test_a_runtime_made_by_hand_has_no_journal() -> None:
    runtime = Runtime(context=1)
    with pytest.raises(NoTaskError, match="belongs to no task"):
        await runtime.once("charge", len, "x")
    with pytest.raises(NoTaskError):
        runtime.once_sync("charge", len, "x")
    with pytest.raises(NoTaskError):
        runtime.idempotency_key("charge")


async def test_a_runtime_that_outlives_its_node_notes_nothing_more(saver: Saver) -> None:
    kept: list[Runtime] = []

    async def pay(state: State, runtime: Runtime) -> None:
        kept.append(runtime)

    await graph(pay, saver).ainvoke({}, T)
    with pytest.raises(NoTaskError, match="had ended"):
        await kept[0].once("charge", len, "x")


async def test_a_thread_that_was_given_up_notes_nothing_more(saver: Saver) -> None:
    entered, gate, left = threading.Event(), threading.Event(), threading.Event()
    told: list[BaseException] = []

    def charge() -> int:
        entered.set()
        assert gate.wait(DEADLINE)
        return 7

    def pay(state: State, runtime: Runtime) -> None:
        try:
            runtime.once_sync("charge", charge, on_unknown="raise")
        except BaseException as error:
            told.append(error)
            raise
        finally:
            left.set()

    shop = graph(pay, saver)
    async with ActorSystem() as system:
        run = await system.start(shop, {}, T)
        await asyncio.to_thread(entered.wait, DEADLINE)
        await run.cancel(grace=0.01)
    gate.set()
    assert await asyncio.to_thread(left.wait, DEADLINE)
    assert isinstance(told[0], RunCancelledError)
    with pytest.raises(OutcomeUnknown):
        await shop.ainvoke(None, T)


async def test_the_sync_twin_is_refused_where_it_would_stop_the_loop_that_it_waits_for() -> None:
    gate = asyncio.Event()

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        first = asyncio.create_task(runtime.once("charge", gate.wait))
        await asyncio.sleep(0)
        with pytest.raises(OwnTaskError, match="await once instead"):
            runtime.once_sync("charge", len, "x")
        gate.set()
        return {"log": [await first]}

    assert (await graph(pay).ainvoke({}))["log"] == [True]


def test_both_twins_take_the_same_arguments() -> None:
    ours, sync = (inspect.signature(f) for f in (Runtime.once, Runtime.once_sync))
    assert ours.parameters == sync.parameters
