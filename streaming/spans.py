"""Spans: what runs inside of what, as the mode `events` shows it.

A graph, a node, a model and a tool are spans while they run, each inside of the one that called
it.  That a span begins, says something and ends are events of the run's log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .events import Namespace, Traced
from .fence import Fence
from .log import RunLog
from .writer import TaskWriter

Phase: TypeAlias = Literal["start", "stream", "end", "error", "event"]


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """One run of something that has a name."""

    name: str
    id: str
    kind: str = "chain"
    """"chain" for graphs, nodes and other code; "chat_model", "tool", …"""
    parents: tuple[str, ...] = ()
    """Ids of the spans around it, the outermost first."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def path(self) -> tuple[str, ...]:
        """The parents of what runs inside of it."""
        return (*self.parents, self.id)


class TraceWriter(TaskWriter):
    """Publishes what happens to spans into a run's log, until it is fenced.

    `unstored`: state keys that a durable log is to leave out of their data.
    """

    __slots__ = ("_unstored",)

    def __init__(
        self,
        log: RunLog,
        *,
        ns: Namespace = (),
        step: int = 0,
        unstored: Collection[str] = (),
        fence: Fence | None = None,
    ) -> None:
        super().__init__(log, ns=ns, step=step, fence=fence)
        self._unstored = unstored

    def show(self, span: Span, phase: Phase, data: Any) -> None:
        """Publish what happens to a span.  Waits in a worker thread, for a slow owner."""
        if not self.wants("events"):
            return
        event = Traced(
            ns=self._ns,
            step=self._step,
            event=f"on_{span.kind}_{phase}",
            name=span.name,
            run_id=span.id,
            parent_ids=span.parents,
            tags=span.tags,
            metadata=span.metadata,
            data=data,
            unstored=self._unstored,
        )
        self._publish(event)
