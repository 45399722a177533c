"""From compiled graphs to drawings; that they equal LangGraph's is shown in tests/parity."""

from typing import Any, TypedDict

import pytest

from actors import (
    END,
    START,
    ConfigError,
    EphemeralValue,
    LastValue,
    NodeBuilder,
    Pregel,
    StateGraph,
    entrypoint,
)
from actors.draw import Edge


class State(TypedDict, total=False):
    n: int


def idle(state: State) -> None:
    """A node that does nothing."""


def chain(*names: str, **options: Any) -> StateGraph:
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, idle, **options)
    for start, end in zip((START, *names), (*names, END), strict=True):
        builder.add_edge(start, end)
    return builder


def test_a_node_s_data_is_the_code_that_it_runs() -> None:
    inner = chain("x").compile()
    graph = chain("a").add_node("sub", inner).add_edge("a", "sub").compile()
    nodes = graph.get_graph().nodes
    assert (nodes["a"].data, nodes["sub"].data, nodes[END].data) == (idle, inner, None)


@pytest.mark.parametrize("method", ["__call__", "invoke", "ainvoke"])
def test_tools_of_a_node_are_shown_in_its_metadata(method: str) -> None:
    def run(self: Any, state: State, config: Any = None) -> None:
        """Run no tools."""

    run.__name__ = method
    names = {"search": None, "add": None}
    tools = type("Tools", (), {method: run, "tools_by_name": names})()
    graph = StateGraph(State).add_node("tools", tools).add_edge(START, "tools").compile()
    node = graph.get_graph().nodes["tools"]
    assert node.data is tools
    assert node.metadata == {"__tools": ["search", "add"]}
    assert node.to_json()["data"]["id"][-1] == "Tools"


def test_a_chain_longer_than_any_loop_is_followed_is_drawn_to_its_end() -> None:
    names = [f"n{i}" for i in range(400)]
    edges = chain(*names).compile().get_graph().edges
    assert set(edges) == {
        Edge(start, end) for start, end in zip((START, *names), (*names, END), strict=True)
    }


def test_a_branch_with_labels_for_one_target_is_drawn_once() -> None:
    builder = chain("a").add_node("b", idle)
    builder.add_conditional_edges("a", lambda s: "x", {"y": "b", "x": "b", 1: "b", "b": "b"})
    edges = [edge for edge in builder.compile().get_graph().edges if edge.target == "b"]
    assert edges == [Edge("a", "b", "1", conditional=True)]


def test_no_user_code_runs_for_a_drawing() -> None:
    def explode(*_: Any) -> Any:
        raise AssertionError

    builder = StateGraph(State).add_node("a", explode).add_edge(START, "a")
    builder.add_conditional_edges("a", explode, ["a", END])
    assert len(builder.compile().get_graph(xray=True).nodes) == 3


def test_a_drawing_is_the_caller_s_to_change() -> None:
    graph = chain("a").compile()
    graph.get_graph().nodes.clear()
    assert list(graph.get_graph().nodes) == [START, "a", END]


def test_a_config_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no mapping"):
        chain("a").compile().get_graph("thread")  # type: ignore[arg-type]


def raw(inputs: str, **nodes: tuple[str, str]) -> Pregel:
    """A raw graph: node -> (the channel it reads, the one it writes)."""
    names = {inputs} | {name for pair in nodes.values() for name in pair}
    builders = {
        name: NodeBuilder().subscribe_only(reads).do(lambda value: value).write_to(writes)
        for name, (reads, writes) in nodes.items()
    }
    return Pregel(
        nodes=builders,
        channels={name: EphemeralValue(int) for name in names} | {"out": LastValue(int)},
        input_channels=inputs,
        output_channels="out",
    )


def ends(edges: list[Edge]) -> list[tuple[str, str, bool]]:
    return [(edge.source, edge.target, edge.conditional) for edge in edges]


def test_edges_of_a_raw_graph_lead_from_who_writes_a_channel_to_who_reads_it() -> None:
    graph = raw("a", one=("a", "b"), two=("b", "out"), too=("b", "out")).get_graph()
    assert list(graph.nodes) == ["one", "two", "too", START, END]
    assert ends(graph.edges) == [
        (START, "one", False),
        ("one", "too", False),
        ("one", "two", False),
        ("too", END, False),
        ("two", END, False),
    ]


def test_a_raw_loop_ends_where_the_output_is_written() -> None:
    graph = raw("a", one=("a", "b"), two=("b", "a")).get_graph()
    assert ends(graph.edges) == [
        (START, "one", False),
        ("one", "two", False),
        ("two", "one", False),
    ]
    graph = raw("a", one=("a", "out"), two=("out", "a")).get_graph()
    assert ends(graph.edges)[-1] == ("one", END, True)


def test_an_entrypoint_is_drawn_as_one_node() -> None:
    @entrypoint()
    def work(number: int) -> int:
        return number

    assert ends(work.get_graph().edges) == [(START, "work", False), ("work", END, True)]
