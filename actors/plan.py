"""What a run is to do, as whoever starts it says."""

from __future__ import annotations

from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from checkpoint import CheckpointMetadata, Claim, Loaded, Saver, new_id
from streaming import RunLog, ShownMessages

from . import sources
from .adapters import listening
from .answers import answers_of
from .config import checkpoint_extra
from .context import TaskContext
from .control import RunControl
from .layout import Layout
from .quiet import QuietLog
from .recorder import Recorder
from .report import Facts, Watch
from .request import Request
from .setting import Setting
from .step_meter import StepMeter
from .tracing import GraphTrace, run_span
from .values import Command

if TYPE_CHECKING:
    from .langchain_callbacks import Listeners


@dataclass(slots=True, eq=False, repr=False)  # not frozen: one per run, 0.7 µs less
class Plan:
    """What a run is to do; never changed."""

    layout: Layout
    input: Any
    request: Request
    saver: Saver | None
    """None: a stateless run."""
    watch: Watch
    child_watch: Watch
    context: Context
    """The caller's context variables."""
    owned: bool = False
    """See Setting.owned."""
    inline: bool = False
    """See Setting.inline."""
    caller: TaskContext | None = None
    """The task that started this run, if one did."""
    meter: StepMeter | None = None
    """Tells how long its super-steps take."""
    listeners: Listeners | None = field(init=False)
    """Who is told of the graph and of its tasks: callbacks of LangChain's, if there are any."""

    def __post_init__(self) -> None:
        callbacks = self.request.config.callbacks
        self.listeners = listening(callbacks, self.caller, inline=self.inline)

    @property
    def thread_id(self) -> str | None:
        """The thread it runs on; None for a stateless run."""
        return None if self.saver is None else self.request.config.thread_id

    @property
    def is_quiet(self) -> bool:
        """True if nothing of it is stored, nobody watches it, and nobody is told of it."""
        return self.saver is None and self.listeners is None and not self.owned

    @property
    def goes_on(self) -> bool:
        """True if it goes on where the thread stopped, without an input of its own."""
        return self.input is None or isinstance(self.input, Command)

    def facts(self, events: RunLog | QuietLog) -> Facts:
        """What the run knows from its start."""
        config = self.request.config
        metadata = config.metadata
        if config.tags:
            metadata = {**metadata, "tags": list(config.tags)}
        return Facts(
            now=sources.now,
            new_id=new_id,
            recursion_limit=config.recursion_limit,
            persist=self.saver is not None,
            watch=self.watch,
            seed=lambda: events.run_id,
            thread_id=self.thread_id,
            configurable=config.configurable,
            task_metadata=metadata,
            pauses=self.layout.pauses,
            answers=answers_of(self.input),
            control=self.request.control or RunControl(),
        )

    def setting(self, events: RunLog | QuietLog, trace: GraphTrace | None) -> Setting:
        """What all graphs of the run have in common."""
        return Setting(
            events=events,
            config=self.request.config,
            context=self.context,
            child_watch=self.child_watch,
            user_context=self.request.context,
            store=self.layout.store,
            durability=self.request.durability,
            shown=ShownMessages() if self.watch.messages else None,
            trace=trace,
            owned=self.owned,
            inline=self.inline,
        )

    def recorder(self, run_id: str, saver: Saver, claim: Claim, loaded: Loaded | None) -> Recorder:
        """Stores what the run makes of `loaded`."""
        extra = checkpoint_extra(self.request.config, saver.serializer)
        metadata = CheckpointMetadata(source="loop", step=0, run_id=run_id, extra=extra)
        return Recorder(
            saver,
            claim,
            "",
            loaded,
            durability=self.request.durability,
            metadata=metadata,
            unstored=self.layout.unstored,
        )

    def trace(self, run_id: str) -> GraphTrace | None:
        """The graph as a span, if anyone asks for `events` or gave callbacks."""
        if self.listeners is None and not self.watch.events:
            return None
        span = run_span(self.layout.spec.name, run_id, self.request.config)
        return GraphTrace(span, self.listeners)
