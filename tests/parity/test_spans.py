"""What runs inside of what, as `astream_events` tells it: the same from both engines."""

from typing import Any

from . import spans_of_graphs, spans_of_langchain
from .lib import Engine
from .spans import Traced, each_traced, events_of, told
from .spans_of_graphs import chain, says


@each_traced(spans_of_graphs, spans_of_langchain)
async def test_events_are_the_same(each: Traced, ours: Engine, theirs: Engine) -> None:
    assert await events_of(each, ours) == await events_of(each, theirs)


async def test_only_what_is_included_is_shown_and_with_its_own_input(
    ours: Engine, theirs: Engine
) -> None:
    """LangGraph puts the graph's input into the first event that is shown, whatever it is of."""

    async def shown(engine: Any, **wanted: Any) -> list[tuple[str, str]]:
        graph = chain(engine, a=says("a"), b=says("b")).compile()
        events = await told(graph, {"topic": "t"}, **wanted)
        return [(event["event"], event["name"]) for event in events]

    for wanted in (
        {"include_names": ["b"]},
        {"include_types": ["tool"]},
        {"include_tags": ["graph:step:1"], "include_names": ["b"]},
        {"include_names": ["a", "b"], "exclude_tags": ["graph:step:2"]},
        {"include_names": []},
    ):
        assert await shown(ours, **wanted) == await shown(theirs, **wanted), wanted


async def test_a_graph_that_hands_over_to_its_caller_begins_alike(
    ours: Engine, theirs: Engine
) -> None:
    """LangGraph never shows an end of the node whose graph handed over."""

    async def shown(engine: Any) -> list[tuple[str, str]]:
        async def up(state):
            return engine.Command(graph=engine.Command.PARENT, update={"log": ["u"]}, goto="b")

        inner = chain(engine, up=up).compile(name="inner")
        builder = engine.StateGraph(spans_of_graphs.State)
        builder.add_node("sub", inner, destinations=("b",)).add_edge(engine.START, "sub")
        graph = builder.add_node("b", says("b")).compile()
        events = await told(graph, {"topic": "t"})
        return [(e["event"], e["name"]) for e in events if e["name"] != "sub"]

    assert await shown(ours) == await shown(theirs)


async def test_a_path_that_raises_ends_the_run_alike(ours: Engine, theirs: Engine) -> None:
    """LangGraph streams what the node wrote, though it failed and nothing of it is kept."""

    async def shown(engine: Any) -> list[Any]:
        def route(state: Any) -> str:
            raise LookupError("no way")

        graph = chain(engine, a=says("a")).add_conditional_edges("a", route, [engine.END]).compile()
        *events, error = await told(graph, {"topic": "t"})
        started = [(e["event"], e["name"], e["tags"]) for e in events if "stream" not in e["event"]]
        return [*started, type(error), str(error)]

    assert await shown(ours) == await shown(theirs)
