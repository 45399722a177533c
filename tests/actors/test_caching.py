"""Results of nodes from a cache: what is asked, what is kept, and what fails how."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import (
    START,
    ActorSystem,
    CacheKeyError,
    CachePolicy,
    Command,
    CompiledGraph,
    ConfigError,
    GraphBuildError,
    RunCancelledError,
    Send,
    StateGraph,
    UntrackedValue,
)
from checkpoint import CacheKey, MemoryCache, MemorySaver, SerializationError, SqliteCache
from tests.actors.engine import DEADLINE, State, chain, on, saying, says
from tests.waiting import let_all_run


class Counted:
    """An async node that counts its runs."""

    def __init__(self, result: Any = None) -> None:
        self.runs = 0
        self.result = {"log": ["ran"]} if result is None else result

    async def __call__(self, state: Any) -> Any:
        self.runs += 1
        return self.result


def cached(
    node: Any, cache: Any, *, policy: CachePolicy | None = None, **given: Any
) -> CompiledGraph:
    """START → a (cached) → b."""
    builder = StateGraph(State).add_node("a", node, cache_policy=policy or CachePolicy())
    builder.add_node("b", saying("b")).add_edge(START, "a").add_edge("a", "b")
    return builder.compile(cache=cache, **given)


async def test_the_second_run_with_the_same_input_runs_nothing() -> None:
    node = Counted()
    graph = cached(node, MemoryCache())
    first = await graph.ainvoke({"n": 1})
    assert await graph.ainvoke({"n": 1}) == first == {"log": ["ran", "b"], "n": 1}
    assert node.runs == 1


async def test_another_input_runs_again() -> None:
    node = Counted()
    graph = cached(node, MemoryCache())
    await graph.ainvoke({"n": 1})
    await graph.ainvoke({"n": 2})
    assert node.runs == 2


async def test_a_cached_task_starts_and_updates_and_says_so() -> None:
    graph = cached(Counted(), MemoryCache())
    await graph.ainvoke({"n": 1})
    chunks = [chunk async for chunk in graph.astream({"n": 1}, stream_mode=["tasks", "updates"])]
    start, update, *_ = chunks
    assert start[1]["name"] == "a"
    assert "input" in start[1]
    assert update == ("updates", {"a": {"log": ["ran"]}, "__metadata__": {"cached": True}})
    assert [chunk for mode, chunk in chunks if mode == "tasks" and chunk["name"] == "a"][1:] == []


async def test_a_cached_result_is_stored_like_any_other() -> None:
    graph = cached(Counted(), MemoryCache(), checkpointer=MemorySaver())
    await graph.ainvoke({"n": 1}, on("first"))
    await graph.ainvoke({"n": 1}, on("second"))
    history = [s async for s in graph.aget_state_history(on("second"))]
    assert history[0].values == {"log": ["ran", "b"], "n": 1}
    assert history[1].next == ("b",)


async def test_a_result_is_kept_for_its_time_to_live() -> None:
    now = [0.0]
    node = Counted()
    cache = MemoryCache(clock=lambda: now[0])
    graph = cached(node, cache, policy=CachePolicy(ttl=10))
    await graph.ainvoke({})
    now[0] = 9.9
    await graph.ainvoke({})
    assert node.runs == 1
    now[0] = 10.0
    await graph.ainvoke({})
    assert node.runs == 2


async def test_other_graphs_and_processes_share_a_cache_file(tmp_path: Path) -> None:
    async with SqliteCache(tmp_path / "c.db") as cache:
        await cached(Counted(), cache).ainvoke({"n": 1})
    async with SqliteCache(tmp_path / "c.db") as cache:
        again = Counted()
        assert await cached(again, cache).ainvoke({"n": 1}) == {"log": ["ran", "b"], "n": 1}
        assert again.runs == 0


def test_the_sync_doors_use_the_cache() -> None:
    calls = list[int]()

    def node(state: State) -> dict[str, Any]:
        calls.append(1)
        return {"text": "x"}

    graph = cached(node, MemoryCache())
    assert graph.invoke({"n": 1}) == graph.invoke({"n": 1})
    graph.clear_cache()
    list(graph.stream({"n": 1}))
    assert len(calls) == 2


async def test_a_key_function_says_which_inputs_are_the_same() -> None:
    seen = list[Any]()

    def key(state: Any) -> str:
        seen.append(state)
        return str(state["n"] % 2)

    node = Counted()
    graph = cached(node, MemoryCache(), policy=CachePolicy(key_func=key))
    for n in (1, 2, 3):
        await graph.ainvoke({"n": n})
    assert node.runs == 2
    assert seen == [{"log": [], "n": 1}, {"log": [], "n": 2}, {"log": [], "n": 3}]


async def test_sends_are_looked_up_one_by_one_with_one_question() -> None:
    cache = Recording()
    nodes = Counted()

    async def node(state: Any) -> Any:
        nodes.runs += 1
        return {"log": [state["n"]]}

    def fan(state: State) -> list[Send]:
        return [Send("a", {"n": n}) for n in (1, 2, 1)]

    builder = StateGraph(State).add_node("a", node, cache_policy=CachePolicy())
    graph = builder.add_conditional_edges(START, fan).compile(cache=cache)
    assert (await graph.ainvoke({}))["log"] == [1, 2, 1]
    assert (await graph.ainvoke({}))["log"] == [1, 2, 1]
    assert nodes.runs == 3
    assert [len(keys) for keys in cache.asked] == [2, 2]


async def test_where_a_node_went_is_kept_with_its_writes() -> None:
    asked = list[int]()

    def path(state: State) -> str:
        asked.append(1)
        return "b"

    builder = StateGraph(State).add_node("a", Counted(), cache_policy=CachePolicy())
    builder.add_node("b", saying("b")).add_edge(START, "a").add_conditional_edges("a", path)
    graph = builder.compile(cache=MemoryCache())
    assert await graph.ainvoke({}) == await graph.ainvoke({}) == {"log": ["ran", "b"]}
    assert asked == [1]


async def test_a_command_is_kept_with_its_goto() -> None:
    node = Counted(Command(update={"log": ["cmd"]}, goto="b"))
    builder = StateGraph(State).add_node("a", node, cache_policy=CachePolicy())
    builder.add_node("b", saying("b")).add_edge(START, "a")
    graph = builder.compile(cache=MemoryCache())
    assert await graph.ainvoke({}) == await graph.ainvoke({}) == {"log": ["cmd", "b"]}
    assert node.runs == 1


async def test_nothing_of_a_failed_node_is_kept() -> None:
    left = [1]

    async def node(state: State) -> dict[str, Any]:
        left[0] -= 1
        if left[0] >= 0:
            raise ValueError("no")
        return {"log": ["ran"]}

    graph = cached(node, MemoryCache())
    with pytest.raises(ValueError, match="no"):
        await graph.ainvoke({})
    assert await graph.ainvoke({}) == {"log": ["ran", "b"]}


async def test_a_finished_sibling_of_a_failed_node_is_kept() -> None:
    node = Counted()
    left = [1]

    async def fails(state: State) -> None:
        left[0] -= 1
        if left[0] >= 0:
            await let_all_run()
            raise ValueError("no")

    builder = StateGraph(State).add_node("a", node, cache_policy=CachePolicy())
    builder.add_node("fails", fails).add_edge(START, "a").add_edge(START, "fails")
    graph = builder.compile(cache=MemoryCache())
    with pytest.raises(ValueError, match="no"):
        await graph.ainvoke({})
    await graph.ainvoke({})
    assert node.runs == 1


async def test_a_policy_without_a_cache_does_nothing() -> None:
    node = Counted()
    graph = cached(node, None)
    await graph.ainvoke({})
    await graph.ainvoke({})
    assert node.runs == 2
    await graph.aclear_cache()


async def test_a_graph_that_a_node_is_uses_the_cache_of_its_caller() -> None:
    node = Counted()
    child = cached(node, None)
    graph = chain(child=child).compile(cache=MemoryCache())
    await graph.ainvoke({"n": 1})
    await graph.ainvoke({"n": 1})
    assert node.runs == 1


async def test_a_graph_that_a_node_is_prefers_its_own_cache() -> None:
    node, own, other = Counted(), Recording(), Recording()
    graph = chain(child=cached(node, own)).compile(cache=other)
    await graph.ainvoke({"n": 1})
    assert len(own.asked) == 1
    assert other.asked == []


async def test_defaults_of_the_graph_hold_for_nodes_without_a_policy() -> None:
    node = Counted()
    builder = chain(a=node).set_node_defaults(cache_policy=CachePolicy())
    graph = builder.compile(cache=MemoryCache())
    await graph.ainvoke({})
    await graph.ainvoke({})
    assert node.runs == 1


class Narrow(TypedDict):
    n: int


async def test_only_what_the_node_reads_is_in_the_key() -> None:
    runs = list[int]()

    async def node(state: Narrow) -> dict[str, Any]:
        runs.append(1)
        return {"text": "x"}

    graph = cached(node, MemoryCache())
    await graph.ainvoke({"n": 1, "text": "one"})
    await graph.ainvoke({"n": 1, "text": "other"})
    assert runs == [1]


# --- clearing ---------------------------------------------------------------------------------


async def test_clearing_forgets_all_nodes_or_the_ones_named() -> None:
    one, two = Counted(), Counted()
    policy = CachePolicy(key_func=lambda state: "always")
    builder = StateGraph(State).add_node("one", one, cache_policy=policy)
    builder.add_node("two", two, cache_policy=policy).add_edge(START, "one").add_edge("one", "two")
    graph = builder.compile(cache=MemoryCache())
    await graph.ainvoke({})
    await graph.aclear_cache(["one"])
    await graph.ainvoke({})
    assert (one.runs, two.runs) == (2, 1)
    await graph.aclear_cache("two")
    await graph.ainvoke({})
    assert (one.runs, two.runs) == (2, 2)
    await graph.aclear_cache()
    await graph.ainvoke({})
    assert (one.runs, two.runs) == (3, 3)


async def test_clearing_leaves_other_graphs_alone() -> None:
    cache, mine, other = MemoryCache(), Counted(), Counted({"log": ["other"]})

    async def another(state: State) -> Any:
        return await other(state)

    graph, stranger = cached(mine, cache), cached(another, cache)
    await graph.ainvoke({})
    await stranger.ainvoke({})
    await graph.aclear_cache()
    await stranger.ainvoke({})
    assert other.runs == 1


async def test_a_node_that_is_not_there_cannot_be_cleared() -> None:
    graph = cached(Counted(), MemoryCache())
    with pytest.raises(ConfigError, match=r"'nope' is no node of the graph.*give some of \['a'"):
        await graph.aclear_cache(["a", "nope"])


# --- what goes wrong --------------------------------------------------------------------------


class Recording(MemoryCache):
    """Notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Sequence[CacheKey]] = []

    async def get(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Any]:
        self.asked.append(keys)
        return await super().get(keys)


