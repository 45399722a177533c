"""Commands that nodes return, and Commands as input."""

import operator
from functools import partial
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .fanout import writes
from .interrupts import NEW, Log, asks, beside, sync_asks
from .scenario import go, resume, scenario

crossing = partial(scenario, awaits=True)
"""With nodes that run beside each other: async ones, which end in the order they began."""


def gives(make: Any) -> Any:
    """A node that gives what `make` makes of the state."""

    def node(state: Any) -> Any:
        return make(state)

    return node


def hub(k: Any, node: Any, *, edge: str = "") -> Any:
    """`hub` gives a Command; a, b and c log their names; maybe a static edge from the hub."""
    builder = k.StateGraph(Log).add_node("hub", node, destinations=("a", "b", "c"))
    for name in "abc":
        builder.add_node(name, writes(log=[name]))
    builder.add_edge(k.START, "hub")
    return builder.add_edge("hub", edge) if edge else builder


# --- returned by nodes -------------------------------------------------------------------------


@crossing(NEW)
def an_update(k):
    return hub(k, gives(lambda s: k.Command(update={"log": ["hub"]})))


@crossing(NEW)
def a_goto(k):
    return hub(k, gives(lambda s: k.Command(goto="b")))


@crossing(NEW)
def an_update_and_a_goto(k):
    return hub(k, gives(lambda s: k.Command(update={"log": ["hub"], "n": 1}, goto="b")))


@crossing(NEW)
def a_goto_of_several(k):
    return hub(k, gives(lambda s: k.Command(goto=["c", "a"])))


@crossing(NEW)
def a_goto_of_several_as_a_tuple(k):
    return hub(k, gives(lambda s: k.Command(goto=("c", "a"))))


@crossing(NEW)
def a_goto_to_the_end(k):
    return hub(k, gives(lambda s: k.Command(update={"n": 1}, goto=k.END)))


@crossing(NEW)
def a_goto_beside_a_static_edge(k):
    return hub(k, gives(lambda s: k.Command(update={"log": ["hub"]}, goto="b")), edge="c")


@crossing(NEW)
def a_goto_along_a_static_edge(k):
    return hub(k, gives(lambda s: k.Command(goto="b")), edge="b")


@crossing(NEW)
def a_goto_that_sends(k):
    return hub(k, gives(lambda s: k.Command(goto=k.Send("a", {"log": ["sent"]}))))


@crossing(NEW)
def a_goto_that_sends_several_and_goes(k):
    def make(state):
        return k.Command(goto=[k.Send("a", {"log": []}), "b", k.Send("a", {"log": []})])

    return hub(k, gives(make))


@crossing(NEW)
def a_command_that_says_nothing(k):
    return hub(k, gives(lambda s: k.Command()), edge="a")


@crossing(NEW)
def a_list_of_commands(k):
    def make(state):
        return [
            k.Command(update={"log": ["one"]}, goto="a"),
            k.Command(update={"log": ["two"]}, goto="b"),
        ]

    return hub(k, gives(make))


@crossing(NEW)
def a_list_of_commands_and_dicts(k):
    def make(state):
        return [{"log": ["dict"]}, k.Command(update={"log": ["command"]}, goto="a"), {"n": 3}]

    return hub(k, gives(make))


@crossing(NEW)
def a_list_of_empty_commands(k):
    return hub(k, gives(lambda s: [k.Command(goto="a"), k.Command()]))


@crossing(NEW)
def a_tuple_of_commands_and_dicts(k):
    def make(state):
        return k.Command(update={"log": ["one"]}, goto="a"), {"n": 3}, k.Command(goto="b")

    return hub(k, gives(make))


@crossing(NEW)
def a_send_by_itself(k):
    return hub(k, gives(lambda s: k.Send("a", {"log": ["sent"]})), edge="b")


@crossing(NEW)
def an_update_as_pairs(k):
    return hub(k, gives(lambda s: k.Command(update=[("log", ["x"]), ("log", ["y"]), ("n", 2)])))


@crossing(NEW)
def an_update_that_overwrites(k):
    return hub(k, gives(lambda s: k.Command(update={"log": k.Overwrite(["only"])}, goto="a")))


