"""Runs a scenario through one of the two doors and writes down what a caller sees."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from inspect import isfunction
from pathlib import Path
from pprint import saferepr
from typing import Any, Literal

from .lib import Engine
from .normal import Normaliser, error_text, in_order
from .scenario import Given, Run, Scenario, Turn, Update

Door = Literal["sync", "async"]
Durability = Literal["sync", "async", "exit"]
MODES = ("values", "updates", "custom", "tasks", "checkpoints", "debug")
THREAD = {"configurable": {"thread_id": "t"}}


@dataclass(frozen=True, slots=True)
class Watch:
    """How a scenario is run: which door and saver, what is streamed (None: the plain call)."""

    door: Door
    saver: str
    mode: str | tuple[str, ...] | None
    subgraphs: bool = False
    durability: Durability = "async"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came out of one turn: chunks in order, the call's value, the error, what it printed."""

    chunks: Sequence[Any]
    value: Any
    error: Any
    printed: str


class Watcher:
    """Turns raw outcomes of one scenario's turns into comparable ones."""

    def __init__(self, scenario: Scenario, watch: Watch, engine: Engine) -> None:
        self.scenario = scenario
        self.watch = watch
        self.engine = engine
        self.normal = Normaliser()

    @property
    def turns(self) -> Sequence[Run | Update]:
        """Without a saver only the first run makes sense."""
        if self.watch.saver != "none":
            return self.scenario.turns
        return [turn for turn in self.scenario.turns if isinstance(turn, Run)][:1]

    def config(self, run: Run) -> dict[str, Any]:
        """The run's config on the scenario's one thread."""
        given = dict(run.config)
        given["configurable"] = {**given.get("configurable", {}), "thread_id": "t"}
        return given

    def options(self, run: Run) -> dict[str, Any]:
        """Keyword arguments of the plain call, or of the stream."""
        mode = self.watch.mode
        asked = list(mode) if isinstance(mode, tuple) else mode
        given = {
            name: value.make(self.engine, ()) if isinstance(value, Given) else value
            for name, value in run.options.items()
        }
        if asked is not None:
            return {"stream_mode": asked, "subgraphs": self.watch.subgraphs, **given}
        if self.watch.saver == "none":
            return given
        return {"durability": self.watch.durability, **given}

    def seen(
        self, chunks: Sequence[Any], value: Any, error: BaseException | None, printed: str
    ) -> Seen:
        """The turn in comparable form."""
        return Seen(self._chunks(chunks), self.normal.value(value), self._error(error), printed)

    def _chunks(self, chunks: Sequence[Any]) -> Any:
        if self.scenario.order == "any":
            return Counter(saferepr(self._chunk(chunk, Normaliser())) for chunk in chunks)
        if self.scenario.order == "per graph" and self.watch.subgraphs:
            return self._by_graph(chunks)
        return [self._chunk(chunk, self.normal) for chunk in chunks]

    def _by_graph(self, chunks: Sequence[Any]) -> dict[tuple[str, ...], list[Any]]:
        graphs: dict[tuple[str, ...], list[Any]] = {}
        for chunk in chunks:
            graphs.setdefault(chunk[0], []).append(chunk)
        ordered = sorted(graphs, key=lambda ns: [part.partition(":")[0] for part in ns])
        return {
            self.normal.path(ns): [self._chunk(chunk, self.normal) for chunk in graphs[ns]]
            for ns in ordered
        }

    def _chunk(self, chunk: Any, normal: Normaliser) -> Any:
        if self.watch.subgraphs and isinstance(chunk, tuple):
            return (normal.path(chunk[0]), *(normal.value(part) for part in chunk[1:]))
        return normal.value(chunk)

    def _error(self, error: BaseException | None) -> Any:
        if error is None:
            return None
        if self.scenario.says:
            assert self.scenario.says in str(error), f"{error!r} does not say it"
        # ours also notes which channel took whose updates, where LangGraph notes nothing
        notes = tuple(
            self.normal.note(note)
            for note in getattr(error, "__notes__", ())
            if not note.startswith("While channel ")
        )
        return (*error_text(error), notes)


def compiled(scenario: Scenario, engine: Engine, saver: Any) -> Any:
    """The scenario's graph: compiled from its builder, or made with the saver."""
    built = scenario.build(engine)
    if isfunction(built):
        return built(saver)
    return built.compile(checkpointer=saver, **scenario.fittings)


def _made(given: Given, engine: Engine, state: Any) -> Any:
    pending = () if state is None else in_order(state.interrupts)
    return given.make(engine, [interrupt.id for interrupt in pending])


