"""Threads that wait where their graph has no node any more, or another way to it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import (
    END,
    START,
    ActorSystem,
    Command,
    CompiledGraph,
    InvalidUpdateError,
    NodeGoneError,
    Send,
    StateGraph,
    interrupt,
)
from checkpoint import MemorySaver, SqliteSaver
from tests.actors.engine import on


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemorySaver()
        return
    with SqliteSaver(tmp_path / "threads.db") as saver:
        yield saver


def says(name: str) -> Callable[[Any], Any]:
    return lambda _: {"log": [name]}


def asks(name: str) -> Callable[[Any], Any]:
    return lambda _: {"log": [f"{name}={interrupt(f'{name}?')}"]}


def graph_of(
    saver: Any,
    edges: Sequence[tuple[Any, str]],
    *,
    before: Sequence[str] = (),
    defer: Sequence[str] = (),
    **nodes: Any,
) -> CompiledGraph:
    """A graph of these edges, with nodes that say their names unless they are given."""
    builder = StateGraph(State)
    ends = [end for edge in edges for end in edge]
    names = {name for end in ends for name in ([end] if isinstance(end, str) else end)}
    for name in sorted(names - {START, END} | set(nodes)):
        builder.add_node(name, nodes.get(name, says(name)), defer=name in defer)
    for start, end in edges:
        builder.add_edge(start, end)
    return builder.compile(checkpointer=saver, interrupt_before=list(before))


def waiting_in_ask(saver: Any) -> None:
    """A thread whose node `ask` waits for an answer."""
    graph_of(saver, [(START, "a"), ("a", "ask")], ask=asks("ask")).invoke({}, on("t"))


WITHOUT_ASK = [(START, "a"), ("a", "b")]


@pytest.mark.parametrize("given", [None, Command(resume="yes"), Command(update={"log": ["u"]})])
def test_a_thread_that_waits_in_a_node_that_is_gone_cannot_just_go_on(
    saver: Any, given: Any
) -> None:
    waiting_in_ask(saver)
    graph = graph_of(saver, WITHOUT_ASK)
    before = list(graph.get_state_history(on("t")))
    for call in (lambda: graph.invoke(given, on("t")), lambda: list(graph.stream(given, on("t")))):
        with pytest.raises(NodeGoneError, match="thread 't' waits in 'ask'") as caught:
            call()
        assert (caught.value.thread_id, caught.value.nodes) == ("t", ("ask",))
        for choice in ("Command(goto=", "update_state(config, values, as_node=", "with that node"):
            assert choice in str(caught.value)
    assert list(graph.get_state_history(on("t"))) == before


def test_its_state_and_history_can_be_seen_and_tell_it(saver: Any) -> None:
    waiting_in_ask(saver)
    graph = graph_of(saver, WITHOUT_ASK)
    seen = graph.get_state(on("t"))
    assert (seen.values, seen.next) == ({"log": ["a"]}, ("ask",))
    assert [i.value for i in seen.interrupts] == ["ask?"]
    assert "NodeGoneError" in (seen.tasks[0].error or "")
    assert [s.next for s in graph.get_state_history(on("t"))] == [("ask",), ("a",), (START,)]


def test_a_goto_sends_it_elsewhere(saver: Any) -> None:
    waiting_in_ask(saver)
    graph = graph_of(saver, WITHOUT_ASK)
    assert graph.invoke(Command(goto="b"), on("t")) == {"log": ["a", "b"]}
    assert graph.get_state(on("t")).next == ()
    assert graph.invoke(None, on("t")) == {"log": ["a", "b"]}


def test_a_goto_counts_also_when_the_run_failed_in_the_node_it_went_to(saver: Any) -> None:
    def fails(_: Any) -> Any:
        raise LookupError("no")

    waiting_in_ask(saver)
    with pytest.raises(LookupError):
        graph_of(saver, WITHOUT_ASK, b=fails).invoke(Command(goto="b"), on("t"))
    graph = graph_of(saver, WITHOUT_ASK)
    assert graph.get_state(on("t")).next == ("b",)
    assert graph.invoke(None, on("t")) == {"log": ["a", "b"]}


def test_an_update_in_its_place_goes_on_from_the_node_named(saver: Any) -> None:
    waiting_in_ask(saver)
    graph = graph_of(saver, WITHOUT_ASK)
    with pytest.raises(InvalidUpdateError, match="ask"):
        graph.update_state(on("t"), {"log": ["?"]}, as_node="ask")
    graph.update_state(on("t"), {"log": ["by hand"]}, as_node="a")
    assert graph.get_state(on("t")).next == ("b",)
    assert graph.invoke(None, on("t")) == {"log": ["a", "by hand", "b"]}


def test_its_step_can_be_closed(saver: Any) -> None:
    waiting_in_ask(saver)
    graph = graph_of(saver, WITHOUT_ASK)
    graph.update_state(on("t"), None, as_node=END)
    assert graph.get_state(on("t")).next == ()
    assert graph.invoke(None, on("t")) == {"log": ["a"]}


def test_a_new_input_begins_anew_as_on_any_thread_that_waits(saver: Any) -> None:
    waiting_in_ask(saver)
    graph = graph_of(saver, WITHOUT_ASK)
    assert graph.invoke({"log": ["new"]}, on("t")) == {"log": ["a", "new", "a", "b"]}
    assert graph.get_state(on("t")).next == ()


def test_a_node_that_is_back_goes_on_where_it_waited(saver: Any) -> None:
    waiting_in_ask(saver)
    with pytest.raises(NodeGoneError):
        graph_of(saver, WITHOUT_ASK).invoke(Command(resume="lost?"), on("t"))
    back = graph_of(saver, [(START, "b"), ("ask", "b")], ask=asks("ask"))
    assert back.invoke(Command(resume="yes"), on("t")) == {"log": ["a", "ask=yes", "b"]}


def test_a_copy_of_it_waits_in_the_same_node(saver: Any) -> None:
    waiting_in_ask(saver)
    graph = graph_of(saver, WITHOUT_ASK)
    graph.update_state(on("t"), None, as_node="__copy__")
    assert graph.get_state(on("t")).next == ("ask",)


def test_an_older_checkpoint_that_waits_there_cannot_be_replayed(saver: Any) -> None:
    before = graph_of(saver, [(START, "old"), ("old", "b")])
    before.invoke({}, on("t"))
    graph = graph_of(saver, [(START, "b")])
    [place] = [s.config for s in graph.get_state_history(on("t")) if s.next == ("old",)]
    with pytest.raises(NodeGoneError, match="'old'"):
        graph.invoke(None, place)
    assert graph.invoke(Command(goto="b"), place) == {"log": ["b"]}
    assert graph.invoke(None, on("t")) == {"log": ["b"]}


async def test_a_run_of_a_system_fails_with_it(saver: Any) -> None:
    graph_of(saver, [(START, "a"), ("a", "ask")], before=["ask"])
    await graph_of(saver, [(START, "ask")], ask=asks("ask")).ainvoke({}, on("t"))
    async with ActorSystem() as system:
        run = await system.start(graph_of(saver, WITHOUT_ASK), None, on("t"))
        with pytest.raises(NodeGoneError):
            await run.result()
        assert run.status == "error"


# --- several tasks --------------------------------------------------------------------------------


def test_what_a_node_that_is_gone_had_finished_counts(saver: Any) -> None:
    """`old` has finished, its sibling waits."""
    edges = [(START, "old"), (START, "ask"), ("ask", "b"), ("old", "b")]
    graph_of(saver, edges, ask=asks("ask")).invoke({}, on("t"))
    graph = graph_of(saver, [(START, "ask"), ("ask", "b")], ask=asks("ask"))
    assert graph.get_state(on("t")).values == {"log": ["old"]}
    assert graph.get_state(on("t")).next == ("ask",)
    resumed = graph.invoke(Command(resume="yes"), on("t"))
    assert resumed == {"log": ["ask=yes", "old", "b"]}


def test_what_finished_and_leads_to_a_node_that_is_gone_is_told_at_the_next_step(
    saver: Any,
) -> None:
    edges = [(START, "a"), (START, "ask"), ("a", "old"), ("ask", "b")]
    graph_of(saver, edges, ask=asks("ask")).invoke({}, on("t"))
    graph = graph_of(saver, [(START, "ask"), ("ask", "b"), (START, "a")], ask=asks("ask"))
    with pytest.raises(NodeGoneError, match="'old'"):
        graph.invoke(Command(resume="yes"), on("t"))
    assert graph.get_state(on("t")).next == ("old", "b")
    resumed = graph.invoke(Command(goto="b"), on("t"))
    assert resumed == {"log": ["a", "ask=yes", "b"]}


def test_sends_to_a_node_that_is_gone_wait_and_can_be_left(saver: Any) -> None:
    def graph(*names: str) -> CompiledGraph:
        builder = StateGraph(State)
        for name in ("old", "b"):
            if name in names:
                builder.add_node(name, says(name))
        sends = [Send("old", {}), Send("b", {}), Send("old", {})]
        builder.add_conditional_edges(START, lambda _: sends)
        return builder.compile(checkpointer=saver, interrupt_before="*")

    graph("old", "b").invoke({}, on("t"))
    without = graph("b")
    assert without.get_state(on("t")).next == ("old", "b", "old")
    with pytest.raises(NodeGoneError, match="'old'"):
        without.invoke(None, on("t"))
    assert without.invoke(Command(goto="b"), on("t")) == {"log": ["b", "b"]}
    assert without.get_state(on("t")).next == ()


# --- other ways to a node -------------------------------------------------------------------------

JOINED = [(START, "a"), (START, "ask"), (("a", "ask"), "c")]


def edges_with(*joins: tuple[Any, str]) -> list[tuple[Any, str]]:
    return [(START, "a"), (START, "ask"), *joins]


def test_a_node_that_was_next_by_a_join_is_next_by_an_edge(saver: Any) -> None:
    graph_of(saver, JOINED, before=["c"]).invoke({}, on("t"))
    graph = graph_of(saver, edges_with(("a", "c")))
    assert graph.get_state(on("t")).next == ("c",)
    assert graph.invoke(None, on("t")) == {"log": ["a", "ask", "c"]}
    assert graph.get_state(on("t")).next == ()


def test_a_join_that_was_complete_and_leads_to_a_node_that_is_gone_is_told(saver: Any) -> None:
    graph_of(saver, JOINED, before=["c"]).invoke({}, on("t"))
    graph = graph_of(saver, edges_with(("a", "b")))
    assert graph.get_state(on("t")).next == ("c",)
    with pytest.raises(NodeGoneError, match="'c'"):
        graph.invoke(None, on("t"))


def half_joined(saver: Any) -> None:
    """`a` has arrived at the join into `c`, `slow` is next."""
    edges = [(START, "a"), (START, "x"), ("x", "slow"), (("a", "slow"), "c")]
    graph_of(saver, edges, before=["slow"]).invoke({}, on("t"))


@pytest.mark.parametrize("defer", [(), ("c",)])
def test_a_join_of_other_nodes_knows_who_had_arrived(saver: Any, defer: Sequence[str]) -> None:
    half_joined(saver)
    more = [(START, "a"), (START, "x"), ("x", "slow"), ("slow", "d"), (("d", "slow", "a"), "c")]
    graph = graph_of(saver, more, defer=defer)
    assert graph.invoke(None, on("t")) == {"log": ["a", "x", "slow", "d", "c"]}


@pytest.mark.parametrize("defer", [(), ("c",)])
def test_a_join_that_waits_for_none_but_who_had_arrived_opens(
    saver: Any, defer: Sequence[str]
) -> None:
    half_joined(saver)
    edges = [(START, "a"), (START, "x"), ("x", "slow"), (("a",), "c")]
    graph = graph_of(saver, edges, defer=defer)
    log = graph.invoke(None, on("t"))["log"]
    assert sorted(log) == ["a", "c", "slow", "x"]


@pytest.mark.parametrize(("old", "new"), [((), ("c",)), (("c",), ())])
def test_a_node_that_is_deferred_now_or_no_more_is_still_next(
    saver: Any, old: Sequence[str], new: Sequence[str]
) -> None:
    edges = [(START, "a"), ("a", "c")]
    graph_of(saver, edges, defer=old, before=["c"]).invoke({}, on("t"))
    graph = graph_of(saver, edges, defer=new)
    assert graph.get_state(on("t")).next == ("c",)
    assert graph.invoke(None, on("t")) == {"log": ["a", "c"]}
    assert graph.get_state(on("t")).next == ()


def test_a_deferred_node_that_waits_for_the_end_runs_when_it_is_deferred_no_more(
    saver: Any,
) -> None:
    edges = [(START, "a"), ("a", "c"), (START, "x"), ("x", "y"), ("y", "z")]
    graph_of(saver, edges, defer=["c"], before=["z"]).invoke({}, on("t"))
    graph = graph_of(saver, edges)
    assert graph.invoke(None, on("t")) == {"log": ["a", "x", "y", "c", "z"]}


def test_a_deferred_node_that_is_gone_is_waited_for(saver: Any) -> None:
    edges = [(START, "a"), ("a", "c"), (START, "x"), ("x", "y"), ("y", "z")]
    graph_of(saver, edges, defer=["c"], before=["z"]).invoke({}, on("t"))
    graph = graph_of(saver, [(START, "x"), ("x", "y"), ("y", "z")])
    assert graph.get_state(on("t")).next == ("c", "z")
    with pytest.raises(NodeGoneError, match="'c'"):
        graph.invoke(None, on("t"))


def test_a_kept_write_to_a_join_that_is_gone_goes_to_the_one_there_is(saver: Any) -> None:
    """`a` has finished and its write to the join is kept; its sibling waits."""
    graph_of(saver, JOINED, ask=asks("ask")).invoke({}, on("t"))
    graph = graph_of(saver, edges_with((("ask", "a"), "c")), ask=asks("ask"))
    assert graph.invoke(Command(resume=1), on("t")) == {"log": ["a", "ask=1", "c"]}


# --- graphs inside graphs -------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [None, True])
def test_a_graph_inside_that_lost_the_node_it_waits_in_says_so(saver: Any, kept: Any) -> None:
    def outer(*edges: tuple[str, str], **nodes: Any) -> CompiledGraph:
        builder = StateGraph(State)
        for name, node in nodes.items():
            builder.add_node(name, node)
        for edge in edges:
            builder.add_edge(*edge)
        inner = builder.compile(checkpointer=kept)
        return StateGraph(State).add_node("inner", inner).add_edge(START, "inner").compile(saver)

    outer((START, "ask"), ask=asks("ask")).invoke({}, on("t"))
    graph = outer((START, "b"), b=says("b"))
    with pytest.raises(NodeGoneError, match="waits in 'ask'"):
        graph.invoke(Command(resume=1), on("t"))
    inside = graph.get_state(on("t"), subgraphs=True).tasks[0].state
    assert inside.next == ("ask",)
    graph.update_state(inside.config, {"log": ["by hand"]}, as_node="b")
    assert graph.invoke(None, on("t"))["log"] == ["by hand"]


def test_a_graph_that_was_a_node_and_is_gone_is_told(saver: Any) -> None:
    inner = graph_of(None, [(START, "ask")], ask=asks("ask"))
    graph_of(saver, [(START, "inner")], inner=inner).invoke({}, on("t"))
    graph = graph_of(saver, WITHOUT_ASK)
    assert graph.get_state(on("t"), subgraphs=True).next == ("inner",)
    with pytest.raises(NodeGoneError, match="'inner'"):
        graph.invoke(Command(resume=1), on("t"))
