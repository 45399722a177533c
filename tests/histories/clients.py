"""Clients that ask at the same time, each by its script, and the history of what they saw."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from checkpoint.store import Store
from tests.histories.linear import NEVER, Operation
from tests.histories.operations import Operations, Tell

Order = Sequence[Any]
"""Name, key, and what is given."""
Scripts = Mapping[str, Sequence[Order]]
"""What each client is to ask, one after another."""


class LostError(Exception):
    """Who was asked died before the answer.  `over`: when it did; `None` if what was asked for may
    still be done by who comes after it."""

    def __init__(self, killed: float, over: float | None) -> None:
        super().__init__(killed, over)
        self.killed = killed
        self.over = NEVER if over is None else over


class Answering(Protocol):
    """What clients ask.  Raises LostError."""

    async def answer(self, order: Order) -> Any:
        """Carry out an order."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """What clients of one process ask: threads, and namespaces of a store."""

    operations: Operations
    store: Store

    async def answer(self, order: Order) -> Any:
        """Carry out an order."""
        name, key, *given = order
        match name, given:
            case "put", [item, value]:
                return await self.store.aput((key,), item, {"value": value})
            case "get", [item]:
                found = await self.store.aget((key,), item)
                return found and found.value["value"]
            case "remove", [item]:
                return await self.store.adelete((key,), item)
            case "search", []:
                found = await self.store.asearch((key,))
                return sorted([item.key, item.value["value"]] for item in found)
            case _:
                return await self._of_thread(name, key, given)

    async def _of_thread(self, name: str, thread: str, given: list[Any]) -> Any:
        arguments: dict[str, Any] = {"thread": thread}
        if name in ("invoke", "run_and_cancel"):
            arguments["value"] = dict([given[0]] if given[0] else [])
        if name == "run_and_cancel":
            arguments |= dict(zip(("action", "chunks", "turns"), given[1:], strict=True))
        if name == "update":
            arguments["word"] = given[0]
        how, answer = await self.operations.do(name, arguments)
        return answer if how == "answer" else [how, answer]


async def work(served: Answering, scripts: Scripts, tell: Tell) -> None:
    """Let the clients of one process ask, all at the same time, and tell of calls and returns."""

    async def ask(client: str) -> None:
        for number, order in enumerate(scripts[client]):
            tell(["call", client, number, time.monotonic()])
            try:
                answer = await served.answer(order)
            except LostError as lost:
                tell(["lost", client, number, lost.over, lost.killed])
            else:
                tell(["return", client, number, time.monotonic(), answer])

    async with asyncio.TaskGroup() as group:
        for client in scripts:
            group.create_task(ask(client))


def history_of(
    scripts: Scripts, lines: Iterable[Any], died: float, killed: float = NEVER
) -> list[Operation]:
    """What was told, as a history; `died`: by when what did not return was over, which it may have
    been from `killed` on."""
    calls: dict[tuple[str, int], float] = {}
    history: list[Operation] = []
    for kind, client, number, moment, *answer in lines:
        if kind == "call":
            calls[client, number] = moment
        else:
            began = calls.pop((client, number))
            order = scripts[client][number]
            if kind == "lost":
                lost = _operation(client, order, began, moment, None)
                dying = NEVER if moment == NEVER else answer[0]
                history.append(replace(lost, lost=True, killed=dying))
            else:
                history.append(_operation(client, order, began, moment, frozen(answer[0])))
    for (client, number), began in calls.items():
        lost = _operation(client, scripts[client][number], began, died, None)
        history.append(replace(lost, lost=True, killed=killed))
    return history


def _operation(
    client: str, order: Order, began: float, ended: float, result: Hashable
) -> Operation:
    name, key, *given = order
    words = cast("tuple[Hashable, ...]", frozen(given))
    return Operation(client, key, name, words, began, ended, result)


def frozen(value: Any) -> Hashable:
    """A value of lists as one of tuples."""
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


# --- scripts -----------------------------------------------------------------------------------


def thread_order(dice: random.Random, word: str) -> list[Any]:
    """Something to ask of a thread: name, and what is given."""
    value = dice.choices([["input", word], ["answer", word], []], [5, 4, 1])[0]
    action = dice.choice(["interrupt", "rollback"])
    cancelled = ["run_and_cancel", value, action, dice.randint(0, 1), dice.randint(0, 30)]
    return dice.choices(
        [["invoke", value], ["state"], ["history"], ["update", word], cancelled, ["delete"]],
        [8, 8, 2, 4, 4, 1],
    )[0]


def store_order(dice: random.Random, word: str) -> list[Any]:
    """Something to ask of a namespace of a store."""
    item = dice.choice("xy")
    return dice.choices(
        [["put", item, word], ["get", item], ["remove", item], ["search"]], [5, 5, 1, 2]
    )[0]


def scripts_of(
    dice: random.Random, clients: Sequence[str], *, threads: Sequence[str], length: int
) -> dict[str, list[list[Any]]]:
    """Scripts of so many orders each: of some threads, and of a namespace of their name."""

    def order(client: str, number: int) -> list[Any]:
        word = f"{client}.{number}"
        key = dice.choice(threads)
        if dice.random() < 0.4:
            name, *given = store_order(dice, word)
            return [name, f"items of {key}", *given]
        name, *given = thread_order(dice, word)
        return [name, key, *given]

    return {client: [order(client, number) for number in range(length)] for client in clients}
