"""Nodes of random graphs: they wait, ask, fail, hang, have effects, stream, call tasks."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from actors import (
    CachePolicy,
    Command,
    NodeError,
    RetryPolicy,
    Runtime,
    TimeoutPolicy,
    get_stream_writer,
    interrupt,
    task,
)
from actors.errors import NodeTimeoutError
from actors.testing import OutageError
from tests.simulation.drafts import Draft, State, digest, seen_by

STEP_TIMEOUT = 1_000
"""Seconds that a super-step may take at most: no other node takes so long."""


def attempt_of(runtime: Runtime) -> int:
    assert runtime.execution_info is not None
    return runtime.execution_info.node_attempt


def plain(draft: Draft, name: str) -> None:
    draft.builder.add_node(name, lambda state: seen_by(name, state))


def waiting(draft: Draft, name: str) -> None:
    pause = draft.pause()

    async def wait(state: State) -> State:
        await asyncio.sleep(pause)
        return seen_by(name, state)

    draft.builder.add_node(name, wait)


def updating(draft: Draft, name: str) -> None:
    def update(state: State) -> list[Any]:
        return [Command(update=seen_by(name, state)), {"log": [f"{name} again"]}]

    draft.builder.add_node(name, update)


def asking(draft: Draft, name: str) -> None:
    questions = draft.dice.randint(1, 2)

    async def ask(state: State) -> State:
        answers = [interrupt(f"{name} {number}?") for number in range(questions)]
        return {"log": [f"{name} {answers}"]}

    draft.builder.add_node(name, ask)


# --- failing ------------------------------------------------------------------------------------


def flaky(draft: Draft, name: str) -> None:
    async def fail_first(state: State, runtime: Runtime) -> State:
        if attempt_of(runtime) == 1:
            raise ConnectionError("the first attempt fails")
        return seen_by(name, state)

    draft.builder.add_node(name, fail_first, retry_policy=RetryPolicy(initial_interval=0.2))


def late(draft: Draft, name: str) -> None:
    async def hang_first(state: State, runtime: Runtime) -> State:
        if attempt_of(runtime) == 1:
            await asyncio.sleep(1_000)
        return seen_by(name, state)

    retry = RetryPolicy(initial_interval=0.1, retry_on=NodeTimeoutError)
    draft.builder.add_node(name, hang_first, retry_policy=retry, timeout=0.5)


def failing(draft: Draft, name: str) -> None:
    """Fails its run, or lets it time out, as the simulation's dice say."""
    pause, hangs = draft.pause(), draft.dice.random() < 0.3

    async def fail(state: State) -> State:
        await asyncio.sleep(pause)
        if random.random() < 0.4:
            if hangs:
                await asyncio.sleep(100 * STEP_TIMEOUT)
            raise OutageError(name)
        return seen_by(name, state)

    draft.builder.add_node(name, fail)


def alive(draft: Draft, name: str) -> None:
    async def give_signs(state: State, runtime: Runtime) -> State:
        for _ in range(4):
            await asyncio.sleep(0.2)
            runtime.heartbeat()
        return seen_by(name, state)

    draft.builder.add_node(name, give_signs, timeout=TimeoutPolicy(idle_timeout=0.5))


def handled(draft: Draft, name: str) -> None:
    attempts, pause = draft.dice.randint(1, 3), draft.pause()
    retry = RetryPolicy(0.1, max_attempts=attempts, retry_on=LookupError)

    async def fail(state: State) -> State:
        await asyncio.sleep(pause)
        raise LookupError(f"{name} never works")

    async def handle(state: State, error: NodeError) -> State:
        await asyncio.sleep(pause)
        return seen_by(f"{error.node} {error.error!r}", state)

    draft.builder.add_node(name, fail, retry_policy=retry, error_handler=handle)


def hanging(draft: Draft, name: str) -> None:
    async def hang(state: State) -> State:
        await asyncio.sleep(1_000)
        return {}

    def handle(state: State, error: NodeError) -> State:
        return seen_by(f"{name} {type(error.error).__name__}", state)

    draft.builder.add_node(name, hang, timeout=0.3, error_handler=handle)


# --- effects ------------------------------------------------------------------------------------


def effect(draft: Draft, name: str) -> None:
    async def act(state: State, runtime: Runtime) -> State:
        key = await runtime.once("key", runtime.idempotency_key, "key")
        assert key == runtime.idempotency_key("key")
        return seen_by(name, state)

    draft.builder.add_node(name, act)


def effects_between(draft: Draft, name: str) -> None:
    """Effects around a question: the first is not had again when the node is."""

    async def act(state: State, runtime: Runtime) -> State:
        seen = digest(state["log"])
        first = await runtime.once("first", str.upper, f"{name} {seen}")
        answer = interrupt(f"{first}?")
        second = await runtime.once("second", str.lower, answer)
        return {"log": [f"{name} {second}"]}

    draft.builder.add_node(name, act)


def effect_in_thread(draft: Draft, name: str) -> None:
    def act(state: State, runtime: Runtime) -> State:
        assert runtime.once_sync("key", str.upper, name) == name.upper()
        return seen_by(name, state)

    draft.builder.add_node(name, act)


def talking(draft: Draft, name: str) -> None:
    def talk(state: State, runtime: Runtime) -> State:
        for number in range(3):
            runtime.stream_writer({name: number})
        return seen_by(name, state)

    draft.builder.add_node(name, talk)


def talking_slowly(draft: Draft, name: str) -> None:
    pause = draft.pause()

    async def talk(state: State) -> State:
        writer = get_stream_writer()
        for number in range(3):
            writer({name: number})
            await asyncio.sleep(pause)
        await writer.drain()
        return seen_by(name, state)

    draft.builder.add_node(name, talk)


def cached(draft: Draft, name: str) -> None:
    pause = draft.pause()

    async def find(state: State) -> State:
        await asyncio.sleep(pause)
        return seen_by(name, state)

    draft.builder.add_node(name, find, cache_policy=CachePolicy(ttl=draft.dice.choice((None, 2))))


def filing(draft: Draft, name: str) -> None:
    async def file(state: State, runtime: Runtime) -> State:
        assert runtime.store is not None
        assert runtime.execution_info is not None
        place, seen = (
            (str(runtime.execution_info.thread_id), name.replace(".", "/")),
            digest(state["log"]),
        )
        await runtime.store.aput(place, seen, {"seen": seen})
        found = await runtime.store.aget(place, seen)
        assert found is not None
        return {"log": [f"{name} {found.value['seen']}"]}

    draft.builder.add_node(name, file)


# --- tasks --------------------------------------------------------------------------------------


def tasks(draft: Draft, name: str) -> None:
    pause, asks = draft.pause(), draft.dice.random() < 0.5

    @task(name=f"{name}.task", retry_policy=RetryPolicy(0.1))
    async def measure(word: str, runtime: Runtime) -> str:
        await asyncio.sleep(pause)
        if word.endswith("2") and attempt_of(runtime) == 1:
            raise ConnectionError("the first attempt fails")
        return digest(word)

    async def call(state: State) -> State:
        seen = digest(state["log"])
        first, second = measure(f"{seen} 1"), measure(f"{seen} 2")
        found = [await first]
        if asks:
            found.append(interrupt(f"{name} {found[0]}?"))
        found.append(await measure(found[-1]))
        return {"log": [f"{name} {[*found, await second]}"]}

    draft.builder.add_node(name, call)


NODES = (
    *(plain, waiting, updating, asking),
    *(flaky, late, failing, alive, handled, hanging),
    *(effect, effects_between, effect_in_thread),
    *(talking, talking_slowly, cached, filing, tasks),
)
