"""Where on its thread a run begins: at the newest checkpoint, at an older one, or inside a graph.

A config may mean a checkpoint of a graph that a node calls.  The run then goes back to the
checkpoint of the root that made that call.  A graph that keeps its state goes on from the very
checkpoint that was meant; any other is called anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from checkpoint import Loaded, Saver

from .layout import Layout
from .restore import load_asked
from .scope import scope_of
from .values import RunConfig


class Entries:
    """Checkpoints inside graphs that keep their state, from which their next call is to go on."""

    __slots__ = ("_by_ns", "_calls")

    def __init__(self, by_ns: Mapping[str, str]) -> None:
        self._by_ns = by_ns
        self._calls: dict[str, str] = {}

    def of(self, ns: str, call: str) -> str | None:
        """The checkpoint in the scope `ns`, for the first call of it that asks; None for others.

        A call is known by its task's namespace, so it may ask again when its node is retried.
        """
        if ns in self._by_ns and self._calls.setdefault(ns, call) == call:
            return self._by_ns[ns]
        return None


class Departure(NamedTuple):
    """What a run goes on from."""

    loaded: Loaded | None = None
    """The root's checkpoint; None: the thread has none yet."""
    replayed: bool = False
    """The run goes back on purpose: what came after it does not count."""
    entries: Entries | None = None


NEW = Departure()
"""Nothing: a new thread, or none."""


async def depart(layout: Layout, saver: Saver, config: RunConfig) -> Departure:
    """Find what the config of a run means.

    Raises ThreadStateError for a checkpoint that the thread does not have, ConfigError for a
    namespace of no subgraph.
    """
    thread_id, asked = config.thread_id or "", config.checkpoint_id
    if asked is None or not config.checkpoint_ns:
        loaded = await load_asked(saver, thread_id, "", asked)
        replayed = asked is not None and loaded is not None and not loaded.newest
        return Departure(loaded, replayed)
    scope = scope_of(layout, saver, config)
    inside = await load_asked(saver, thread_id, scope.stored_ns, asked)
    if inside is None:
        return NEW
    parents = inside.record.metadata.parents
    loaded = await load_asked(saver, thread_id, "", parents.get(""))
    if loaded is None or (loaded.newest and inside.newest):
        return Departure(loaded)
    return Departure(loaded, replayed=True, entries=Entries({**parents, scope.stored_ns: asked}))
