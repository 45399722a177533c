"""What a killed process had told, held against what its thread holds and what should have been.

The graph is deterministic, so a run that nobody kills says for every checkpoint what its state and
its next tasks must be.  A thread that was killed must be at one of those points, with some tasks of
the step in flight finished; everything a subscriber had received must be at or before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors import CompiledGraph, StateSnapshot
from checkpoint import MemorySaver
from tests.faults.work import INPUT, Effects, build, keys_of

Point = tuple[int, tuple[str, ...], dict[str, Any]]
"""Step, nodes to run, state."""


@dataclass(frozen=True)
class Reference:
    """A run without a crash: its checkpoints, oldest first, its result and its tasks."""

    points: list[Point]
    final: dict[str, Any]
    tasks: frozenset[str]

    @classmethod
    def of(cls, folder: Path) -> Reference:
        path = folder / "reference"
        config = {"configurable": {"thread_id": "reference"}}
        effects = Effects(path, 1)
        graph = build(effects, MemorySaver())
        final = graph.invoke(INPUT, config)
        effects.close()
        (counts,) = Effects.read(path).values()
        assert set(counts.values()) == {1}
        return cls(points_of(graph, config), final, frozenset(counts))


def points_of(graph: CompiledGraph, config: dict[str, Any]) -> list[Point]:
    """A thread's checkpoints, oldest first."""
    history = list(graph.get_state_history(config))
    ids = [snapshot.config["configurable"]["checkpoint_id"] for snapshot in history]
    parents = [
        s.parent_config and s.parent_config["configurable"]["checkpoint_id"] for s in history
    ]
    assert parents == [*ids, None][1:], "the checkpoints are one line without a fork"
    return [_point(snapshot) for snapshot in reversed(history)]


def _id(config: Any) -> str | None:
    return config and config["configurable"]["checkpoint_id"]


def _point(snapshot: StateSnapshot) -> Point:
    assert snapshot.metadata is not None
    return snapshot.metadata["step"], snapshot.next, snapshot.values


@dataclass
class Received:
    """What a subscriber got from a process, told apart."""

    lines: Sequence[Any]
    values: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    inner: list[dict[str, Any]] = field(default_factory=list)
    """Updates of the subgraph."""
    ended: bool = False

    def __post_init__(self) -> None:
        for line in self.lines:
            if line == "end":
                self.ended = True
                continue
            ns, mode, data = line
            if mode == "updates":
                (self.inner if ns else self.updates).append(data)
            elif mode == "values" and not ns:
                self.values.append(data)

    @property
    def tasks(self) -> set[str]:
        """Tasks whose updates were received."""
        updates = [update for chunk in (*self.updates, *self.inner) for update in chunk.values()]
        return {key for update in updates for key in keys_of(update)}


@dataclass(frozen=True)
class Found:
    """What a thread holds after a crash."""

    committed: set[str]
    """Tasks of steps whose checkpoint is there."""
    kept: set[str]
    """Tasks of the step in flight (and of its subgraph) that finished."""
    begun: bool
    """False: not even the input is there."""

    @property
    def tasks(self) -> set[str]:
        return self.committed | self.kept


def find(
    graph: CompiledGraph, config: dict[str, Any], received: Received, reference: Reference
) -> Found:
    """Check that a thread is at a point of the reference that holds all that was received."""
    points = points_of(graph, config)
    state = graph.get_state(config, subgraphs=True)
    assert points == reference.points[: len(points)]
    if not points:
        assert (received.values, received.updates, received.inner) == ([], [], [])
        assert (state.next, state.values) == ((), {})
        return Found(set(), set(), begun=False)
    stored = [values for step, _, values in points if step >= 0]
    assert received.values == stored[: len(received.values)]
    _check_next(state, points[-1])
    results = [task.result for task in state.tasks if task.result is not None]
    committed = keys_of(points[-1][2])
    kept = {key for result in results for key in keys_of(result)}
    assert keys_of(state.values) == committed | kept
    _check_updates(state, received, results)
    for task in state.tasks:
        if isinstance(task.state, StateSnapshot):
            kept |= keys_of(task.state.values)
    assert received.tasks <= committed | kept
    if received.ended:
        assert (state.next, state.values) == ((), reference.final)
    return Found(committed, kept - committed, begun=True)


def _check_next(state: StateSnapshot, point: Point) -> None:
    """What is left to run and what has finished of the step are the step, and something is left."""
    _, planned, _ = point
    done = [task.name for task in state.tasks if task.result is not None]
    if point[0] == -1:  # the input is shown as the result of the start
        done = []
    assert Counter(state.next) + Counter(done) == Counter(planned)
    assert bool(state.next) == bool(planned), "next is never falsely empty"


def _check_updates(state: StateSnapshot, received: Received, results: Sequence[Any]) -> None:
    """Every update is in the state word by word, or is the result of a task in flight."""
    for update in (update for chunk in received.updates for update in chunk.values()):
        in_log = all(entry in state.values["log"] for entry in update.get("log", ()))
        in_notes = set(_texts(update)) <= set(_texts(state.values))
        assert update in results or (in_log and in_notes), update


def _texts(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [(note["key"], note["text"]) for note in values.get("notes") or ()]


def check_effects(path: Path, found: Found, received: Received, reference: Reference) -> set[str]:
    """What ran in attempt 1 (killed) and 2 (to the end); gives the tasks that ran in both.

    What the thread held was not run again, everything else was, nothing twice in one attempt.
    """
    counts = Effects.read(path)
    first, second = counts.get(1, Counter[str]()), counts.get(2, Counter[str]())
    assert set(first.values()) | set(second.values()) <= {1}
    assert found.tasks <= set(first), "what is stored has run"
    assert set(second) == reference.tasks - found.tasks, "what is stored does not run again"
    assert all(first[key] + second[key] == 1 for key in received.tasks)
    return set(first) & set(second)
