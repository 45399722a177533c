"""Results of nodes from a cache: looked up before a step's tasks run, kept when they have.

All of a step's look-ups are one read, and what finishes together is kept by one write.  An error
of the cache ends the run; by then everything that finished is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from checkpoint import Cache, CacheKey

from .cache_keys import key_text
from .commands import (
    CallDropped,
    MachineEvent,
    Task,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
)
from .doors import loopless
from .patience import see_through, seen
from .policies import CachePolicy
from .spec import KEPT, Writes
from .superstep import Machine
from .supervisor import Supervisor

T = TypeVar("T")


class ResultCache:
    """The cache as one scheduler uses it."""

    __slots__ = ("_asking", "_cache", "_cut", "_fresh", "_keys", "_machine", "_supervisor")

    def __init__(self, cache: Cache, machine: Machine, supervisor: Supervisor) -> None:
        self._cache = cache
        self._machine = machine
        self._supervisor = supervisor
        self._asking: asyncio.Task[Any] | None = None
        """A question to the cache."""
        self._cut = False
        self._keys: dict[Task, CacheKey] = {}
        """Of the tasks that run now."""
        self._fresh: dict[CacheKey, tuple[Writes, float | None]] = {}
        """Results to keep."""

    async def look_up(self, tasks: Sequence[Task]) -> list[TaskFinished]:
        """The tasks of these whose results are known, as finished; none once it is cut short.

        Raises what the cache or a key function raises, SerializationError for an input that
        cannot be stored.
        """
        return await self._ask(self._look_up(tasks)) or []

    async def keep(self) -> None:
        """Keep the results that were noted.  Raises what the cache raises."""
        if self._fresh:
            fresh, self._fresh = self._fresh, {}
            await self._ask(self._cache.set(fresh))

    def cut_short(self) -> None:
        """The run is being cancelled: it waits for no answer any more."""
        self._cut = True
        if self._asking is not None:
            self._supervisor.cancel(self._asking)

    async def _ask(self, question: Coroutine[Any, Any, T]) -> T | None:
        """The answer; None if it was cut short."""
        self._asking = task = self._supervisor.spawn(question, name="cache", on_done=seen)
        try:
            await see_through(task, lambda: self._supervisor.cancel(task))
        finally:
            self._asking = None
        return None if task.cancelled() and self._cut else task.result()

    async def _look_up(self, tasks: Sequence[Task]) -> list[TaskFinished]:
        policies = [(task, task.node.cache) for task in tasks]
        keys = {task: self._key(task, policy) for task, policy in policies if policy is not None}
        if not keys:
            return []
        self._keys.update(keys)
        found = await self._cache.get(list(dict.fromkeys(keys.values())))
        known = [(task, found[key]) for task, key in keys.items() if key in found]
        for task, _ in known:
            del self._keys[task]
        return [
            TaskFinished(task, [(name, value) for name, value in writes], cached=True)
            for task, writes in known
        ]

    def note(self, event: MachineEvent) -> None:
        """A task has ended: its result is to be kept, if it has one."""
        if not isinstance(event, TaskFinished | TaskFailed | TaskInterrupted | CallDropped):
            return
        key, policy = self._keys.pop(event.task, None), event.task.node.cache
        if key is not None and policy is not None and isinstance(event, TaskFinished):
            self._fresh[key] = (_without_kept(event.writes), policy.ttl)

    def _key(self, task: Task, policy: CachePolicy) -> CacheKey:
        value = self._machine.channels.input_of(task)
        args: Any = value if task.parent is not None else ((value,), {})
        key: Any = loopless(policy.key_func)(*args[0], **args[1])
        return task.node.cache_ns, key_text(key, f"node {task.node.name!r}")


def _without_kept(writes: Writes) -> Writes:
    """What may be given back on another thread: not where graphs that keep their state are."""
    return [write for write in writes if write[0] != KEPT]
