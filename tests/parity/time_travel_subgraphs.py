"""Journeys through the histories of graphs in graphs."""

import operator
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .journeys import journey
from .time_travel import Trip

KEPT = {"configurable": {"thread_id": "t", "checkpoint_ns": "sub"}}


class Inner(TypedDict, total=False):
    log: Annotated[list, operator.add]
    seen: Annotated[list, operator.add]


class Quiet(TypedDict, total=False):
    question: str
    seen: Annotated[list, operator.add]


def remembers(state: Any) -> Any:
    """Says how often it was here, as far as it knows."""
    return {"seen": [len(state.get("seen", []))]}


def fails_once() -> Any:
    """A node that fails when it first runs."""
    tried: list[bool] = []

    def node(state):
        if not tried:
            tried.append(True)
            raise ValueError("no")
        return {"log": ["mended"]}

    return node


def calling(k: Any, checkpointer: Any, **nodes: Any) -> Any:
    """A graph whose node `sub` is a graph with these nodes."""
    inner = chain(k, Inner, **(nodes or {"x": remembers})).compile(checkpointer=checkpointer)
    return chain(k, Trip, before=says("before"), sub=inner, after=says("after"))


def fresh(k: Any) -> Any:
    """The subgraph starts anew at each call."""
    return calling(k, None, x=remembers, y=says("y"))


def kept(k: Any) -> Any:
    """The subgraph keeps its state."""
    return calling(k, True)


def opted_out(k: Any) -> Any:
    """The subgraph stores nothing."""
    return calling(k, False)


def asks(k: Any) -> Any:
    """A node that asks."""
    return lambda state: {"log": [k.interrupt("what")]}


def fresh_asking(k: Any) -> Any:
    """The subgraph asks."""
    return calling(k, None, x=remembers, ask=asks(k), y=says("y"))


def kept_asking(k: Any) -> Any:
    """The subgraph asks, and keeps its state."""
    return calling(k, True, x=remembers, ask=asks(k), y=says("y"))


def fresh_failing(k: Any) -> Any:
    """The subgraph fails once."""
    return calling(k, None, x=says("x"), bad=fails_once(), y=says("y"))


def kept_failing(k: Any) -> Any:
    """The subgraph fails once, and keeps its state."""
    return calling(k, True, x=remembers, bad=fails_once(), y=says("y"))


def nested(k: Any, outer: Any, inner: Any) -> Any:
    """Three graphs, one in the other; the innermost asks."""
    deep = chain(k, Inner, x=remembers, ask=asks(k)).compile(checkpointer=inner)
    mid = chain(k, Inner, deep=deep, m=says("m")).compile(checkpointer=outer)
    return chain(k, Trip, before=says("before"), mid=mid)


def two_kept(k: Any) -> Any:
    """Two nodes that are the same graph, which keeps its state."""
    inner = chain(k, Quiet, x=remembers, y=lambda s: {"question": str(s["seen"])})
    graph = inner.compile(checkpointer=True)

    def log(state):
        return {"log": [state["question"]]}

    class Both(TypedDict, total=False):
        question: str
        log: Annotated[list, operator.add]

    return chain(k, Both, one=graph, log=log, two=graph, again=log)


def kept_leaving(k: Any) -> Any:
    """The subgraph keeps its state, and hands over to another node of its caller."""

    def leave(state):
        return k.Command(graph=k.Command.PARENT, goto="after", update={"log": [state["seen"]]})

    inner = chain(k, Quiet, x=remembers, leave=leave).compile(checkpointer=True)
    builder = k.StateGraph(Trip).add_node("sub", inner).add_node("after", says("after"))
    return builder.add_edge(k.START, "sub")


def called_twice(k: Any) -> Any:
    """A node that calls a graph which keeps its state, twice."""
    graph = chain(k, Quiet, x=remembers).compile(checkpointer=True)

    def call(state):
        first = graph.invoke({"question": "1"})
        second = graph.invoke({"question": "2"})
        return {"log": [first["seen"], second["seen"]]}

    return chain(k, Trip, call=call, after=says("after"))


# --- looking into subgraphs --------------------------------------------------------------------


@journey(fresh)
async def state_with_subgraphs_of_a_finished_thread(k, t):
    await t.run({"log": ["1"]})
    await t.look(subgraphs=True)


