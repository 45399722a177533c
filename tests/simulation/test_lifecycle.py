"""Histories of threads in simulated processes, on a disk in memory, held against the model."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from hypothesis import settings

from actors.testing import ProcessKilled
from actors.testing.world import World
from tests.histories.lifecycle import Host, Lifecycle
from tests.histories.operations import Operations, Told
from tests.histories.threads import GRAPH


class SimulatedHost:
    """Threads in a simulation."""

    def __init__(self, seed: int) -> None:
        self._stack = contextlib.ExitStack()
        self._world = self._stack.enter_context(World(GRAPH, seed))
        self._process = self._world.boot()

    def do(self, name: str, *, kill_at: int = 0, kill_after: int = 0, **arguments: Any) -> Told:
        if kill_at:
            self._world.halt()
            self._process = self._world.boot(kill_at=kill_at)
        told, process = Told(), self._process

        def tell(line: Any) -> None:
            told.lines.append(line)
            if len(told.lines) == kill_after:
                process.loop.kill()

        operations = Operations(process.graph, process.saver, process.system, tell)
        try:
            told.end(*process.run(operations.do(name, arguments)))
        except ProcessKilled:
            told.died = True
        return told

    def reboot(self, *, gently: bool = False) -> None:
        if gently:
            self._process.run(self._process.system.aclose())
        self._world.halt()
        self._process = self._world.boot()

    def close(self) -> None:
        self._stack.close()


class SimulatedLifecycle(Lifecycle):
    def open(self, seed: int) -> Host:
        return SimulatedHost(seed)


TestLifecycle = SimulatedLifecycle.TestCase
TestLifecycle.settings = settings(
    max_examples=int(os.environ.get("HISTORIES", "10")), stateful_step_count=15, deadline=None
)