class BrokenError(Exception):
    """A cache that fails."""


class Broken(MemoryCache):
    """Fails at the call it is told to."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self.call: str | None = call

    async def get(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Any]:
        if self.call == "get":
            raise BrokenError("cannot read")
        return await super().get(keys)

    async def set(self, pairs: Mapping[CacheKey, tuple[Any, float | None]]) -> None:
        if self.call == "set":
            raise BrokenError("cannot write")
        await super().set(pairs)


async def test_a_cache_that_cannot_be_read_fails_the_run_and_the_thread_goes_on() -> None:
    node, cache = Counted(), Broken("get")
    graph = cached(node, cache, checkpointer=MemorySaver())
    with pytest.raises(BrokenError, match="cannot read"):
        await graph.ainvoke({"n": 1}, on("t"))
    state = await graph.aget_state(on("t"))
    assert (state.next, node.runs) == (("a",), 0)
    cache.call = None
    assert await graph.ainvoke(None, on("t")) == {"log": ["ran", "b"], "n": 1}


async def test_a_cache_that_cannot_be_written_fails_the_run_and_no_work_is_lost() -> None:
    node, cache = Counted(), Broken("set")
    graph = cached(node, cache, checkpointer=MemorySaver())
    with pytest.raises(BrokenError, match="cannot write"):
        await graph.ainvoke({"n": 1}, on("t"))
    assert (await graph.aget_state(on("t"))).values == {"log": ["ran"], "n": 1}
    cache.call = None
    assert await graph.ainvoke(None, on("t")) == {"log": ["ran", "b"], "n": 1}
    assert node.runs == 1


async def test_a_cache_fails_before_the_next_step_begins() -> None:
    began = list[int]()

    async def after(state: State) -> None:
        began.append(1)

    builder = StateGraph(State).add_node("a", Counted(), cache_policy=CachePolicy())
    builder.add_node("after", after).add_edge(START, "a").add_edge("a", "after")
    with pytest.raises(BrokenError):
        await builder.compile(cache=Broken("set")).ainvoke({})
    assert began == []


async def test_an_input_that_has_no_key_fails_the_run() -> None:
    graph = cached(Counted(), MemoryCache())
    with pytest.raises(SerializationError):
        await graph.ainvoke({"log": [object()]})


async def test_a_result_that_cannot_be_stored_fails_the_run() -> None:
    graph = cached(Counted({"log": [object()]}), MemoryCache())
    with pytest.raises(SerializationError):
        await graph.ainvoke({})


async def test_a_key_function_that_fails_fails_the_run() -> None:
    def key(state: Any) -> str:
        raise LookupError("no key")

    graph = cached(Counted(), MemoryCache(), policy=CachePolicy(key_func=key))
    with pytest.raises(LookupError, match="no key"):
        await graph.ainvoke({})


async def test_a_key_that_is_none_fails_the_run() -> None:
    policy = CachePolicy(key_func=lambda state: 5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(CacheKeyError, match="node 'a' gave 5"):
        await cached(Counted(), MemoryCache(), policy=policy).ainvoke({})


@pytest.mark.parametrize("cache", [5, "memory", MemoryCache, object()])
def test_what_is_no_cache_is_refused_when_the_graph_is_compiled(cache: Any) -> None:
    with pytest.raises(GraphBuildError, match=r"keeps no results; give a MemoryCache"):
        chain(a=says("a")).compile(cache=cache)


class Hanging(MemoryCache):
    """Never answers the call it is told to hang in."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self.call = call
        self.reached = asyncio.Event()

    async def get(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Any]:
        await self._hang("get")
        return await super().get(keys)

    async def set(self, pairs: Mapping[CacheKey, tuple[Any, float | None]]) -> None:
        await self._hang("set")
        await super().set(pairs)

    async def _hang(self, call: str) -> None:
        if self.call == call:
            self.reached.set()
            await asyncio.Event().wait()


