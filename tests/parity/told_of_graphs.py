"""Graphs and functions whose runs callbacks are told of, and which fail in every way."""

import asyncio
from typing import Any

from .spans import traced
from .spans_of_graphs import State, chain, raises, says

NAMED = {"run_name": "called"}
"""A graph of a function has its name here, and LangGraph's name there."""


@traced(1, config=NAMED)
def a_function_and_its_task(k):
    @k.task
    async def add(number, by=1):
        return number + by

    @k.entrypoint()
    async def work(number):
        return await add(number, by=2)

    return work


@traced(1, config=NAMED, order="per span")
def tasks_side_by_side(k):
    @k.task
    def add(number):
        return number + 1

    @k.entrypoint()
    async def work(number):
        return await asyncio.gather(add(number), add(number + 1))

    return work


@traced(1, config=NAMED)
def a_task_that_raises(k):
    @k.task
    async def fail(number):
        raise LookupError(number)

    @k.entrypoint()
    async def work(number):
        return await fail(number)

    return work


@traced(1, config=NAMED)
def a_task_in_a_task(k):
    @k.task
    async def inner(number):
        return number

    @k.task
    async def outer(number):
        return await inner(number + 1)

    @k.entrypoint()
    async def work(number):
        return await outer(number)

    return work


@traced(1, config=NAMED)
def a_function_that_calls_a_graph(k):
    graph = chain(k, a=says("a")).compile(name="graph")

    @k.entrypoint()
    async def work(number):
        return (await graph.ainvoke({"topic": str(number)}))["log"]

    return work


@traced(1, lambda k: k.Command(resume="yes"), config=NAMED, saver="memory")
def a_function_that_asks(k):
    @k.task
    async def ask(number):
        return k.interrupt(number)

    def build(saver: Any) -> Any:
        @k.entrypoint(checkpointer=saver)
        async def work(number):
            return await ask(number)

        return work

    return build


@traced(None)
def no_input(k):
    return chain(k, a=says("a")).compile()


@traced({"log": 5})
def an_input_that_does_not_fit(k):
    return chain(k, a=says("a")).compile()


@traced({"topic": "t"}, config={"recursion_limit": 1})
def more_steps_than_allowed(k):
    return chain(k, a=says("a"), b=says("b")).compile()


@traced({"topic": "t"})
def a_path_that_raises(k):
    async def route(state):
        raise LookupError("no way")

    return chain(k, a=says("a")).add_conditional_edges("a", route, [k.END]).compile()


@traced({"topic": "t"})
def a_graph_in_a_graph_that_raises(k):
    inner = chain(k, a=says("a"), bad=raises).compile(name="inner")
    return chain(k, inner=inner, b=says("b")).compile()


@traced({"topic": "t"})
def a_graph_whose_failure_is_caught(k):
    inner = chain(k, bad=raises).compile(name="inner")

    async def node(state):
        try:
            await inner.ainvoke(state)
        except LookupError:
            return {"log": ["caught"]}

    return chain(k, node=node).compile()


@traced({"topic": "t"})
def a_node_that_is_tried_in_vain(k):
    async def flaky(state):
        raise ConnectionError("gone")

    policy = k.RetryPolicy(initial_interval=0.001, max_attempts=2)
    builder = k.StateGraph(State).add_node("a", flaky, retry_policy=policy)
    return builder.add_edge(k.START, "a").compile()


@traced({"topic": "t"}, {"topic": "u"}, saver="memory")
def two_turns_on_a_thread(k):
    return lambda saver: chain(k, a=says("a")).compile(checkpointer=saver)


@traced({"topic": "t"}, config={"configurable": {"thread_id": "t"}}, saver="memory")
def a_graph_that_keeps_its_state(k):
    inner = chain(k, a=says("a")).compile(name="inner", checkpointer=True)
    return lambda saver: chain(k, inner=inner).compile(checkpointer=saver)


@traced({"topic": "t"}, None, saver="memory")
def a_pause_after_a_node(k):
    builder = chain(k, a=says("a"), b=says("b"))
    return lambda saver: builder.compile(checkpointer=saver, interrupt_after=["a"])
