"""Nodes that are tried again, given up in time, or that cancel themselves."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .failures import flaky
from .fanout import edges
from .scenario import Run, scenario


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def at_once(k: Any, **more: Any) -> Any:
    """A policy that waits for nothing and covers every exception."""
    return k.RetryPolicy(**{"initial_interval": 0, "jitter": False, "retry_on": Exception, **more})


def retried(k: Any, node: Any, policy: Any, **more: Any) -> Any:
    """START → a (with the policy) → b."""
    builder = k.StateGraph(Log).add_node("a", node, retry_policy=policy, **more)
    builder.add_node("b", says("b"))
    return edges(builder, k, "^>a a>b")


def raising(*errors: Exception) -> Any:
    """An async node that raises these one after the other, then works."""
    left = list(errors)

    async def node(state: Any) -> Any:
        if left:
            raise left.pop(0)
        return {"log": ["works"]}

    return node


# --- trying again -------------------------------------------------------------------------------


@scenario({"n": 1}, awaits=True)
def a_node_works_at_its_third_attempt(k):
    return retried(k, flaky(2), at_once(k))


@scenario({"n": 1}, None, awaits=True)
def attempts_run_out_and_the_thread_goes_on(k):
    return retried(k, flaky(3), at_once(k))


@scenario({"n": 1}, awaits=True)
def one_attempt_is_all_there_is(k):
    return retried(k, flaky(1), at_once(k, max_attempts=1))


@scenario({"n": 1}, awaits=True)
def five_attempts(k):
    return retried(k, flaky(4), at_once(k, max_attempts=5))


@scenario({"n": 1})
def a_sync_node_is_tried_again(k):
    left = [2]

    def node(state):
        left[0] -= 1
        if left[0] >= 0:
            raise ConnectionError("gone")
        return {"log": ["works"]}

    return retried(k, node, at_once(k))


@scenario({"n": 1}, awaits=True)
def an_error_that_is_not_covered(k):
    return retried(k, raising(ValueError("no")), at_once(k, retry_on=KeyError))


@scenario({"n": 1}, awaits=True)
def one_of_two_classes_is_covered(k):
    errors = raising(KeyError("x"), ConnectionError("y"))
    return retried(k, errors, at_once(k, retry_on=(KeyError, ConnectionError)))


@scenario({"n": 1}, awaits=True)
def a_function_is_asked_what_is_covered(k):
    errors = raising(ValueError("again"), ValueError("never"))
    return retried(k, errors, at_once(k, retry_on=lambda error: "again" in str(error)))


@scenario({"n": 1}, awaits=True)
def the_second_policy_covers_it(k):
    policies = [at_once(k, retry_on=KeyError), at_once(k, retry_on=ValueError)]
    return retried(k, raising(ValueError("x"), ValueError("y")), policies)


@scenario({"n": 1}, awaits=True)
def the_policy_that_covers_the_last_error_counts_all_attempts(k):
    policies = [
        at_once(k, retry_on=KeyError, max_attempts=9),
        at_once(k, retry_on=ValueError, max_attempts=2),
    ]
    return retried(k, raising(KeyError("x"), KeyError("y"), ValueError("z")), policies)


@scenario({"n": 1}, awaits=True)
def the_default_covers_a_lost_connection(k):
    policy = k.RetryPolicy(initial_interval=0, jitter=False)
    return retried(k, raising(ConnectionResetError("x")), policy)


@scenario({"n": 1}, awaits=True)
def the_default_does_not_cover_a_mistake(k):
    policy = k.RetryPolicy(initial_interval=0, jitter=False)
    return retried(k, raising(TypeError("x")), policy)


@scenario({"n": 1}, awaits=True)
def attempts_are_numbered_and_stream(k):
    left = [2]

    async def node(state, runtime: k.Runtime):
        info = runtime.execution_info
        runtime.stream_writer([info.node_attempt, type(info.node_first_attempt_time).__name__])
        left[0] -= 1
        if left[0] >= 0:
            raise ConnectionError("gone")
        return {"log": [info.node_attempt]}

    return retried(k, node, at_once(k))


@scenario({"n": 1}, awaits=True)
def an_update_that_cannot_be_is_tried_again(k):
    results = [5, {"log": ["works"]}]

    async def node(state):
        return results.pop(0)

    return retried(k, node, at_once(k))


@scenario({"n": 1}, awaits=True)
def a_sibling_runs_once_while_another_is_tried_again(k):
    async def c(state):
        return {"log": ["c"]}

    builder = retried(k, flaky(2), at_once(k)).add_node("c", c)
    return edges(builder, k, "^>c")


@scenario({"n": 1}, awaits=True)
def sends_are_tried_one_by_one(k):
    left = {1: 2}

    async def node(state):
        n = state["n"]
        if left.get(n):
            left[n] -= 1
            raise ConnectionError("gone")
        return {"log": [n]}

    def fan(state):
        return [k.Send("a", {"n": n}) for n in range(3)]

    builder = k.StateGraph(Log).add_node("a", node, retry_policy=at_once(k))
    return builder.add_conditional_edges(k.START, fan, ["a"])


# LangGraph begins it anew under another namespace; here it goes on where it had come to
@scenario({"n": 1}, awaits=True, order="per graph", compare="call state")
def a_graph_is_tried_again(k):
    return retried(k, chain(k, Log, inner=flaky(1)).compile(), at_once(k))


@scenario({"n": 1}, awaits=True)
def a_default_of_the_graph_holds_for_every_node(k):
    builder = chain(k, Log, a=flaky(1), b=flaky(2))
    return builder.set_node_defaults(retry_policy=at_once(k))


@scenario({"n": 1}, awaits=True)
def a_policy_of_its_own_wins_over_the_default(k):
    builder = retried(k, flaky(1), at_once(k, max_attempts=1))
    return builder.set_node_defaults(retry_policy=at_once(k))


# --- giving up in time --------------------------------------------------------------------------


async def forever(state: Any) -> Any:
    """A node that never ends by itself."""
    await asyncio.Event().wait()


async def pause(seconds: float) -> None:
    """Work for so long."""
    await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=seconds)


def limited(k: Any, node: Any, limit: Any, **more: Any) -> Any:
    """START → a (limited) → b."""
    builder = k.StateGraph(Log).add_node("a", node, timeout=limit, **more)
    return edges(builder.add_node("b", says("b")), k, "^>a a>b")


def slow_once() -> Any:
    """An async node whose first attempt never ends."""
    left = [1]

    async def node(state: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            await forever(state)
        return {"log": ["in time"]}

    return node


@scenario({"n": 1}, awaits=True)
def a_node_in_time(k):
    async def node(state):
        return {"log": ["in time"]}

    return limited(k, node, 60)


@scenario({"n": 1}, awaits=True)
def an_attempt_takes_too_long(k):
    return limited(k, forever, 0.002)


@scenario({"n": 1}, None, awaits=True)
def a_thread_goes_on_after_a_time_limit(k):
    return limited(k, slow_once(), 0.02)


@scenario({"n": 1}, awaits=True)
def no_progress_for_too_long(k):
    return limited(k, forever, k.TimeoutPolicy(idle_timeout=0.002))


@scenario({"n": 1}, awaits=True)
def of_two_limits_the_shorter_one_is_passed(k):
    return limited(k, forever, k.TimeoutPolicy(run_timeout=60, idle_timeout=0.002))


@scenario({"n": 1}, awaits=True)
def a_send_brings_a_limit(k):
    def fan(state):
        return [k.Send("a", {}, timeout=0.002)]

    builder = k.StateGraph(Log).add_node("a", forever, timeout=60)
    return builder.add_conditional_edges(k.START, fan, ["a"])


@scenario({"n": 1}, awaits=True)
def a_slow_attempt_is_tried_again_by_default(k):
    policy = k.RetryPolicy(initial_interval=0, jitter=False)
    return limited(k, slow_once(), 0.02, retry_policy=policy)


@scenario({"n": 1}, awaits=True)
def a_default_limit(k):
    async def b(state):
        return {"log": ["b"]}

    return chain(k, Log, a=forever, b=b).set_node_defaults(timeout=0.002)


@scenario({"n": 1}, awaits=True)
def a_limit_of_its_own_wins_over_the_default(k):
    builder = k.StateGraph(Log).add_node("a", slow_once(), timeout=0.002)
    return edges(builder, k, "^>a").set_node_defaults(timeout=60)


# each watch takes a second, so that a busy machine does not pass for an idle node
@scenario({"n": 1}, awaits=True, compare="call")
def heartbeats_and_chunks_are_progress(k):
    async def node(state, runtime: k.Runtime):
        for turn in range(4):
            await pause(0.25)
            runtime.heartbeat() if turn % 2 else runtime.stream_writer(turn)
        return {"log": ["steady"]}

    return limited(k, node, k.TimeoutPolicy(idle_timeout=0.9))


# how many chunks come before the limit is passed is a matter of luck
@scenario({"n": 1}, awaits=True, compare="call state")
def only_heartbeats_are_progress(k):
    async def node(state, runtime: k.Runtime):
        while True:
            await pause(0.001)
            runtime.stream_writer("no sign")

    return limited(k, node, k.TimeoutPolicy(idle_timeout=0.02, refresh_on="heartbeat"))


@scenario({"n": 1}, awaits=True)
def a_node_raises_a_timeout_of_its_own(k):
    async def node(state):
        raise TimeoutError("my own")

    return limited(k, node, 60)


def step_limited(k: Any, builder: Any, seconds: float) -> Any:
    """A graph whose steps may take so long."""

    def make(saver: Any) -> Any:
        graph = builder.compile(checkpointer=saver)
        graph.step_timeout = seconds
        return graph

    return make


# LangGraph shows "CancelledError()" as the error of a task that it cancelled
@scenario({"n": 1}, awaits=True, compare="call chunks")
def a_step_takes_too_long(k):
    builder = k.StateGraph(Log).add_node("slow", forever).add_node("quick", says("quick"))
    return step_limited(k, edges(builder, k, "^>slow ^>quick"), 0.05)


@scenario({"n": 1}, None, awaits=True, compare="call")
def a_step_that_took_too_long_runs_its_slow_task_again(k):
    builder = k.StateGraph(Log).add_node("slow", slow_once()).add_node("quick", says("quick"))
    return step_limited(k, edges(builder, k, "^>slow ^>quick"), 0.1)


@scenario({"n": 1}, awaits=True)
def steps_in_time(k):
    return step_limited(k, chain(k, Log, a=flaky(0), b=flaky(0)), 60)


# --- cancelling ---------------------------------------------------------------------------------


@scenario({"n": 1}, awaits=True)
def a_node_cancels_itself(k):
    async def cancels(state):
        raise asyncio.CancelledError

    return chain(k, Log, a=cancels, b=says("b"))


@scenario({"n": 1})
def a_sync_node_cancels_itself(k):
    def cancels(state):
        raise asyncio.CancelledError

    return chain(k, Log, a=cancels, b=says("b"))


@scenario({"n": 1}, awaits=True)
def a_node_that_cancels_itself_is_not_tried_again(k):
    async def cancels(state):
        raise asyncio.CancelledError

    return retried(k, cancels, at_once(k))


@scenario({"n": 1}, None, awaits=True, compare="call")
def a_cancelled_sibling_runs_again_and_a_finished_one_does_not(k):
    runs = []

    async def slow(state):
        runs.append("slow")
        if len(runs) == 1:
            await forever(state)
        return {"log": ["slow"]}

    fails, finished = flaky(1), asyncio.Event()

    async def bad(state):
        await finished.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        return await fails(state)

    async def quick(state):
        finished.set()
        return {"log": ["quick"]}

    builder = k.StateGraph(Log).add_node("slow", slow).add_node("bad", bad)
    return edges(builder.add_node("quick", quick), k, "^>slow ^>bad ^>quick")


@scenario(Run({"n": 1}, {"max_concurrency": 1}), awaits=True)
def attempts_one_at_a_time(k):
    builder = retried(k, flaky(1), at_once(k)).add_node("c", says("c"))
    return edges(builder, k, "^>c")
