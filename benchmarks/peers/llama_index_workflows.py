"""llama-index-workflows: steps that answer events with events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from workflows import Workflow, step
from workflows.events import Event, StartEvent, StopEvent


class Again(Event):
    n: int


class Loop(Workflow):
    """Runs one step until `n` has reached what it was started with."""

    @step
    async def begin(self, event: StartEvent) -> Again:
        self.rounds = event.rounds
        return Again(n=0)

    @step
    async def count(self, event: Again) -> Again | StopEvent:
        n = event.n + 1
        return StopEvent(result=n) if n >= self.rounds else Again(n=n)


def loop(rounds: int) -> Callable[[], Awaitable[object]]:
    workflow = Loop(timeout=None)

    async def run() -> None:
        assert await workflow.run(rounds=rounds) == rounds

    return run
