"""Models in graphs inside of graphs and of runnables: whose readers see them, and under which
namespace."""

from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from .chains import chain
from .messages_mode import ASK, Pieces, aasks, asks, model, one
from .scenario import Run, resume, scenario


def inner(k: Any, text: str = "from below", **known: Any) -> Any:
    """A graph of one node that asks a model."""
    return chain(k, k.MessagesState, inner=asks(model(text, **known))).compile()


@scenario(ASK)
def a_graph_as_a_node(k):
    return chain(k, k.MessagesState, sub=inner(k))


@scenario(ASK)
def a_graph_as_a_node_between_others(k):
    return chain(
        k,
        k.MessagesState,
        before=asks(model("before")),
        sub=inner(k),
        after=asks(model("after")),
    )


@scenario(ASK)
def a_graph_called_inside_of_a_node(k):
    below = inner(k)
    return one(k, lambda s: {"messages": below.invoke(s)["messages"]})


@scenario(ASK, awaits=True)
def a_graph_awaited_inside_of_a_node(k):
    below = chain(k, k.MessagesState, inner=aasks(model("from below"))).compile()

    async def node(state):
        return {"messages": (await below.ainvoke(state))["messages"]}

    return one(k, node)


@scenario(ASK)
def a_graph_whose_text_only_comes_up(k):
    below = inner(k)
    return one(k, lambda s: {"messages": [below.invoke(s)["messages"][-1].content]})


@scenario(ASK)
def two_graphs_called_inside_of_one_node(k):
    first, second = inner(k, "first"), inner(k, "second")

    def node(state):
        first.invoke(state)
        second.invoke(state)

    return one(k, node)


@scenario(ASK)
def a_graph_and_a_model_in_one_node(k):
    below = inner(k)

    def node(state):
        below.invoke(state)
        return {"messages": [model("from here").invoke("x")]}

    return one(k, node)


@scenario(ASK)
def two_levels_of_graphs(k):
    middle = chain(k, k.MessagesState, low=inner(k), mid=asks(model("from the middle")))
    return chain(k, k.MessagesState, sub=middle.compile(), top=asks(model("from the top")))


@scenario(ASK)
def two_levels_of_calls(k):
    low = inner(k)
    middle = one(k, lambda s: {"messages": low.invoke(s)["messages"]}).compile()
    return one(k, lambda s: {"messages": middle.invoke(s)["messages"]})


@scenario(Run(ASK, {"tags": ["run"], "metadata": {"user": "u"}}))
def a_config_handed_to_a_graph(k):
    below = inner(k, tags=["model"])

    def node(state, config):
        return {"messages": below.invoke(state, config)["messages"]}

    return one(k, node)


@scenario(Run(ASK, {"tags": ["run"], "metadata": {"user": "u"}}))
def a_graph_called_with_a_config_of_its_own(k):
    below = inner(k, tags=["model"])
    own = {"tags": ["call"], "metadata": {"call": 1}}
    return one(k, lambda s: {"messages": below.invoke(s, own)["messages"]})


@scenario(ASK)
def a_graph_with_a_config_bound_to_it(k):
    below = inner(k).with_config({"tags": ["bound"], "metadata": {"bound": True}})
    return one(k, lambda s: {"messages": below.invoke(s)["messages"]})


@scenario(ASK)
def a_graph_with_a_config_bound_to_it_as_a_node(k):
    below = inner(k).with_config({"tags": ["bound"], "metadata": {"bound": True}})
    return chain(k, k.MessagesState, sub=below)


@scenario(ASK)
def metadata_of_the_node_that_is_a_graph(k):
    builder = k.StateGraph(k.MessagesState)
    builder.add_node("sub", inner(k), metadata={"of": "outer node"})
    return builder.add_edge(k.START, "sub")


@scenario(ASK)
def a_graph_read_as_messages_inside_of_a_node(k):
    below = inner(k)

    def node(state):
        texts = [m.content for m, _ in below.stream(state, stream_mode="messages")]
        return {"messages": [AIMessage("|".join(texts), id="read")]}

    return one(k, node)


