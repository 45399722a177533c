"""What a compiled graph shows of itself: its name, its config, the graphs inside it."""

from typing import Any, TypedDict

import pytest

from actors import (
    START,
    CheckpointerTypeError,
    CompiledGraph,
    Runtime,
    StateGraph,
    StoreTypeError,
)
from checkpoint import MemorySaver, MemoryStore


class State(TypedDict, total=False):
    n: int


def idle(state: State) -> None:
    """A node that does nothing."""


def graph(node: Any = idle, name: str = "node", **options: Any) -> CompiledGraph:
    return StateGraph(State).add_node(name, node).add_edge(START, name).compile(**options)


def test_a_graph_added_as_a_node_is_found_under_the_node_s_name() -> None:
    inner = graph()
    assert list(graph(inner, "sub").get_subgraphs()) == [("sub", inner)]


def test_a_graph_that_a_node_calls_is_found_too() -> None:
    inner = graph()

    def call(state: State) -> Any:
        return inner.invoke(state)

    assert list(graph(call, "calls").get_subgraphs()) == [("calls", inner)]


def test_graphs_inside_graphs_are_found_when_asked() -> None:
    low = graph(name="low")
    middle = graph(low, "middle")
    top = graph(middle, "top")
    assert list(top.get_subgraphs()) == [("top", middle)]
    assert list(top.get_subgraphs(recurse=True)) == [("top", middle), ("top|middle", low)]
    assert list(top.get_subgraphs(namespace="top|middle", recurse=True)) == [("top|middle", low)]
    assert list(top.get_subgraphs(namespace="top|middle")) == []


def test_a_name_that_begins_like_a_namespace_is_another_one() -> None:
    inner = graph()
    builder = StateGraph(State).add_node("sub", inner).add_node("subway", inner)
    builder.add_edge(START, "sub").add_edge("sub", "subway")
    found = builder.compile().get_subgraphs(namespace="subway", recurse=True)
    assert [name for name, _ in found] == ["subway"]


def test_a_graph_that_keeps_nothing_is_no_subgraph_to_look_at() -> None:
    assert list(graph(graph(checkpointer=False), "sub").get_subgraphs()) == []


async def test_the_async_twin_finds_the_same() -> None:
    outer = graph(graph(), "sub")
    assert [pair async for pair in outer.aget_subgraphs()] == list(outer.get_subgraphs())


def test_a_graph_with_a_config_is_the_same_graph_otherwise() -> None:
    first = graph(name="first")
    second = first.with_config(tags=["x"])
    assert type(second) is CompiledGraph
    assert (second.spec, second.checkpointer) == (first.spec, first.checkpointer)
    assert second.get_graph() == first.get_graph()


def test_its_repr_names_it_and_its_nodes() -> None:
    assert repr(graph(name="only")) == "<CompiledGraph 'Graph' nodes=['only']>"


async def test_a_graph_can_be_stored_in_another_saver_and_store() -> None:
    async def note(state: State, runtime: Runtime[None]) -> State:
        assert runtime.store is not None
        await runtime.store.aput(("seen",), "n", {"n": state["n"]})
        return {"n": state["n"] + 1}

    here = graph(note)
    saver, store = MemorySaver(), MemoryStore()
    moved = here.stored_in(saver, store)
    thread = {"configurable": {"thread_id": "t"}}
    assert await moved.ainvoke({"n": 1}, thread) == {"n": 2}
    assert (await moved.aget_state(thread)).values == {"n": 2}
    item = await store.aget(("seen",), "n")
    assert item is not None
    assert item.value == {"n": 1}
    assert (moved.name, here.checkpointer, here.store) == (here.name, None, None)
    assert moved.stored_in(MemorySaver()).store is store


def test_a_graph_is_stored_in_savers_and_stores_only() -> None:
    wrong: Any = "file.db"
    with pytest.raises(CheckpointerTypeError, match="file"):
        graph().stored_in(wrong)
    with pytest.raises(StoreTypeError, match="file"):
        graph().stored_in(MemorySaver(), wrong)
