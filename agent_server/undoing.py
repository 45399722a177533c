"""Undoing a run of a process that died: its engine had taken note of what the run found, and is
gone with that.

The run's checkpoints go, and what it wrote to a checkpoint of another run that it went on from:
answers, and results of that one's unfinished tasks, which its log names.  Questions that it had
answered are not there again before a run comes to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from actors import ActorSystem, CompiledGraph
from checkpoint import Loaded, SqliteSaver, rewind_point
from streaming import Event, TaskFinished, TaskStarted

from .records import Run

_ANSWERS = "00000000-0000-0000-0000-000000000000"
"""The task whose pending writes are what a run brought as its input."""
_PORTION = 1_000
_PATIENCE = 30.0
"""Seconds to wait for who holds the thread."""


class Undoer:
    """Undoes runs that no engine has."""

    def __init__(self, system: ActorSystem, saver: SqliteSaver) -> None:
        self._system = system
        self._saver = saver

    async def undo(self, graph: CompiledGraph, run: Run) -> None:
        """Take back what a run has stored.  Raises ThreadBusyError, CorruptDataError."""
        tasks = await self._tasks_of(graph, run)  # its log goes with its checkpoints
        await self._saver.adelete_for_runs([run.run_id])
        if tasks:
            await self._take_back(run.thread_id, tasks)

    async def _tasks_of(self, graph: CompiledGraph, run: Run) -> Mapping[str, set[str]]:
        """Ids of the tasks that it ran, by namespace."""
        last = await self._saver.events.last(run.run_id)
        if last == 0:
            return {}
        config = {"configurable": {"thread_id": run.thread_id}}
        log = await self._system.find_log(graph, run.run_id, config)
        ran, durable = _Ran(), log.durable
        if durable is None:
            return {}
        for after in range(0, last, _PORTION):
            for event in await durable.read(after, last, _PORTION):
                ran.note(event)
        return ran.tasks()

    async def _take_back(self, thread_id: str, tasks: Mapping[str, set[str]]) -> None:
        claim = await self._saver.claim(thread_id, "undoing a run", timeout=_PATIENCE)
        try:
            points = {
                ns: rewind_point(found, found.newest_id)
                for ns, ids in tasks.items()
                if (found := _without(await self._saver.load(thread_id, ns), ids)) is not None
            }
            if points:
                await self._saver.rewind(claim, points)
        finally:
            self._saver.release(claim)


class _Ran:
    """Finds the tasks that a run ran itself in what its log tells: those that it found finished
    are told as well, as cached."""

    def __init__(self) -> None:
        self._begun: set[tuple[str, str]] = set()
        self._finished: set[tuple[str, str]] = set()
        self._own: set[tuple[str, str]] = {("", _ANSWERS)}

    def note(self, event: Event) -> None:
        """What the log tells next."""
        if isinstance(event, TaskStarted):
            self._begun.add(("|".join(event.ns), event.task_id))
        elif isinstance(event, TaskFinished):
            place = "|".join(event.ns), event.task_id
            self._finished.add(place)
            if not event.cached:
                self._own.add(place)

    def tasks(self) -> Mapping[str, set[str]]:
        """Their ids, by namespace."""
        found: dict[str, set[str]] = defaultdict(set)
        for ns, task_id in self._own | (self._begun - self._finished):
            found[ns].add(task_id)
        return found


def _without(loaded: Loaded | None, task_ids: set[str]) -> Loaded | None:
    """A checkpoint without what these tasks wrote after it; None if that is nothing."""
    if loaded is None:
        return None
    left = tuple(writes for writes in loaded.writes if writes.task_id not in task_ids)
    return None if len(left) == len(loaded.writes) else replace(loaded, writes=left)
