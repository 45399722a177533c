"""Graphs in nodes of random graphs: as nodes, called by nodes, with a memory, as functions."""

from __future__ import annotations

import asyncio
from typing import Any

from actors import entrypoint, interrupt, task
from tests.simulation.drafts import Draft, State, digest, seen_by


def given_to(name: str, state: State) -> Any:
    return {"log": seen_by(name, state)["log"]}


def nested(draft: Draft, name: str) -> None:
    draft.builder.add_node(name, draft.inner(name).graph())


def calling(draft: Draft, name: str) -> None:
    inner = draft.inner(name).graph()

    async def call(state: State) -> State:
        given = await inner.ainvoke(given_to(name, state))
        return {"log": given["log"]}

    draft.builder.add_node(name, call)


def calling_twice(draft: Draft, name: str) -> None:
    """Two graphs, one after the other, or one twice at once: which call is first is drawn then, and
    by their order they find their checkpoints again."""
    graphs = [draft.inner(f"{name}.{which}", 0).graph() for which in "ab"]
    at_once = draft.dice.random() < 0.5

    async def call(state: State) -> State:
        given = given_to(name, state)
        if at_once:
            found = await asyncio.gather(*(graphs[0].ainvoke(given) for _ in range(2)))
        else:
            found = [await graph.ainvoke(given) for graph in graphs]
        return {"log": [item for each in found for item in each["log"]]}

    draft.builder.add_node(name, call)


def keeping(draft: Draft, name: str) -> None:
    inner = draft.inner(name, 0).graph(checkpointer=True)

    async def call(state: State) -> State:
        given = await inner.ainvoke(given_to(name, state))
        return {"log": given["log"]}

    draft.builder.add_node(name, call)


def calling_in_thread(draft: Draft, name: str) -> None:
    inner = draft.inner(name, 0).graph()

    def call(state: State) -> State:
        return {"log": inner.invoke(given_to(name, state))["log"]}

    draft.builder.add_node(name, call)


def streaming(draft: Draft, name: str) -> None:
    """A graph whose values are read as they come."""
    inner, pause = draft.inner(name, 0).graph(), draft.pause()

    async def read(state: State) -> State:
        log: list[str] = []
        async for values in inner.astream(given_to(name, state), stream_mode="values"):
            log = values["log"]
            await asyncio.sleep(pause)
        return {"log": log}

    def read_in_thread(state: State) -> State:
        *_, last = inner.stream(given_to(name, state), stream_mode="values")
        return {"log": last["log"]}

    draft.builder.add_node(name, draft.dice.choice((read, read_in_thread)))


def entry(draft: Draft, name: str) -> None:
    """A function as a graph, with tasks; it may remember what it gave before."""
    pause, asks, keeps = draft.pause(), draft.dice.random() < 0.5, draft.dice.random() < 0.5

    @task(name=f"{name}.task")
    async def measure(word: str) -> str:
        await asyncio.sleep(pause)
        return digest(word)

    @entrypoint(checkpointer=True if keeps else None)
    async def run(seen: str, previous: str | None = None) -> str:
        words = await asyncio.gather(*(measure(f"{seen} {number}") for number in range(3)))
        if asks:
            words.append(interrupt(f"{name} {words}?"))
        return digest([*words, previous])

    async def call(state: State) -> State:
        return {"log": [f"{name} {await run.ainvoke(digest(state['log']))}"]}

    draft.builder.add_node(name, call)


GRAPHS = (nested, calling, calling_twice, keeping, calling_in_thread, streaming, entry)
