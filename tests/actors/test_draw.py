"""A drawing as a value: its ends, its parts, and what it refuses to be."""

from itertools import pairwise

import pytest

from actors import DrawingError
from actors.draw import CurveStyle, Edge, Graph, Node, NodeStyles


def row(*names: str) -> Graph:
    """A drawing of a chain."""
    edges = [Edge(start, end) for start, end in pairwise(names)]
    return Graph({name: Node(name, name) for name in names}, edges)


def test_a_chain_has_one_first_and_one_last_node() -> None:
    graph = row("a", "b", "c")
    assert (graph.first_node(), graph.last_node()) == (Node("a", "a"), Node("c", "c"))


def test_a_loop_has_neither_a_first_nor_a_last_node() -> None:
    graph = row("a", "b")
    graph.edges.append(Edge("b", "a"))
    assert (graph.first_node(), graph.last_node()) == (None, None)


def test_two_nodes_that_nothing_leads_to_are_no_first_node() -> None:
    graph = row("a", "c")
    graph.nodes["b"] = Node("b", "b")
    graph.edges.append(Edge("b", "c"))
    assert graph.first_node() is None


def test_an_end_is_trimmed_with_its_edge() -> None:
    graph = row("a", "b", "c")
    graph.trim_first_node()
    graph.trim_last_node()
    assert (list(graph.nodes), graph.edges) == (["b"], [])


def test_an_end_stays_when_two_edges_touch_it() -> None:
    graph = row("a", "b", "d")
    graph.nodes["c"] = Node("c", "c")
    graph.edges += [Edge("a", "c"), Edge("c", "d")]
    graph.trim_first_node()
    graph.trim_last_node()
    assert list(graph.nodes) == ["a", "b", "d", "c"]


def test_an_inserted_graph_takes_the_place_of_its_node() -> None:
    graph, inner = row("a", "sub", "b"), row("__start__", "x", "y", "__end__")
    graph.insert("sub", inner)
    assert list(graph.nodes) == ["a", "b", "sub:x", "sub:y"]
    assert graph.nodes["sub:x"].name == "x"
    assert graph.edges == [Edge("a", "sub:x"), Edge("sub:y", "b"), Edge("sub:x", "sub:y")]


def test_a_graph_of_a_single_node_is_not_inserted() -> None:
    graph = row("a", "sub", "b")
    graph.insert("sub", row("x"))
    assert list(graph.nodes) == ["a", "sub", "b"]


def test_a_graph_without_one_last_node_is_not_inserted() -> None:
    graph, inner = row("a", "sub", "b"), row("x", "y")
    inner.edges.append(Edge("y", "x"))
    graph.insert("sub", inner)
    assert list(graph.nodes) == ["a", "sub", "b"]


def test_json_says_what_stands_behind_a_node_and_leaves_out_what_is_not_there() -> None:
    graph = Graph(
        {"a": Node("a", "a", row, {"kind": "x"}), "b": Node("b", "b")},
        [Edge("a", "b", "label", conditional=True), Edge("b", "a")],
    )
    place = [*row.__module__.split("."), "row"]
    assert graph.to_json() == {
        "nodes": [
            {
                "id": "a",
                "type": "runnable",
                "data": {"id": place, "name": "a"},
                "metadata": {"kind": "x"},
            },
            {"id": "b"},
        ],
        "edges": [
            {"source": "a", "target": "b", "data": "label", "conditional": True},
            {"source": "b", "target": "a"},
        ],
    }


def test_a_curve_is_given_as_its_name_or_as_a_style() -> None:
    graph = row("a", "b")
    text = graph.draw_mermaid(curve_style="bumpX")
    assert "curve: bumpX" in text
    assert graph.draw_mermaid(curve_style=CurveStyle.BUMP_X) == text


def test_an_unknown_curve_is_refused_with_those_there_are() -> None:
    with pytest.raises(DrawingError, match=r"'wavy'.*'basis'.*'stepBefore'"):
        row("a").draw_mermaid(curve_style="wavy")


def test_node_colors_replace_the_styles() -> None:
    text = row("a", "b").draw_mermaid(node_colors=NodeStyles(last="fill:#000"))
    assert "\tclassDef last fill:#000\n" in text
    assert "\tclassDef first fill-opacity:0\n" in text


def test_a_picture_is_refused_with_what_makes_one() -> None:
    with pytest.raises(DrawingError, match=r"max_retries=5.*no.*network|mermaid-cli"):
        row("a").draw_mermaid_png(max_retries=5)


def test_print_ascii_prints_the_drawing(capsys: pytest.CaptureFixture[str]) -> None:
    graph = row("a", "b")
    graph.print_ascii()
    assert capsys.readouterr().out == graph.draw_ascii() + "\n"
