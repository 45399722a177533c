"""Error handlers: what takes a failed node's place."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .failures import fails, flaky
from .fanout import edges
from .policies import at_once, forever
from .scenario import go, resume, scenario


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def handled(k: Any, handler: Any, node: Any = fails, **more: Any) -> Any:
    """START → bad (handled) → after."""
    builder = k.StateGraph(Log).add_node("bad", node, error_handler=handler, **more)
    return edges(builder.add_node("after", says("after")), k, "^>bad bad>after")


def tells(k: Any) -> Any:
    """A handler that logs what it is told."""

    def handler(state: Any, error: k.NodeError) -> Any:  # pyright: ignore[reportUnknownParameterType]
        return {"log": [f"{error.node} {error.error!r} {state['n']}"]}

    return handler


def fragile(k: Any, times: int) -> Any:
    """A handler that fails so many times."""
    left = [times]

    def handler(state: Any, error: k.NodeError) -> Any:  # pyright: ignore[reportUnknownParameterType]
        left[0] -= 1
        if left[0] >= 0:
            raise RuntimeError("the handler fails")
        return {"log": ["handled"]}

    return handler


@scenario({"n": 1})
def a_handler_updates_instead(k):
    return handled(k, tells(k))


@scenario({"n": 1})
def a_handler_that_takes_no_error(k):
    return handled(k, says("handled"))


@scenario({"n": 1})
def a_handler_that_gives_nothing(k):
    return handled(k, lambda state: None)


# LangGraph streams under the namespace of the task that failed
@scenario({"n": 1}, awaits=True, compare="call state")
def an_async_handler_that_streams(k):
    async def handler(state, error: k.NodeError):
        k.get_stream_writer()(str(error.error))
        return {"log": ["handled"]}

    return handled(k, handler)


@scenario({"n": 1})
def a_handler_says_where_to_go(k):
    def handler(state, error: k.NodeError):
        return k.Command(update={"log": ["handled"]}, goto="after")

    return handled(k, handler)


@scenario({"n": 1}, order="any")
def a_handler_sends(k):
    def handler(state, error: k.NodeError):
        return k.Command(goto=[k.Send("after", {"n": 7}), k.Send("after", {"n": 8})])

    return handled(k, handler)


@scenario({"n": 1})
def the_branches_of_a_handled_node_are_not_asked(k):
    builder = k.StateGraph(Log).add_node("bad", fails, error_handler=tells(k))
    builder.add_node("next", says("next")).add_edge(k.START, "bad")
    return builder.add_conditional_edges("bad", lambda state: "next", ["next"])


@scenario({"n": 1}, awaits=True)
def a_handler_writes_in_the_place_of_its_node(k):
    async def b(state):
        for _ in range(20):
            await asyncio.sleep(0)
        raise ValueError("no")

    async def quick(state):
        return {"log": ["quick"]}

    builder = k.StateGraph(Log).add_node("a", quick).add_node("c", quick)
    builder.add_node("b", b, error_handler=tells(k))
    return edges(builder, k, "^>a ^>b ^>c")


@scenario({"n": 1}, None)
def a_handler_that_fails_runs_again_alone(k):
    return handled(k, fragile(k, 1))


@scenario({"n": 1}, None, None)
def a_handler_that_fails_twice(k):
    return handled(k, fragile(k, 2))


@scenario({"n": 1}, {"n": 2})
def a_new_input_after_a_failing_handler(k):
    return handled(k, fragile(k, 1))


@scenario({"n": 1}, awaits=True)
def attempts_come_before_the_handler(k):
    return handled(k, tells(k), flaky(9), retry_policy=at_once(k))


@scenario({"n": 1}, awaits=True)
def a_handler_for_a_time_limit(k):
    def handler(state, error: k.NodeError):
        return {"log": [type(error.error).__name__, error.error.kind]}

    return handled(k, handler, forever, timeout=0.002)


@scenario({"n": 1}, awaits=True)
def a_handler_for_a_node_that_cancels_itself(k):
    async def cancels(state):
        raise asyncio.CancelledError

    return handled(k, tells(k), cancels)


@scenario({"n": 1})
def a_default_handler(k):
    builder = chain(k, Log, good=says("good"), bad=fails, after=says("after"))
    return builder.set_node_defaults(error_handler=tells(k))


@scenario({"n": 1})
def a_handler_of_its_own_wins_over_the_default(k):
    return handled(k, tells(k)).set_node_defaults(error_handler=says("default"))


@scenario({"n": 1})
def the_default_does_not_handle_a_handler(k):
    return handled(k, fragile(k, 1)).set_node_defaults(error_handler=says("default"))


@scenario({"n": 1})
def default_attempts_hold_for_handlers(k):
    return handled(k, fragile(k, 2)).set_node_defaults(retry_policy=at_once(k))


@scenario({"n": 1})
def a_send_is_handled_with_its_argument(k):
    builder = k.StateGraph(Log).add_node("bad", fails, error_handler=tells(k))
    return builder.add_conditional_edges(k.START, lambda state: [k.Send("bad", {"n": 7})], ["bad"])


@scenario({"n": 1}, order="per graph")
def a_graph_is_handled(k):
    return handled(k, tells(k), chain(k, Log, inner=fails).compile())


@scenario({"n": 1}, order="per graph")
def a_handler_inside_a_graph(k):
    return chain(k, Log, sub=handled(k, tells(k)).compile(), last=says("last"))


@scenario({"n": 1})
def two_handled_nodes_in_a_row(k):
    def onwards(state, error: k.NodeError):
        return k.Command(update={"log": [error.node]}, goto="two")

    builder = k.StateGraph(Log).add_node("one", fails, error_handler=onwards)
    builder.add_node("two", fails, error_handler=tells(k))
    return edges(builder, k, "^>one")


# LangGraph runs the handler again though it had finished; here its writes are kept
@scenario({"n": 1}, None, awaits=True, compare="call")
def a_handler_had_finished_when_another_failed(k):
    async def late(state):
        for _ in range(50):
            await asyncio.sleep(0)
        return await again(state)

    again = flaky(1)
    builder = handled(k, tells_in_words(k)).add_node("late", late)
    return edges(builder, k, "^>late")


def tells_in_words(k: Any) -> Any:
    """A handler whose words are the same for an error and for its stored text."""

    def handler(state: Any, error: k.NodeError) -> Any:  # pyright: ignore[reportUnknownParameterType]
        return {"log": [f"{error.node} failed"]}

    return handler


@scenario({"n": 1}, resume("yes"))
def a_pause_is_not_handled(k):
    def node(state):
        return {"log": [k.interrupt("go on?")]}

    return handled(k, tells(k), node)


# LangGraph does not show what waits for an answer in the state of a thread
@scenario({"n": 1}, go(lambda k: k.Command(resume="yes")), compare="call")
def a_handler_pauses(k):
    def handler(state, error: k.NodeError):
        return {"log": [k.interrupt("go on?")]}

    return handled(k, handler)
