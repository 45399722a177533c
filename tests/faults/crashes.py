"""Kills in series: start a run, kill it, look at what is left, go on, look at what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checkpoint import SqliteSaver
from tests.faults.forks import KILLED, Child, ForkServer
from tests.faults.witness import Found, Received, Reference, check_effects, find, points_of
from tests.faults.work import INPUT, Effects, build

DOORS = ("stream", "run")
PER_FILE = 10
"""Threads that share a database file."""


@dataclass
class Moments:
    """When to kill: half of the time after a random number of lines, half at a random time."""

    seed: str
    seconds: float
    """How long a run takes that nobody kills."""
    lines: int
    """How much it tells."""
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def await_one(self, child: Child) -> None:
        if self.random.random() < 0.5:
            child.listen(seconds=self.random.uniform(0, self.seconds))
        elif child.listen(lines=self.random.randrange(self.lines)):
            child.listen(seconds=self.random.uniform(0, self.seconds / self.lines))


@dataclass
class Figures:
    """What a series of kills came to."""

    runs: int = 0
    kills: int = 0
    received: int = 0
    again: int = 0
    """Tasks that ran a second time."""
    kept: int = 0
    """Tasks of a step in flight that did not."""


class Crashes:
    """A series of kills, each on a thread of its own."""

    def __init__(self, server: ForkServer, folder: Path, reference: Reference) -> None:
        self._server = server
        self._folder = folder
        self._reference = reference
        self.figures = Figures()

    def once(self, door: str, kill: Callable[[Child], int], **more: Any) -> None:
        """Kill one run; `more` goes into its job."""
        number = self.figures.runs
        self.figures.runs += 1
        job: dict[str, Any] = {
            "path": self._folder / f"{number // PER_FILE}.db",
            "effects": self._folder / f"{number}.effects",
            "thread": f"thread {number}",
            **more,
        }
        child = self._server.start(door, input=INPUT, attempt=1, **job)
        status = kill(child)
        assert status in {0, KILLED}
        received = Received(child.lines)
        found = self._go_on(door, job, received, elsewhere=number % 5 == 0)
        twice = check_effects(job["effects"], found, received, self._reference)
        if status == KILLED:
            self.figures.kills += 1
            self.figures.received += len(received.lines)
            self.figures.again += len(twice)
            self.figures.kept += len(found.kept)

    def _go_on(
        self, door: str, job: dict[str, Any], received: Received, *, elsewhere: bool
    ) -> Found:
        """Check the thread, run it to its end (here, or in a new process), check it again."""
        reference, effects = self._reference, Effects(job["effects"], 2)
        config = {"configurable": {"thread_id": job["thread"]}}
        with SqliteSaver(job["path"]) as saver:
            graph = build(effects, saver)
            found = find(graph, config, received, reference)
            rest = None if found.begun else INPUT
            if not elsewhere:
                assert graph.invoke(rest, config) == reference.final
                assert points_of(graph, config) == reference.points
        if elsewhere:
            job = {key: value for key, value in job.items() if key not in ("die_at", "fault")}
            child = self._server.start(door, input=rest, attempt=2, **job)
            assert child.end() == 0
            with SqliteSaver(job["path"]) as saver:
                assert points_of(build(effects, saver), config) == reference.points
        effects.close()
        return found

    def measured(self, seed: str, **more: Any) -> Moments:
        """Moments of a run as long as one that nobody kills."""
        began = time.monotonic()
        child = self._server.start(
            "run",
            path=self._folder / "measured.db",
            effects=self._folder / "measured.effects",
            thread="measured",
            input=INPUT,
            attempt=1,
            **more,
        )
        assert child.end() == 0
        seconds = time.monotonic() - began
        assert Received(child.lines).ended
        return Moments(seed, seconds, len(child.lines))
