"""A thread's state at a checkpoint, put together from what is stored; nothing runs or changes.

A snapshot of the newest checkpoint shows the writes of tasks that have finished since; one of an
older checkpoint shows the state as it was saved.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from checkpoint import Decoder, Loaded, Saver

from .channelset import ChannelSet
from .commands import PULL, Restored, Task
from .errors import ConfigError
from .kept import recall
from .layout import Layout
from .report import task_id
from .restore import restored_from
from .spec import INPUT, ROOT
from .values import RunConfig, StateSnapshot, TaskSnapshot
from .views import config_view, iso_utc, namespace_text, result_of

PAGE = 100


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scope:
    """One graph's part of a thread."""

    saver: Saver
    layout: Layout
    thread_id: str
    ns: tuple[str, ...]

    @property
    def stored_ns(self) -> str:
        """The namespace as it is stored."""
        return namespace_text(self.ns)


def scope_of(layout: Layout, saver: Saver | None, config: RunConfig) -> Scope:
    """The scope a config means: of this graph, or of a subgraph named by checkpoint_ns.

    Raises ConfigError without a saver or a thread_id, or for a namespace of no subgraph.
    """
    if saver is None:
        raise ConfigError(
            "No checkpointer set: the graph keeps no threads to look at; "
            "compile it with one, such as compile(checkpointer=MemorySaver())"
        )
    if config.thread_id is None:
        raise ConfigError(
            "config has no 'thread_id' under 'configurable', so it means no thread; "
            'give {"configurable": {"thread_id": "…"}}'
        )
    ns = tuple(config.checkpoint_ns.split("|")) if config.checkpoint_ns else ()
    found = layout.at(ns)
    if found is None:
        raise ConfigError(
            f"checkpoint_ns={config.checkpoint_ns!r} names no subgraph of this graph, whose "
            f"nodes {sorted(layout.subgraphs)} have some; take it from a snapshot's tasks"
        )
    return Scope(saver, found, config.thread_id, ns)


async def state_of(scope: Scope, checkpoint_id: str | None, *, subgraphs: bool) -> StateSnapshot:
    """The snapshot of one checkpoint (None: the newest); an empty one when there is none."""
    loaded = await scope.saver.load(scope.thread_id, scope.stored_ns, checkpoint_id)
    if loaded is None:
        return _empty(scope)
    snapshot = _Snapshot(scope, loaded, Decoder(scope.saver.serializer))
    shown = snapshot.show(with_pending=checkpoint_id is None)
    return await _with_subgraphs(scope, shown) if subgraphs else shown


async def history_of(
    scope: Scope,
    *,
    match: Mapping[str, Any] | None,
    before: str | None,
    limit: int | None,
) -> AsyncIterator[StateSnapshot]:
    """Snapshots of a scope, newest first; what several checkpoints share is decoded once a page."""
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = await scope.saver.history(
            scope.thread_id, scope.stored_ns, before=before, limit=size, match=match
        )
        decoder = Decoder(scope.saver.serializer)
        for loaded in page:
            yield _Snapshot(scope, loaded, decoder).show(with_pending=False)
        if len(page) < size:
            return
        before = page[-1].record.id
        left = None if left is None else left - len(page)


async def _with_subgraphs(scope: Scope, snapshot: StateSnapshot) -> StateSnapshot:
    tasks: list[TaskSnapshot] = []
    for task in snapshot.tasks:
        state = task.state
        if state is not None:
            layout = scope.layout.subgraphs[task.name]
            ns = (*scope.ns, f"{task.name}:{task.id}")
            child = Scope(scope.saver, layout, scope.thread_id, ns)
            state = await state_of(child, None, subgraphs=True)
        tasks.append(replace(task, state=state))
    return replace(snapshot, tasks=tuple(tasks))


