"""Burr: state machines of actions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

from burr.core import ApplicationBuilder, State, action, default, expr


@action(reads=["n"], writes=["n"])
async def step(state: State[Any]) -> State[Any]:
    return state.update(n=state["n"] + 1)


@action(reads=["n"], writes=[])
async def done(state: State[Any]) -> State[Any]:
    return state


def chain(length: int) -> Callable[[], Awaitable[object]]:
    names = [f"node{i}" for i in range(length)]
    pairs = list(pairwise(names))

    async def run() -> None:
        builder = ApplicationBuilder().with_actions(**dict.fromkeys(names, step))
        builder = builder.with_transitions(*pairs).with_state(n=0).with_entrypoint(names[0])
        _, _, state = await (await builder.abuild()).arun(halt_after=[names[-1]])
        assert state["n"] == length

    return run


def loop(rounds: int) -> Callable[[], Awaitable[object]]:
    paths = [("step", "done", expr(f"n >= {rounds}")), ("step", "step", default)]

    async def run() -> None:
        builder = ApplicationBuilder().with_actions(step=step, done=done)
        builder = builder.with_transitions(*paths).with_state(n=0).with_entrypoint("step")
        _, _, state = await (await builder.abuild()).arun(halt_after=["done"])
        assert state["n"] == rounds

    return run
