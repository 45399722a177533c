"""What code inside a task can reach: its writer, its config, the run it belongs to.

One context variable (streaming's `current_task`) holds a `TaskContext` while user code runs;
everything else is looked up through it, and made only when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

from checkpoint import ThreadBusyError
from streaming import StreamWriter, current_task

from .adapters import loaded_langchain
from .answers import interrupt_id
from .errors import InvalidUpdateError, NoTaskError
from .progress import writer_for
from .runtime import ContextT, ExecutionInfo, Runtime
from .spec import KEPT, PREVIOUS
from .tokens import TaskTokens, push_piece, task_metadata
from .tracing import TaskTrace
from .views import namespace_text

if TYPE_CHECKING:
    from checkpoint import Saver, Store

    from .commands import Task
    from .once import Book
    from .scheduler import Scheduler
    from .spec import Writes
    from .timeouts import Stopwatch
    from .values import Interrupt
    from .walk import Walk


class TaskContext:
    """One task's view of its run.

    What most tasks never change stands in the class, so that making one sets two attributes: one
    per task, 0.3 µs less.
    """

    children = 0
    """Graphs this task has called; the second and later ones get a namespace of their own."""
    answered = 0
    """Interrupts that have been answered since the node began."""
    called = 0
    """Tasks this task has called."""
    fenced = False
    over = False
    """True when the task has reported: code it left behind runs on its own account."""
    attempt = 1
    """How often the node was begun in this task."""
    started: float | None = None
    """When it was begun first, if that was asked for."""
    stopwatch: Stopwatch | None = None
    """Measures the attempt, if it may take only so long."""
    book: Book | None = None
    """What is known of the task's effects, once one was asked for."""
    kept: dict[str, str] | None = None
    """Where graphs it called that keep their state have come to, by ns."""
    walk: Walk | None = None
    """What runs it, if it is a graph whose tasks that may take in."""
    lead: Walk | None = None
    """In whose asyncio task it runs, alone or after others."""
    pushed: Writes | None = None
    """What it wrote beside what the node returns."""
    _writer: StreamWriter | None = None
    _tokens: TaskTokens | None = None
    _trace: TaskTrace | None = None
    _runtime: Runtime[Any] | None = None
    _runs: set[Scheduler] | None = None

    def __init__(self, scheduler: Scheduler, task: Task) -> None:
        self.scheduler = scheduler
        self.task = task

    @property
    def run_id(self) -> str:
        """The run this task belongs to."""
        return self.scheduler.setting.events.run_id

    def holder(self, saver: Saver, thread_id: str) -> TaskContext | None:
        """This task, or the one further out, whose run holds the claim on the thread."""
        recorder, caller = self.scheduler.recorder, self.scheduler.caller
        if (
            recorder is not None
            and recorder.saver is saver
            and recorder.claim.thread_id == thread_id
        ):
            return self
        return None if caller is None else caller.holder(saver, thread_id)

    @property
    def writer(self) -> StreamWriter:
        """Publishes `custom` chunks of this task."""
        writer = self._writer
        if writer is None:  # the first of several threads that ask at once gives it to the others
            writer = vars(self).setdefault("_writer", writer_for(self))
            if self.fenced:
                writer.fence()
        return writer

    @property
    def tokens(self) -> TaskTokens | None:
        """Publishes what models say in this task; None if nobody asked for `messages`."""
        tokens, shown = self._tokens, self.scheduler.setting.shown
        if tokens is None and shown is not None and self.scheduler.facts.watch.messages:
            tokens = vars(self).setdefault("_tokens", TaskTokens(self, shown))  # as the writer
            if self.fenced:
                tokens.fence()
        return tokens

    @property
    def state(self) -> Any:
        """The state as the task's node reads it, also when a Send brought the task its input."""
        task = self.task
        return self.scheduler.machine.channels.read_by(task.node, task.step)

    @property
    def trace(self) -> TaskTrace | None:
        """Shows what runs in this task as spans; None if nobody asked for `events` or gave
        callbacks."""
        graph = self.scheduler.setting.trace
        if self._trace is None and graph is not None:
            trace = vars(self).setdefault("_trace", TaskTrace(self, graph))  # see `writer`
            if self.fenced:
                trace.fence()
        return self._trace

    @property
    def spans(self) -> TaskTrace | None:
        """The same for code in the task that shows spans; None if nobody asked for `events`."""
        trace = self.trace
        return trace if trace is not None and trace.watched else None

    def push(self, key: str, value: Any) -> None:
        """Write to a key of the state, before what the node returns.

        A task without a state, of the functional API, writes nothing.
        """
        known = self.task.node.writes
        if self.over or self.fenced:
            raise NoTaskError(
                f"{shortened(value)} cannot be written to {key!r}: the task of node "
                f"{self.task.node.name!r} is over or was given up; write it before the node returns"
            )
        if not known or PREVIOUS in known:
            return
        if key not in known:
            raise InvalidUpdateError(
                f"Node {self.task.node.name!r} writes to {key!r}, which the state does not have. "
                f"Its keys are {sorted(known)}: give one of those, or add the key to the schema"
            )
        if self.pushed is None:
            self.pushed = []
        self.pushed.append((key, value))

    def emit_message(self, message: Any) -> None:
        """Show a message, or a piece of one, that is written by hand."""
        if self.tokens is not None:
            push_piece(self.tokens, message)

    @property
    def store(self) -> Store | None:
        """The store that the graph was compiled with, or the one that called it."""
        return self.scheduler.setting.store

    @property
    def previous(self) -> Any:
        """What the entrypoint saved when its thread last ran; None if there is no such thing."""
        scheduler = self.scheduler
        if PREVIOUS not in scheduler.layout.spec.channels:
            return None
        channel = scheduler.machine.channels.channel(PREVIOUS)
        return channel.get() if channel.is_available() else None

    @property
    def runtime(self) -> Runtime[Any]:
        """What the node gets as `runtime`; one for each attempt."""
        if self._runtime is None:
            setting = self.scheduler.setting
            self._runtime = Runtime(
                context=setting.user_context,
                store=setting.store,
                stream_writer=self.writer,
                heartbeat=self.beat,
                previous=self.previous,
                execution_info=self._info(),
                control=self.scheduler.facts.control,
                _task=self,
            )
        return self._runtime

    def _info(self) -> ExecutionInfo:
        scheduler, task = self.scheduler, self.task
        if self.started is None:
            self.started = scheduler.facts.now()
        return ExecutionInfo(
            checkpoint_id=scheduler.machine.trail.checkpoint_id,
            checkpoint_ns=namespace_text(self.namespace()),
            task_id=scheduler.machine.trail.identify(task),
            thread_id=scheduler.facts.thread_id,
            run_id=self.run_id,
            node_attempt=self.attempt,
            node_first_attempt_time=self.started,
            node=task.node.name,
            step=task.step,
        )

    @property
    def watched(self) -> bool:
        """True if somebody waits for signs of progress: of this task, or of one further out."""
        caller = self.scheduler.caller
        return self.stopwatch is not None or (caller is not None and caller.watched)

    def beat(self) -> None:
        """The node says that it makes progress."""
        if self.stopwatch is not None:
            self.stopwatch.heartbeat()
        if self.scheduler.caller is not None:
            self.scheduler.caller.beat()

    def progress(self) -> None:
        """Something came out of the task, or of a graph that it called."""
        if self.stopwatch is not None:
            self.stopwatch.progress()
        if self.scheduler.caller is not None:
            self.scheduler.caller.progress()

    def namespace(self) -> tuple[str, ...]:
        """The task's own namespace, which the first graph it calls has too."""
        return self.scheduler.machine.trail.namespace(self.task)

    def keep(self, heads: Mapping[str, str]) -> None:
        """Note the checkpoints that graphs which keep their state have come to."""
        self.kept = {**(self.kept or {}), **heads}

    def hand_up(self) -> None:
        """Leave them to the task that called this graph: this one will write nothing."""
        caller = self.scheduler.caller
        if self.kept is not None and caller is not None:
            caller.keep(self.kept)

    def head_of(self, ns: str) -> str | None:
        """The checkpoint that the graph which keeps its state under `ns` had come to."""
        context: TaskContext | None = self
        while context is not None:
            channels = context.scheduler.machine.channels
            head: str | None = channels.channel(KEPT).get().get(ns)
            if head is not None:
                return head
            context = context.scheduler.caller
        return None

    def fence(self) -> None:
        """Refuse what this task still writes or streams: it was given up."""
        self.fenced = True
        if self._writer is not None:
            self._writer.fence()
        if self._tokens is not None:
            self._tokens.fence()
        if self._trace is not None:
            self._trace.fence()
        for run in list(self._runs or ()):
            run.fence()

    def end(self) -> None:
        """The task has reported."""
        self.over = True
        if self._runtime is not None:
            self._runtime = None  # it knows the task: no circle for the collector

    def adopt(self, run: Scheduler) -> None:
        """A run that this task has started."""
        runs: set[Scheduler] = vars(self).setdefault("_runs", set())  # see `writer`
        runs.add(run)
        self.scheduler.adopt(run)
        if self.fenced:
            run.fence()

    def release(self, run: Scheduler) -> None:
        """A run that this task had started is over."""
        if self._runs is not None:
            self._runs.discard(run)
        self.scheduler.release(run)

    def child_namespace(self) -> tuple[str, ...]:
        """The namespace of the next graph this task calls."""
        ns = self.namespace()
        self.children += 1
        return ns if self.children == 1 else (*ns, str(self.children - 1))

    def next_interrupt(self) -> tuple[int, str]:
        """Place and id of the next interrupt this task asks for.

        The place is the number of answers it has got, so one that user code swallowed, or whose
        answer was refused, leaves its place to the next.
        """
        return self.answered, interrupt_id(self.namespace(), self.answered)

    def refuse(self, interrupt: Interrupt) -> None:
        """The answer to the task's next interrupt was refused: it waits again."""
        task, answers = self.task, self.scheduler.facts.answers
        task.answers, task.interrupts = task.answers[: self.answered], (interrupt,)
        if answers is not None:
            answers.open(interrupt.id)

    def again(self) -> TaskContext:
        """For the next attempt of the same task; what this one left running is fenced."""
        self.fence()
        context = TaskContext(self.scheduler, self.task)
        context.attempt, context.started, context.book = self.attempt + 1, self.started, self.book
        return context

    def config(self) -> dict[str, Any]:
        """The config a node is given: the caller's, with what is known of the task."""
        config = self.scheduler.config
        ns = namespace_text(self.namespace())
        shown: dict[str, Any] = {
            "tags": list(config.tags),
            "metadata": task_metadata(self),
            "recursion_limit": config.recursion_limit,
            "configurable": {**config.configurable, "checkpoint_ns": ns},
        }
        for key in ("max_concurrency", "callbacks"):
            value = getattr(config, key)
            if value is not None:
                shown[key] = value
        if (adapter := loaded_langchain()) is not None:
            adapter.complete(self, shown)
        return shown


