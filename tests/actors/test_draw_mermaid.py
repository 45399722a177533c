"""Mermaid texts: labels, boxes, escapes, styles."""

import subprocess
import sys

import pytest

from actors import DrawingError
from actors.draw import Edge, Graph, Node


def drawn(*ids: str, edges: tuple[Edge, ...] = ()) -> Graph:
    return Graph({name: Node(name, name.rpartition(":")[2]) for name in ids}, list(edges))


def test_a_chain_is_told_from_top_to_bottom_with_rounded_ends() -> None:
    graph = drawn("a", "b", "c", edges=(Edge("a", "b"), Edge("b", "c", conditional=True)))
    assert graph.draw_mermaid() == (
        "---\nconfig:\n  flowchart:\n    curve: linear\n---\ngraph TD;\n"
        "\ta([a]):::first\n\tb(b)\n\tc([c]):::last\n"
        "\ta --> b;\n\tb -.-> c;\n"
        "\tclassDef default fill:#f2f0ff,line-height:1.2\n"
        "\tclassDef first fill-opacity:0\n\tclassDef last fill:#bfb6fc\n"
    )


def test_without_styles_only_edges_and_boxes_are_told() -> None:
    graph = drawn("a", "s:x", "s:y", edges=(Edge("a", "s:x"), Edge("s:x", "s:y")))
    assert graph.draw_mermaid(with_styles=False) == (
        "graph TD;\n\ta --> s\\3ax;\n\tsubgraph s\n\ts\\3ax --> s\\3ay;\n\tend\n"
    )


def test_labels_stand_on_edges_and_long_ones_are_wrapped() -> None:
    edges = (Edge("a", "b", "one two three"), Edge("b", "c", "yes", conditional=True))
    text = drawn("a", "b", "c", edges=edges).draw_mermaid(wrap_label_n_words=2)
    assert "\ta -- &nbsp;one two&nbsp<br>&nbspthree&nbsp; --> b;\n" in text
    assert "\tb -. &nbsp;yes&nbsp; .-> c;\n" in text


def test_metadata_stands_below_the_name_as_text_that_is_no_markup() -> None:
    metadata = {"tags": ["b", "a"], "set": {"b", "a"}, "deep": {"x": 1}, "why": "a|b <c>"}
    text = Graph({"n": Node("n", "n", None, metadata)}).draw_mermaid()
    lines = "tags = b, a\nset = a, b\nwhy = a#124;b #60;c#62;"
    assert f"n<hr/><small><em>{lines}</em></small>" in text


def test_a_name_between_underscores_is_no_emphasis() -> None:
    assert "<p>_a_</p>" in drawn("_a_").draw_mermaid()
    assert "<p>" not in drawn("a_").draw_mermaid()


def test_a_name_that_is_no_mermaid_id_is_written_in_hex() -> None:
    assert "\ttwo\\20words\\e9([two wordsé]):::last\n" in drawn("two wordsé").draw_mermaid()


def test_a_subgraph_without_edges_has_a_box_too() -> None:
    text = drawn("a", "s:x", edges=(Edge("a", "s:x"),)).draw_mermaid()
    assert "\tsubgraph s\n\ts\\3ax([x]):::last\n\tend\n" in text


def test_two_subgraphs_of_one_name_are_refused() -> None:
    ids = ("s:x", "s:y", "t:s:x", "t:s:y", "t:z")
    edges = (Edge("s:x", "s:y"), Edge("t:s:x", "t:s:y"), Edge("t:z", "t:s:x"))
    with pytest.raises(DrawingError, match=r"called 's'.*different names"):
        drawn(*ids, edges=edges).draw_mermaid()


def test_a_configuration_is_written_as_yaml_beside_the_curve() -> None:
    config = {"config": {"theme": "neutral", "flowchart": {"htmlLabels": True}}}
    text = drawn("a").draw_mermaid(frontmatter_config=config)
    assert text.startswith(
        "---\nconfig:\n  flowchart:\n    curve: linear\n    htmlLabels: true\n"
        "  theme: neutral\n---\n"
    )


def test_without_pyyaml_a_configuration_is_refused_with_what_to_install() -> None:
    script = (
        "import sys; sys.modules['yaml'] = None\n"
        "from actors.draw import Graph, Node\n"
        "graph = Graph({'a': Node('a', 'a')})\n"
        "graph.draw_mermaid()\n"
        "try:\n"
        "    graph.draw_mermaid(frontmatter_config={'config': {}})\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("DrawingUnavailableError frontmatter_config={'config': {}}")
    assert "pip install 'understudy[draw]'" in done.stdout