@journey(fresh_failing)
async def state_inside_a_subgraph_that_failed(k, t):
    await t.run({"log": ["1"]})
    [task] = (await t.look(subgraphs=True)).tasks
    await t.look(at=task.state.config)
    [task] = (await t.look()).tasks
    await t.look(at=task.state)
    await t.history(at=task.state)
    await t.history(at=task.state, limit=1)
    await t.run()


@journey(fresh_asking)
async def state_inside_a_subgraph_that_asks(k, t):
    await t.run({"log": ["1"]})
    [task] = (await t.look()).tasks
    await t.look(at=task.state)
    await t.look(subgraphs=True)
    await t.history(at=task.state)
    await t.run(k.Command(resume="x"))
    await t.look(subgraphs=True)


@journey(lambda k: nested(k, None, None))
async def state_two_graphs_down(k, t):
    await t.run({"log": ["1"]})
    [outer] = (await t.look(subgraphs=True)).tasks
    [inner] = outer.state.tasks
    await t.look(at=inner.state.config)
    await t.look(at=outer.state.config)
    await t.run(k.Command(resume="x"))


@journey(opted_out)
async def a_subgraph_that_opts_out_has_no_state(k, t):
    await t.run({"log": ["1"]}, durability="async")  # else LangGraph breaks
    await t.look(at=await t.back("sub"), subgraphs=True)


# --- updates inside ----------------------------------------------------------------------------


@journey(fresh_failing)
async def an_update_inside_a_subgraph_that_failed(k, t):
    await t.run({"log": ["1"]})
    [task] = (await t.look()).tasks
    await t.update({"log": ["mine"]}, at=task.state)
    await t.look(subgraphs=True)
    await t.run()


@journey(fresh_failing)
async def an_update_in_place_of_a_node_inside(k, t):
    await t.run({"log": ["1"]})
    [task] = (await t.look()).tasks
    await t.update({"log": ["mine"]}, "bad", at=task.state)
    await t.look(at=task.state)
    await t.run()


@journey(fresh_failing)
async def an_update_in_place_of_a_subgraph(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["mine"]}, "sub")
    await t.look()
    await t.run()


@journey(fresh_asking)
async def an_update_inside_a_subgraph_that_asks(k, t):
    await t.run({"log": ["1"]})
    [task] = (await t.look()).tasks
    await t.update({"log": ["mine"]}, at=task.state)
    await t.look(subgraphs=True)
    await t.run(k.Command(resume="x"))


@journey(lambda k: nested(k, None, None))
async def an_update_two_graphs_down(k, t):
    await t.run({"log": ["1"]})
    [outer] = (await t.look(subgraphs=True)).tasks
    [inner] = outer.state.tasks
    await t.update({"seen": ["mine"]}, at=inner.state.config)
    await t.look(subgraphs=True)
    await t.run(k.Command(resume="x"))


@journey(fresh)
async def who_an_update_is_by_after_a_subgraph(k, t):
    await t.run({"log": ["1"]})
    for old in await t.history():
        await t.update({"n": 1}, at=old.config)


# --- replays and forks -------------------------------------------------------------------------


@journey(fresh)
async def a_replay_runs_a_subgraph_anew(k, t):
    await t.run({"log": ["1"]})
    await t.run(at=await t.back("sub"))
    await t.look()


@journey(fresh_asking)
async def a_replay_of_a_subgraph_asks_again(k, t):
    await t.run({"log": ["1"]})
    await t.run(k.Command(resume="x"))
    await t.run(at=await t.back("sub"))
    await t.look(subgraphs=True)
    await t.run(k.Command(resume="z"))


@journey(fresh_asking)
async def a_fork_before_a_subgraph_asks_again(k, t):
    await t.run({"log": ["1"]})
    await t.run(k.Command(resume="x"))
    await t.update({"log": ["forked"]}, at=await t.back("sub"))
    await t.run()
    await t.run(k.Command(resume="z"))


# --- subgraphs that keep their state -----------------------------------------------------------
# Where a run is no replay, LangGraph goes on with the newest state of any branch; here it is that
# of the branch (tests/actors/test_kept_graphs.py), so these journeys leave such runs out.


@journey(kept)
async def a_kept_graph_accumulates(k, t):
    for turn in "123":
        await t.run({"log": [turn]})
        await t.look(at=KEPT)
    await t.history(at=KEPT)


@journey(kept_leaving)
async def a_graph_that_hands_over_remembers(k, t):
    for n in range(3):
        await t.run({"log": [str(n)], "question": str(n)})


@journey(two_kept)
async def kept_graphs_of_two_nodes_are_apart(k, t):
    for turn in "12":
        await t.run({"question": turn})