@crossing(NEW)
def a_goto_to_itself_until_it_is_enough(k):
    def make(state):
        if len(state["log"]) < 4:
            return k.Command(update={"log": ["hub"]}, goto="hub")
        return k.Command(goto="c")

    return hub(k, gives(make))


@crossing(NEW)
def nodes_that_hand_on_by_goto_alone(k):
    builder = k.StateGraph(Log).add_edge(k.START, "a")
    for name, following in (("a", "b"), ("b", "c"), ("c", k.END)):
        command = k.Command(update={"log": [name]}, goto=following)
        builder.add_node(name, gives(lambda s, c=command: c), destinations=("a", "b", "c"))
    return builder


@crossing(NEW)
def a_goto_beside_a_branch(k):
    builder = hub(k, gives(lambda s: k.Command(update={"n": 1}, goto="a")))
    return builder.add_conditional_edges("hub", lambda s: "b" if s["n"] else "c", ["b", "c"])


@crossing(NEW, awaits=True)
def commands_of_nodes_beside_each_other(k):
    async def one(state):
        return k.Command(update={"log": ["one"]}, goto="end")

    async def two(state):
        return k.Command(update={"log": ["two"]}, goto="end")

    builder = k.StateGraph(Log).add_node("one", one, destinations=("end",))
    builder.add_node("two", two, destinations=("end",)).add_node("end", says("end"))
    return builder.add_edge(k.START, "one").add_edge(k.START, "two")


@crossing(NEW)
def a_command_from_a_sent_task(k):
    async def leaf(state):
        return k.Command(update={"log": [state["i"]]}, goto="end")

    builder = k.StateGraph(Log).add_node("leaf", leaf, destinations=("end",))
    builder.add_node("end", says("end"))
    return builder.add_conditional_edges(
        k.START, lambda s: [k.Send("leaf", {"i": i}) for i in range(2)], ["leaf"]
    )


# LangGraph drops it silently; here it is an InvalidUpdateError
@crossing(NEW, compare="")
def an_update_that_is_none(k):
    return hub(k, gives(lambda s: k.Command(update=5)))


# LangGraph logs a warning and loses the key
@crossing(NEW, compare="")
def an_update_of_an_unknown_key(k):
    return hub(k, gives(lambda s: k.Command(update={"nobody": 1})))


# LangGraph logs a warning and loses the command; here InvalidUpdateError lists the nodes
@crossing(NEW, compare="")
def a_goto_to_an_unknown_node(k):
    return hub(k, gives(lambda s: k.Command(goto="nobody")))


# LangGraph logs a warning and loses the Send; here it is an InvalidUpdateError
@crossing(NEW, compare="")
def a_send_to_the_end(k):
    return hub(k, gives(lambda s: k.Command(goto=k.Send(k.END, {}))))


# --- for the parent ----------------------------------------------------------------------------


