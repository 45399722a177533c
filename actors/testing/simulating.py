"""Simulating a graph: many runs on several threads, with all that can go wrong, from one seed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from actors.codec import SerializedEvents
from actors.compiled import CompiledGraph
from actors.context import TaskContext
from actors.doors import off_loop
from actors.errors import ConfigError
from actors.patience import seen
from actors.testing.clients import Client, Pick
from actors.testing.driving import Answer
from actors.testing.errors import BrokenPromiseError, ProcessKilled
from actors.testing.faults import NO_FAULTS, Faults
from actors.testing.invariants import Ledger
from actors.testing.loop import SimulatedLoop
from actors.testing.telling import Teller
from actors.testing.world import Process, World
from checkpoint import MsgpackSerializer
from checkpoint.testing_disk import Appended, Batch, Entry
from streaming import current_task

MOST_TURNS = 200_000
"""Turns of the loop after which a process that still runs never ends."""
POINTS_BEFORE_A_CRASH = (8, 60)
"""At most, one of these: soon after the last crash, or anywhere."""
TURNS_BEFORE_A_CRASH = (150, 1_500)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of a simulation in which every promise was kept."""

    seed: int
    log: Sequence[str]
    """What happened, line by line; the same whenever the seed is."""
    events: bytes
    """The rows of all durable logs, one after the other, likewise."""
    values: tuple[tuple[Any, ...], ...]
    """The values after each input, by thread."""
    crashes: int
    runs: int
    turns: int
    """Turns of the loop, in all processes."""

    @property
    def digest(self) -> str:
        """All that happened, in short."""
        text = "\n".join(self.log).encode()
        return hashlib.sha256(text + self.events).hexdigest()[:16]

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.runs} runs, {self.crashes} crashes, {self.turns} turns, "
            f"{self.digest}"
        )


def simulate(
    graph: CompiledGraph,
    seed: int = 0,
    *,
    inputs: Sequence[Any] = ({},),
    threads: int = 2,
    faults: Faults | None = None,
    answer: Answer | None = None,
    compare: Pick | None = None,
) -> Simulation:
    """Run a graph on some threads at once, each through all `inputs` in order, while the process
    dies, runs are cancelled and rolled back, and readers come and go, as the seed says.

    After every commit all promises are checked, and at the end each thread has come to what it
    comes to undisturbed.  `answer` and `compare`: see `prove_resume`.

    Raises BrokenPromiseError, with the seed and the shortest log that shows it; StuckError;
    ConfigError; SimulationError; and what the undisturbed graph raises.

        for seed in range(100):
            simulate(graph, seed, inputs=[{"topic": "cats"}])
    """
    if not inputs or threads < 1:
        raise ConfigError(
            f"inputs={inputs!r} on {threads!r} threads is nothing to do; give at least one of each"
        )
    case = _Case(graph, seed, tuple(inputs), threads, answer, compare or _all_of)
    return off_loop(lambda: case.simulate(faults or Faults()))


def _all_of(values: Any) -> Any:
    return values


@dataclass(frozen=True, slots=True)
class _Case:
    graph: CompiledGraph
    seed: int
    inputs: tuple[Any, ...]
    threads: int
    answer: Answer | None
    pick: Pick

    def simulate(self, faults: Faults) -> Simulation:
        """With these faults; a failure is told with the fewest crashes that show it."""
        calm, failure, _ = self._attempt(NO_FAULTS, 1, ())
        if failure is not None:
            raise failure
        expected = calm.clients[0].results
        attempt, failure, log = self._attempt(faults, self.threads, expected)
        if failure is None:
            return attempt.result()
        found = [(attempt, failure, log)]
        for fewer in faults.fewer():
            for threads in sorted({1, self.threads}):
                other, error, lines = self._attempt(fewer, threads, expected)
                if error is not None:
                    found.append((other, error, lines))
        _, failure, log = min(found, key=lambda each: (each[0].crashes, len(each[2])))
        if not isinstance(failure, BrokenPromiseError):
            failure.add_note(f"seed {self.seed}")
            raise failure
        raise BrokenPromiseError(_FAILED.format(failure, self.seed, "\n".join(log)))

    def _attempt(
        self, faults: Faults, threads: int, expected: Sequence[Any]
    ) -> tuple[_Attempt, BaseException | None, Sequence[str]]:
        with World(self.graph, self.seed) as world:
            attempt = _Attempt(self, world, faults, threads, expected)
            failure: BaseException | None = None
            try:
                attempt.carry_out()
            except Exception as error:  # noqa: BLE001 - whatever ended it is what came of it
                failure = error
        return attempt, failure, attempt.teller.log


def _raise_unhandled(name: str, error: BaseException) -> None:
    raise BrokenPromiseError(
        f"{name!r} failed, which nobody handles: {error!r}; report it with the seed"
    ) from error


