"""Graphs that keep their state, on threads that were pruned or lost runs."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, StateGraph
from checkpoint import EncryptedSerializer, MemorySaver, SqliteSaver


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


class Memory(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    calls: Annotated[list[int], operator.add]


@pytest.fixture(params=["memory", "sqlite", "encrypted"])
async def saver(request: Any, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemorySaver()
        return
    serializer = EncryptedSerializer(bytes(16)) if request.param == "encrypted" else None
    async with SqliteSaver(tmp_path / "threads.db", serializer=serializer) as opened:
        yield opened


def on(thread: str, checkpoint: str | None = None, **config: Any) -> Any:
    place = {"checkpoint_id": checkpoint} if checkpoint else {}
    return {"configurable": {"thread_id": thread, **place}, **config}


def counting(saver: Any, names: tuple[str, ...]) -> Any:
    """A graph of counting graphs, each of which says the how many-th call it is."""

    def count(state: Memory) -> Memory:
        calls = state.get("calls", [])
        return {"log": [f"call {len(calls)}"], "calls": [len(calls)]}

    def begin(state: State) -> State:
        return {"log": ["turn"]}

    memory = StateGraph(Memory, output_schema=State).add_node(count).add_edge(START, "count")
    builder = StateGraph(State).add_node(begin).add_edge(START, "begin")
    for name in names:
        between = StateGraph(State).add_node("memory", memory.compile(checkpointer=True))
        builder.add_node(name, between.add_edge(START, "memory").compile())
        builder.add_edge("begin", name)
    return builder.compile(checkpointer=saver)


async def replayed(saver: Any, graph: Any, thread: str, checkpoint: str) -> list[str]:
    """What a replay of a checkpoint comes to, on a copy of the thread."""
    copy = f"{thread} {checkpoint}"
    await saver.acopy_thread(thread, copy)
    values = await graph.ainvoke(None, on(copy, checkpoint))
    await saver.adelete_thread(copy)
    return values["log"]


@pytest.mark.parametrize("names", [("one",), ("one", "other", "third")])
@pytest.mark.parametrize("keep_last", [1, 4])
async def test_replays_of_what_pruning_kept_give_what_they_gave(
    saver: Any, names: tuple[str, ...], keep_last: int
) -> None:
    graph = counting(saver, names)
    for _ in range(3):
        await graph.ainvoke({"log": ["in"]}, on("whole"))
    history = [each async for each in graph.aget_state_history(on("whole"))]
    old = next(each for each in history[4:] if each.next == names)
    await graph.aupdate_state(old.config, {"log": ["branch"]}, "begin")  # made before the last call
    await graph.ainvoke({"log": ["in"]}, on("whole"))
    await saver.acopy_thread("whole", "pruned")
    await saver.aprune(["pruned"], keep_last=keep_last)
    kept = [each async for each in graph.aget_state_history(on("pruned"))]
    assert len(kept) < len([each async for each in graph.aget_state_history(on("whole"))])
    for state in kept:
        checkpoint = state.config["configurable"]["checkpoint_id"]
        expected = await replayed(saver, graph, "whole", checkpoint)
        assert await replayed(saver, graph, "pruned", checkpoint) == expected
    assert (await saver.averify()).ok


async def test_a_run_goes_on_from_a_call_whose_run_was_deleted(saver: Any) -> None:
    graph = counting(saver, ("one",))
    first, second = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
    for run_id in (first, second):
        values = await graph.ainvoke({"log": ["in"]}, on("thread", run_id=run_id))
    assert (await saver.adelete_for_runs([first])).checkpoints > 0
    oldest = [each async for each in graph.aget_state_history(on("thread"))][-1]
    checkpoint = oldest.config["configurable"]["checkpoint_id"]
    assert await replayed(saver, graph, "thread", checkpoint) == values["log"]


async def test_a_thread_whose_name_is_empty_is_copied_and_deleted_like_any_other(
    saver: Any,
) -> None:
    graph = counting(saver, ("one",))
    values = await graph.ainvoke({}, on(""))
    await saver.acopy_thread("", "copy")
    await saver.adelete_thread("")
    assert (await graph.aget_state(on(""))).values == {}
    assert (await graph.aget_state(on("copy"))).values == values != {}
