"""Graphs that keep their state: what they remember, on which branch, and who may run them."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, Command, RootGraphError, Send, StateGraph, entrypoint, interrupt, task
from actors.kept_graphs import kept_state
from checkpoint import MemoryCache, MemorySaver, SqliteSaver
from tests.actors.engine import DEADLINE, State, chain, on, saying


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


class Memory(TypedDict, total=False):
    word: str
    heard: Annotated[list[str], operator.add]


async def hear(state: Any) -> dict[str, Any]:
    return {"heard": [state["word"]]}


def kept(**nodes: Any) -> Any:
    """A graph that remembers each word it was called with."""
    return chain(Memory, **(nodes or {"hear": hear})).compile(checkpointer=True)


class Talk(TypedDict, total=False):
    word: str
    heard: list[str]
    n: int


def talking(inner: Any | None = None, saver: Any = None) -> Any:
    """A graph that asks the one that remembers, and shows what it has heard."""
    graph = inner or kept()

    async def ask(state: Any) -> dict[str, Any]:
        return {"heard": (await graph.ainvoke({"word": state["word"]}))["heard"]}

    async def after(state: Any) -> dict[str, Any]:
        return {"n": len(state["heard"])}

    return chain(Talk, ask=ask, after=after).compile(checkpointer=saver or MemorySaver())


async def say(graph: Any, *words: str, thread: str = "t") -> list[str]:
    found: Any = None
    for word in words:
        found = await graph.ainvoke({"word": word}, on(thread))
    return found["heard"]


async def at(graph: Any, *waiting: str) -> list[Any]:
    """Configs of the checkpoints that wait for these nodes, newest first."""
    return [s.config async for s in graph.aget_state_history(on("t")) if s.next == waiting]


@contextmanager
def opened(kind: str, path: Path) -> Iterator[Any]:
    if kind == "memory":
        yield MemorySaver()
    else:
        with SqliteSaver.from_conn_string(str(path / "kept.db")) as saver:
            yield saver


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_it_remembers_over_the_turns_of_a_thread(
    kind: str, durability: Any, tmp_path: Path
) -> None:
    with opened(kind, tmp_path) as saver:
        graph = talking(saver=saver)
        for word in "abc":
            state = await graph.ainvoke({"word": word}, on("t"), durability=durability)
        assert state["heard"] == ["a", "b", "c"]
        assert await say(graph, "x", thread="other") == ["x"]


async def test_a_new_turn_on_an_old_end_remembers_what_that_branch_had_heard() -> None:
    graph = talking()
    await say(graph, "a", "b", "c")
    ends = await at(graph)
    state = await graph.ainvoke({"word": "other"}, ends[2])
    assert state["heard"] == ["a", "other"]
    assert await say(graph, "on") == ["a", "other", "on"]
    state = await graph.ainvoke({"word": "again"}, ends[0])
    assert state["heard"] == ["a", "b", "c", "again"]


async def test_a_replay_after_the_call_goes_on_with_what_was_heard_then() -> None:
    graph = talking()
    await say(graph, "a", "b", "c")
    await graph.ainvoke(None, (await at(graph, "after"))[1])
    assert await say(graph, "on") == ["a", "b", "on"]


async def test_a_fork_without_its_id_goes_on_with_what_was_heard_then() -> None:
    graph = talking()
    await say(graph, "a", "b")
    await graph.aupdate_state((await at(graph, "ask"))[1], {"word": "forked"})
    assert (await graph.ainvoke(None, on("t")))["heard"] == ["forked"]
    assert await say(graph, "on") == ["forked", "on"]


async def test_a_rolled_back_turn_is_not_remembered() -> None:
    graph = talking()
    await say(graph, "a")
    config = await graph.aupdate_state(on("t"), None, as_node="__copy__")
    await say(graph, "b")
    state = await graph.ainvoke({"word": "c"}, config)
    assert state["heard"] == ["a", "c"]


async def test_a_call_that_a_new_input_left_unfinished_is_not_remembered() -> None:
    def doubt(state: Any) -> dict[str, Any]:
        return {"heard": [interrupt("sure?")] if state["word"].endswith("?") else []}

    graph = talking(kept(hear=hear, doubt=doubt))
    assert await say(graph, "one") == ["one"]
    left = await graph.ainvoke({"word": "two?"}, on("t"))
    assert [each.value for each in left["__interrupt__"]] == ["sure?"]
    assert await say(graph, "three", "four") == ["one", "three", "four"]


async def test_state_at_an_old_checkpoint_shows_what_the_call_left() -> None:
    graph = chain(Memory, sub=kept()).compile(checkpointer=MemorySaver())
    for word in "ab":
        await graph.ainvoke({"word": word}, on("t"))
    heard = []
    for config in await at(graph, "sub"):
        [found] = (await graph.aget_state(config, subgraphs=True)).tasks
        heard.append(found.state.values["heard"])
    assert heard == [["a", "a", "b"], ["a"]]


async def test_a_call_that_is_yet_to_come_shows_what_it_will_find() -> None:
    graph = chain(Memory, sub=kept()).compile(checkpointer=MemorySaver(), interrupt_before=["sub"])
    await graph.ainvoke({"word": "a"}, on("t"))
    [found] = (await graph.aget_state(on("t"), subgraphs=True)).tasks
    assert found.state.values == {}
    await graph.ainvoke(None, on("t"))
    await graph.ainvoke({"word": "b"}, on("t"))
    [found] = (await graph.aget_state(on("t"), subgraphs=True)).tasks
    assert found.state.values["heard"] == ["a"]
    assert found.state.metadata["parents"].keys() == {""}


async def test_calls_side_by_side_take_turns_and_start_from_the_same_state() -> None:
    running: list[int] = [0, 0]

    async def slow(state: Any) -> dict[str, Any]:
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(0)
        running[0] -= 1
        return {"heard": [state["word"]]}

    class Many(TypedDict, total=False):
        heard: Annotated[list[Any], lambda old, new: [*old, new]]

    builder = StateGraph(Many).add_node("sub", kept(hear=slow))
    builder.add_conditional_edges(START, lambda s: [Send("sub", {"word": w}) for w in "xyz"])
    graph = builder.compile(checkpointer=MemorySaver())
    first = await graph.ainvoke({}, on("t"))
    assert first["heard"] == [["x"], ["y"], ["z"]]
    second = await graph.ainvoke({}, on("t"))
    assert second["heard"][3:] == [["z", "x"], ["z", "y"], ["z", "z"]]
    assert running == [0, 1]


async def test_calls_side_by_side_that_ask_each_go_on_with_their_own() -> None:
    async def ask(state: Any) -> dict[str, Any]:
        return {"heard": [f"{state['word']}{interrupt(state['word'])}"]}

    class Many(TypedDict, total=False):
        heard: Annotated[list[Any], operator.add]

    builder = StateGraph(Many).add_node("sub", kept(hear=hear, ask=ask))
    builder.add_conditional_edges(START, lambda s: [Send("sub", {"word": w}) for w in "xyz"])
    graph = builder.compile(checkpointer=MemorySaver())
    await graph.ainvoke({}, on("t"))
    waiting = (await graph.aget_state(on("t"))).interrupts
    answers = {asked.id: asked.value.upper() for asked in waiting}
    state = await graph.ainvoke(Command(resume=answers), on("t"))
    assert state["heard"] == ["x", "xX", "y", "yY", "z", "zZ"]


async def test_a_task_of_an_entrypoint_may_call_it() -> None:
    memory = kept()

    @task
    async def remember(word: str) -> Any:
        return (await memory.ainvoke({"word": word}))["heard"]

    @entrypoint(checkpointer=MemorySaver())
    async def flow(word: str) -> Any:
        heard = await remember(word)
        return [heard, interrupt("sure?")]

    found: Any = None
    for word in "ab":
        await flow.ainvoke(word, on("t"))
        found = await flow.ainvoke(Command(resume="yes"), on("t"))
    assert found == [["a", "b"], "yes"]


async def test_a_cached_call_leaves_what_the_thread_remembers_alone() -> None:
    from actors import CachePolicy

    graph = kept()

    async def ask(state: Any) -> dict[str, Any]:
        return {"heard": (await graph.ainvoke({"word": state["word"]}))["heard"]}

    builder = StateGraph(Talk).add_node("ask", ask, cache_policy=CachePolicy())
    outer = builder.add_edge(START, "ask").compile(checkpointer=MemorySaver(), cache=MemoryCache())
    assert await say(outer, "a", thread="one") == ["a"]
    assert await say(outer, "a", thread="two") == ["a"]  # found, not run
    assert (await outer.ainvoke({"word": "b", "n": 1}, on("two")))["heard"] == ["b"]


async def test_without_a_saver_above_it_starts_anew() -> None:
    graph = kept()

    async def ask(state: Any) -> dict[str, Any]:
        return {"heard": (await graph.ainvoke({"word": state["word"]}))["heard"]}

    outer = chain(Talk, ask=ask).compile()
    for _ in range(2):
        assert (await outer.ainvoke({"word": "a"}))["heard"] == ["a"]


@pytest.mark.parametrize(
    "use",
    [
        lambda graph: graph.invoke({"word": "a"}, on("t")),
        lambda graph: graph.get_state(on("t")),
        lambda graph: graph.update_state(on("t"), {"word": "a"}),
        lambda graph: list(graph.get_state_history(on("t"))),
    ],
)
def test_it_is_no_root_graph(use: Callable[[Any], Any]) -> None:
    with pytest.raises(RootGraphError, match="cannot be used for root graphs"):
        use(kept())


async def test_it_may_run_alone_when_nothing_is_to_be_kept() -> None:
    assert (await kept().ainvoke({"word": "a"}, stateless=True))["heard"] == ["a"]


async def test_kept_state_of_an_unknown_scope_is_nothing() -> None:
    state = await kept_state(MemorySaver(), "t", "sub", ("sub:1", "c1"), None)
    assert (state.newest, state.base, state.begun, state.blank) == (None, None, False, None)


async def test_a_graph_around_it_that_starts_anew_hands_on_what_it_had_come_to() -> None:
    middle = chain(Memory, sub=kept()).compile()
    graph = chain(Memory, mid=middle).compile(checkpointer=MemorySaver())
    for word in "ab":
        await graph.ainvoke({"word": word}, on("t"))
    state = await graph.aget_state(
        on("t", configurable={"thread_id": "t", "checkpoint_ns": "mid|sub"})
    )
    assert state.values["heard"][-1] == "b"
    assert state.metadata["step"] == 4


class Told(TypedDict, total=False):
    word: str
    told: list[str]


async def hand_over(state: Any) -> Command[Any]:
    return Command(graph=Command.PARENT, update={"told": state["heard"]})


@pytest.mark.parametrize("durability", ["async", "exit"])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_command_for_its_caller_ends_a_call_that_is_remembered(
    kind: str, durability: Any, tmp_path: Path
) -> None:
    with opened(kind, tmp_path) as saver:
        inner = kept(hear=hear, hand_over=hand_over)
        graph = chain(Told, agent=inner).compile(checkpointer=saver)
        for heard in (["a"], ["a", "b"], ["a", "b", "c"]):
            found = await graph.ainvoke({"word": heard[-1]}, on("t"), durability=durability)
            assert found["told"] == heard


async def test_a_node_that_asked_it_and_hands_over_leaves_it_remembering() -> None:
    graph = kept()

    async def ask(state: Any) -> Command[Any]:
        heard = (await graph.ainvoke({"word": state["word"]}))["heard"]
        return Command(graph=Command.PARENT, update={"heard": heard})

    middle = chain(Talk, ask=ask).compile()
    outer = chain(Talk, middle=middle).compile(checkpointer=MemorySaver())
    assert await say(outer, "a", "b", "c") == ["a", "b", "c"]


async def test_it_takes_part_in_a_cancelled_run_that_goes_on() -> None:
    graph = chain(State, a=saying("a")).compile(checkpointer=True)
    outer = chain(State, sub=graph, b=saying("b")).compile(checkpointer=MemorySaver())
    async with outer.astream({"log": ["in"]}, on("t")) as stream:
        await anext(stream)
    assert (await outer.ainvoke(None, on("t")))["log"] == ["in", "in", "a", "b"]
