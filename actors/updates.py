"""Changing a thread's state from outside: new checkpoints, as if nodes had written.

What an update makes of the state is decided in `revision.py`; this is the shell around it: the
claim on the thread, the checkpoint to start from, the branches to ask, one commit for all.
"""

from __future__ import annotations

import contextvars
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from checkpoint import CheckpointMetadata, Claim, Decoder, Loaded, new_id
from streaming import RunLog, current_task

from . import sources
from .commands import PULL, Restored, Task
from .config import checkpoint_extra
from .context import TaskContext, check_reentry, current
from .doors import loopless
from .errors import ConfigError, InvalidUpdateError
from .kept_graphs import shown_parents
from .node import decide
from .recorder import Recorder
from .report import Facts
from .request import Request
from .restore import load_asked, restored_from
from .revision import COPY_NAME, INPUT_NAME, Act, Revision, copied_updates
from .scheduler import Scheduler
from .scope import Scope
from .setting import Setting
from .spec import NodeSpec, Writes
from .supervisor import Supervisor
from .values import END, StateUpdate
from .views import config_view
from .writes import writes_of


async def update_thread(
    scope: Scope, request: Request, supersteps: Sequence[Sequence[StateUpdate]]
) -> dict[str, Any]:
    """Write updates to a thread, one checkpoint per super-step; gives the last one's config.

    Waits for a run that holds the thread, as a run would.  Raises ConfigError,
    InvalidUpdateError, ThreadBusyError, ThreadStateError; nothing at all is stored then.
    """
    _check(supersteps)
    check_reentry(current(), scope.saver, scope.thread_id)
    claim = await scope.saver.claim(scope.thread_id, "update_state", timeout=request.claim_timeout)
    try:
        loaded = await load_asked(
            scope.saver, scope.thread_id, scope.stored_ns, request.config.checkpoint_id
        )
        return await _Update(scope, request, claim, loaded).store(supersteps)
    finally:
        scope.saver.release(claim)


def _check(supersteps: Sequence[Sequence[StateUpdate]]) -> None:
    if not supersteps:
        raise ConfigError("No supersteps provided: [] updates nothing; give a list of lists")
    if not all(supersteps):
        raise ConfigError(
            f"No updates provided in one of the super-steps {supersteps!r}; give each a list of "
            "StateUpdate, or leave it out"
        )


class _Update:
    """One call under its claim."""

    def __init__(self, scope: Scope, request: Request, claim: Claim, loaded: Loaded | None) -> None:
        decoder = Decoder(scope.saver.serializer)
        layout = scope.layout
        restored = None if loaded is None else restored_from(loaded, decoder, layout)
        self._scope = scope
        self._request = request
        self._metadata = CheckpointMetadata(
            source="update",
            step=0,
            parents=loaded.record.metadata.parents if loaded else {},
            extra=checkpoint_extra(request.config, scope.saver.serializer),
        )
        self._recorder = Recorder(
            scope.saver,
            claim,
            scope.stored_ns,
            loaded,
            durability="sync",
            metadata=self._metadata,
            unstored=scope.layout.unstored,
        )
        if restored is not None:
            self._recorder.go_on_from(restored, layout)
        self._scheduler = self._surroundings(restored)
        machine = self._scheduler.machine
        self._revision = Revision(
            scope.layout,
            scope.ns,
            machine.channels,
            machine.trail,
            restored,
            by_run=loaded is not None and loaded.record.metadata.run_id is not None,
        )

    async def store(self, supersteps: Sequence[Sequence[StateUpdate]]) -> dict[str, Any]:
        """Make all super-steps, then commit them together."""
        for updates in supersteps:
            await self._superstep(updates)
        await self._recorder.commit()
        await self._recorder.synced()
        return config_view(
            thread_id=self._scope.thread_id,
            ns=self._scope.stored_ns,
            checkpoint_id=self._revision.snapshot.id,
            configurable=self._request.config.configurable,
            parents=shown_parents(self._metadata, self._scope.stored_ns),
        )

    async def _superstep(self, updates: Sequence[StateUpdate]) -> None:
        revision, first = self._revision, updates[0]
        if first.as_node == END and first.values is None:
            _check_alone(updates, "Cannot apply multiple updates when clearing state")
            loopless(revision.end)(await self._taken() if revision.input_taken else [])
        elif first.as_node == INPUT_NAME:
            _check_alone(updates, "Cannot apply multiple updates when updating as input")
            revision.begin(first.values)
        elif first.as_node == COPY_NAME:
            _check_alone(updates, "Cannot copy checkpoint with multiple updates")
            await self._copy(first.values)
            return
        else:
            await self._act(updates)
            return
        self._recorder.save(revision.snapshot)

    async def _copy(self, values: Any) -> None:
        self._revision.copy()
        self._recorder.repeat(self._revision.snapshot)
        if isinstance(values, list) and values:
            await self._act(copied_updates(cast("list[Any]", values), self._revision.tasks()))

    async def _act(self, updates: Sequence[StateUpdate]) -> None:
        base = None if self._revision.empty else self._revision.snapshot.id
        acts = [await self._asked(update, alone=len(updates) == 1) for update in updates]
        for task in loopless(self._revision.act)(acts):
            if base is not None:
                self._recorder.keep(task, base)
        self._recorder.save(self._revision.snapshot)

    async def _asked(self, update: StateUpdate, *, alone: bool) -> Act:
        if update.as_node is None and not alone:
            raise InvalidUpdateError(
                f"as_node is required when applying multiple updates: {update!r} has none; name "
                "the node that is to have written it"
            )
        node = self._revision.author(update.as_node)
        return Act(node, await self._writes(node, update.values), update.task_id)

    async def _writes(self, node: NodeSpec, values: Any) -> Writes:
        """What the node would have written, its branches decided."""
        nodes = self._scope.layout.spec.nodes
        writes = writes_of(replace(node, name="update_state"), values, nodes)
        return await self._decided(node, writes)

    async def _taken(self) -> Writes:
        """What the input that waits has written in the run that took it."""
        writes = self._scheduler.machine.start_writes()
        return await self._decided(self._scope.layout.spec.start, writes)

    async def _decided(self, node: NodeSpec, writes: Writes) -> Writes:
        context = TaskContext(self._scheduler, Task(node, (PULL, node.name), ()))
        token = current_task.set(context)
        try:
            return writes + await decide(node, writes, context)
        finally:
            current_task.reset(token)

    def _surroundings(self, restored: Restored | None) -> Scheduler:
        """Not driven: it lends branches the surroundings they have in a run."""
        scope, request = self._scope, self._request
        facts = Facts(
            now=sources.now,
            new_id=new_id,
            recursion_limit=request.config.recursion_limit,
            persist=True,
            ns=scope.ns,
            thread_id=scope.thread_id,
            configurable=request.config.configurable,
        )
        setting = Setting(
            events=RunLog("update", keep=False),
            config=request.config,
            context=contextvars.copy_context(),
            user_context=request.context,
            store=scope.layout.store,
        )
        return Scheduler(scope.layout, facts, setting, Supervisor("update"), restored=restored)


def _check_alone(updates: Sequence[StateUpdate], refusal: str) -> None:
    if len(updates) > 1:
        raise InvalidUpdateError(
            f"{refusal}: it was given with {len(updates) - 1} more in one super-step; give it a "
            "super-step of its own"
        )