def _given_sync(run: Run, graph: Any, watcher: Watcher) -> Any:
    if not isinstance(run.input, Given):
        return run.input
    stored = watcher.watch.saver != "none"
    return _made(run.input, watcher.engine, graph.get_state(THREAD) if stored else None)


async def _given_async(run: Run, graph: Any, watcher: Watcher) -> Any:
    if not isinstance(run.input, Given):
        return run.input
    stored = watcher.watch.saver != "none"
    return _made(run.input, watcher.engine, await graph.aget_state(THREAD) if stored else None)


Outcome = tuple[list[Any], Any, BaseException | None]
"""Chunks, what the call returned, what it raised."""


def _turn_sync(graph: Any, turn: Turn, watcher: Watcher) -> Outcome:
    chunks = list[Any]()
    try:
        if isinstance(turn, Update):
            return chunks, graph.update_state(THREAD, turn.values, as_node=turn.as_node), None
        config, options = watcher.config(turn), watcher.options(turn)
        value = _given_sync(turn, graph, watcher)
        if watcher.watch.mode is None:
            return chunks, graph.invoke(value, config, **options), None
        for chunk in graph.stream(value, config, **options):
            chunks.append(chunk)
    except Exception as error:
        return chunks, None, error
    return chunks, None, None


async def _turn_async(graph: Any, turn: Turn, watcher: Watcher) -> Outcome:
    chunks = list[Any]()
    try:
        if isinstance(turn, Update):
            as_node = turn.as_node
            return chunks, await graph.aupdate_state(THREAD, turn.values, as_node=as_node), None
        config, options = watcher.config(turn), watcher.options(turn)
        value = await _given_async(turn, graph, watcher)
        if watcher.watch.mode is None:
            return chunks, await graph.ainvoke(value, config, **options), None
        async for chunk in graph.astream(value, config, **options):
            chunks.append(chunk)
    except Exception as error:
        return chunks, None, error
    return chunks, None, None


def watch_sync(scenario: Scenario, watch: Watch, engine: Engine, database: Path) -> list[Seen]:
    """Run every turn through `invoke` or `stream`."""
    watcher = Watcher(scenario, watch, engine)
    with engine.saver(watch.saver, database) as saver:
        graph = compiled(scenario, engine, saver)
        seen = list[Seen]()
        for turn in watcher.turns:
            with redirect_stdout(io.StringIO()) as printed:
                outcome = _turn_sync(graph, turn, watcher)
            seen.append(watcher.seen(*outcome, printed.getvalue()))
    return seen


async def watch_async(
    scenario: Scenario, watch: Watch, engine: Engine, database: Path
) -> list[Seen]:
    """Run every turn through `ainvoke` or `astream`."""
    watcher = Watcher(scenario, watch, engine)
    async with engine.asaver(watch.saver, database) as saver:
        graph = compiled(scenario, engine, saver)
        seen = list[Seen]()
        for turn in watcher.turns:
            with redirect_stdout(io.StringIO()) as printed:
                outcome = await _turn_async(graph, turn, watcher)
            seen.append(watcher.seen(*outcome, printed.getvalue()))
    return seen


def snapshots_sync(scenario: Scenario, watch: Watch, engine: Engine, database: Path) -> list[Any]:
    """`get_state` after every turn, then the whole history, oldest first."""
    watcher = Watcher(scenario, watch, engine)
    snapshot, states = watcher.normal.snapshot, list[Any]()
    with engine.saver(watch.saver, database) as opened:
        graph = compiled(scenario, engine, opened)
        for turn in watcher.turns:
            _turn_sync(graph, turn, watcher)
            states.append(graph.get_state(THREAD))
        history = list(graph.get_state_history(THREAD))
    return [snapshot(state) for state in [*reversed(history), *states]]


async def snapshots_async(
    scenario: Scenario, watch: Watch, engine: Engine, database: Path
) -> list[Any]:
    """`aget_state` after every turn, then the whole history, oldest first."""
    watcher = Watcher(scenario, watch, engine)
    snapshot, states = watcher.normal.snapshot, list[Any]()
    async with engine.asaver(watch.saver, database) as opened:
        graph = compiled(scenario, engine, opened)
        for turn in watcher.turns:
            await _turn_async(graph, turn, watcher)
            states.append(await graph.aget_state(THREAD))
        history = [state async for state in graph.aget_state_history(THREAD)]
    return [snapshot(state) for state in [*reversed(history), *states]]
