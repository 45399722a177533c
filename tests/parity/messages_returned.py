"""Messages that nodes return: which of them `messages` shows, and when it knows them already."""

from collections import deque
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic import BaseModel

from checkpoint import register_type

from .chains import chain
from .fanout import edges
from .messages_mode import ASK, asks, model, one
from .scenario import Update, scenario


def said(text: str, **known: Any) -> AIMessage:
    """A message made by hand, whose id is its text."""
    return AIMessage(text, **{"id": text, **known})


class Loose(TypedDict, total=False):
    messages: Any
    other: Any
    text: str


@scenario(ASK)
def one_message(k):
    return one(k, lambda s: {"messages": said("m")})


@scenario(ASK)
def one_message_without_an_id(k):
    return one(k, lambda s: {"messages": AIMessage("m")})


@scenario(ASK)
def a_list_of_messages(k):
    return one(k, lambda s: {"messages": [said("a"), said("b")]})


@scenario(ASK)
def every_kind_of_message(k):
    return one(
        k,
        lambda s: {
            "messages": [
                HumanMessage("h", id="1", name="ann"),
                SystemMessage("s", id="2"),
                said("a", id="3", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "c"}]),
                ToolMessage("t", id="4", tool_call_id="c"),
                ChatMessage("c", id="5", role="critic"),
                AIMessageChunk("chunk", id="6"),
            ]
        },
    )


class Special(AIMessage):
    """A message with a field of its own."""

    note: str = "n"


register_type(Special)


@scenario(ASK)
def a_subclass_of_a_message(k):
    return one(k, lambda s: {"messages": [Special("m", id="m")]})


@scenario(ASK)
def the_same_id_twice_in_one_list(k):
    return one(k, lambda s: {"messages": [said("a", id="1"), said("b", id="1")]})


@scenario(ASK)
def the_same_object_twice(k):
    both = AIMessage("m")
    return one(k, lambda s: {"messages": [both, both]})


@scenario(ASK)
def the_same_message_from_two_nodes(k):
    def node(state):
        return {"messages": [said("m")]}

    return chain(k, k.MessagesState, first=node, second=node)


@scenario({"messages": [HumanMessage("hi", id="h")]})
def the_input_returned_again(k):
    return one(k, lambda s: {"messages": [*s["messages"], said("new")]})


@scenario({"messages": [HumanMessage("hi", id="h")]})
def the_input_changed_and_returned(k):
    return one(k, lambda s: {"messages": [HumanMessage("changed", id="h")]})


@scenario({"messages": [HumanMessage("hi", id="h")]}, {"messages": [HumanMessage("more", id="m")]})
def the_whole_history_returned_on_two_turns(k):
    def node(state):
        return {"messages": [*state["messages"], AIMessage(f"reply {len(state['messages'])}")]}

    return one(k, node)


@scenario({"messages": [HumanMessage("hi", id="h")]})
def a_message_that_the_node_was_not_given(k):
    class Text(TypedDict, total=False):
        text: str

    def node(state: Text):
        return {"messages": [HumanMessage("hi", id="h")]}

    return one(k, node)


@scenario({"messages": HumanMessage("hi", id="h")})
def a_bare_message_in_the_state(k):
    return chain(k, Loose, call=lambda s: {"other": s["messages"], "messages": said("new")})


@scenario({"messages": (HumanMessage("hi", id="h"),)})
def a_tuple_in_the_state(k):
    return chain(k, Loose, call=lambda s: {"other": s["messages"], "messages": (said("new"),)})


@scenario({"text": "x"})
def a_message_under_another_key(k):
    return chain(k, Loose, call=lambda s: {"other": said("m"), "messages": [said("n")]})


@scenario({"text": "x"})
def messages_deeper_than_a_list(k):
    return chain(k, Loose, call=lambda s: {"other": [[said("m")]], "messages": {"a": said("n")}})


@scenario({"text": "x"})
def messages_among_other_things(k):
    return chain(k, Loose, call=lambda s: {"other": ["x", said("m"), 1], "text": "y"})


@scenario({"text": "x"})
def messages_in_a_deque(k):
    return chain(k, Loose, call=lambda s: {"other": deque([said("m")])})


@scenario(ASK)
def dicts_and_pairs_are_no_messages(k):
    return one(
        k,
        lambda s: {"messages": [{"role": "assistant", "content": "a", "id": "1"}, ("ai", "b")]},
    )


@scenario(ASK)
def texts_are_no_messages(k):
    return one(k, lambda s: {"messages": ["a", "b"]})


# --- what else a node may return ----------------------------------------------------------------


@scenario(ASK)
def in_a_command(k):
    return one(k, lambda s: k.Command(update={"messages": [said("m")]}))


@scenario(ASK)
def in_a_command_that_goes_on(k):
    builder = k.StateGraph(k.MessagesState)
    builder.add_node(
        "call",
        lambda s: k.Command(goto="next", update={"messages": [said("m")]}),
        destinations=("next",),
    )
    return builder.add_node("next", asks(model("next"))).add_edge(k.START, "call")


@scenario(ASK)
def in_a_list_of_commands(k):
    return one(
        k,
        lambda s: [
            k.Command(update={"messages": [said("a")]}),
            k.Command(update={"messages": said("b")}),
        ],
    )


@scenario(ASK)
def in_a_list_of_commands_and_dicts(k):
    return one(
        k,
        lambda s: [k.Command(update={"messages": [said("a")]}), {"messages": [said("b")]}],
    )


