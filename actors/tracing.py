"""Graphs, tasks and conditional edges as spans: what the mode `events` shows of the engine itself.

What a library traces inside of a task goes through the task's `TaskTrace` too.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from checkpoint import new_id
from streaming import Span, TraceWriter

from .params import is_runnable
from .report import is_start
from .spec import UNNAMED
from .tokens import task_metadata
from .values import TAG_HIDDEN, RunConfig
from .views import namespace_text

if TYPE_CHECKING:
    from streaming import Namespace

    from .commands import Task
    from .context import TaskContext
    from .scheduler import Scheduler
    from .spec import BranchSpec

FIRST = "seq:step:1"
"""The tag of what a node calls: for LangChain a node is a sequence, and its code the first step."""
_NAMED = ("thread_id", "run_id", "graph_id", "assistant_id", "checkpoint_id")
"""Configurable keys that are shown as metadata."""


def run_span(name: str, span_id: str, config: RunConfig) -> Span:
    """The graph of a run as a span; one without a name is called as readers know it."""
    named = {key: config.configurable[key] for key in _NAMED if key in config.configurable}
    metadata = {**named, **config.metadata}
    return Span(_shown_name(name, config), span_id, tags=config.tags, metadata=metadata)


def call_span(
    name: str, config: RunConfig, caller: TaskContext, ns: Namespace, inside: Sequence[str] | None
) -> Span:
    """A graph that a task calls as a span.

    `inside`: ids of the spans it is called in, if the task's own are not the innermost.
    """
    trace = caller.trace
    if trace is None:  # only the task that calls it watches it
        span = run_span(name, new_id(), config)
        known = {**span.metadata, **task_metadata(caller)}
        return Span(span.name, span.id, tags=span.tags, metadata=known)
    direct = inside is None
    return Span(
        _shown_name(name, config),
        new_id(),
        parents=trace.inside.path if inside is None else tuple(inside),
        tags=(*(trace.tags if direct else ()), *config.tags),
        metadata={"checkpoint_ns": namespace_text(ns), **trace.node.metadata, **config.metadata},
    )


def _shown_name(name: str, config: RunConfig) -> str:
    return config.run_name or ("LangGraph" if name == UNNAMED else name)


def show_graph(scheduler: Scheduler, **data: Any) -> None:
    """Show that a graph begins, or with `output` that it ends, if anyone asked for that."""
    setting = scheduler.setting
    if setting.span is not None:
        unstored = scheduler.layout.unstored
        writer = TraceWriter(setting.log, ns=scheduler.facts.ns, unstored=unstored)
        writer.show(setting.span, "end" if "output" in data else "start", data)


class TaskTrace(TraceWriter):
    """Shows what happens in one task, from its node down; counts as signs of its progress."""

    __slots__ = ("_context", "_input", "handler", "inherited", "inside", "node", "tags")

    def __init__(self, context: TaskContext, graph: Span) -> None:
        scheduler, task = context.scheduler, context.task
        super().__init__(
            scheduler.setting.log,
            ns=scheduler.facts.ns,
            step=task.step,
            unstored=scheduler.layout.unstored,
        )
        self._context = context
        self._input: Any = None
        self.inherited: tuple[str, ...] = (TAG_HIDDEN,) if is_start(task) else ()
        """Tags of all that runs in the task."""
        own = f"graph:step:{task.step}" if task.parent is None else FIRST
        self.node = Span(
            task.node.name,
            new_id(),
            parents=_around(context, graph).path,
            tags=(own, *scheduler.config.tags, *self.inherited),
            metadata={**graph.metadata, **task_metadata(context)},
        )
        self.inside = self.node
        """What the code that runs now is a part of."""
        self.tags: tuple[str, ...] = (FIRST,)
        """Of what that code calls."""
        self.handler: Any = None
        """What turns a library's callbacks into spans of this task, once that was asked for."""

    def show(self, span: Span, phase: Any, data: Any) -> None:
        """Publish what happens to a span of the task."""
        self._context.progress()
        super().show(span, phase, data)

    def started(self, value: Any) -> None:
        """The node begins, with this input."""
        self._input = _arguments(self._context.task, value)
        self.show(self.node, "start", {"input": self._input})

    def ended(self, result: Any) -> None:
        """The node returned this, and it is known where control goes."""
        self.show(self.node, "stream", {"chunk": result})
        self.show(self.node, "end", {"output": result, "input": self._input})

    def choosing(self, branch: BranchSpec, place: int, state: Any) -> Span | None:
        """A conditional edge is asked; None if its path traces itself."""
        task = self._context.task
        steps = len(task.node.targets) + (2 if is_start(task) else 3)  # the node, its writes, edges
        tag = f"seq:step:{steps + place}"
        self.inside = self.node
        if is_runnable(branch.path):
            self.tags = (tag,)
            return None
        tags = (tag, *self._context.scheduler.config.tags, *self.inherited)
        metadata = self.node.metadata
        span = Span(branch.name, new_id(), parents=self.node.path, tags=tags, metadata=metadata)
        self.inside, self.tags = span, ()
        self.show(span, "start", {"input": state})
        return span

    def chose(self, span: Span | None, state: Any, chosen: Any) -> None:
        """It gave this."""
        if span is not None:
            self.show(span, "end", {"output": chosen, "input": state})


def _around(context: TaskContext, graph: Span) -> Span:
    """The span that a task is in: its graph, or what called it."""
    task = context.task
    caller = None if task.parent is None else context.scheduler.running.get(task.parent)
    return graph if caller is None or caller.trace is None else caller.trace.inside


def _arguments(task: Task, value: Any) -> Any:
    """What a node is given; of a called task its arguments by name."""
    if task.parent is None:
        return value
    args, kwargs = value
    try:
        return dict(inspect.signature(task.node.call).bind_partial(*args, **kwargs).arguments)
    except (TypeError, ValueError):  # they do not fit, or the code tells nothing of its parameters
        return {"args": args, **kwargs}