_FAILED = "{0}\nseed {1}, and the shortest log that shows it:\n{2}"


@dataclass(slots=True)
class _Attempt:
    """One simulation in the making."""

    case: _Case
    world: World
    faults: Faults
    threads: int
    expected: Sequence[Any]
    crashes: int = 0
    power_cuts: int = 0
    teller: Teller = field(init=False)
    clients: list[Client] = field(init=False)
    _ledger: Ledger = field(init=False)
    _loop: SimulatedLoop | None = None
    _deadline: int = MOST_TURNS
    """The turn at which the process is ended."""

    def __post_init__(self) -> None:
        self.teller = Teller(self.world.now)
        self.clients = [self._client(f"thread {number}") for number in range(self.threads)]
        self._ledger = self._new_ledger()

    def carry_out(self) -> None:
        """To the end of all inputs.  Raises what breaks."""
        world, dice = self.world, self.world.dice("crashes")
        world.on_entry, world.on_process = self._committed, self._watch
        crashes = dice.randint(0, self.faults.crashes)
        for left in range(crashes, -1, -1):
            at, self._deadline = None, MOST_TURNS
            if left and dice.random() < 0.7:
                at = dice.randint(1, dice.choice(POINTS_BEFORE_A_CRASH))
            elif left:
                self._deadline = dice.randint(1, dice.choice(TURNS_BEFORE_A_CRASH))
            try:
                world.live(self._life, kill_at=at)
            except ProcessKilled:
                self._died(left, dice.random(), dice.random())
            else:
                break
        self._check_failure()

    def result(self) -> Simulation:
        """What came of it."""
        return Simulation(
            seed=self.case.seed,
            log=self.teller.log,
            events=b"".join(_rows(self.world.disk.entries)),
            values=tuple(tuple(client.results) for client in self.clients),
            crashes=self.crashes,
            runs=len(self._ledger.events),
            turns=self.world.turns,
        )

    async def _life(self, process: Process) -> None:
        tasks = [
            process.system.supervisor.spawn(
                client.work(process), name=client.thread_id, on_done=seen
            )
            for client in self.clients
        ]
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    def _watch(self, process: Process) -> None:
        loop = self._loop = process.loop
        process.system.supervisor.ledger.on_failure = self._reported
        seen: set[TaskContext] = set()

        def turn(context: Context) -> None:
            task = context.get(current_task)
            if isinstance(task, TaskContext) and task not in seen:
                seen.add(task)
                self._checked(self._ledger.begins, task.task.id, task.task.node.name)
            if loop.turns >= self._deadline:
                loop.kill()

        loop.on_turn = turn

    def _committed(self, entry: Entry) -> None:
        self.teller.tell(entry)
        self._checked(self._ledger.add, entry)

    def _reported(self, name: str, error: BaseException) -> None:
        self._checked(_raise_unhandled, name, error)

    def _checked(self, check: Callable[..., None], *about: Any) -> None:
        try:
            check(*about)
        except BrokenPromiseError as error:
            self.teller.failure = self.teller.failure or error
            if self._loop is not None:
                self._loop.kill()

    def _died(self, left: int, power: float, kept: float) -> None:
        self._check_failure()
        if not left:
            raise BrokenPromiseError(
                f"nothing went wrong any more, and the threads did not end within {MOST_TURNS} "
                "turns; look for a loop without an end, or report the seed"
            )
        self.crashes += 1
        self.teller.tell(f"crash {self.crashes}")
        if self.power_cuts < self.faults.power_cuts and power < 0.5:
            self.power_cuts += 1
            disk = self.world.disk
            lost = disk.lose_power(int(kept * (len(disk.entries) - disk.synced + 1)))
            self.teller.tell(f"the power failed: {lost} commits are lost")
            for client in self.clients:
                client.power_lost()
            self._ledger = self._new_ledger()
            self._ledger.take(disk.entries)

    def _check_failure(self) -> None:
        if self.teller.failure is not None:
            raise self.teller.failure

    def _client(self, thread_id: str) -> Client:
        case = self.case
        return Client(
            thread_id=thread_id,
            inputs=case.inputs,
            expected=self.expected,
            faults=self.faults,
            dice=self.world.dice(thread_id),
            teller=self.teller,
            pick=case.pick,
            answer=case.answer,
            has_ended=lambda run_id: run_id in self._ledger.ended,
        )

    def _new_ledger(self) -> Ledger:
        serializer = MsgpackSerializer()
        codec = SerializedEvents(serializer, self.case.graph.layout)
        return Ledger(serializer, codec.decode, self.teller.exits)


def _rows(entries: Sequence[Entry]) -> Sequence[bytes]:
    rows: list[bytes] = []
    for entry in entries:
        if isinstance(entry, Batch):
            rows += [event.data for event in entry.events]
        elif isinstance(entry, Appended):
            rows += [data for _, data in entry.rows]
    return rows
