"""Entrypoints and tasks: how they are made, what they get, and how they go on."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actors import (
    ActorSystem,
    CachePolicy,
    CheckpointerTypeError,
    Command,
    CompiledGraph,
    EmptyInputError,
    GeneratorFunctionError,
    GraphBuildError,
    InvalidUpdateError,
    RetryPolicy,
    Runtime,
    StreamWriter,
    entrypoint,
    get_config,
    interrupt,
    task,
)
from checkpoint import MemorySaver, SqliteSaver
from tests.actors.engine import DEADLINE, State, fan, on


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


@task
def inc(x: int) -> int:
    return x + 1


# --- making an entrypoint -----------------------------------------------------------------------


def test_an_entrypoint_is_a_graph_named_after_its_function() -> None:
    @entrypoint()
    def shop(order: str) -> str:
        return order.upper()

    assert isinstance(shop, CompiledGraph)
    assert (shop.name, list(shop.spec.nodes)) == ("shop", ["shop"])
    assert shop.invoke("tea") == "TEA"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (lambda x: x, "<lambda>"),
        (functools.partial(lambda a, x: x, 1), "<lambda>"),
    ],
)
def test_any_function_will_do(code: Callable[..., Any], name: str) -> None:
    made = entrypoint()(code)
    assert (made.name, made.invoke(3)) == (name, 3)


def test_an_object_that_can_be_called_is_named_after_its_class() -> None:
    class Shop:
        async def __call__(self, x: int) -> int:
            return x + 1

    made = entrypoint()(Shop())
    assert (made.name, made.invoke(3)) == ("Shop", 4)


def test_a_function_without_a_parameter_is_refused() -> None:
    def nothing() -> None: ...

    with pytest.raises(GraphBuildError, match="must have at least one parameter: 'nothing' has"):
        entrypoint()(nothing)


def test_a_function_that_needs_more_than_there_is_is_refused() -> None:
    def two(x: int, y: int) -> None: ...

    with pytest.raises(GraphBuildError, match="needs a parameter 'y' that nothing fills"):
        entrypoint()(two)


def test_generators_are_refused() -> None:
    def sync(x: int) -> Iterator[int]:
        yield x

    async def is_async(x: int) -> AsyncIterator[int]:
        yield x

    for made in (entrypoint(), task):
        for code in (sync, is_async):
            with pytest.raises(GeneratorFunctionError, match="Generators are not supported") as e:
                made(code)
            assert isinstance(e.value, NotImplementedError)


@pytest.mark.parametrize("option", ["retry_policy", "cache_policy", "timeout", "cache"])
def test_what_is_no_policy_is_refused(option: str) -> None:
    wrong: dict[str, Any] = {option: "often"}
    with pytest.raises(GraphBuildError, match=option):
        entrypoint(**wrong)
    if option != "cache":
        with pytest.raises(GraphBuildError, match=option):
            task(**wrong)(lambda: None)


def test_what_is_no_saver_is_refused() -> None:
    wrong: Any = "here"
    with pytest.raises(CheckpointerTypeError):
        entrypoint(checkpointer=wrong)(lambda x: x)


def test_what_cannot_be_called_is_no_task() -> None:
    wrong: Any = 5
    with pytest.raises(GraphBuildError, match="cannot be called"):
        task(wrong)


# --- what a function gets -----------------------------------------------------------------------


def test_an_entrypoint_gets_what_it_asks_for() -> None:
    chunks: list[Any] = []

    @entrypoint(checkpointer=MemorySaver())
    def main(
        x: int, config: Any, writer: StreamWriter, runtime: Runtime[str], *, previous: Any
    ) -> Any:
        writer("hello")
        assert runtime.previous == previous
        chunks.append((config["configurable"]["thread_id"], runtime.context, previous))
        return x

    for x in (1, 2):
        found = main.stream(x, on("t"), context="here", stream_mode="custom")
        assert list(found) == ["hello"]
    assert chunks == [("t", "here", None), ("t", "here", 1)]


def test_a_task_gets_what_it_asks_for_and_its_caller_did_not_give() -> None:
    @task
    def look(x: int, config: Any, *, runtime: Runtime[str], store: Any = None) -> Any:
        return [x, config if x else config["metadata"]["langgraph_node"], runtime.context, store]

    @entrypoint()
    def main(x: int) -> Any:
        futures = [look(0), look(1, "mine"), look(1, config="mine", store=7)]
        return [future.result() for future in futures]

    assert main.invoke(0, context="here") == [
        [0, "look", "here", None],
        [1, "mine", "here", None],
        [1, "mine", "here", 7],
    ]


def test_a_task_may_be_a_method_a_partial_an_object_or_a_builtin() -> None:
    class Tools:
        def add(self, x: int) -> int:
            return x + 1

        def __call__(self, x: int) -> int:
            return x + 2

    tasks = [
        task(Tools().add),
        task(Tools()),
        task(functools.partial(Tools().add)),
        task(max, name="biggest"),
    ]

    @entrypoint()
    def main(x: int) -> Any:
        return [made(x).result() for made in tasks[:3]] + [tasks[3](x, 5).result()]

    assert main.invoke(1) == [2, 3, 2, 5]
    assert [made.__name__ for made in tasks] == ["add", "Tools", "add", "biggest"]


def test_naming_a_task_leaves_the_function_and_other_tasks_of_it_alone() -> None:
    def plain() -> str:
        return get_config()["metadata"]["langgraph_node"]

    one, two = task(name="one")(plain), task(name="two")(plain)

    @entrypoint()
    def main(x: int) -> Any:
        return [one().result(), two().result()]

    assert main.invoke(1) == ["one", "two"]
    assert (plain.__name__, one.func, repr(one)) == ("plain", plain, "<task 'one'>")


# --- what it gives ------------------------------------------------------------------------------


def test_a_command_is_a_value_like_any_other() -> None:
    @entrypoint()
    def main(x: int) -> Any:
        return Command(goto="nowhere", update=x)

    assert main.invoke(1) == Command(goto="nowhere", update=1)


def test_final_gives_one_value_and_saves_another() -> None:
    @entrypoint(checkpointer=MemorySaver())
    def main(x: int, *, previous: int | None) -> entrypoint.final[int | None, int]:
        return entrypoint.final(value=previous, save=10 * x)

    assert [main.invoke(x, on("t")) for x in (1, 2, 3)] == [None, 10, 20]
    assert main.get_state(on("t")).values == 20


@dataclass
class Order:
    item: str


@dataclass
class Bill:
    order: Order
    price: int


@task
def price(order: Order) -> Bill:
    return Bill(order, 3)


def test_classes_in_annotations_can_be_stored(tmp_path: Path) -> None:
    calls: list[str] = []

    with SqliteSaver.from_conn_string(str(tmp_path / "orders.db")) as saver:

        @entrypoint(checkpointer=saver)
        def shop(order: Order, *, previous: Order | None) -> entrypoint.final[Bill, Order]:
            bill = price(order).result()
            calls.append(order.item)
            if len(calls) == 1:
                raise ValueError("closed")
            return entrypoint.final(value=bill, save=order)

        with pytest.raises(ValueError, match="closed"):
            shop.invoke(Order("tea"), on("t"))
        bill = Bill(Order("tea"), 3)
        assert shop.invoke(None, on("t")) == bill
        assert shop.get_state(on("t")).values == bill


# --- every way to run it ------------------------------------------------------------------------


async def test_it_runs_in_a_system_streams_and_batches() -> None:
    @entrypoint(checkpointer=MemorySaver())
    async def main(x: int) -> int:
        return await inc(x)

    async with ActorSystem() as system:
        run = await system.start(main, 1, on("a"))
        chunks = [chunk.data async for chunk in run.stream("updates")]
        assert (chunks, await run.result()) == ([{"inc": 2}, {"main": 2}], 2)
    assert await main.abatch([1, 2, 3], [on("1"), on("2"), on("3")]) == [2, 3, 4]
    assert [c async for c in main.astream(5, on("b"))] == [{"inc": 6}, {"main": 6}]
    assert await main.ainvoke(5, stateless=True) == 6


async def test_a_state_that_is_none_is_read_back_from_a_log_as_none(tmp_path: Path) -> None:
    async with (
        SqliteSaver(str(tmp_path / "log.db")) as saver,
        ActorSystem(event_log=saver.events) as system,
    ):

        @entrypoint(checkpointer=saver)
        async def main(x: Any) -> Any:
            return None

        run = await system.start(main, 1, on("t"))
        live = [chunk async for chunk in run.stream(["values", "checkpoints"])]
        log = await system.find_log(main, run.run_id, on("t"))
        assert [chunk async for chunk in log.subscribe(["values", "checkpoints"])] == live
        assert [c.data for c in live if c.mode == "values"] == [None]  # type: ignore[union-attr]


def test_an_update_of_its_thread_is_what_the_next_run_finds() -> None:
    @entrypoint(checkpointer=MemorySaver())
    def main(x: int, *, previous: Any) -> Any:
        return [x, previous]

    main.invoke(1, on("t"))
    main.update_state(on("t"), entrypoint.final(value="shown", save="saved"))
    assert main.get_state(on("t")).values == "shown"
    assert main.invoke(2, on("t")) == [2, "saved"]


def test_an_older_checkpoint_runs_again_with_what_was_saved_then() -> None:
    ran: list[int] = []

    @task
    def note(x: int) -> int:
        ran.append(x)
        return x

    @entrypoint(checkpointer=MemorySaver())
    def main(x: int, *, previous: Any) -> Any:
        return [note(x).result(), previous]

    for x in (1, 2):
        main.invoke(x, on("t"))
    [second] = [s for s in main.get_state_history(on("t")) if s.metadata["step"] == 1]
    assert main.invoke(None, second.config) == [2, [1, None]]
    assert ran == [1, 2, 2]


# --- going on -----------------------------------------------------------------------------------


def test_finished_tasks_do_not_run_again_in_another_process_of_the_same_thread(
    tmp_path: Path,
) -> None:
    """Every run here opens the file anew, and makes its functions anew, as a process does."""
    ran: list[str] = []

    def again(value: Any) -> Any:
        @task
        def work(name: str) -> str:
            ran.append(name)
            return name.upper()

        @task
        def approve(name: str) -> Any:
            ran.append(f"approve {name}")
            return interrupt(name)

        with SqliteSaver.from_conn_string(str(tmp_path / "t.db")) as saver:

            @entrypoint(checkpointer=saver)
            def main(names: list[str]) -> Any:
                done = [future.result() for future in [work(name) for name in names]]
                return [done, approve(done[0]).result(), work("last").result()]

            return main.invoke(value, on("t"))

    again(["a", "b"])
    assert sorted(ran) == ["a", "approve A", "b"]
    assert again(Command(resume="yes")) == [["A", "B"], "yes", "LAST"]
    assert sorted(ran) == ["a", "approve A", "approve A", "b", "last"]


async def test_a_task_in_a_subgraph_is_resumed_by_the_answer_to_its_id() -> None:
    @task
    async def ask(question: str) -> Any:
        return interrupt(question)

    async def node(state: Any) -> dict[str, Any]:
        return {"log": [await ask("what?")]}

    inner = fan(node=node).compile()
    graph = fan(State, inner=inner).compile(checkpointer=MemorySaver())
    paused = await graph.ainvoke({"log": []}, on("t"))
    [asked] = paused["__interrupt__"]
    answer = Command(resume={asked.id: "this"})
    assert (await graph.ainvoke(answer, on("t")))["log"] == ["this"]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_results_of_tasks_are_kept_at_every_durability(durability: Any) -> None:
    ran: list[int] = []

    @task
    def note(x: int) -> int:
        ran.append(x)
        return x

    @entrypoint(checkpointer=MemorySaver())
    def main(x: int) -> Any:
        return [note(x).result(), interrupt("sure?")]

    main.invoke(1, on("t"), durability=durability)
    assert main.invoke(Command(resume="yes"), on("t"), durability=durability) == [1, "yes"]
    assert ran == [1]


def test_a_result_is_committed_before_its_caller_has_it() -> None:
    saver, seen = MemorySaver(), list[Any]()

    @entrypoint(checkpointer=saver)
    async def main(x: int) -> int:
        found = await inc(x)
        loaded = await saver.load("t", "")
        assert loaded is not None
        seen.extend(channel for each in loaded.writes for channel, _ in each.writes)
        return found

    assert main.invoke(1, on("t")) == 2
    assert seen == ["__return__"]


def test_a_result_that_cannot_be_stored_ends_the_run_and_names_its_task() -> None:
    @task
    def strange() -> Any:
        return object()

    @entrypoint(checkpointer=MemorySaver())
    def main(x: int) -> Any:
        return str(strange().result())

    with pytest.raises(Exception, match="object") as raised:
        main.invoke(1, on("t"))
    assert "'strange'" in "".join(raised.value.__notes__)


# --- policies of an entrypoint ------------------------------------------------------------------


def test_an_entrypoint_is_tried_again_and_its_result_cached() -> None:
    from checkpoint import MemoryCache

    tries: list[int] = []
    retry = RetryPolicy(initial_interval=0.0, jitter=False, retry_on=ValueError)

    @entrypoint(retry_policy=retry, cache=MemoryCache(), cache_policy=CachePolicy())
    def main(x: int) -> int:
        tries.append(x)
        if len(tries) == 1:
            raise ValueError("the first time")
        return x

    assert [main.invoke(5), main.invoke(5), main.invoke(6)] == [5, 5, 6]
    assert tries == [5, 5, 6]


@pytest.mark.parametrize("command", [Command(goto="main"), Command(update=5), Command(update={})])
@pytest.mark.parametrize("turns", [0, 1])
def test_an_entrypoint_takes_no_command_but_a_resume(command: Command[Any], turns: int) -> None:
    @entrypoint(checkpointer=MemorySaver())
    def main(x: int) -> int:
        return x

    for _ in range(turns):
        main.invoke(1, on("t"))
    with pytest.raises((InvalidUpdateError, EmptyInputError)):
        main.invoke(command, on("t"))
    assert len(list(main.get_state_history(on("t")))) == 2 * turns


def test_the_store_of_an_entrypoint_reaches_its_tasks() -> None:
    from checkpoint import MemoryStore

    @task
    def remember(x: int, *, store: MemoryStore) -> None:
        store.put(("numbers",), str(x), {"x": x})

    @entrypoint(store=MemoryStore())
    def main(x: int, *, runtime: Runtime[Any]) -> Any:
        remember(x).result()
        assert runtime.store is not None
        return runtime.store.get(("numbers",), str(x)).value

    assert main.invoke(3) == {"x": 3}
