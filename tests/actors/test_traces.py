"""A user's traceback shows the user's frames."""

from __future__ import annotations

import traceback
from typing import TypedDict

import pytest

from actors import START, CompiledGraph, StateGraph
from actors.traces import user_frames


class State(TypedDict, total=False):
    n: int


def helper() -> None:
    raise ValueError("boom")


def sync_node(_state: State) -> None:
    helper()


async def async_node(_state: State) -> None:
    helper()


def graph_of(node: object) -> CompiledGraph:
    return StateGraph(State).add_node("node", node).add_edge(START, "node").compile()


def frames_of(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("node", [sync_node, async_node])
async def test_an_error_under_ainvoke_shows_the_caller_and_the_node(node: object) -> None:
    with pytest.raises(ValueError, match="boom") as raised:
        await graph_of(node).ainvoke({"n": 1})
    name = getattr(node, "__name__", "")
    assert frames_of(raised.value)[1:] == [name, "helper"]


@pytest.mark.parametrize("node", [sync_node, async_node])
async def test_an_error_under_astream_shows_no_frame_of_the_scheduler(node: object) -> None:
    with pytest.raises(ValueError, match="boom") as raised:
        async for _ in graph_of(node).astream({"n": 1}):
            pass
    name = getattr(node, "__name__", "")
    assert frames_of(raised.value)[1:] == [name, "helper"]


@pytest.mark.parametrize("node", [sync_node, async_node])
def test_an_error_under_invoke_shows_only_the_doors_between_caller_and_node(node: object) -> None:
    with pytest.raises(ValueError, match="boom") as raised:
        graph_of(node).invoke({"n": 1})
    shown = frames_of(raised.value)
    assert shown[-2:] == [getattr(node, "__name__", ""), "helper"]
    assert "drive" not in shown
    assert "_run_once" not in shown


async def test_an_error_raised_twice_does_not_grow() -> None:
    graph = graph_of(async_node)
    seen: list[list[str]] = []
    for _ in range(2):
        with pytest.raises(ValueError, match="boom") as raised:
            await graph.ainvoke({"n": 1})
        seen.append(frames_of(raised.value))
    assert seen[0] == seen[1]


def test_a_traceback_of_the_machinery_alone_stays_whole() -> None:
    with pytest.raises(ValueError, match="cannot be") as raised:
        graph_of(sync_node).invoke({"n": 1}, {"recursion_limit": 0})
    inner = raised.value.__traceback__
    assert inner is not None
    while inner.tb_next is not None:
        inner = inner.tb_next
    assert user_frames(inner) is inner
