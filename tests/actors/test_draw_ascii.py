"""Drawings in plain characters."""

import subprocess
import sys

import pytest

from actors import DrawingError
from actors.draw import Edge, Graph, Node


def drawn(names: str, *edges: Edge) -> Graph:
    return Graph({name: Node(name, name) for name in names}, list(edges))


def lines(graph: Graph) -> list[str]:
    return [line.rstrip() for line in graph.draw_ascii().splitlines()]


def test_a_box_stands_below_the_one_that_leads_to_it() -> None:
    assert lines(drawn("ab", Edge("a", "b"))) == [
        "+---+", "| a |", "+---+", "  *", "  *", "  *", "+---+", "| b |", "+---+",
    ]  # fmt: skip


def test_a_conditional_edge_is_dotted() -> None:
    assert lines(drawn("ab", Edge("a", "b", conditional=True)))[3:6] == ["  .", "  .", "  ."]


def test_lines_aslant_lead_to_boxes_beside_each_other() -> None:
    graph = drawn("abcd", Edge("a", "b"), Edge("a", "c"), Edge("b", "d"), Edge("c", "d"))
    assert lines(graph) == [
        "     +---+",
        "     | a |",
        "     +---+",
        "     *    *",
        "    *      *",
        "   *        *",
        "+---+     +---+",
        "| b |     | c |",
        "+---+     +---+",
        "     *    *",
        "      *  *",
        "       **",
        "     +---+",
        "     | d |",
        "     +---+",
    ]


def test_where_lines_cross_an_edge_that_is_sure_is_on_top() -> None:
    graph = drawn("ab", Edge("a", "b", conditional=True), Edge("b", "a"))
    assert {graph.draw_ascii() for _ in range(5)} == {graph.draw_ascii()}
    assert "." not in graph.draw_ascii()


def test_an_edge_from_a_node_to_itself_is_left_out() -> None:
    assert lines(drawn("a", Edge("a", "a"))) == ["+---+", "| a |", "+---+"]


def test_a_graph_without_nodes_is_refused() -> None:
    with pytest.raises(DrawingError, match="without nodes"):
        Graph().draw_ascii()


def test_without_grandalf_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['grandalf.graphs'] = sys.modules['grandalf'] = None\n"
        "from actors.draw import Graph, Node\n"
        "try:\n"
        "    Graph({'a': Node('a', 'a')}).draw_ascii()\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("DrawingUnavailableError A drawing of ['a']")
    assert "pip install 'understudy[draw]'" in done.stdout