@scenario(ASK)
def in_a_list_of_dicts(k):
    return one(k, lambda s: [k.Command(goto=k.END), {"messages": [said("a")]}])


# LangGraph does not look into the pairs
@scenario(ASK, compare="call")
def in_pairs_in_a_command(k):
    return one(k, lambda s: k.Command(update=[("messages", [said("a")])]))


@scenario(ASK)
def in_an_overwrite(k):
    return one(k, lambda s: {"messages": k.Overwrite([said("a")])})


@scenario({"messages": []})
def in_a_dataclass(k):
    @dataclass
    class State:
        messages: Annotated[list, k.add_messages] = field(default_factory=list)
        last: Any = None

    def node(state):
        return State(messages=[said("m")], last=said("n"))

    return chain(k, State, first=node, second=lambda s: {"messages": s.messages})


@scenario({"messages": []})
def in_a_pydantic_model(k):
    class State(BaseModel):
        messages: Annotated[list, k.add_messages] = []
        last: Any = None

    def node(state):
        return State(messages=[said("m")], last=said("n"))

    return chain(k, State, first=node, second=lambda s: {"messages": s.messages})


@scenario("hi")
def from_an_entrypoint(k):
    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: said("m"))


@scenario("hi")
def a_list_from_an_entrypoint(k):
    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: [said("a"), said("b")])


@scenario("hi")
def a_dict_from_an_entrypoint(k):
    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: {"messages": [said("a")]})


# LangGraph shows the caller its own messages
@scenario([HumanMessage("hi", id="h")], compare="call")
def messages_given_to_an_entrypoint(k):
    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: [*given, said("m")])


@scenario("hi")
def a_final_value_of_an_entrypoint(k):
    return lambda saver: k.entrypoint(checkpointer=saver)(
        lambda given: k.entrypoint.final(value=said("m"), save=said("n"))
    )


@scenario("hi")
def from_a_task(k):
    @k.task
    def make(text):
        return said(text)

    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: make("m").result().content)


@scenario("hi")
def a_list_from_a_task(k):
    @k.task
    def make(text):
        return [said(text), said("more")]

    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: make("m").result())


@scenario("hi")
def given_to_a_task_and_returned(k):
    @k.task
    def same(message):
        return message

    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: same(said("m")).result())


@scenario("hi")
def a_message_in_a_dict_from_a_task(k):
    @k.task
    def make(text):
        return {"messages": [said(text)], "last": said("n")}

    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: len(make("m").result()))


# --- seen before --------------------------------------------------------------------------------


@scenario(ASK)
def a_streamed_message_changed_and_returned(k):
    def node(state):
        reply = model().invoke("x")
        return {"messages": [AIMessage(reply.content.upper(), id=reply.id)]}

    return one(k, node)


@scenario(ASK)
def a_streamed_message_returned_with_another_id(k):
    def node(state):
        return {"messages": [AIMessage(model().invoke("x").content, id="other")]}

    return one(k, node)


@scenario(ASK)
def a_streamed_message_returned_by_a_later_node(k):
    kept = []

    def ask(state):
        kept.append(model().invoke("x"))

    return chain(k, k.MessagesState, ask=ask, tell=lambda s: {"messages": kept})


@scenario({"messages": [HumanMessage("hi", id="h"), AIMessage("yo", id="y")]})
def messages_that_are_removed(k):
    return one(k, lambda s: {"messages": [RemoveMessage("h"), RemoveMessage("y"), said("new")]})


@scenario(ASK)
def all_messages_removed(k):
    return one(k, lambda s: {"messages": [RemoveMessage("__remove_all__"), said("summary")]})


@scenario(ASK, Update({"messages": [said("from outside")]}, as_node="call"), None)
def a_message_written_from_outside(k):
    return chain(k, k.MessagesState, call=asks(model()), more=asks(model("more")))


@scenario(ASK, order="any")
def messages_of_siblings(k):
    builder = k.StateGraph(k.MessagesState)
    builder.add_node("a", lambda s: {"messages": [said("a")]})
    builder.add_node("b", lambda s: {"messages": [said("b")]})
    return edges(builder, k, "^>a ^>b")


# LangGraph shows none
@scenario(ASK, compare="call")
def messages_of_an_error_handler(k):
    def fails(state):
        raise ValueError("no")

    def mends(state, error: k.NodeError):
        return {"messages": [said("mended")]}

    return (
        k.StateGraph(k.MessagesState)
        .add_node("call", fails, error_handler=mends)
        .add_edge(k.START, "call")
    )


@scenario(ASK)
def messages_of_a_graph_as_a_node(k):
    below = chain(k, k.MessagesState, inner=lambda s: {"messages": [said("below")]})
    return chain(k, k.MessagesState, sub=below.compile(), top=lambda s: {"messages": [said("top")]})


@scenario(ASK)
def messages_of_a_graph_returned_by_hand(k):
    below = chain(k, k.MessagesState, inner=lambda s: {"messages": [said("below")]}).compile()
    return one(k, lambda s: {"messages": below.invoke(s)["messages"]})


@scenario(ASK)
def messages_of_a_cached_node(k):
    def build(saver):
        builder = k.StateGraph(k.MessagesState).add_edge(k.START, "call")
        builder.add_node("call", asks(model()), cache_policy=k.CachePolicy(key_func=lambda s: b"k"))
        cache = k.MemoryCache()
        builder.compile(cache=cache).invoke(ASK)
        return builder.compile(checkpointer=saver, cache=cache)

    return build
