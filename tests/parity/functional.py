"""Entrypoints and the tasks that they, other tasks, and nodes call."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from .scenario import Run, Update, resume, resume_map, scenario


class Sum(TypedDict, total=False):
    n: int
    total: Annotated[int, operator.add]
    items: Annotated[list, operator.add]


def tasks(k):
    """Tasks that count how often they ran: `inc` gives its argument and that number."""
    ran = []

    @k.task
    def inc(x):
        ran.append(x)
        return [x + 1, len(ran)]

    return inc


def flow(k, function):
    """What makes the entrypoint, given the saver."""
    return lambda saver: k.entrypoint(checkpointer=saver)(function)


# --- results ------------------------------------------------------------------------------------


@scenario(1)
def an_entrypoint_without_tasks(k):
    def double(x):
        return x * 2

    return flow(k, double)


@scenario(1)
def an_entrypoint_that_gives_none(k):
    def nothing(x):
        return None

    return flow(k, nothing)


@scenario({"a": 1}, {"b": 2})
def an_entrypoint_that_gives_a_dict(k):
    def swap(given):
        return {value: key for key, value in given.items()}

    return flow(k, swap)


@scenario(0, "", [], False)
def inputs_that_are_false(k):
    def same(x, *, previous):
        return [x, previous is None]

    return flow(k, same)


@scenario(None)
def no_input_on_a_fresh_thread(k):
    def same(x):
        return x

    return flow(k, same)


@scenario(1, None)
def no_input_on_a_finished_thread(k):
    def same(x):
        return x

    return flow(k, same)


@scenario(1)
def one_task(k):
    inc = tasks(k)

    def main(x):
        return inc(x).result()

    return flow(k, main)


@scenario(1)
def one_task_after_the_other(k):
    inc = tasks(k)

    def main(x):
        first = inc(x).result()
        return inc(first[0]).result()

    return flow(k, main)


@scenario(3, order="any")
def tasks_at_once(k):
    @k.task
    def square(x):
        return x * x

    def main(x):
        futures = [square(i) for i in range(x)]
        return [future.result() for future in futures]

    return flow(k, main)


@scenario(1, order="any")
def a_task_that_gives_none_and_one_that_gives_a_dict(k):
    @k.task
    def nothing():
        return None

    @k.task
    def both(a, b=2, *, c=3):
        return {"a": a, "b": b, "c": c}

    def main(x):
        futures = [nothing(), both(x), both(x, c=0), both(b=1, a=0)]
        return [future.result() for future in futures]

    return flow(k, main)


@scenario(1)
def tasks_by_name(k):
    first, second = k.task(name="first")(lambda x: x + 1), k.task(name="second")(lambda x: x + 2)

    def main(x):
        return [first(x).result(), second(x).result()]

    return flow(k, main)


@scenario(1)
def two_tasks_of_one_name(k):
    one, two = k.task(name="same")(lambda x: x + 1), k.task(name="same")(lambda x: x + 2)

    def main(x):
        return [one(x).result(), two(x).result(), one(x).result()]

    return flow(k, main)


@scenario(1)
def a_task_that_calls_tasks(k):
    inc = tasks(k)

    @k.task
    def outer(x):
        return [inc(x).result(), inc(x + 1).result()]

    def main(x):
        return [outer(x).result(), inc(9).result()]

    return flow(k, main)


@scenario(3)
def a_task_that_calls_itself(k):
    @k.task
    def factorial(x):
        return x * factorial(x - 1).result() if x > 1 else 1

    def main(x):
        return factorial(x).result()

    return flow(k, main)


# --- threads ------------------------------------------------------------------------------------


@scenario(1, 2, 3)
def previous_is_what_the_last_run_gave(k):
    def add(x, *, previous=None):
        return x + (previous or 0)

    return flow(k, add)


@scenario(1, 2, 3)
def final_gives_one_value_and_saves_another(k):
    def double(x, *, previous):
        return k.entrypoint.final(value=previous, save=2 * x)

    return flow(k, double)


@scenario(1, 2)
def tasks_run_again_for_a_new_input(k):
    inc = tasks(k)

    def main(x, *, previous):
        return [inc(x).result(), previous]

    return flow(k, main)


@scenario(1, Update(77), 5)
def an_update_of_the_thread(k):
    def main(x, *, previous):
        return [x, previous]

    return flow(k, main)


@scenario(1, Update([1, 2], "main"), 5)
def an_update_as_the_entrypoint(k):
    def main(x, *, previous):
        return [x, previous]

    return flow(k, main)


@scenario(
    Run(1, {"metadata": {"job": "a"}, "configurable": {"user": "ada"}}),
    Run(2, {"metadata": {"job": "b"}}),
)
def metadata_is_kept(k):
    inc = tasks(k)

    def main(x):
        return inc(x).result()

    return flow(k, main)


# --- errors -------------------------------------------------------------------------------------


@scenario(1, None)
def a_task_that_fails(k):
    inc = tasks(k)

    @k.task
    def bad(x):
        raise ValueError(f"no {x}")

    def main(x):
        return bad(inc(x).result()).result()

    return flow(k, main)


@scenario(1)
def a_task_that_fails_and_is_caught(k):
    @k.task
    def bad(x):
        raise ValueError("no")

    def main(x):
        try:
            return bad(x).result()
        except ValueError as error:
            return str(error)

    return flow(k, main)


@scenario(1)
def an_inner_task_that_fails_and_is_caught_by_the_outer_one(k):
    @k.task
    def bad(x):
        raise ValueError("no")

    @k.task
    def outer(x):
        try:
            return bad(x).result()
        except ValueError:
            return "caught"

    def main(x):
        return outer(x).result()

    return flow(k, main)


@scenario(1)
def an_inner_task_that_fails_ends_everything(k):
    @k.task
    def bad(x):
        raise ValueError("no")

    @k.task
    def outer(x):
        return bad(x).result()

    def main(x):
        return outer(x).result()

    return flow(k, main)


@scenario(1, None)
def going_on_after_an_error_runs_no_finished_task_again(k):
    inc = tasks(k)
    tries = []

    def main(x):
        found = inc(x).result()
        tries.append(x)
        if len(tries) == 1:
            raise ValueError("the first time")
        return [found, inc(x).result()]

    return flow(k, main)


@scenario(1, None, None)
def going_on_twice_after_errors(k):
    inc = tasks(k)
    tries = []

    @k.task
    def flaky(x):
        tries.append(x)
        if len(tries) < 3:
            raise ValueError(f"try {len(tries)}")
        return len(tries)

    def main(x):
        return [inc(x).result(), flaky(x).result()]

    return flow(k, main)


@scenario(1, 2)
def a_new_input_after_an_error(k):
    inc = tasks(k)

    def main(x, *, previous):
        if x == 1:
            raise ValueError(inc(x).result())
        return [inc(x).result(), previous]

    return flow(k, main)


@scenario(1, order="any")
def a_task_that_nobody_waits_for(k):
    inc = tasks(k)

    def main(x):
        inc(x)
        return "done"

    return flow(k, main)


@scenario(1, order="any")
def a_failing_task_that_nobody_waits_for(k):
    @k.task
    def bad(x):
        raise ValueError("no")

    def main(x):
        bad(x)
        return "done"

    return flow(k, main)


@scenario(1)
def a_task_outside_of_what_it_is_for(k):
    inc = tasks(k)

    def main(x):
        return inc(x).result()

    try:
        inc(1)
    except RuntimeError:
        return flow(k, main)
    raise AssertionError("it ran")


# --- interrupts ---------------------------------------------------------------------------------


@scenario(1, resume("yes"))
def an_entrypoint_asks_after_a_task(k):
    inc = tasks(k)

    def main(x):
        found = inc(x).result()
        return [found, k.interrupt("sure?"), inc(x).result()]

    return flow(k, main)


@scenario(1, resume("a"), resume("b"))
def an_entrypoint_asks_twice(k):
    inc = tasks(k)

    def main(x):
        first = k.interrupt("first")
        found = inc(x).result()
        return [first, found, k.interrupt("second")]

    return flow(k, main)


@scenario(1, resume("yes"))
def a_task_asks(k):
    @k.task
    def ask(question):
        return k.interrupt(question)

    def main(x):
        return [x, ask("what?").result()]

    return flow(k, main)


@scenario(1, resume("a"), resume("b"))
def a_task_asks_twice(k):
    @k.task
    def ask():
        return [k.interrupt("first"), k.interrupt("second")]

    def main(x):
        return ask().result()

    return flow(k, main)


@scenario(1, resume("a"), resume("b"))
def two_tasks_ask_one_after_the_other(k):
    inc = tasks(k)

    @k.task
    def ask(question):
        return k.interrupt(question)

    def main(x):
        first = ask("first").result()
        found = inc(x).result()
        return [first, found, ask("second").result()]

    return flow(k, main)


@scenario(1, resume("a"))
def an_inner_task_asks(k):
    inc = tasks(k)

    @k.task
    def ask(question):
        return k.interrupt(question)

    @k.task
    def outer(x):
        return [inc(x).result(), ask("inner").result()]

    def main(x):
        return [inc(x).result(), outer(x).result()]

    return flow(k, main)


@scenario(1, resume_map(lambda ids: {ids[0]: "a"}))
def a_task_is_answered_by_id(k):
    @k.task
    def ask(question):
        return k.interrupt(question)

    def main(x):
        return ask("what?").result()

    return flow(k, main)


# LangGraph shows the failed task as done with None when it runs again, and the answered interrupt
@scenario(1, resume(0), resume(1), compare="call")
def an_answer_that_makes_the_task_fail_and_another_one(k):
    @k.task
    def ask(question):
        return 1 // k.interrupt(question)

    def main(x):
        return ask("what?").result()

    return flow(k, main)


@scenario(Run(1, options={"interrupt_before": ["main"]}), None)
def a_pause_before_the_entrypoint(k):
    def main(x):
        return x

    return flow(k, main)


@scenario(Run(1, options={"interrupt_after": "*"}), None, 2)
def a_pause_after_the_entrypoint(k):
    def main(x):
        return x

    return flow(k, main)


# --- what tasks can reach -----------------------------------------------------------------------


@scenario(1)
def tasks_write_to_the_custom_stream(k):
    @k.task
    def tells(x, writer):
        writer(f"task {x}")
        k.get_stream_writer()("once more")
        return x

    def main(x, writer):
        writer("before")
        found = tells(x).result()
        writer("after")
        return found

    return flow(k, main)


@scenario(1)
def tasks_see_their_config(k):
    @k.task
    def looks(x, config):
        known, found = ("step", "node", "triggers", "path"), config["metadata"]
        ns = config["configurable"]["checkpoint_ns"].split("|")
        depth = [part.partition(":")[0] for part in ns]
        return [depth, *(str(found[f"langgraph_{key}"]) for key in known)]

    def main(x, config):
        return [looks(x).result(), config["metadata"]["langgraph_node"]]

    return flow(k, main)


# --- in graphs ----------------------------------------------------------------------------------


@scenario({"n": 1, "total": 0})
def tasks_in_nodes(k):
    inc = tasks(k)

    def first(state):
        return {"n": inc(state["n"]).result()[0]}

    def second(state):
        return {"total": inc(state["n"]).result()[0]}

    builder = k.StateGraph(Sum).add_node("first", first).add_node("second", second)
    return builder.add_edge(k.START, "first").add_edge("first", "second")


@scenario({"n": 1}, resume("yes"))
def a_task_in_a_node_asks(k):
    inc = tasks(k)

    @k.task
    def ask(question):
        return k.interrupt(question)

    def node(state):
        return {"items": [inc(state["n"]).result(), ask("sure?").result()]}

    return k.StateGraph(Sum).add_node("node", node).add_edge(k.START, "node")


@scenario({"n": 1}, None)
def a_task_in_a_node_fails_and_its_siblings_are_kept(k):
    inc = tasks(k)
    tries = []

    @k.task
    def flaky():
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("the first time")
        return "fine"

    def node(state):
        return {"items": [inc(state["n"]).result(), flaky().result()]}

    return k.StateGraph(Sum).add_node("node", node).add_edge(k.START, "node")


@scenario({"n": 3}, order="any")
def tasks_in_sends(k):
    @k.task
    def square(x):
        return x * x

    def leaf(state):
        return {"items": [square(state["n"]).result()]}

    def spread(state):
        return [k.Send("leaf", {"n": i}) for i in range(state["n"])]

    builder = k.StateGraph(Sum).add_node("leaf", leaf)
    return builder.add_conditional_edges(k.START, spread, ["leaf"])


@scenario({"n": 1})
def an_entrypoint_as_a_node(k):
    inc = tasks(k)

    @k.entrypoint()
    def inner(state):
        return {"items": inc(state["n"]).result()}

    return k.StateGraph(Sum).add_node("node", inner).add_edge(k.START, "node")


@scenario(1)
def an_entrypoint_called_by_an_entrypoint(k):
    inc = tasks(k)

    @k.entrypoint()
    def inner(x):
        return inc(x).result()

    def main(x):
        return [inner.invoke(x), inc(x).result()]

    return flow(k, main)


@scenario(1)
def an_entrypoint_called_by_a_task(k):
    inc = tasks(k)

    @k.entrypoint()
    def inner(x):
        return inc(x).result()

    @k.task
    def calls(x):
        return inner.invoke(x)

    def main(x):
        return [calls(x).result(), calls(x + 1).result()]

    return flow(k, main)


@scenario(1)
def a_graph_called_by_a_task(k):
    graph = k.StateGraph(Sum).add_node("node", lambda s: {"n": s["n"] + 1})
    graph = graph.add_edge(k.START, "node").compile()

    @k.task
    def calls(x):
        return graph.invoke({"n": x})["n"]

    def main(x):
        return calls(x).result()

    return flow(k, main)


# --- async --------------------------------------------------------------------------------------


def async_tasks(k):
    """The same for async code."""
    ran: list[Any] = []

    @k.task
    async def inc(x):
        await asyncio.sleep(0)
        ran.append(x)
        return [x + 1, len(ran)]

    return inc


@scenario(1, awaits=True)
def an_async_task(k):
    inc = async_tasks(k)

    async def main(x):
        return [await inc(x), await inc(x)]

    return flow(k, main)


@scenario(4, awaits=True)
def async_tasks_gathered(k):
    inc = async_tasks(k)

    async def main(x):
        return await asyncio.gather(*(inc(i) for i in range(x)))

    return flow(k, main)


@scenario(1, awaits=True)
def sync_and_async_tasks_of_an_async_entrypoint(k):
    inc, ainc = tasks(k), async_tasks(k)

    async def main(x):
        return [await inc(x), await ainc(x), (await inc(x))[0]]

    return flow(k, main)


@scenario(1, awaits=True)
def an_async_task_that_calls_tasks(k):
    inc = async_tasks(k)

    @k.task
    async def outer(x):
        return [await inc(x), await inc(x)]

    async def main(x):
        return await outer(x)

    return flow(k, main)


@scenario(1, None, awaits=True)
def an_async_task_that_fails(k):
    inc = async_tasks(k)

    @k.task
    async def bad(x):
        raise ValueError("no")

    async def main(x):
        return [await inc(x), await bad(x)]

    return flow(k, main)


@scenario(1, awaits=True)
def async_errors_are_gathered_as_values(k):
    inc = async_tasks(k)

    @k.task
    async def bad(x):
        raise ValueError("no")

    async def main(x):
        found = await asyncio.gather(inc(x), bad(x), inc(x), return_exceptions=True)
        return [repr(each) for each in found]

    return flow(k, main)


@scenario(1, resume("yes"), awaits=True)
def an_async_entrypoint_asks_after_a_task(k):
    inc = async_tasks(k)

    async def main(x):
        found = await inc(x)
        return [found, k.interrupt("sure?"), await inc(x)]

    return flow(k, main)


@scenario(1, resume("a"), resume("b"), awaits=True)
def async_tasks_ask_one_after_the_other(k):
    @k.task
    async def ask(question):
        return k.interrupt(question)

    async def main(x):
        return [await ask("first"), await ask("second")]

    return flow(k, main)


@scenario({"n": 1}, awaits=True)
def async_tasks_in_an_async_node(k):
    inc = async_tasks(k)

    async def node(state):
        return {"items": await asyncio.gather(inc(state["n"]), inc(state["n"]))}

    return k.StateGraph(Sum).add_node("node", node).add_edge(k.START, "node")


@scenario(1, 2, awaits=True)
def an_async_entrypoint_with_previous_and_final(k):
    inc = async_tasks(k)

    async def main(x, *, previous=None):
        return k.entrypoint.final(value=[previous, await inc(x)], save=x)

    return flow(k, main)


@scenario(1, awaits=True)
def an_async_entrypoint_called_by_an_async_task(k):
    inc = async_tasks(k)

    @k.entrypoint()
    async def inner(x):
        return await inc(x)

    @k.task
    async def calls(x):
        return await inner.ainvoke(x)

    async def main(x):
        return await calls(x)

    return flow(k, main)
