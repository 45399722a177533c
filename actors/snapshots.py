"""A thread's state at a checkpoint, put together from what is stored; nothing runs or changes.

A snapshot of the newest checkpoint shows the writes of tasks that have finished since; one of an
older checkpoint shows the state as it was saved.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, cast

from checkpoint import Decoder, Loaded

from .channelset import ChannelSet
from .commands import NULL_TASK, Task
from .departed import gone_error
from .errors import ConfigError
from .kept_graphs import kept_state, shown_parents
from .report import is_start
from .restore import restored_from
from .scope import Scope, planned
from .spec import BARE_KEYS, INPUT, KEPT
from .values import StateSnapshot, TaskSnapshot
from .views import config_view, error_text, iso_utc, namespace_text, result_of, shared_namespace

PAGE = 100


async def state_of(scope: Scope, checkpoint_id: str | None, *, subgraphs: bool) -> StateSnapshot:
    """The snapshot of one checkpoint (None: the newest); an empty one when there is none."""
    loaded = await scope.saver.load(scope.thread_id, scope.stored_ns, checkpoint_id)
    return await _shown(scope, loaded, with_pending=checkpoint_id is None, subgraphs=subgraphs)


async def _shown(
    scope: Scope,
    loaded: Loaded | None,
    *,
    with_pending: bool,
    subgraphs: bool,
    heads: Mapping[str, str] | None = None,
) -> StateSnapshot:
    """`heads`: where graphs that keep their state are, as the callers know."""
    if loaded is None:
        return _empty(scope)
    snapshot = _Snapshot(scope, loaded, Decoder(scope.saver.serializer))
    shown = snapshot.show(with_pending=with_pending)
    if not subgraphs:
        return shown
    heads = {**(heads or {}), **snapshot.heads}
    tasks = [await _with_subgraph(scope, loaded.record.id, task, heads) for task in shown.tasks]
    return replace(shown, tasks=tuple(tasks))


async def _with_subgraph(
    scope: Scope, checkpoint_id: str, task: TaskSnapshot, heads: Mapping[str, str]
) -> TaskSnapshot:
    """The task with the state of the graph it calls: as the call left it, or will find it."""
    if task.state is None:
        return task
    layout = scope.layout.subgraphs[task.name]
    ns = (*scope.ns, f"{task.name}:{task.id}")
    inner = Scope(scope.saver, layout, scope.thread_id, shared_namespace(ns) if layout.kept else ns)
    if layout.kept:
        call, head = (namespace_text(ns), checkpoint_id), heads.get(inner.stored_ns)
        found = await kept_state(inner.saver, inner.thread_id, inner.stored_ns, call, head)
        loaded = found.base
    else:
        loaded = await inner.saver.load(inner.thread_id, inner.stored_ns)
    state = await _shown(inner, loaded, with_pending=True, subgraphs=True, heads=heads)
    return replace(task, state=state)


async def history_of_one(
    scope: Scope, checkpoint_id: str, match: Mapping[str, Any] | None
) -> AsyncIterator[StateSnapshot]:
    """The snapshot of one checkpoint, if there is such a one and its metadata matches."""
    loaded = await scope.saver.load(scope.thread_id, scope.stored_ns, checkpoint_id)
    if loaded is not None:
        snapshot = _Snapshot(scope, loaded, Decoder(scope.saver.serializer))
        shown = snapshot.show(with_pending=False)
        known = {**(shown.metadata or {}), "run_id": loaded.record.metadata.run_id}
        if all(known.get(key) == value for key, value in (match or {}).items()):
            yield shown


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


class _Snapshot:
    """One stored checkpoint with its plan."""

    def __init__(self, scope: Scope, loaded: Loaded, decoder: Decoder) -> None:
        self._scope = scope
        self._record = loaded.record
        self._nodes = list(scope.layout.spec.nodes)
        self._parents = shown_parents(loaded.record.metadata, scope.stored_ns)
        self._restored = restored_from(loaded, decoder, scope.layout)
        self._channels = ChannelSet(scope.layout, self._restored)
        self._given = self._restored.pending.get(NULL_TASK)
        if self._given is not None:
            self._channels.give(self._given)
        self._tasks = planned(
            scope.layout,
            scope.ns,
            self._channels,
            checkpoint_id=self._restored.checkpoint_id,
            step=self._restored.step + 1,
            pending=self._restored.pending,
        )

    @property
    def heads(self) -> Mapping[str, str]:
        """Where graphs that keep their state are."""
        return self._channels.channel(KEPT).get()

    def show(self, *, with_pending: bool) -> StateSnapshot:
        """As users see it."""
        record, tasks = self._record, self._tasks
        shown = [self._task(task) for task in tasks]
        channels, waiting = self._channels, tasks
        done = [task for task in tasks if task.writes is not None]
        if with_pending and done and (applied := self._with(done)) is not None:
            channels = applied
            waiting = [task for task in tasks if task not in done] or self._following(applied)
        parent = record.parent_id
        return StateSnapshot(
            values=channels.state(),
            next=tuple(task.node.name for task in waiting),
            config=self._config(record.id),
            metadata={
                **record.metadata.extra,  # first: a user's own `step` or `source` is not this one
                "source": record.metadata.source,
                "step": record.metadata.step,
                "parents": dict(self._parents),
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
            if self._given is not None:
                channels.give(self._given)
            channels.apply(done)
        except Exception:  # noqa: BLE001 - reducers are user code
            return None
        return channels

    def _following(self, applied: ChannelSet) -> list[Task]:
        """The tasks of the step after one whose tasks have all finished, and whose checkpoint is
        not there: a repair has gone back to the one before."""
        if not applied.plan():
            applied.open_deferred()
        return planned(
            self._scope.layout,
            self._scope.ns,
            applied,
            checkpoint_id=self._restored.checkpoint_id,
            step=self._restored.step + 2,
            pending={},
        )

    def _task(self, task: Task) -> TaskSnapshot:
        state = self._scope.layout.state
        writes = task.writes
        if writes is None and is_start(task) and self._record.metadata.run_id is not None:
            data = self._channels.channel(INPUT).get()
            taken = self._scope.layout.spec.input_keys
            writes = [(key, value) for key, value in data.items() if key in taken]
        error = task.error
        if error is None and (gone := gone_error([task], self._scope.thread_id, self._nodes)):
            error = error_text(gone)
        return TaskSnapshot(
            id=task.id,
            name=task.node.name,
            path=task.path,
            error=error,
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
            parents=self._parents,
        )


def _bare(result: dict[str, Any]) -> Any:
    """The value itself where it is the whole state."""
    return next((result[key] for key in result if key in BARE_KEYS), result)


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
    """A checkpoint id from what `before` may be: an id, a config, or None.

    None also for a config that names a thread and no checkpoint.  Raises ConfigError.
    """
    if before is None or isinstance(before, str):
        return before
    configurable: Any = _item(before, "configurable") or before
    found = _item(configurable, "checkpoint_id")
    if found is None and _item(configurable, "thread_id") is not None:
        return None
    if not isinstance(found, str):
        raise ConfigError(
            f"before={before!r} names no checkpoint; give a snapshot's config or a checkpoint id"
        )
    return found
