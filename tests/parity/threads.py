"""Threads over several runs, and updates from outside."""

import operator
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .fanout import edges, logs
from .scenario import Run, Update, scenario


class Chat(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def count(state: Any) -> Any:
    """Counts in `n`, which stays on the thread."""
    return {"n": state.get("n", 0) + 1}


@scenario({"log": ["one"]}, {"log": ["two"]}, {"log": ["three"]})
def three_turns(k):
    return chain(k, Chat, count=count, echo=lambda s: {"log": [f"echo {s['log'][-1]}"]})


@scenario({"n": 1}, {"n": 10})
def a_turn_overwrites_a_last_value(k):
    return chain(k, Chat, count=count)


@scenario({"log": ["one"]}, None)
def none_on_a_finished_thread(k):
    return chain(k, Chat, count=count)


@scenario({"log": ["one"]}, {})
def an_empty_input_on_a_finished_thread(k):
    return chain(k, Chat, count=count)


@scenario({"log": ["one"]}, {"unknown": 1})
def an_unknown_key_as_a_second_turn(k):
    return chain(k, Chat, count=count)


@scenario({"log": ["one"]}, Update({"n": 100}), None)
def an_update_after_the_end(k):
    return chain(k, Chat, count=count, end=says("end"))


@scenario({"log": ["one"]}, Update({"n": 100}, "first"), None)
def an_update_as_an_earlier_node_goes_on_from_there(k):
    return chain(k, Chat, first=says("first"), second=count, third=says("third"))


@scenario({"log": ["one"]}, Update({"log": ["x"]}), Update({"log": ["y"]}), {"log": ["two"]})
def several_updates_then_a_turn(k):
    return chain(k, Chat, count=count)


@scenario(Update({"log": ["first"]}, "__start__"), None)
def an_update_as_start_on_a_fresh_thread(k):
    return chain(k, Chat, count=count)


@scenario(Update({"log": ["first"]}, "count"), None)
def an_update_as_a_node_on_a_fresh_thread(k):
    return chain(k, Chat, count=count, end=says("end"))


@scenario(Update({"log": ["first"]}), None)
def an_update_of_a_fresh_thread_with_one_node(k):
    return chain(k, Chat, count=count)


@scenario({"log": []}, Update({"n": 1}), awaits=True, says="Ambiguous update, specify as_node")
def an_ambiguous_update(k):
    return edges(logs(k, "a", "b"), k, "^>a ^>b")


@scenario({"log": []}, Update({"n": 1}, "nobody"), says="nobody")
def an_update_as_an_unknown_node(k):
    return chain(k, Chat, count=count)


@scenario({"n": 3}, Update({"n": 0}, "count"), None)
def an_update_decides_a_conditional_edge(k):
    builder = k.StateGraph(Chat).add_node("count", count).add_edge(k.START, "count")
    return builder.add_conditional_edges("count", lambda s: k.END if s["n"] > 2 else "count")


@scenario({"log": ["one"]}, Update(None, "count"), None)
def an_update_without_values(k):
    return chain(k, Chat, count=count, end=says("end"))


# LangGraph shows the update as the failed task's result in the history
@scenario({"n": 1}, Update({"log": ["fixed"]}, "bad"), None, compare="call chunks")
def an_update_in_place_of_a_failed_node(k):
    def bad(state):
        raise ValueError("no")

    return chain(k, Chat, first=count, bad=bad, end=says("end"))


@scenario({"n": 1}, Update(None, "__end__"), None)
def an_update_as_end_finishes_the_thread(k):
    def bad(state):
        raise ValueError("no")

    return chain(k, Chat, first=count, bad=bad, end=says("end"))


@scenario(
    Run({"n": 1}, {"metadata": {"job": "a"}, "configurable": {"user": "ada"}}),
    Run({"n": 2}, {"metadata": {"job": "b", "tries": 2}}),
)
def metadata_of_the_run_is_kept_in_the_checkpoints(k):
    return chain(k, Chat, count=count)


@scenario({"log": []}, {"log": ["second"]}, awaits=True)
def turns_over_a_join(k):
    return edges(logs(k, "a", "b", "b2", "c"), k, "^>a ^>b b>b2 a+b2>c")


@scenario({"log": []}, {"log": ["second"]}, awaits=True)
def turns_over_sends(k):
    async def leaf(state):
        return {"log": [state["i"]]}

    builder = k.StateGraph(Chat).add_node("leaf", leaf).add_node("end", count)
    builder.add_conditional_edges(
        k.START, lambda s: [k.Send("leaf", {"i": i}) for i in range(2)], ["leaf"]
    )
    return builder.add_edge("leaf", "end")


@scenario(*({"log": [str(i)]} for i in range(8)))
def eight_turns(k):
    return chain(k, Chat, count=count)