@journey(called_twice)
async def a_kept_graph_that_is_called_twice(k, t):
    for turn in "12":
        await t.run({"log": [turn]})


@journey(kept)
async def a_replay_of_a_later_turn_finds_what_was_kept_then(k, t):
    for turn in "123":
        await t.run({"log": [turn]})
    old = [s for s in await t.history() if s.next == ("sub",)]
    await t.run(at=old[1].config)
    await t.look(at=KEPT)
    await t.run({"log": ["on"]})
    await t.run(at=old[0].config)
    await t.run(at=old[1].config)


@journey(kept)
async def a_replay_of_the_first_turn_finds_nothing(k, t):
    for turn in "12":
        await t.run({"log": [turn]})
    old = [s for s in await t.history() if s.next == ("sub",)]
    await t.run(at=old[1].config)
    await t.look(at=KEPT)
    await t.run({"log": ["on"]})


@journey(kept)
async def a_replay_after_a_kept_graph_goes_on_with_it(k, t):
    for turn in "123":
        await t.run({"log": [turn]})
    old = [s for s in await t.history() if s.next == ("after",)]
    await t.run(at=old[1].config)


@journey(kept)
async def a_fork_finds_what_was_kept_then(k, t):
    for turn in "12":
        await t.run({"log": [turn]})
    old = [s for s in await t.history() if s.next == ("sub",)]
    config = await t.update({"log": ["forked"]}, at=old[0].config)
    await t.run(at=config)
    await t.run({"log": ["on"]})
    config = await t.update({"log": ["forked"]}, at=old[1].config)
    await t.run(at=config)


@journey(kept)
async def an_update_of_a_kept_graph_counts_at_the_next_turn(k, t):
    await t.run({"log": ["1"]})
    await t.update({"seen": ["mine"]}, at=KEPT)
    await t.look(at=KEPT)
    await t.run({"log": ["2"]})
    await t.look(at=KEPT)


@journey(kept_asking)
async def a_kept_graph_that_asks(k, t):
    for turn in "12":
        await t.run({"log": [turn]})
        await t.look(subgraphs=True)
        await t.run(k.Command(resume=turn))
    await t.look(at=KEPT)


@journey(kept_asking)
async def an_update_of_a_kept_graph_that_asks(k, t):
    await t.run({"log": ["1"]})
    [task] = (await t.look()).tasks
    await t.look(at=task.state)
    await t.update({"seen": ["mine"]}, at=task.state)
    await t.look(subgraphs=True)
    await t.run(k.Command(resume="x"))
    await t.look(at=KEPT)


@journey(kept_asking)
async def a_replay_of_a_kept_graph_asks_again(k, t):
    await t.run({"log": ["1"]})
    await t.run(k.Command(resume="x"))
    await t.run({"log": ["2"]})
    await t.run(k.Command(resume="y"))
    old = [s for s in await t.history() if s.next == ("sub",)]
    await t.run(at=old[0].config)
    await t.look(subgraphs=True)
    await t.run(k.Command(resume="z"))
    await t.look(at=KEPT)


@journey(kept_failing)
async def a_kept_graph_that_failed_goes_on(k, t):
    await t.run({"log": ["1"]})
    await t.look(subgraphs=True)
    await t.run()
    await t.run({"log": ["2"]})
    await t.look(at=KEPT)


@journey(lambda k: nested(k, None, True))
async def a_kept_graph_in_a_fresh_one(k, t):
    for turn in "12":
        await t.run({"log": [turn]})
        await t.look(subgraphs=True)
        await t.run(k.Command(resume=turn))
    await t.look(at={"configurable": {"thread_id": "t", "checkpoint_ns": "mid|deep"}})


@journey(lambda k: nested(k, True, None))
async def a_fresh_graph_in_a_kept_one(k, t):
    for turn in "12":
        await t.run({"log": [turn]})
        await t.look(subgraphs=True)
        await t.run(k.Command(resume=turn))
    await t.look(at={"configurable": {"thread_id": "t", "checkpoint_ns": "mid"}})


@journey(lambda k: nested(k, True, True))
async def a_kept_graph_in_a_kept_one(k, t):
    for turn in "12":
        await t.run({"log": [turn]})
        await t.look(subgraphs=True)
        await t.run(k.Command(resume=turn))
    await t.look(at={"configurable": {"thread_id": "t", "checkpoint_ns": "mid|deep"}})