def check_reentry(caller: TaskContext | None, saver: Saver, thread_id: str) -> None:
    """Raise ThreadBusyError if the code that asks for a thread is itself part of its run."""
    holder = None if caller is None else caller.holder(saver, thread_id)
    if holder is not None:
        raise ThreadBusyError(
            f"thread {thread_id!r} is held by run {holder.run_id!r}, whose node "
            f"{holder.task.node.name!r} asks for it: it would wait for itself for ever; "
            "use another thread, or call the graph without one, as a subgraph",
            thread_id=thread_id,
            owner=f"run {holder.run_id}",
        )


def current() -> TaskContext | None:
    """The task this code runs in, if any."""
    context = current_task.get(None)
    return context if isinstance(context, TaskContext) else None


def get_config() -> dict[str, Any]:
    """The config of the task this code runs in.

    Raises NoTaskError (a RuntimeError) outside of a task.
    """
    return running_task("get_config").config()


def get_runtime(context_schema: type[ContextT] | None = None) -> Runtime[ContextT]:  # noqa: ARG001
    """The runtime of the task this code runs in, as the node's `runtime` parameter is given it.

    `context_schema` only tells type checkers what `runtime.context` is.  Raises NoTaskError (a
    RuntimeError) outside of a task.

        tenant = get_runtime(Settings).context.tenant
    """
    return running_task("get_runtime").runtime


def get_store() -> Store | None:
    """The store that the graph was compiled with; None if it was compiled with none.

    Raises NoTaskError (a RuntimeError) outside of a task.
    """
    return running_task("get_store").store


def running_task(asked: str) -> TaskContext:
    """The task this code runs in, for the function `asked`; NoTaskError outside of one."""
    context = current()
    if context is None:
        raise NoTaskError(
            f"{asked}() was called outside of a task; call it from inside a node, "
            "or pass what it gives on as an argument"
        )
    return context
