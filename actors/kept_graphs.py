"""Graphs that keep their state: which of their checkpoints counts, as of one of the caller's.

A graph compiled with `checkpointer=True` has one scope on the thread, named by the nodes that lead
to it and not by their tasks, and goes on there at every call.  Where it had come to is part of its
caller's state: a hidden channel (`spec.KEPT`) holds the id of its newest checkpoint, by namespace.
So a branch of the caller's history finds the state that belongs to it, whatever other branches
have stored since.

Each call also writes, beside the ids of the enclosing graphs, whose call it is: the id of the
caller's checkpoint under the task's own namespace.  By that a task that runs again after an
interrupt, a failure or a crash finds the call that it has begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from checkpoint import CheckpointMetadata, Loaded, Saver

from .views import shared_namespace

PAGE = 20


class KeptState(NamedTuple):
    """What a scope holds for one call."""

    newest: Loaded | None
    """The newest checkpoint of the scope, of whatever branch."""
    base: Loaded | None
    """The checkpoint that counts; None: the graph has not been called on this branch."""
    begun: bool
    """True: this very call has made it, or it is meant, so it is to be gone on with."""
    meant: bool = False
    """True: the run goes back to it on purpose."""

    @property
    def blank(self) -> Loaded | None:
        """The newest checkpoint, but without values: for a call that begins with none."""
        if self.newest is None:
            return None
        record = replace(self.newest.record, entries={}, changed=frozenset(), wrote=())
        return replace(self.newest, record=record, blobs={}, writes=())


async def kept_state(
    saver: Saver,
    thread_id: str,
    ns: str,
    call: tuple[str, str | None],
    head: str | None,
    meant: str | None = None,
) -> KeptState:
    """Find the state of the graph that keeps its state in the scope `ns`.

    `call`: the namespace of the task that calls it, and the checkpoint the task starts from;
    `head`: the checkpoint it had come to, as its caller's state says; `meant`: the one that the
    run goes back to, unless this call has made others since.
    """
    newest = await saver.load(thread_id, ns)
    if meant is not None and newest is not None and not _made_by(newest, call):
        base = await saver.load(thread_id, ns, meant)
        return KeptState(newest, base, begun=True, meant=True)
    if newest is None or newest.record.id == head:
        return KeptState(newest, newest, begun=False)
    if _made_by(newest, call):
        return KeptState(newest, newest, begun=True)
    base = await saver.load(thread_id, ns, head) if head is not None else None
    updated: Loaded | None = None
    before: str | None = None
    while True:
        page = await saver.history(thread_id, ns, before=before, limit=PAGE)
        for loaded in page:
            if head is not None and loaded.record.id <= head:
                return KeptState(newest, updated or base, begun=False)
            if _made_by(loaded, call):
                return KeptState(newest, loaded, begun=True)
            if updated is None and base is not None and _same_call(loaded, base):
                updated = loaded  # from outside, since the call ended
        if len(page) < PAGE:
            return KeptState(newest, updated or base, begun=False)
        before = page[-1].record.id


def shown_parents(metadata: CheckpointMetadata, ns: str) -> Mapping[str, str]:
    """The ids of the enclosing graphs, without whose call it was."""
    parents = metadata.parents
    whose = [key for key in parents if key != ns and _text_without_tasks(key) == ns]
    return {key: parents[key] for key in parents if key not in whose} if whose else parents


def _text_without_tasks(ns: str) -> str:
    return "|".join(shared_namespace(ns.split("|")))


def _made_by(loaded: Loaded, call: tuple[str, str | None]) -> bool:
    ns, checkpoint_id = call
    return checkpoint_id is not None and loaded.record.metadata.parents.get(ns) == checkpoint_id


def _same_call(one: Loaded, other: Loaded) -> bool:
    return dict(one.record.metadata.parents) == dict(other.record.metadata.parents)
