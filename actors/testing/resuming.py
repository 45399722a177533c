"""Proving that a graph goes on from a crash as if there had been none.

The graph runs in a simulation, once undisturbed; then once for every point where something becomes
durable: there the process dies, and another one sees the thread through.  Final state and effects
must be those of the undisturbed run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from actors.compiled import CompiledGraph
from actors.config import Config, merge_configs
from actors.doors import off_loop
from actors.errors import ConfigError, OutcomeUnknown
from actors.testing.driving import Answer, Errand, see_through
from actors.testing.errors import ProcessKilled
from actors.testing.proof import Finding, ResumeProof
from actors.testing.telling import same
from actors.testing.witness import Effects, Witness
from actors.testing.world import Process, World
from actors.values import Durability

Crash = Literal["process", "power"]
Compared = Callable[[Any], Any]

THREAD: Config = {"configurable": {"thread_id": "proof"}}


def prove_resume(
    graph: CompiledGraph,
    input: Any,  # noqa: A002 - the name users know
    config: Config | None = None,
    *,
    effects: Effects | None = None,
    answer: Answer | None = None,
    compare: Compared | None = None,
    durability: Durability = "async",
    crash: Crash = "process",
    seed: int = 0,
) -> ResumeProof:
    """Crash a graph wherever something becomes durable, resume it, and say which of its nodes are
    not safe to run again.

    `effects` gives all that nodes have done to the world so far: an `Effects`, or a function.
    `answer` answers interrupts.  `compare` picks what counts of a final state (default: all; ids in
    it may differ).  `crash`: "process" keeps what was committed, "power" only what was synced.

    Runs on a virtual clock, without threads or network; the graph's own saver is not touched.
    Raises ConfigError, SimulationError, and what the undisturbed run raises.

        effects = Effects()
        proof = prove_resume(graph, {"order": 7}, effects=effects)
        proof.check()  # raises UnsafeResumeError, which names the nodes
    """
    if crash not in ("process", "power"):
        raise ConfigError(f"crash={crash!r} cannot be; give 'process' or 'power'")
    errand = Errand(input, merge_configs(THREAD, config) or THREAD, answer, durability)
    case = _Case(graph, errand, effects, compare or _all_of, crash == "power", seed)
    return off_loop(case.prove)


def _all_of(values: Any) -> Any:
    return values


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of one errand."""

    values: Any
    error: BaseException | None
    witness: Witness
    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    graph: CompiledGraph
    errand: Errand
    effects: Effects | None
    compare: Compared
    power: bool
    seed: int

    def prove(self) -> ResumeProof:
        """Run it undisturbed, then with each crash."""
        calm = self._attempt(None)
        if calm.error is not None:
            raise calm.error
        comparison = _Comparison(calm, self.compare)
        for point in range(1, len(calm.points) + 1):
            comparison.add(point, self._attempt(point))
        return ResumeProof(self.seed, calm.points, calm.values, **comparison.findings())

    def _attempt(self, kill_at: int | None) -> _Outcome:
        witness = Witness(self.effects)
        with World(self.graph, self.seed) as world:
            world.on_process, world.on_entry = witness.begin, witness.committed
            values, error, points = None, None, ()
            try:
                values, points = self._carried_out(world, kill_at)
            except Exception as raised:  # noqa: BLE001 - whatever ended it is what came of it
                error = raised
        return _Outcome(values, error, witness, points)

    def _carried_out(self, world: World, kill_at: int | None) -> tuple[Any, tuple[str, ...]]:
        async def main(process: Process) -> tuple[Any, tuple[str, ...]]:
            values = await see_through(process, self.errand)
            return values, tuple(process.points.names)

        try:
            return world.live(main, kill_at=kill_at)
        except ProcessKilled:
            if self.power:
                world.disk.lose_power()
            return world.live(main)


class _Comparison:
    """Outcomes beside the undisturbed one."""

    def __init__(self, calm: _Outcome, compare: Compared) -> None:
        self._calm = calm
        self._compare = compare
        self._expected = compare(calm.values)
        self._found: dict[str, dict[tuple[tuple[str, ...], str], Finding]] = {
            kind: {} for kind in ("repeated", "lost", "different", "failed", "in_doubt")
        }

    def findings(self) -> dict[str, Any]:
        """By kind, as ResumeProof has them."""
        return {kind: tuple(found.values()) for kind, found in self._found.items()}

    def add(self, point: int, outcome: _Outcome) -> None:
        """Compare one outcome."""
        witness, again = outcome.witness, sorted(outcome.witness.ran_again())
        if isinstance(outcome.error, OutcomeUnknown):
            self._note("in_doubt", sorted(witness.in_doubt), "refused with OutcomeUnknown", point)
            return
        for (node, effect), times in (witness.done - self._calm.witness.done).items():
            kind = "in_doubt" if node in witness.in_doubt else "repeated"
            self._note(kind, [node], f"{effect} {times} time{'s' * (times > 1)} more", point)
        if outcome.error is not None:
            self._note("failed", again, repr(outcome.error), point)
            return
        for (node, effect), times in (self._calm.witness.done - witness.done).items():
            self._note("lost", [node], f"{effect} {times} time{'s' * (times > 1)} less", point)
        values = self._compare(outcome.values)
        if not same(values, self._expected):
            self._note("different", again, _difference(values, self._expected), point)

    def _note(self, kind: str, nodes: Iterable[str], what: str, point: int) -> None:
        key = tuple(nodes), what
        found = self._found[kind].get(key) or Finding(*key, ())
        self._found[kind][key] = replace(found, points=(*found.points, point))


def _difference(values: Any, expected: Any) -> str:
    if isinstance(values, dict) and isinstance(expected, dict):
        ours, theirs = cast("dict[str, Any]", values), cast("dict[str, Any]", expected)
        for key in sorted({*ours, *theirs}):
            given, wanted = ours.get(key), theirs.get(key)
            if not same(given, wanted):
                return f"ends with {key}={given!r} instead of {wanted!r}"
    return f"ends with {values!r} instead of {expected!r}"