@pytest.fixture
async def system() -> AsyncIterator[ActorSystem]:
    async with asyncio.timeout(DEADLINE), ActorSystem(drain_timeout=0) as system:
        yield system


@pytest.mark.parametrize("call", ["get", "set"])
async def test_a_cache_that_never_answers_can_be_cancelled(system: ActorSystem, call: str) -> None:
    cache, node = Hanging(call), Counted()
    graph = cached(node, cache, checkpointer=MemorySaver())
    run = await system.start(graph, {"n": 1}, on("t"))
    await cache.reached.wait()
    await run.cancel()
    with pytest.raises(RunCancelledError):
        await run.result()
    cache.call = "none"
    assert await graph.ainvoke(None, on("t")) == {"log": ["ran", "b"], "n": 1}
    assert node.runs == 1


async def test_tasks_that_failed_are_not_held_until_the_run_ends() -> None:
    """A node that fails and is handled again and again: what its inputs held can be freed."""
    inputs: list[weakref.ref[Any]] = []
    alive: list[int] = []

    class Item(TypedDict):
        item: Any

    def fails(state: Any) -> None:
        raise LookupError("no such item")

    def handler(state: Any) -> Command[Any]:
        gc.collect()
        alive.append(sum(ref() is not None for ref in inputs))
        item = frozenset({len(inputs)})
        inputs.append(weakref.ref(item))
        return Command(goto=Send("a", {"item": item}) if len(inputs) < 6 else "b")

    policy = CachePolicy(key_func=lambda state: str(state.get("item")))
    builder = StateGraph(State).add_node("b", saying("b")).add_edge(START, "a")
    builder.add_node("a", fails, cache_policy=policy, input_schema=Item, error_handler=handler)
    await builder.compile(cache=MemoryCache()).ainvoke({})
    assert max(alive) <= 2


async def test_at_exit_an_input_that_has_no_key_leaves_the_steps_before_it_stored() -> None:
    class Aside(State):
        odd: Annotated[Any, UntrackedValue]

    builder = StateGraph(Aside).add_node("a", saying("a"))
    builder.add_node("b", saying("b"), cache_policy=CachePolicy())
    builder.add_edge(START, "a").add_edge("a", "b")
    graph = builder.compile(cache=MemoryCache(), checkpointer=MemorySaver())
    with pytest.raises(SerializationError):
        await graph.ainvoke({"odd": object()}, on("t"), durability="exit")
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": ["a"]}, ("b",))