class _Snapshot:
    """One stored checkpoint with its plan."""

    def __init__(self, scope: Scope, loaded: Loaded, decoder: Decoder) -> None:
        self._scope = scope
        self._record = loaded.record
        self._restored = restored_from(loaded, decoder)
        self._channels = ChannelSet(scope.layout, self._restored)
        self._tasks = planned(scope, self._channels, self._restored)

    def show(self, *, with_pending: bool) -> StateSnapshot:
        """As users see it."""
        record, tasks = self._record, self._tasks
        shown = [self._task(task) for task in tasks]
        channels, waiting = self._channels, tasks
        done = [task for task in tasks if task.writes is not None]
        if with_pending and done and (applied := self._with(done)) is not None:
            channels, waiting = applied, [task for task in tasks if task not in done]
        parent = record.parent_id
        return StateSnapshot(
            values=channels.state(),
            next=tuple(task.node.name for task in waiting),
            config=self._config(record.id),
            metadata={
                "source": record.metadata.source,
                "step": record.metadata.step,
                "parents": dict(record.metadata.parents),
                **record.metadata.extra,
            },
            created_at=iso_utc(record.created_at),
            parent_config=None if parent is None else self._config(parent),
            tasks=tuple(shown),
            interrupts=tuple(i for task in shown for i in task.interrupts),
        )

    def _with(self, done: list[Task]) -> ChannelSet | None:
        """The state with the writes of finished tasks; None if they cannot be applied together:
        that is what the run failed with, and no reason not to show the thread without them."""
        channels = ChannelSet(self._scope.layout, self._restored)
        try:
            channels.apply(done)
        except Exception:  # noqa: BLE001 - reducers are user code
            return None
        return channels

    def _task(self, task: Task) -> TaskSnapshot:
        state = self._scope.layout.state
        writes = task.writes
        if task.path == (PULL, INPUT):
            data = self._channels.channel(INPUT).get()
            taken = self._scope.layout.spec.input_keys
            writes = [(key, value) for key, value in data.items() if key in taken]
        return TaskSnapshot(
            id=task.id,
            name=task.node.name,
            path=task.path,
            error=task.error,
            interrupts=task.interrupts,
            state=self._child(task),
            result=None if writes is None else _bare(result_of(writes, state)),
        )

    def _child(self, task: Task) -> dict[str, Any] | None:
        if task.node.name not in self._scope.layout.subgraphs:
            return None
        ns = namespace_text((*self._scope.ns, f"{task.node.name}:{task.id}"))
        return {"configurable": {"thread_id": self._scope.thread_id, "checkpoint_ns": ns}}

    def _config(self, checkpoint_id: str) -> dict[str, Any]:
        return config_view(
            thread_id=self._scope.thread_id,
            ns=self._scope.stored_ns,
            checkpoint_id=checkpoint_id,
            configurable={},
            parents=self._record.metadata.parents,
        )


def _bare(result: dict[str, Any]) -> Any:
    """The value itself where it is the whole state."""
    return result.get(ROOT, result)


def planned(scope: Scope, channels: ChannelSet, restored: Restored) -> list[Task]:
    """The tasks that would run next, nodes in the order they were added, with what was kept."""
    position = scope.layout.position
    tasks = channels.plan()
    tasks.sort(key=lambda task: position.get(task.node.name, -1) if task.path[0] == PULL else -1)
    for task in tasks:
        task.step = restored.step + 1
        task.id = task_id(restored.checkpoint_id, scope.ns, task)
        if task.id in restored.pending:
            recall(task, restored.pending[task.id])
    return tasks


def _empty(scope: Scope) -> StateSnapshot:
    configurable = {"thread_id": scope.thread_id}
    if scope.ns:
        configurable["checkpoint_ns"] = scope.stored_ns
    return StateSnapshot(
        values={},
        next=(),
        config={"configurable": configurable},
        metadata=None,
        created_at=None,
        parent_config=None,
        tasks=(),
    )


def _item(mapping: Any, key: str) -> Any:
    return cast("Mapping[str, Any]", mapping).get(key) if isinstance(mapping, Mapping) else None


def before_id(before: Mapping[str, Any] | str | None) -> str | None:
    """A checkpoint id from what `before` may be: an id, a config, or None."""
    if before is None or isinstance(before, str):
        return before
    configurable: Any = _item(before, "configurable") or before
    found = _item(configurable, "checkpoint_id")
    if not isinstance(found, str):
        raise ConfigError(
            f"before={before!r} names no checkpoint; give a snapshot's config or a checkpoint id"
        )
    return found
