"""A journey: one thread, and a script of what is done to it and looked at, step by step.

Scenarios (`scenario.py`) run turn after turn; a journey goes back to what an earlier step gave, so
it is a script.  Every call's outcome is written down, then the thread's state and whole history.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .lib import Engine
from .normal import Normaliser, error_text

THREAD = {"configurable": {"thread_id": "t"}}
LEAKED = "__pregel_checkpointer"
KINDS = ("InvalidUpdateError", "EmptyInputError", "ValueError", "RuntimeError", "KeyError")
"""What callers catch: an error counts as the first of these that it is."""


@dataclass(frozen=True, slots=True)
class Journey:
    """`build` gives a builder for an engine's names; `go` is the script."""

    name: str
    build: Callable[[Any], Any]
    go: Callable[[Any, Traveller], Awaitable[None]]
    history: bool
    """False: the engines' histories differ on purpose, as the journey says."""
    fittings: Mapping[str, Any]
    """Keyword arguments of `compile`."""


def journey(
    build: Callable[[Any], Any], *, history: bool = True, **fittings: Any
) -> Callable[[Callable[[Any, Traveller], Awaitable[None]]], Journey]:
    """Make a journey of the decorated script."""

    def wrap(go: Callable[[Any, Traveller], Awaitable[None]]) -> Journey:
        return Journey(go.__name__.replace("_", " "), build, go, history, fittings)

    return wrap


class _Deep(Normaliser):
    """Looks into snapshots of subgraphs too."""

    def value(self, value: Any) -> Any:
        return self.snapshot(value) if hasattr(value, "parent_config") else super().value(value)

    def _mapping(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        # in snapshots of subgraphs LangGraph's configs hold its saver, and keys in another order
        order = sorted(value, key=lambda key: key == "checkpoint_map")
        return super()._mapping({key: value[key] for key in order if key != LEAKED})


class Traveller:
    """Does what a script says through one door, and writes down what came of it."""

    def __init__(self, k: Engine, graph: Any, door: Literal["sync", "async"]) -> None:
        self.seen: list[Any] = []
        self._k = k
        self._graph = graph
        self._sync = door == "sync"
        self._normal = _Deep()

    async def run(self, value: Any = None, at: Any = None, **options: Any) -> Any:
        """Run the thread, or one of its checkpoints."""
        options = {"durability": "sync", **options}
        return await self._do("invoke", value, at or THREAD, **options)

    async def update(self, values: Any, as_node: str | None = None, at: Any = None, **more: Any):
        """Update it; gives the new config."""
        return await self._do("update_state", at or THREAD, values, as_node=as_node, **more)

    async def bulk(self, *supersteps: Sequence[tuple[Any, ...]], at: Any = None) -> Any:
        """Update it in super-steps of (values, as_node) or (values, as_node, task_id)."""
        asked = [[self._k.StateUpdate(*update) for update in updates] for updates in supersteps]
        return await self._do("bulk_update_state", at or THREAD, asked)

    async def look(self, at: Any = None, **options: Any) -> Any:
        """See its state."""
        return await self._do("get_state", at or THREAD, **options)

    async def history(self, at: Any = None, **options: Any) -> list[Any]:
        """See its history, newest first."""
        try:
            found = await self._history(at or THREAD, options)
        except Exception as error:
            self._note("get_state_history", error=error)
            return []
        self._note("get_state_history", [self._normal.snapshot(state) for state in found])
        return found

    async def find(self, *waiting: str, at: Any = None) -> Any:
        """The newest snapshot in its history that has these nodes next; nothing is noted."""
        return next(s for s in await self._history(at or THREAD, {}) if s.next == waiting)

    async def back(self, *waiting: str) -> Any:
        """The config of the newest snapshot that has these nodes next."""
        return (await self.find(*waiting)).config

    async def _history(self, config: Any, options: Mapping[str, Any]) -> list[Any]:
        if self._sync:
            return list(self._graph.get_state_history(config, **options))
        return [state async for state in self._graph.aget_state_history(config, **options)]

    async def _do(self, what: str, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._sync:
                value = getattr(self._graph, what)(*args, **kwargs)
            else:
                value = await getattr(self._graph, f"a{what}")(*args, **kwargs)
        except Exception as error:
            self._note(what, error=error)
            return None
        self._note(what, self._normal.value(value))
        return value

    def _note(self, what: str, value: Any = None, error: Exception | None = None) -> None:
        self.seen.append((what, value, None if error is None else _kind(error)))


def _kind(error: Exception) -> Any:
    names = [cls.__name__ for cls in type(error).__mro__]
    return next((kind for kind in KINDS if kind in names), error_text(error))


async def _travel(trip: Journey, k: Engine, saver: Any, door: Literal["sync", "async"]) -> Any:
    traveller = Traveller(k, trip.build(k).compile(checkpointer=saver, **trip.fittings), door)
    await trip.go(k, traveller)
    await traveller.look()
    if trip.history:
        await traveller.history()
    return traveller.seen


async def travel_async(trip: Journey, k: Engine, kind: str, database: Path) -> Any:
    """The journey through the async door."""
    async with k.asaver(kind, database) as saver:
        return await _travel(trip, k, saver, "async")


def travel_sync(trip: Journey, k: Engine, kind: str, database: Path) -> Any:
    """The journey through the sync door: its script never waits, so no loop is needed."""
    with k.saver(kind, database) as saver:
        script = _travel(trip, k, saver, "sync")
        try:
            script.send(None)
        except StopIteration as end:
            return end.value
    raise AssertionError("the script waited for something")
