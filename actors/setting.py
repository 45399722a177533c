"""What the graphs of one run have in common."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streaming import RunLog, ShownMessages

from .quiet import QuietLog
from .report import Watch
from .values import Durability, RunConfig

if TYPE_CHECKING:
    from checkpoint import Store

    from .departure import Entries
    from .tracing import GraphTrace


@dataclass(slots=True, eq=False, repr=False)  # not frozen: one per run, 0.7 µs less
class Setting:
    """What a run shares with the runs that its nodes start; never changed once it has begun."""

    events: RunLog | QuietLog
    """Where what happens is told."""
    config: RunConfig
    context: Context
    """The caller's context variables."""
    user_context: Any = None
    """What the caller gave as `context=`."""
    store: Store | None = None
    """What the graph was compiled with as `store=`, or the graph that called it."""
    durability: Durability = "async"
    child_watch: Watch = field(default_factory=Watch)
    """What anyone may see of runs that nodes start."""
    entries: Entries | None = None
    """Where graphs that keep their state are to go on, if the run goes back inside of one."""
    shown: ShownMessages | None = None
    """The messages that were shown, if anyone asked for `messages` when the run began."""
    said: Mapping[str, Any] | None = None
    """What models had said in tasks that an earlier attempt left, by "node:task_id"."""
    trace: GraphTrace | None = None
    """The graph as a span, if anyone asked for `events` when it began, or gave callbacks."""
    owned: bool = False
    """The run's log has an owner, which steps wait for."""
    inline: bool = False
    """The caller's own thread drives the loop and nobody listens inside a step: a lone sync node
    runs right there instead of in a worker thread."""

    @property
    def log(self) -> RunLog:
        """The log of the run's events."""
        events = self.events
        return events.open() if isinstance(events, QuietLog) else events
