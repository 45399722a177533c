"""Nodes that raise, alone and beside others, and threads that go on after it."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .fanout import edges, logs
from .scenario import scenario


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


class RefusedError(Exception):
    """An error of the user's own."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what, code)
        self.code = code


def fails(state: Any) -> Any:
    """A node that always raises."""
    raise ValueError("no")


def flaky(times: int) -> Any:
    """An async node that raises that many times, then works."""
    left = [times]

    async def node(state: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise RuntimeError(f"not yet, {left[0]} more")
        return {"log": ["flaky"]}

    return node


@scenario({"n": 1})
def the_first_node_fails(k):
    return chain(k, Log, bad=fails, after=says("after"))


@scenario({"n": 1})
def the_second_node_fails(k):
    return chain(k, Log, good=says("good"), bad=fails, after=says("after"))


@scenario({"n": 1})
def an_error_class_of_ones_own(k):
    def node(state):
        raise RefusedError("nothing", 7)

    return chain(k, Log, bad=node)


@scenario({"n": 1})
def an_error_with_a_cause(k):
    def node(state):
        try:
            {}["x"]
        except KeyError as error:
            raise ValueError("outer") from error

    return chain(k, Log, bad=node)


@scenario({"n": 1}, awaits=True)
def an_async_node_fails_after_streaming(k):
    async def node(state):
        k.get_stream_writer()("before")
        raise ValueError("no")

    return chain(k, Log, bad=node)


def failing_beside(k: Any, node: Any) -> Any:
    """`bad` fails only after its sibling `good` has finished, so that the outcome is fixed."""
    finished = asyncio.Event()

    async def good(state):
        finished.set()
        return {"log": ["good"]}

    async def bad(state):
        await finished.wait()
        for _ in range(20):  # the sibling's end needs some turns of the loop to be taken in
            await asyncio.sleep(0)
        return await node(state)

    builder = k.StateGraph(Log).add_node("good", good).add_node("bad", bad)
    return edges(builder.add_node("end", says("end")), k, "^>good ^>bad good+bad>end")


@scenario({"n": 1}, awaits=True)
def a_failure_beside_a_finished_sibling(k):
    async def raises(state):
        raise ValueError("no")

    return failing_beside(k, raises)


@scenario({"n": 1}, None, awaits=True)
def only_the_failed_task_runs_again(k):
    return failing_beside(k, flaky(1))


@scenario({"n": 1}, None, None, awaits=True)
def failing_twice_then_going_on(k):
    return failing_beside(k, flaky(2))


@scenario({"n": 1}, {"n": 5}, awaits=True)
def a_new_input_after_a_failure(k):
    return failing_beside(k, flaky(1))


@scenario({"n": 1}, None, awaits=True)
def a_chain_that_goes_on_where_it_failed(k):
    return chain(k, Log, a=says("a"), flaky=flaky(1), c=says("c"))


@scenario({"n": 1}, {"n": 2}, awaits=True)
def a_chain_that_is_given_new_input_after_a_failure(k):
    return chain(k, Log, a=says("a"), flaky=flaky(1), c=says("c"))


# LangGraph shows "CancelledError()" as the other task's error in the state
@scenario({"n": 1}, awaits=True, compare="call chunks")
def a_failing_sibling_cancels_the_others(k):
    async def waits(state):
        await asyncio.Event().wait()

    async def raises(state):
        raise ValueError("no")

    builder = k.StateGraph(Log).add_node("waits", waits).add_node("raises", raises)
    return edges(builder, k, "^>waits ^>raises")


@scenario({"n": 1}, awaits=True)
def a_failure_in_a_later_step_keeps_the_earlier_ones(k):
    return edges(logs(k, "a", "b").add_node("bad", fails), k, "^>a ^>b a+b>bad")
