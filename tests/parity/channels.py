"""State keys whose channel is named in the schema."""

import operator
from typing import Annotated, TypedDict

from .chains import chain
from .fanout import ONE_VALUE, edges, writes
from .scenario import scenario


@scenario({"topic": "in"}, awaits=True)
def a_topic_holds_what_one_step_wrote(k):
    class State(TypedDict, total=False):
        topic: Annotated[list, k.Topic(str)]
        n: int

    builder = k.StateGraph(State).add_node("a", writes(topic="a")).add_node("b", writes(topic="b"))
    builder.add_node("seen", lambda s: {"n": len(s["topic"])}).add_node("later", lambda s: {"n": 0})
    return edges(builder, k, "^>a ^>b a+b>seen seen>later")


@scenario({"topic": "in"}, awaits=True)
def a_topic_that_accumulates(k):
    class State(TypedDict, total=False):
        topic: Annotated[list, k.Topic(str, True)]
        n: int

    builder = (
        k.StateGraph(State).add_node("a", writes(topic="a")).add_node("b", writes(topic=["b"]))
    )
    return edges(builder.add_node("end", writes(n=1)), k, "^>a ^>b a+b>end")


@scenario({"brief": 1})
def an_ephemeral_value_lives_for_one_step(k):
    class State(TypedDict, total=False):
        brief: Annotated[int, k.EphemeralValue(int)]
        seen: Annotated[list, operator.add]

    def look(state):
        return {"seen": [state.get("brief")]}

    def write(state):
        return {"brief": 2, "seen": [state.get("brief")]}

    return chain(k, State, a=look, b=write, c=look, d=look)


@scenario({"brief": 1}, awaits=True, says="brief", compare="call chunks")
def an_ephemeral_value_takes_one_writer(k):
    class State(TypedDict, total=False):
        brief: Annotated[int, k.EphemeralValue(int)]

    builder = k.StateGraph(State).add_node("a", writes(brief=1)).add_node("b", writes(brief=2))
    return edges(builder, k, "^>a ^>b")


@scenario({"brief": 1}, awaits=True)
def an_unguarded_ephemeral_value_takes_the_last(k):
    class State(TypedDict, total=False):
        brief: Annotated[int, k.EphemeralValue(int, False)]
        n: int

    builder = k.StateGraph(State).add_node("a", writes(brief=1)).add_node("b", writes(brief=2))
    return edges(builder.add_node("c", lambda s: {"n": s["brief"]}), k, "^>a ^>b a+b>c")


@scenario({"any": 1}, awaits=True)
def any_value_takes_one_of_several(k):
    class State(TypedDict, total=False):
        any: Annotated[int, k.AnyValue(int)]

    builder = k.StateGraph(State).add_node("a", writes(any=7)).add_node("b", writes(any=7))
    return edges(builder.add_node("c", lambda s: {"any": s["any"] + 1}), k, "^>a ^>b a+b>c")


@scenario({"any": 1, "n": 0})
def any_value_that_nobody_writes_again(k):
    class State(TypedDict, total=False):
        any: Annotated[int, k.AnyValue(int)]
        n: int

    return chain(k, State, a=lambda s: {"n": s.get("any", -1)}, b=lambda s: {"n": s.get("any", -1)})


@scenario({"n": 1})
def an_untracked_value_is_not_stored(k):
    class State(TypedDict, total=False):
        loose: Annotated[int, k.UntrackedValue(int)]
        n: int

    return chain(k, State, a=lambda s: {"loose": 5}, b=lambda s: {"n": s["loose"] + 1})


@scenario({"n": 1}, {"n": 2})
def an_untracked_value_is_gone_on_the_next_turn(k):
    class State(TypedDict, total=False):
        loose: Annotated[int, k.UntrackedValue(int)]
        n: int

    def node(state):
        return {"n": state["n"] + state.get("loose", 100), "loose": 1}

    return chain(k, State, a=node, b=node)


@scenario({"total": 1}, awaits=True)
def an_aggregate_named_as_a_channel(k):
    class State(TypedDict, total=False):
        total: Annotated[int, k.BinaryOperatorAggregate(int, operator.mul)]

    builder = k.StateGraph(State).add_node("a", writes(total=3)).add_node("b", writes(total=5))
    return edges(builder, k, "^>a ^>b")


@scenario({"v": 1}, awaits=True, says=ONE_VALUE, compare="call chunks")
def a_last_value_named_as_a_channel(k):
    class State(TypedDict, total=False):
        v: Annotated[int, k.LastValue(int)]

    builder = k.StateGraph(State).add_node("a", writes(v=3)).add_node("b", writes(v=5))
    return edges(builder, k, "^>a ^>b")


@scenario({"n": 1})
def plain_annotations_are_looked_through(k):
    class State(TypedDict, total=False):
        n: Annotated[int, "how many"]
        text: Annotated[str, {"max": 5}]

    return chain(k, State, a=lambda s: {"n": s["n"] + 1}, b=lambda s: {"text": "x"})
