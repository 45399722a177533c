"""The graph whose effects crash tests count: lines of a file, written by what `once` calls.

An async node, a sync one, a fan-out, and a subgraph that stores nothing have two effects each, one
after the other.  Before and after everything that happens the process may kill itself.
"""

from __future__ import annotations

import operator
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from actors import START, CompiledGraph, EmptyInputError, Runtime, Send, StateGraph
from checkpoint import Saver
from tests.faults.work import Effects

KEYS = ("async", "sync", "sent 0", "sent 1", "inner")
CONFIG: Any = {"configurable": {"thread_id": "thread"}}
ALL = tuple(f"{key} {n}" for key in KEYS for n in (1, 2))
"""All effects, in the order they are had."""
MOMENTS = ("before", "begun", "done", "after")
"""Before the intent; between intent and effect; between effect and result; after the result."""


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


class Shop:
    """The nodes; at `die_at` (effect and moment) the process kills itself."""

    def __init__(
        self, effects: Effects, on_unknown: Literal["retry", "raise"], die_at: str = ""
    ) -> None:
        self._effects = effects
        self._on_unknown: Literal["retry", "raise"] = on_unknown
        self._die_at = die_at

    def pass_by(self, place: str) -> None:
        if place == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def pay(self, key: str, id_there: str) -> str:
        self.pass_by(f"{key} begun")
        self._effects.note(f"{key}/{id_there}")
        self.pass_by(f"{key} done")
        return f"paid {key}"

    async def apay(self, key: str, id_there: str) -> str:
        return self.pay(key, id_there)

    async def in_async(self, state: State, runtime: Runtime) -> dict[str, Any]:
        return {"log": await self._both("async", runtime)}

    def in_sync(self, state: State, runtime: Runtime) -> dict[str, Any]:
        log: list[str] = []
        for key in ("sync 1", "sync 2"):
            self.pass_by(f"{key} before")
            id_there = runtime.idempotency_key(key)
            log.append(runtime.once_sync(key, self.pay, key, id_there, on_unknown=self._on_unknown))
            self.pass_by(f"{key} after")
        return {"log": log}

    async def sent(self, part: dict[str, int], runtime: Runtime) -> dict[str, Any]:
        return {"log": await self._both(f"sent {part['n']}", runtime)}

    async def in_inner(self, state: State, runtime: Runtime) -> dict[str, Any]:
        return {"log": await self._both("inner", runtime)}

    async def _both(self, who: str, runtime: Runtime) -> list[str]:
        log: list[str] = []
        for key in (f"{who} 1", f"{who} 2"):
            self.pass_by(f"{key} before")
            pay: Callable[..., Any] = self.apay if key.endswith("1") else self.pay
            id_there = runtime.idempotency_key(key)
            log.append(await runtime.once(key, pay, key, id_there, on_unknown=self._on_unknown))
            self.pass_by(f"{key} after")
        return log


def build_shop(shop: Shop, saver: Saver) -> CompiledGraph:
    """The graph of the shop's nodes."""
    inner = StateGraph(State).add_node("pay", shop.in_inner).add_edge(START, "pay")
    builder = StateGraph(State).add_node("async", shop.in_async).add_node("sync", shop.in_sync)
    builder.add_node("sent", shop.sent).add_node("inner", inner.compile(checkpointer=False))
    builder.add_edge(START, "async").add_edge("async", "sync").add_edge("sent", "inner")
    builder.add_conditional_edges("sync", lambda _: [Send("sent", {"n": n}) for n in range(2)])
    return builder.compile(checkpointer=saver)


def had(path: Path) -> Counter[tuple[str, str]]:
    """How often each effect was had, in all attempts: by key, and by what it was known by."""
    counts: Counter[tuple[str, str]] = Counter()
    for attempt in Effects.read(path).values():
        for line, times in attempt.items():
            key, _, id_there = line.rpartition("/")
            counts[key, id_there] += times
    return counts


def go_on(graph: CompiledGraph) -> Any:
    """The thread's state at the end, from wherever it is."""
    try:
        return graph.invoke(None, CONFIG)
    except EmptyInputError:
        return graph.invoke({"log": []}, CONFIG)