class Inner(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def parent(k: Any, **more: Any) -> Any:
    """A Command for the graph around."""
    return k.Command(graph=k.Command.PARENT, **more)


def outer(k: Any, sub: Any) -> Any:
    """A graph with another as its node `sub`, and nodes to go to."""
    builder = k.StateGraph(Log).add_node("sub", sub, destinations=("a", "b"))
    for name in "ab":
        builder.add_node(name, writes(log=[name]))
    return builder.add_edge(k.START, "sub")


@crossing(NEW)
def a_goto_in_the_parent(k):
    inner = chain(k, Inner, i1=says("i1"), up=gives(lambda s: parent(k, goto="b"))).compile()
    return outer(k, inner)


@crossing(NEW)
def an_update_and_a_goto_in_the_parent(k):
    made = gives(lambda s: parent(k, update={"log": ["from below"], "n": 7}, goto="b"))
    return outer(k, chain(k, Inner, i1=says("i1"), up=made, i3=says("i3")).compile())


@crossing(NEW)
def an_update_of_the_parent(k):
    made = gives(lambda s: parent(k, update={"log": ["from below"]}))
    return outer(k, chain(k, Inner, up=made).compile()).add_edge("sub", "a")


@crossing(NEW)
def sends_in_the_parent(k):
    made = gives(lambda s: parent(k, goto=[k.Send("a", {}), k.Send("b", {}), "a"]))
    return outer(k, chain(k, Inner, up=made).compile())


@crossing(NEW)
def a_command_for_the_parent_from_two_levels_below(k):
    inner = chain(k, Inner, up=gives(lambda s: parent(k, update={"log": ["up"]}, goto="b")))
    middle = k.StateGraph(Inner).add_node("deep", inner.compile(), destinations=("b",))
    middle.add_node("b", says("middle b")).add_edge(k.START, "deep")
    return outer(k, middle.compile())


@crossing(NEW)
def commands_hand_on_from_level_to_level(k):
    inner = chain(k, Inner, up=gives(lambda s: parent(k, goto="hand"))).compile()
    middle = k.StateGraph(Inner).add_node("deep", inner, destinations=("hand",))
    middle.add_node("hand", gives(lambda s: parent(k, update={"log": ["hand"]}, goto="a")))
    return outer(k, middle.add_edge(k.START, "deep").compile())


@crossing(NEW)
def a_command_for_the_parent_from_a_graph_called_in_a_node(k):
    inner = chain(k, Inner, up=gives(lambda s: parent(k, update={"n": 1}, goto="b"))).compile()

    def call(state):
        inner.invoke({"log": []})
        return {"log": ["not reached"]}

    return outer(k, call)


@crossing(NEW)
def a_list_with_a_command_for_the_parent(k):
    made = gives(lambda s: [{"log": ["own"]}, parent(k, update={"log": ["up"]}, goto="a")])
    return outer(k, chain(k, Inner, up=made).compile())


@scenario(NEW, awaits=True, order="any")
def a_command_for_the_parent_beside_another_node(k):
    inner = chain(k, Inner, up=gives(lambda s: parent(k, update={"log": ["up"]}, goto="end")))
    return beside(k, sub=inner.compile(), other=writes(log=["other"]))


@scenario(NEW)
def a_command_for_the_parent_of_the_root(k):
    return chain(k, Log, first=says("first"), up=gives(lambda s: parent(k, goto="first")))


@crossing(NEW, resume("yes"))
def a_command_for_the_parent_after_an_answer(k):
    def up(state):
        return parent(k, update={"log": [k.interrupt("?")]}, goto="b")

    return outer(k, chain(k, Inner, i1=says("i1"), up=up).compile())


@crossing(NEW, resume("yes"))
def an_answer_then_a_goto(k):
    def make(state):
        return k.Command(update={"log": [k.interrupt("?")]}, goto="b")

    return hub(k, gives(make))


# --- as input ----------------------------------------------------------------------------------


# LangGraph writes the update of a Command on a fresh thread twice
@scenario(go(lambda k: k.Command(update={"log": ["given"]})), compare="")
def an_update_on_a_fresh_thread(k):
    return chain(k, Log, a=says("a"), b=says("b"))


# LangGraph shows the update as the result of the start
@scenario(go(lambda k: k.Command(update={"n": 1})), compare="call chunks")
def an_update_of_a_value_on_a_fresh_thread(k):
    return chain(k, Log, a=says("a"), b=says("b"))


@crossing(go(lambda k: k.Command(goto="b")))
def a_goto_on_a_fresh_thread(k):
    return chain(k, Log, a=writes(log=["a"]), b=writes(log=["b"]))


# likewise
@scenario(go(lambda k: k.Command(update={"log": ["given"]}, goto="b")), compare="")
def an_update_and_a_goto_on_a_fresh_thread(k):
    return chain(k, Log, a=says("a"), b=says("b"), c=says("c"))


@scenario(NEW, go(lambda k: k.Command(update={"log": ["given"]})))
def an_update_on_a_finished_thread(k):
    return chain(k, Log, a=says("a"), b=says("b"))


# LangGraph does not show in snapshots where a goto as input leads
@scenario(NEW, go(lambda k: k.Command(goto="b")), compare="call chunks")
def a_goto_on_a_finished_thread(k):
    return chain(k, Log, a=says("a"), b=says("b"))


# LangGraph does not show in snapshots where a goto as input leads
@scenario(NEW, go(lambda k: k.Command(update={"log": ["given"]}, goto="a")), compare="call chunks")
def an_update_and_a_goto_on_a_finished_thread(k):
    return chain(k, Log, a=says("a"), b=says("b"))


# LangGraph does not show in snapshots where a goto as input leads
@crossing(
    NEW,
    go(lambda k: k.Command(goto=[k.Send("a", {"log": []}), k.Send("b", {})])),
    compare="call chunks",
)
def sends_on_a_finished_thread(k):
    return chain(k, Log, a=writes(log=["a"]), b=writes(log=["b"]))


@scenario(NEW, go(lambda k: k.Command(update={"n": 5})), resume("yes"))
def an_update_while_a_node_asks(k):
    return chain(k, Log, a=says("a"), ask=sync_asks(k, "ask"), last=says("last"))


# LangGraph does not show in snapshots where a goto as input leads
@crossing(NEW, go(lambda k: k.Command(goto="a")), resume("yes"), compare="call chunks")
def a_goto_while_a_node_asks(k):
    a, last = writes(log=["a"]), writes(log=["last"])
    return chain(k, Log, a=a, ask=asks(k, "ask"), last=last)


@scenario(NEW, go(lambda k: k.Command(resume="yes", update={"log": ["given"]})))
def an_answer_and_an_update(k):
    return chain(k, Log, a=says("a"), ask=sync_asks(k, "ask"), last=says("last"))


# LangGraph does not show in snapshots where a goto as input leads
@crossing(
    NEW,
    go(lambda k: k.Command(resume="yes", goto="a", update={"log": ["given"]})),
    compare="call chunks",
)
def an_answer_an_update_and_a_goto(k):
    a, last = writes(log=["a"]), writes(log=["last"])
    return chain(k, Log, a=a, b=asks(k, "b"), last=last)


@scenario(NEW, go(lambda k: k.Command(resume="yes", update={"n": 9})), awaits=True)
def an_answer_and_an_update_that_the_asking_node_sees(k):
    async def ask(state):
        return {"log": [k.interrupt("?"), state.get("n")]}

    return chain(k, Log, ask=ask)


@scenario(NEW, go(lambda k: k.Command(update={"n": 5})), None, interrupt_before=["b"])
def an_update_as_input_where_it_paused(k):
    return chain(k, Log, a=says("a"), b=says("b"), c=says("c"))


# LangGraph does not show in snapshots where a goto as input leads
@crossing(
    NEW, go(lambda k: k.Command(goto="c")), None, interrupt_before=["b"], compare="call chunks"
)
def a_goto_where_it_paused(k):
    b, c = writes(log=["b"]), writes(log=["c"])
    return chain(k, Log, a=says("a"), b=b, c=c)


# LangGraph raises an UnboundLocalError of its own
@scenario(NEW, go(lambda k: k.Command()), compare="")
def a_command_that_says_nothing_as_input(k):
    return chain(k, Log, a=says("a"))


@scenario(NEW, go(lambda k: k.Command(graph=k.Command.PARENT, goto="a")))
def a_command_for_the_parent_as_input(k):
    return chain(k, Log, a=says("a"))


# LangGraph loses it with a warning; here InvalidUpdateError lists the nodes
@scenario(NEW, go(lambda k: k.Command(goto="nobody")), compare="")
def a_goto_to_an_unknown_node_as_input(k):
    return chain(k, Log, a=says("a"))


@scenario(NEW, go(lambda k: k.Command(update=[("log", ["x"]), ("log", ["y"])])))
def an_update_as_pairs_as_input(k):
    return chain(k, Log, a=says("a"))


@scenario(NEW, go(lambda k: k.Command(update={"log": ["given"]})), {"log": ["new"]}, awaits=True)
def an_input_after_an_update_while_a_node_asks(k):
    return chain(k, Log, a=says("a"), ask=asks(k, "ask"))