@scenario(ASK, awaits=True)
def a_graph_read_as_messages_in_async_code(k):
    below = chain(k, k.MessagesState, inner=aasks(model("from below"))).compile()

    async def node(state):
        texts = [m.content async for m, _ in below.astream(state, stream_mode="messages")]
        return {"messages": [AIMessage("|".join(texts), id="read")]}

    return one(k, node)


@scenario(ASK)
def a_graph_read_as_updates_inside_of_a_node(k):
    below = inner(k)

    def node(state):
        nodes = [name for chunk in below.stream(state, stream_mode="updates") for name in chunk]
        return {"messages": [AIMessage(" ".join(nodes), id="read")]}

    return one(k, node)


@scenario(ASK)
def a_graph_two_levels_down_read_as_messages(k):
    middle = one(k, lambda s: {"messages": inner(k).invoke(s)["messages"]}).compile()

    def node(state):
        texts = [m.content for m, _ in middle.stream(state, stream_mode="messages")]
        return {"messages": [AIMessage("|".join(texts), id="read")]}

    return one(k, node)


@scenario(ASK)
def the_same_read_with_its_subgraphs(k):
    middle = one(k, lambda s: {"messages": inner(k).invoke(s)["messages"]}).compile()

    def node(state):
        read = middle.stream(state, stream_mode="messages", subgraphs=True)
        texts = [m.content for _, (m, _) in read]
        return {"messages": [AIMessage("|".join(texts), id="read")]}

    return one(k, node)


@scenario(ASK)
def a_graph_inside_of_a_runnable(k):
    below = inner(k, tags=["model"])
    runnable = RunnableLambda(below.invoke).with_config({"tags": ["runnable"]})
    return one(k, lambda s: {"messages": runnable.invoke(s)["messages"]})


@scenario(ASK)
def a_graph_inside_of_a_tool(k):
    below = inner(k)

    @tool
    def delegate(task: str) -> str:
        """Have someone else do it."""
        return below.invoke({"messages": [("user", task)]})["messages"][-1].content

    return one(k, lambda s: {"messages": [delegate.invoke({"task": "x"})]})


@scenario(ASK)
def a_graph_that_is_sent_to(k):
    builder = k.StateGraph(k.MessagesState).add_node("sub", inner(k))
    return builder.add_conditional_edges(k.START, lambda s: [k.Send("sub", s)], ["sub"])


@scenario(ASK)
def nostream_below(k):
    return chain(k, k.MessagesState, sub=inner(k, tags=["nostream"]))


@scenario(ASK)
def a_model_that_breaks_below(k):
    broken = Pieces(pieces=[AIMessageChunk("so far")], breaks=True)
    return chain(k, k.MessagesState, sub=chain(k, k.MessagesState, inner=asks(broken)).compile())


@scenario(ASK, resume("yes"))
def a_question_below(k):
    def node(state):
        said = model("may I").invoke("x")
        return {"messages": [said, AIMessage(k.interrupt("sure?"), id="answer")]}

    return chain(k, k.MessagesState, sub=chain(k, k.MessagesState, inner=node).compile())


# the node around the graph counts as having returned the message: LangGraph shows it to nobody
@scenario(ASK, compare="call")
def a_command_to_the_graph_above(k):
    def node(state):
        said = model("up").invoke("x")
        return k.Command(graph=k.Command.PARENT, goto="after", update={"messages": [said]})

    below = chain(k, k.MessagesState, inner=node).compile()
    builder = k.StateGraph(k.MessagesState).add_node("sub", below, destinations=("after",))
    builder.add_node("after", asks(model("after"))).add_edge(k.START, "sub")
    return builder


@scenario(ASK)
def an_entrypoint_called_inside_of_a_node(k):
    @k.task
    def ask(text):
        return model(text).invoke("x")

    flow = k.entrypoint()(lambda given: ask("in a task").result())
    return one(k, lambda s: {"messages": [flow.invoke("x")]})


@scenario(ASK)
def a_graph_called_inside_of_a_task(k):
    below = inner(k)

    @k.task
    def ask(given):
        return below.invoke(given)["messages"][-1].content

    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: ask(given).result())
