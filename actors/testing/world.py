"""The machine that a seed makes: its clock, its dice, its disk, and the processes that live on it.

Nothing in it depends on anything else: ids, times, jitter and the order of tasks are all drawn from
the seed, in a context of its own, so that the same seed does the same in any process.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import random
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Self, TypeVar

from actors import sources as runs
from actors.compiled import CompiledGraph
from actors.system import ActorSystem
from actors.testing.errors import ProcessKilled, SimulationError
from actors.testing.loop import SimulatedLoop
from checkpoint import MemoryCache
from checkpoint.testing import IdSource, ids_from
from checkpoint.testing_disk import Disk, DiskSaver, Entry
from streaming import testing as streams

T = TypeVar("T")

START_NS = 1_767_225_600_000_000_000
"""The first of January 2026, when every simulation begins."""
REBOOT_NS = 1_000_000_000
"""Between the death of a process and the life of the next one."""
WAITS = {"applied": 0.002, "syncing": 0.02, "committed": 0.0005, "synced": 0.0005}
"""Seconds that go by at a point, at most, by the last word of its name."""


class Points:
    """What happens at the points of a process's disk: time passes, and at one point it dies."""

    def __init__(self, loop: SimulatedLoop, dice: Random, kill_at: int | None) -> None:
        self._loop = loop
        self._dice = dice
        self._kill_at = kill_at
        self.names: list[str] = []
        """The points that were reached so far."""

    def may_wait(self) -> bool:
        """True on the simulated loop; a sync node that waits for a commit stops that loop."""
        return asyncio.get_running_loop() is self._loop

    async def reach(self, point: str) -> None:
        """Let time pass, or die."""
        self.names.append(point)
        here = self.may_wait()
        if len(self.names) == self._kill_at:
            if not here:
                raise ProcessKilled
            await self._loop.die()
        if here:
            await asyncio.sleep(self._dice.uniform(0, WAITS[point.rpartition(" ")[2]]))


@dataclass(frozen=True, slots=True)
class Process:
    """One life: what code in it works with."""

    loop: SimulatedLoop
    saver: DiskSaver
    graph: CompiledGraph
    """The graph, with its threads on the disk."""
    system: ActorSystem
    points: Points
    context: contextvars.Context
    """With the seed's clock, ids and dice."""

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; other tasks of the process go on meanwhile."""
        return self.context.run(self.loop.run, main)


class World:
    """A machine; use it as a context manager.

    with World(graph, seed=7) as world:
        with suppress(ProcessKilled):
            world.live(main, kill_at=3)
        world.live(main)
    """

    def __init__(self, graph: CompiledGraph, seed: int) -> None:
        self.graph = _with_cache_of_its_own(graph, self.now)
        self.seed = seed
        self.now_ns = 0
        """Since the simulation began."""
        self.disk = Disk()
        self.on_entry: Callable[[Entry], None] | None = None
        """Sees what is committed."""
        self.on_process: Callable[[Process], None] | None = None
        """Sees each process before it begins."""
        self.turns = 0
        """Callbacks that have run, in all processes."""
        self._loop: SimulatedLoop | None = None
        self._loops: list[SimulatedLoop] = []
        self._order = self.dice("order")
        self._waits = self.dice("waits")
        self._jitter = self.dice("jitter")
        self._bytes = self.dice("bytes")
        self._ids = IdSource(self._clock_ns, self.dice("ids").randbytes)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(_own_dice(self.seed))
        self._stack.enter_context(_no_collector())
        return self

    def __exit__(self, *_error: object) -> None:
        for loop in self._loops:
            loop.bury()
        self._stack.close()

    def dice(self, name: str) -> Random:
        """Dice of this seed for one purpose: using them changes no others."""
        return Random(f"{self.seed} {name}")  # noqa: S311 - to be repeated, not to be secret

    def now(self) -> float:
        """The virtual time, in seconds since the epoch."""
        return self._clock_ns() / 1e9

    def live(
        self, main: Callable[[Process], Coroutine[Any, Any, T]], *, kill_at: int | None = None
    ) -> T:
        """Run a process to its end.  It dies at its `kill_at`-th point (from 1), or when something
        kills its loop: ProcessKilled.  Raises StuckError."""
        process = self.boot(kill_at=kill_at)
        try:
            return process.run(_main(process, main))
        finally:
            self.halt()

    def boot(self, *, kill_at: int | None = None) -> Process:
        """Begin a process, for `process.run`; the one before it must be halted."""
        if self._loop is not None:
            raise SimulationError("a process is alive already; halt() it before the next boot()")
        loop = self._loop = SimulatedLoop(self._order, self.now_ns)
        self._loops.append(loop)
        return contextvars.copy_context().run(self._boot, loop, kill_at)

    def halt(self) -> None:
        """End the process that is alive, as a crash would."""
        loop, self._loop = self._loop, None
        if loop is not None:
            self.turns += loop.turns
            self.now_ns = loop.now_ns + REBOOT_NS

    def _boot(self, loop: SimulatedLoop, kill_at: int | None) -> Process:
        with self._sources():
            context = contextvars.copy_context()
        points = Points(loop, self._waits, kill_at)
        saver = self.disk.open(points, self.on_entry)
        system = ActorSystem("simulation", event_log=saver.events)
        graph = self.graph.stored_in(saver)
        process = Process(loop, saver, graph, system, points, context)
        if self.on_process is not None:
            self.on_process(process)
        return process

    @contextlib.contextmanager
    def _sources(self) -> Generator[None]:
        with (
            ids_from(self._ids),
            streams.sources_from(streams.Sources(self.now, self._bytes.randbytes)),
            runs.sources_from(runs.Sources(self.now, self._jitter.random)),
        ):
            yield

    def _clock_ns(self) -> int:
        return START_NS + (self.now_ns if self._loop is None else self._loop.now_ns)


async def _main(process: Process, main: Callable[[Process], Coroutine[Any, Any, T]]) -> T:
    async with process.system:
        return await main(process)


def _with_cache_of_its_own(graph: CompiledGraph, now: Callable[[], float]) -> CompiledGraph:
    """What earlier simulations have found is not to be in it; crashes leave it alone."""
    if graph.fittings.cache is None:
        return graph
    fittings = replace(graph.fittings, cache=MemoryCache(clock=now))
    return type(graph)(graph.spec, fittings, bound=graph.bound)


@contextlib.contextmanager
def _own_dice(seed: int) -> Generator[None]:
    """Python's own dice show what the seed says: nodes may throw them."""
    state = random.getstate()
    random.seed(f"{seed} nodes")
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def _no_collector() -> Generator[None]:
    """What is collected, and when, hangs on all that the process has done before."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
