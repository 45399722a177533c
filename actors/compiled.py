"""A compiled graph: what can be run (`invocable.py`), with its threads.

Sync methods are doors to the async ones (`doors.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from checkpoint import register_type
from streaming import MessageChunk

from .config import Config
from .context import current
from .doors import call, iterate
from .errors import ConfigError, NodeCancelledError, NodeTimeoutError
from .invocable import Invocable, root_graph
from .policies import TimeoutPolicy
from .request import Request
from .scope import Scope, scope_of
from .snapshots import before_id, history_of, history_of_one, state_of
from .values import Command, Interrupt, Overwrite, Send, StateSnapshot, StateUpdate

_ERRORS = (NodeTimeoutError, NodeCancelledError)
for _cls in (Send, TimeoutPolicy, Overwrite, Interrupt, Command, MessageChunk, *_ERRORS):
    register_type(_cls, name=f"understudy.{_cls.__name__}")


class CompiledGraph(Invocable):
    """A graph ready to run; immutable, shared by all its runs.  Made by `StateGraph.compile`."""

    async def aget_state(self, config: Config, *, subgraphs: bool = False) -> StateSnapshot:
        """A thread's state at its newest checkpoint, or at config's checkpoint_id.

        An unknown thread gives an empty snapshot.  Raises ConfigError without saver or thread_id.
        """
        request = Request.parse(config, self.bound, {})
        return await state_of(
            self._scope(request), request.config.checkpoint_id, subgraphs=subgraphs
        )

    def get_state(self, config: Config, *, subgraphs: bool = False) -> StateSnapshot:
        """The same as `aget_state`, for sync code."""
        return call(self.aget_state(config, subgraphs=subgraphs))

    def aget_state_history(
        self,
        config: Config,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the name users know
        before: Mapping[str, Any] | str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[StateSnapshot]:
        """A thread's snapshots, newest first.

        `filter`: metadata that must be equal; `before`: only checkpoints older than this one.  A
        config with a checkpoint_id gives that one alone.
        Snapshots share values that did not change; treat them as read-only.
        """
        if limit is not None and limit < 0:
            raise ConfigError(f"limit={limit} cannot be; give 0 or more, or None for all")
        request = Request.parse(config, self.bound, {})
        scope = self._scope(request)
        start = before_id(before)
        if request.config.checkpoint_id is not None and limit != 0:
            return history_of_one(scope, request.config.checkpoint_id, filter)
        return history_of(scope, match=filter, before=start, limit=limit)

    def get_state_history(
        self,
        config: Config,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the name users know
        before: Mapping[str, Any] | str | None = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """The same as `aget_state_history`, for sync code."""
        history = self.aget_state_history(config, filter=filter, before=before, limit=limit)
        return iterate(lambda: history)

    async def aupdate_state(
        self,
        config: Config,
        values: Any,
        as_node: str | None = None,
        task_id: str | None = None,
    ) -> dict[str, Any]:
        """Write to a thread as one of its nodes (default: the one that ran last).

        Adds a checkpoint and gives its config; from an old checkpoint_id it begins a new branch.
        `as_node`: also "__start__"; "__input__" (`values` are an input); "__end__" with None
        (drop the tasks that are left); "__copy__" (a copy of the checkpoint, beside it).
        `task_id`: the task it stands for, when several of the node are planned.

        Waits while a run holds the thread.  Raises InvalidUpdateError when `values` is no update,
        the node is unknown, or several ran last; nothing is changed then.
        """
        return await self.abulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    def update_state(
        self,
        config: Config,
        values: Any,
        as_node: str | None = None,
        task_id: str | None = None,
    ) -> dict[str, Any]:
        """The same as `aupdate_state`, for sync code."""
        return call(self.aupdate_state(config, values, as_node, task_id))

    async def abulk_update_state(
        self, config: Config, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """Write many updates at once, each inner list as one super-step with one checkpoint.

        Gives the config of the last checkpoint.  All are stored, or none; otherwise as
        `aupdate_state`.  Several updates in one super-step each need an `as_node`.

            graph.bulk_update_state(config, [[StateUpdate({"n": 1}, "a")], [StateUpdate(...)]])
        """
        from .updates import update_thread  # for who changes threads by hand only

        request = Request.parse(config, self.bound, {})
        return await update_thread(self._scope(request), request, supersteps)

    def bulk_update_state(
        self, config: Config, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """The same as `abulk_update_state`, for sync code."""
        return call(self.abulk_update_state(config, supersteps))

    def _scope(self, request: Request) -> Scope:
        saver = self.checkpointer if not isinstance(self.checkpointer, bool) else None
        caller = current()
        if saver is None and caller is not None and caller.scheduler.recorder is not None:
            saver = caller.scheduler.recorder.saver
        if saver is None and self.checkpointer is True:
            raise root_graph(self.name)
        return scope_of(self.layout, saver, request.config)
