"""Every drawing: the same texts and the same JSON as LangGraph's."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from . import agents
from .agent_lib import Story, kit_of
from .drawings import ALL, Drawing
from .lib import Engine

each_drawing = pytest.mark.parametrize("drawing", ALL, ids=lambda drawing: drawing.name)


def as_json(graph: Any) -> dict[str, Any]:
    """The drawing's JSON without the places where the code stands, which are each engine's own."""
    shown = graph.to_json()
    for node in shown["nodes"]:
        if "data" in node:
            node["data"] = {"name": node["data"]["name"]}
    return shown


@each_drawing
def test_the_json_is_the_same(drawing: Drawing, ours: Engine, theirs: Engine) -> None:
    our, their = drawing.build(ours), drawing.build(theirs)
    for xray in drawing.xrays:
        expected = as_json(their.get_graph(xray=xray))
        assert as_json(our.get_graph(xray=xray)) == expected, xray


@each_drawing
def test_the_mermaid_text_is_the_same(drawing: Drawing, ours: Engine, theirs: Engine) -> None:
    our, their = drawing.build(ours), drawing.build(theirs)
    for xray in drawing.xrays:
        mine, other = our.get_graph(xray=xray), their.get_graph(xray=xray)
        assert mine.draw_mermaid() == other.draw_mermaid(), xray
        plain = other.draw_mermaid(with_styles=False)
        assert mine.draw_mermaid(with_styles=False) == plain, xray


@each_drawing
async def test_the_async_twin_gives_the_same_drawing(
    drawing: Drawing, ours: Engine, theirs: Engine
) -> None:
    for xray in drawing.xrays:
        expected = as_json(await drawing.build(theirs).aget_graph(xray=xray))
        assert as_json(await drawing.build(ours).aget_graph(xray=xray)) == expected, xray


@each_drawing
def test_the_lines_and_boxes_are_the_same(drawing: Drawing, ours: Engine, theirs: Engine) -> None:
    """Where lines cross, which one is on top is chance in LangGraph: both count as the same.  It
    raises when a node leads to itself; here such an edge is left out."""
    our, their = drawing.build(ours), drawing.build(theirs)
    for xray in drawing.xrays:
        other = their.get_graph(xray=xray)
        other.edges = [edge for edge in other.edges if edge.source != edge.target]
        expected = other.draw_ascii().replace("*", ".")
        assert our.get_graph(xray=xray).draw_ascii().replace("*", ".") == expected, xray


@pytest.mark.parametrize("recurse", [False, True])
@pytest.mark.parametrize("namespace", [None, "nest", "nest|sub", "nest|sub|deep", "sub", "nes", ""])
async def test_subgraphs_are_found_under_the_same_names(
    namespace: str | None, recurse: bool, ours: Engine, theirs: Engine
) -> None:
    (nest,) = (drawing for drawing in ALL if drawing.name.startswith("graphs four deep"))
    our, their = nest.build(ours), nest.build(theirs)
    options = {"namespace": namespace, "recurse": recurse}
    expected = [name for name, _ in their.get_subgraphs(**options)]
    assert [name for name, _ in our.get_subgraphs(**options)] == expected
    assert [name async for name, _ in our.aget_subgraphs(**options)] == expected
    if recurse and namespace is None:
        assert expected == ["nest", "nest|sub", "nest|sub|deep"]


def test_a_subgraph_is_the_graph_that_was_added(ours: Engine) -> None:
    (nest,) = (drawing for drawing in ALL if drawing.name.startswith("graphs four deep"))
    graph = nest.build(ours)
    assert dict(graph.get_subgraphs())["nest"] is graph.spec.nodes["nest"].call


AGENTS = [story for story in vars(agents).values() if isinstance(story, Story)]


@pytest.mark.parametrize("story", AGENTS, ids=lambda story: story.name)
def test_agents_and_their_tools_are_drawn_alike(story: Story, ours: Engine, theirs: Engine) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        their = story.build(kit_of(theirs, ours=False), None).get_graph()
    our = story.build(kit_of(ours, ours=True), None).get_graph()
    assert our.draw_mermaid() == their.draw_mermaid()
    assert as_json(our) == as_json(their)
