"""Graphs, tasks and conditional edges as spans: what the mode `events` shows of the engine itself.

What a library traces inside of a task goes through the task's `TaskTrace` too.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from checkpoint import new_id
from streaming import Span, TraceWriter

from .adapters import loaded_langchain
from .errors import RunCancelledError
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
    from .langchain_callbacks import Listeners, Told
    from .scheduler import Scheduler
    from .spec import BranchSpec

FIRST = "seq:step:1"
"""The tag of what a node calls: for LangChain a node is a sequence, and its code the first step."""
_NAMED = ("thread_id", "run_id", "graph_id", "assistant_id", "checkpoint_id")
"""Configurable keys that are shown as metadata."""
_NO_DATA: Mapping[str, Any] = {}


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


class GraphTrace:
    """A graph as a span, and the callbacks that are told of it, if there are any."""

    __slots__ = ("span", "told")

    def __init__(self, span: Span, listeners: Listeners | None) -> None:
        self.span = span
        self.told = None if listeners is None else listeners.told(span)

    def show(self, scheduler: Scheduler, phase: Literal["start", "end"], data: Any) -> None:
        """Publish what happens to it, if anyone asked for that."""
        if scheduler.facts.watch.events:
            log, unstored = scheduler.setting.log, scheduler.layout.unstored
            TraceWriter(log, ns=scheduler.facts.ns, unstored=unstored).show(self.span, phase, data)


async def graph_started(scheduler: Scheduler, value: Any) -> None:
    """A graph begins with this input: show it, and tell of it, if anyone asked for that."""
    trace = scheduler.setting.trace
    if trace is not None:
        trace.show(scheduler, "start", {"input": value})
        if trace.told is not None:
            await trace.told.started(value)


async def graph_ended(
    scheduler: Scheduler, output: Any, more: Mapping[str, Any] = _NO_DATA
) -> None:
    """It ended with these values; `more` is shown with them."""
    trace = scheduler.setting.trace
    if trace is not None:
        trace.show(scheduler, "end", {"output": output, **more})
        if trace.told is not None:
            await trace.told.ended(output)


async def graph_failed(scheduler: Scheduler, error: BaseException) -> None:
    """It raised, which events show by not showing an end."""
    trace = scheduler.setting.trace
    if trace is not None and trace.told is not None:
        await _tell_failed(trace.told, error, scheduler.grace)


async def _tell_failed(told: Told, error: BaseException, grace: float) -> None:
    """Handlers get half of the grace to hear that something was cancelled, so that none keeps a
    cancelled run alive."""
    cancelled = isinstance(error, asyncio.CancelledError | RunCancelledError)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace / 2 if cancelled else None):
            await told.failed(error)


class TaskTrace(TraceWriter):
    """Shows what happens in one task, from its node down; counts as signs of its progress."""

    __slots__ = (
        "_context",
        "_input",
        "_path",
        "_tags",
        "around_tools",
        "handler",
        "inherited",
        "node",
        "told",
        "watched",
    )

    def __init__(self, context: TaskContext, graph: GraphTrace) -> None:
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
        self.watched = scheduler.facts.watch.events
        """True if anyone asked for `events`."""
        around, told = _around(context, graph)
        own = f"graph:step:{task.step}" if task.parent is None else FIRST
        self.node = Span(
            task.node.name,
            new_id(),
            parents=around.path,
            tags=(own, *scheduler.config.tags, *self.inherited),
            metadata={**graph.span.metadata, **task_metadata(context)},
        )
        self.told = None if told is None else told.inner(self.node)
        """Tells callbacks of the node."""
        self._path: Told | None = None
        """Tells them of the conditional edge that is asked."""
        self.around_tools = self.node
        """What the code that runs now is a part of, unless that is a plain tool."""
        self._tags: tuple[str, ...] = (FIRST,)
        self.handler: Any = None
        """What turns a library's callbacks into spans of this task, once that was asked for."""

    @property
    def inside(self) -> Span:
        """What the code that runs now is a part of."""
        return self._tool() or self.around_tools

    @property
    def tags(self) -> tuple[str, ...]:
        """Of what that code calls."""
        return self._tags if self._tool() is None else ()

    def _tool(self) -> Span | None:
        """The plain tool whose code runs now; a task may run several at a time."""
        trace, span = _tool.get()
        return span if trace is self else None

    def show(self, span: Span, phase: Any, data: Any) -> None:
        """Publish what happens to a span of the task, if anyone asked for that."""
        if self.watched:
            self._context.progress()
            super().show(span, phase, data)

    async def started(self, value: Any) -> None:
        """The node begins, with this input."""
        self._input = _arguments(self._context.task, value)
        self.show(self.node, "start", {"input": self._input})
        if self.told is not None:
            await self.told.started(self._input)

    async def ended(self, result: Any) -> None:
        """The node returned this, and it is known where control goes."""
        self.show(self.node, "stream", {"chunk": result})
        self.show(self.node, "end", {"output": result, "input": self._input})
        if self.told is not None:
            await self.told.ended(result)

    async def failed(self, error: BaseException) -> None:
        """The node raised, or the path of a conditional edge did; events show no end then."""
        for told in (self._path, self.told):
            if told is not None:
                await _tell_failed(told, error, self._context.scheduler.grace)

    def model(self, name: str, tags: Iterable[str], known: Mapping[str, Any]) -> Span:
        """A model that the task's code calls, and that no library traces."""
        return self._part("chat_model", name, tags, known)

    @contextlib.contextmanager
    def tool(self, name: str, tags: Iterable[str]) -> Generator[Span]:
        """A tool that no library traces; what the code in the `with` calls is a part of it."""
        span = self._part("tool", name, tags, {})
        reset = _tool.set((self, span))
        try:
            yield span
        finally:
            _tool.reset(reset)

    def _part(self, kind: str, name: str, tags: Iterable[str], known: Mapping[str, Any]) -> Span:
        context, adapter = self._context, loaded_langchain()
        around = None if adapter is None else adapter.around(context)  # a tool, say
        every = (*context.scheduler.config.tags, *self.inherited, *tags)
        return Span(
            name,
            new_id(),
            kind,
            parents=self.inside.path if around is None else around,
            tags=tuple(dict.fromkeys((*self.tags, *every) if around is None else every)),
            metadata={
                **self.node.metadata,
                "checkpoint_ns": namespace_text(context.namespace()),
                **known,
            },
        )

    async def choosing(self, branch: BranchSpec, place: int, state: Any) -> Span | None:
        """A conditional edge is asked; None if its path traces itself."""
        task = self._context.task
        steps = len(task.node.targets) + (2 if is_start(task) else 3)  # the node, its writes, edges
        tag = f"seq:step:{steps + place}"
        self.around_tools = self.node
        if is_runnable(branch.path):
            self._tags = (tag,)
            return None
        tags = (tag, *self._context.scheduler.config.tags, *self.inherited)
        metadata = self.node.metadata
        span = Span(branch.name, new_id(), parents=self.node.path, tags=tags, metadata=metadata)
        self.around_tools, self._tags = span, ()
        self.show(span, "start", {"input": state})
        if self.told is not None:
            self._path = self.told.inner(span)
            await self._path.started(state)
        return span

    async def chose(self, span: Span | None, state: Any, chosen: Any) -> None:
        """It gave this."""
        if span is not None:
            self.show(span, "end", {"output": chosen, "input": state})
            if self._path is not None:
                await self._path.ended(chosen)


_tool: ContextVar[tuple[TaskTrace | None, Span | None]] = ContextVar(
    "understudy_tool", default=(None, None)
)
"""The plain tool whose code this is, and the task it runs in."""


def _around(context: TaskContext, graph: GraphTrace) -> tuple[Span, Told | None]:
    """The span that a task is in, its graph or what called it, and who tells callbacks of that."""
    task = context.task
    caller = None if task.parent is None else context.scheduler.running.get(task.parent)
    if caller is None or caller.trace is None:
        return graph.span, graph.told
    return caller.trace.inside, caller.trace.told


def _arguments(task: Task, value: Any) -> Any:
    """What a node is given; of a called task its arguments by name."""
    if task.parent is None:
        return value
    args, kwargs = value
    try:
        return dict(inspect.signature(task.node.call).bind_partial(*args, **kwargs).arguments)
    except (TypeError, ValueError):  # they do not fit, or the code tells nothing of its parameters
        return {"args": args, **kwargs}
