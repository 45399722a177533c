"""Seeing a thread through to its end, in however many runs and processes that takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from actors.config import Config
from actors.testing.errors import SimulationError
from actors.testing.world import Process
from actors.values import Command, Durability, Interrupt, StateSnapshot

Answer: TypeAlias = Callable[[Interrupt], Any]
"""What to answer to an interrupt."""

MOST_RUNS = 1_000
"""A thread that has not ended after so many runs never will."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be done on a thread."""

    input: Any
    config: Config
    answer: Answer | None = None
    durability: Durability = "async"

    def next_input(self, state: StateSnapshot) -> Any:
        """What to run the thread with, as it stands.  Raises SimulationError for an interrupt that
        nobody answers."""
        if state.created_at is None:
            return self.input
        if not state.interrupts:
            return None
        if self.answer is None:
            raise SimulationError(
                f"the graph asks {state.interrupts[0].value!r} and there is no answer; give "
                "answer=…, a function from an Interrupt to what to resume it with"
            )
        return Command(resume={each.id: self.answer(each) for each in state.interrupts})


async def see_through(process: Process, errand: Errand) -> dict[str, Any]:
    """Run a thread, from where it stands, to its end; gives its values.

    Raises what its nodes raise.
    """
    graph, config = process.graph, errand.config
    state = await graph.aget_state(config)
    if is_over(state):
        return state.values
    for _ in range(MOST_RUNS):
        run = await process.system.start(
            graph, errand.next_input(state), config, durability=errand.durability
        )
        await run.result()
        state = await graph.aget_state(config)
        if is_over(state):
            return state.values
    raise SimulationError(
        f"the thread has not ended after {MOST_RUNS} runs, it is at {state.next}; let the graph "
        "come to an end, or answer its interrupts otherwise"
    )


def is_over(state: StateSnapshot) -> bool:
    """True for a thread that has run and has nothing left to run."""
    return state.created_at is not None and not state.next and not state.interrupts
