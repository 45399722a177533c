"""Clients of a simulated process: each sees a thread through its inputs, whatever comes between.

A client outlives the processes it talks to.  It knows what was acknowledged, and which input
is at hand; all else it asks the thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from actors.compiled import CompiledGraph
from actors.config import Config
from actors.errors import EmptyInputError, RunCancelledError, RunEndedError, StepTimeoutError
from actors.run import Run
from actors.testing.driving import Answer, Errand, is_over
from actors.testing.errors import BrokenPromiseError, OutageError
from actors.testing.faults import Faults
from actors.testing.readers import Reading
from actors.testing.telling import Teller, same
from actors.testing.world import Process
from actors.values import StateSnapshot
from checkpoint import ThreadBusyError

Pick = Callable[[Any], Any]
Deed = Callable[[CompiledGraph, Config], Awaitable[Any]]
"""An input that is no run: changes a thread by hand, with this config."""
INPUT = "simulated_input"
"""Metadata that says to which input a checkpoint belongs."""
MOST_FAILURES = 100
"""A thread whose runs have failed so often never ends."""
DURABILITIES = ("async", "async", "sync", "exit")


@dataclass(slots=True)
class Client:
    """One thread, and who works on it."""

    thread_id: str
    inputs: Sequence[Any]
    expected: Sequence[Any]
    """The values after each input, when nothing is disturbed; empty: not known yet."""
    faults: Faults
    dice: Random
    teller: Teller
    pick: Pick
    answer: Answer | None
    has_ended: Callable[[str], bool]
    """True for a run whose log says that it has ended."""
    at: int = 0
    """The input at hand."""
    acknowledged: int = 0
    """Inputs whose result was given."""
    unsure: bool = False
    """The power failed: what was seen and not acknowledged may be lost."""
    cancels: int = 0
    rivals: int = 0
    failures: int = 0
    readings: list[Reading] = field(default_factory=list[Reading])
    results: list[Any] = field(default_factory=list[Any])
    """The values after each input."""
    last_run: str | None = None
    """The run that a crash may have cut short."""

    @property
    def config(self) -> Config:
        """Names its thread."""
        return {"configurable": {"thread_id": self.thread_id}, "metadata": {INPUT: self.at}}

    @property
    def done(self) -> bool:
        """True when all its inputs are through."""
        return self.at == len(self.inputs)

    async def work(self, process: Process) -> None:
        """Go on, from wherever the thread stands, to the end of all inputs."""
        for reading in self.readings:
            await reading.come_back(process, goes_on=reading.run_id == self.last_run)
        if self.unsure:
            self._look_back(await process.graph.aget_state(self.config))
        while not self.done:
            state = await process.graph.aget_state(self.config)
            begun = self._has_begun(state)
            if begun and is_over(state):
                self._finish(state.values)
                continue
            if not begun:
                self._check_acknowledged(state)
            if begun or not callable(self.inputs[self.at]):
                await self._run(process, state, begun=begun)
            else:
                await self._change(process, self.inputs[self.at])

    def power_lost(self) -> None:
        """What readers have seen may be gone, and so may results that nobody was given."""
        self.readings.clear()
        self.unsure = True

    def _look_back(self, state: StateSnapshot) -> None:
        """Go back to the input that the thread is at, or to the first that is not acknowledged."""
        self.at = min(self.at, max(self.acknowledged, _input_of(state)))
        del self.results[self.at :]
        self.unsure = False

    async def _change(self, process: Process, deed: Deed) -> None:
        self.teller.tell(f"{self.thread_id} is changed by hand")
        await deed(process.graph, self.config)

    # --- one run --------------------------------------------------------------------------------

    async def _run(self, process: Process, state: StateSnapshot, *, begun: bool) -> None:
        errand = Errand(self.inputs[self.at], self.config, self.answer)
        value = errand.next_input(state) if begun else errand.input
        config = self.config
        cut_short = self.last_run if begun and value is None else None
        if cut_short and not self.has_ended(cut_short) and self.dice.random() < 0.5:
            config = {**config, "run_id": cut_short}  # another attempt of the same run
        self.last_run = None
        run = await self._start(process, value, config)
        self.last_run = run.run_id
        self._send_readers(process, run)
        self._send_canceller(process, run)
        rival = await self._rival(process)
        again = await self._outcome(run)
        if rival is not None:
            again |= await self._outcome(rival)
        if not again:
            self._acknowledge(await process.graph.aget_state(self.config))
        self.last_run = None

    async def _start(self, process: Process, value: Any, config: Config) -> Run:
        durability: Any = self.dice.choice(DURABILITIES)
        run = await process.system.start(process.graph, value, config, durability=durability)
        if durability == "exit":
            self.teller.exits.add(run.run_id)
        self.teller.tell(f"{self.thread_id} runs {run.run_id} {durability} with {value!r}")
        return run

    async def _rival(self, process: Process) -> Run | None:
        """A run that comes while another is on the thread, and goes on with what that one left."""
        if self.rivals >= self.faults.rivals or self.dice.random() < 0.8:
            return None
        self.rivals += 1
        return await self._start(process, None, self.config)

    async def _outcome(self, run: Run) -> bool:
        """True if the run did not come to an end of its own, and the thread is to be run again."""
        try:
            await run.result()
        except (RunCancelledError, EmptyInputError, ThreadBusyError) as error:
            ended = error
        except (OutageError, StepTimeoutError) as error:
            self.failures += 1
            if self.failures > MOST_FAILURES:
                raise
            ended = error
        else:
            return False
        self.teller.tell(f"{self.thread_id}: {run.run_id} ended with {type(ended).__name__}")
        return True

    def _send_readers(self, process: Process, run: Run) -> None:
        for reading in self.readings:
            if reading.run_id == run.run_id:  # it goes on in another attempt
                self.teller.spawn(process, reading.follow(process, run.log, 0), "reader")
        for _ in range(self.dice.randint(0, self.faults.readers)):
            place = self.dice.choice((0.0, self.dice.random()))
            reading = Reading(run.run_id, self.thread_id, self.teller, place)
            self.readings.append(reading)
            delay = self.dice.uniform(0, 0.2)
            self.teller.spawn(process, reading.follow(process, run.log, delay), "reader")
            self.teller.spawn(process, self._look(process, self.at, 5 * delay), "looker")

    async def _look(self, process: Process, at: int, delay: float) -> None:
        """A thread that seems to have ended has."""
        await process.system.supervisor.sleep(delay)
        state = await process.graph.aget_state(self.config)
        if is_over(state) and _input_of(state) == at:
            self._check_end(at, state.values)

    def _send_canceller(self, process: Process, run: Run) -> None:
        if self.cancels >= self.faults.cancels or self.dice.random() < 0.5:
            return
        self.cancels += 1
        self.teller.spawn(process, self._cancel(process, run), "canceller")

    async def _cancel(self, process: Process, run: Run) -> None:
        await process.system.supervisor.sleep(self.dice.expovariate(5))
        action = self.dice.choice(("interrupt", "rollback"))
        self.teller.tell(f"{self.thread_id} cancels {run.run_id}: {action}")
        try:
            await run.cancel(action=action)
        except RunEndedError:
            self.teller.tell(f"{self.thread_id}: {run.run_id} had ended")

    # --- what is known --------------------------------------------------------------------------

    def _has_begun(self, state: StateSnapshot) -> bool:
        return _input_of(state) == self.at

    def _acknowledge(self, state: StateSnapshot) -> None:
        """A run's result was given: what it says is on the disk."""
        if is_over(state):
            self.acknowledged = self.at + 1
            self.teller.tell(f"{self.thread_id} has input {self.at} acknowledged")

    def _check_end(self, at: int, values: Any) -> None:
        if self.expected and not same(self.pick(values), self.pick(self.expected[at])):
            raise BrokenPromiseError(
                f"thread {self.thread_id!r} ended input {at} with {values!r}; undisturbed it "
                f"ends with {self.expected[at]!r}; ask prove_resume which node does that, or "
                "report the seed"
            )

    def _finish(self, values: Any) -> None:
        self._check_end(self.at, values)
        self.teller.tell(f"{self.thread_id} ended input {self.at} with {values!r}")
        self.results.append(values)
        self.at += 1

    def _check_acknowledged(self, state: StateSnapshot) -> None:
        """No run of this input has left anything: the thread is as the last input left it."""
        if self.acknowledged > self.at:
            raise BrokenPromiseError(
                f"thread {self.thread_id!r} has lost input {self.at}, whose result was given; "
                f"it stands at {state.next!r} of {state.metadata!r}; report the seed"
            )
        if self.at and (not is_over(state) or not same(state.values, self.results[-1])):
            raise BrokenPromiseError(
                f"thread {self.thread_id!r} ended with {self.results[-1]!r} and stands at "
                f"{state.next!r} with {state.values!r}, without a run in between; report the seed"
            )


def _input_of(state: StateSnapshot) -> int:
    """The input that a thread is at; -1: at none."""
    return -1 if state.metadata is None else state.metadata.get(INPUT, -1)
