"""Changing a thread's state from outside: one new checkpoint, as if a node had written."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from checkpoint import CheckpointMetadata, Claim, Decoder, new_id
from streaming import RunLog, current_task

from .commands import PULL, Restored, Snapshot, Task
from .config import checkpoint_extra
from .context import TaskContext, check_reentry, current
from .errors import InvalidUpdateError, ThreadStateError
from .node import decide
from .recorder import Recorder
from .report import Facts
from .request import Request
from .restore import restored_from
from .scheduler import Scheduler, Setting
from .snapshots import Scope, planned
from .spec import NodeSpec, Writes
from .supervisor import Supervisor
from .values import END, START
from .views import config_view
from .writes import writes_of


async def update_thread(
    scope: Scope, request: Request, values: Any, as_node: str | None
) -> dict[str, Any]:
    """Write `values` to a thread as one of its nodes; gives the config of the new checkpoint.

    Waits for a run that holds the thread, as a run would.  Raises InvalidUpdateError,
    ThreadBusyError, ThreadStateError; nothing is stored then.
    """
    check_reentry(current(), scope.saver, scope.thread_id)
    claim = await scope.saver.claim(scope.thread_id, "update_state", timeout=request.claim_timeout)
    try:
        return await _Update(scope, request, claim).store(values, as_node)
    finally:
        scope.saver.release(claim)


class _Update:
    """One update under its claim."""

    def __init__(self, scope: Scope, request: Request, claim: Claim) -> None:
        self._scope = scope
        self._request = request
        self._claim = claim

    async def store(self, values: Any, as_node: str | None) -> dict[str, Any]:
        scope, config = self._scope, self._request.config
        loaded = await scope.saver.load(scope.thread_id, scope.stored_ns, config.checkpoint_id)
        if loaded is None and config.checkpoint_id is not None:
            raise ThreadStateError(
                f"thread {scope.thread_id!r} has no checkpoint {config.checkpoint_id!r}; take an "
                "id from get_state_history, or leave checkpoint_id out for the newest"
            )
        restored = loaded and restored_from(loaded, Decoder(scope.saver.serializer))
        if as_node == END and values is not None:
            raise InvalidUpdateError(
                f"update_state({values!r}, as_node={END!r}) cannot be: as the end of the graph it "
                "drops the tasks that are left and writes nothing; give values=None, or a node"
            )
        node = self._node(as_node, loaded.record.wrote if loaded else ())
        metadata = CheckpointMetadata(
            source="update",
            step=0,
            parents=loaded.record.metadata.parents if loaded else {},
            extra=checkpoint_extra(config),
        )
        recorder = Recorder(
            scope.saver,
            self._claim,
            scope.stored_ns,
            loaded,
            durability="sync",
            metadata=metadata,
            unstored=scope.layout.unstored,
        )
        scheduler = self._scheduler(restored)
        writes = await self._writes(scheduler, node, values)
        snapshot = self._apply(scheduler, restored, node, writes)
        recorder.save(snapshot)
        await recorder.commit()
        await recorder.synced()
        return config_view(
            thread_id=scope.thread_id,
            ns=scope.stored_ns,
            checkpoint_id=snapshot.id,
            configurable=config.configurable,
            parents=metadata.parents,
        )

    def _node(self, as_node: str | None, wrote: Sequence[str]) -> NodeSpec:
        spec = self._scope.layout.spec
        if as_node is None:
            if len(wrote) > 1:
                raise InvalidUpdateError(
                    f"Ambiguous update, specify as_node: the last step was written by "
                    f"{', '.join(wrote)}"
                )
            as_node = wrote[0] if wrote else START
        if as_node == START:
            return spec.start
        if as_node == END:
            return replace(spec.start, targets=(), branches=())
        node = spec.nodes.get(as_node)
        if node is None:
            raise InvalidUpdateError(
                f"Node {as_node} does not exist; give as_node one of {sorted(spec.nodes)}"
            )
        return node

    def _scheduler(self, restored: Restored | None) -> Scheduler:
        """Not driven: it lends branches the surroundings they have in a run."""
        scope, request = self._scope, self._request
        facts = Facts(
            now=time.time,
            new_id=new_id,
            recursion_limit=request.config.recursion_limit,
            ns=scope.ns,
            thread_id=scope.thread_id,
            configurable=request.config.configurable,
        )
        setting = Setting(
            log=RunLog("update", keep=False),
            config=request.config,
            context=contextvars.copy_context(),
            user_context=request.context,
        )
        return Scheduler(scope.layout, facts, setting, Supervisor("update"), restored=restored)

    async def _writes(self, scheduler: Scheduler, node: NodeSpec, values: Any) -> Writes:
        context = TaskContext(scheduler, Task(node, (PULL, node.name), ()))
        writes = writes_of(
            replace(node, name="update_state"), values, self._scope.layout.spec.nodes
        )
        token = current_task.set(context)
        try:
            return writes + await decide(node, writes, context)
        finally:
            current_task.reset(token)

    def _apply(
        self, scheduler: Scheduler, restored: Restored | None, node: NodeSpec, writes: Writes
    ) -> Snapshot:
        channels = scheduler.machine.channels
        changed: set[str] = set()
        if restored is not None and self._request.config.checkpoint_id is None:
            tasks = planned(self._scope, channels, restored)
            done = [task for task in tasks if task.writes is not None]
            if done:  # what siblings of a failed task have finished is part of the state
                channels.apply(done)
                changed |= channels.updated
        written: dict[str, list[Any]] = {}
        for name, value in writes:
            written.setdefault(name, []).append(value)
        channels.write(written)
        changed |= channels.updated
        parent = restored.checkpoint_id if restored else None
        return Snapshot(
            id=new_id(restored and max(restored.checkpoint_id, restored.newest_id)),
            parent_id=parent,
            created_at=time.time(),
            source="update",
            step=(restored.step if restored else -1) + 1,
            version=channels.version,
            changed=channels.stored(changed),
            wrote=(node.name,),
        )
