"""What goes into the super-step machine (events) and what comes out of it (commands).

Slotted, not frozen: several of these are made per task, on the hot path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from streaming import events as stream

from .policies import NodeError
from .spec import NodeSpec, Writes
from .values import Interrupt

Source = Literal["input", "loop", "update", "fork"]
PULL = "__pregel_pull"
PUSH = "__pregel_push"
ERROR = "__error__"
"""Channel name under which a failed task's exception is kept as a pending write (its repr)."""
INTERRUPT = "__interrupt__"
"""Channel name under which a task's pending interrupts are kept: a tuple of `Interrupt`."""
FAILURE = "__error_source_node__"
"""Channel name under which is kept that a failed task was handed to its error handler, with what:
the exception itself."""
RESUME = "__resume__"
"""Channel name under which the answers to a task's interrupts are kept: a list, by position."""
BELOW = "__resume_below__"
"""Channel name under which the answers to interrupts of graphs that a task calls, and that store
nothing themselves, are kept: a dict, by id."""
ONCE = "__once__"
"""Channel name under which what is known of a task's effects is kept (see `once.py`)."""
RUNS = "__runs__"
"""Channel name under which is kept which runs went on from a checkpoint (see `attempts.py`)."""
RUNS_TASK = "00000000-0000-0000-0000-000000000001"
"""Task id of that: no task wrote it."""
NULL_TASK = "00000000-0000-0000-0000-000000000000"
"""Task id of the writes that came with a `Command` as input: no task made them."""

TaskPath: TypeAlias = tuple[Any, ...]


class Task:
    """One node's turn in a super-step.

    What most tasks never have stands in the class, which makes a task 0.2 µs cheaper.
    """

    writes: Writes | None = None
    """What it wrote, once it has finished."""
    returned: Writes | None = None
    """The same as its node gave it, where that is something else."""
    error: str | None = None
    """repr of what it raised when it last ran."""
    failure: NodeError | None = None
    """What it failed with, handed to its error handler; of the handler's task, what it handles."""
    interrupts: tuple[Interrupt, ...] = ()
    """What it waits for, since it last ran."""
    answers: tuple[Any, ...] = ()
    """Answers to its interrupts, in the order it asks."""
    below: Mapping[str, Any] | None = None
    """Answers to interrupts of graphs it calls that store nothing themselves, by id."""
    cached = False
    """Its writes were found among the pending writes: it does not run again."""
    id = ""
    """Made when something needs it; most stateless runs never do."""
    parent: Task | None = None
    """The task that called it; None if it was planned."""

    def __init__(
        self,
        node: NodeSpec,
        path: TaskPath,
        triggers: tuple[str, ...],
        arg: Any = None,
        step: int = 0,
    ) -> None:
        self.node = node
        self.path = path
        """("__pregel_pull", node) or ("__pregel_push", index of the Send, False); of an error
        handler the failed task's, and more; of a called task ("__pregel_push", path of its caller,
        index of the call, True)."""
        self.triggers = triggers
        self.arg = arg
        """What a Send gave, or a call: (args, kwargs); unused for a pull."""
        self.step = step

    def __repr__(self) -> str:
        return f"<Task {self.node.name!r} step={self.step} path={self.path!r} id={self.id!r}>"


@dataclass(slots=True, eq=False)
class Snapshot:
    """A checkpoint to be, before its values are encoded."""

    id: str
    parent_id: str | None
    created_at: float
    source: Source
    step: int
    version: int
    changed: Mapping[str, Any]
    """Channel -> what to store (`channels.MISSING`: the channel is empty now)."""
    wrote: tuple[str, ...]
    """Names of the nodes that ran last, sorted; nodes that a Send ran do not count."""
    before: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What to store of channels that a Command changed before the step, and the step did not."""


@dataclass(slots=True, eq=False, repr=False)
class Restored:
    """A checkpoint to go on from, decoded."""

    checkpoint_id: str
    parent_id: str | None
    step: int
    version: int
    values: Mapping[str, Any]
    versions: Mapping[str, int]
    pending: Mapping[str, Writes] = field(default_factory=dict[str, Writes])
    """Task id -> its kept writes."""
    notes: Mapping[str, Callable[[], Any]] = field(default_factory=dict[str, Callable[[], Any]])
    """Effect id -> reads what was noted of the effect."""
    created_at: float = 0.0
    source: Source = "loop"
    replayed: bool = False
    """Not the thread's newest: going on from it makes a new branch."""
    wrote: tuple[str, ...] = ()
    """See `Snapshot.wrote`."""
    newest_id: str = ""
    """Newest checkpoint of the scope, whose branch it may be: new ids are greater than that."""
    schema: Mapping[str, Any] | None = None
    """What the thread is to say of its state keys; None: what it says is what the graph has."""
    outdated: frozenset[str] = frozenset()
    """Channels that hold something else than what is stored of them."""


# --- events in -------------------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class Begin:
    """Start: with an input, a `values.Command`, or None to go on from what was restored."""

    input: Any


@dataclass(slots=True, eq=False, repr=False)
class TaskFinished:
    """The task's node has run and its writes are known."""

    task: Task
    writes: Writes
    cached: bool = False
    """They were found in a cache instead."""


@dataclass(slots=True, eq=False, repr=False)
class TaskFailed:
    """The task's node raised."""

    task: Task
    error: BaseException


@dataclass(slots=True, eq=False, repr=False)
class TaskInterrupted:
    """The task's node asked for a pause, or a graph it called paused (then maybe for nothing)."""

    task: Task
    interrupts: tuple[Interrupt, ...]


@dataclass(slots=True, eq=False, repr=False)
class TaskCalled:
    """A task has called another, which is to run beside it."""

    task: Task
    """The new one; its `parent` called it."""


@dataclass(slots=True, eq=False, repr=False)
class CallDropped:
    """Nobody wants the result of a called task any more, and it does not run."""

    task: Task


@dataclass(slots=True)
class StepTimedOut:
    """The super-step has taken as long as it may."""

    step: int


@dataclass(slots=True, eq=False, repr=False)
class StopAsked:
    """Whoever reads the run asked it to stop before the step that was just opened."""

    reason: str


@dataclass(slots=True, eq=False, repr=False)
class Cancelled:
    """The run is to stop; nothing that runs now will be waited for."""


Outcome: TypeAlias = TaskFinished | TaskFailed | TaskInterrupted
"""What comes of a task."""

MachineEvent: TypeAlias = (
    Begin | Outcome | TaskCalled | CallDropped | StepTimedOut | StopAsked | Cancelled
)


# --- commands out ----------------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class SaveWrites:
    """Keep the writes (or the error) of a task of the step after checkpoint `checkpoint_id`."""

    task: Task
    checkpoint_id: str


@dataclass(slots=True, eq=False, repr=False)
class SaveCheckpoint:
    """Store a checkpoint."""

    snapshot: Snapshot


@dataclass(slots=True, eq=False, repr=False)
class Emit:
    """Publish an event, once everything saved before it is committed."""

    event: stream.Event


@dataclass(slots=True, eq=False, repr=False)
class RunTasks:
    """Run these tasks of the next super-step, in this order, as slots allow."""

    tasks: Sequence[Task]
    opening: bool = False
    """They are a step's first ones: the run can still stop before it."""


@dataclass(slots=True, eq=False, repr=False)
class RunCall:
    """Run a called task, beside what runs in this super-step."""

    task: Task


@dataclass(slots=True)
class Settle:
    """Give a called task's result, or its error, to who called it, once all before is committed."""

    task: Task
    error: BaseException | None = None


@dataclass(slots=True, eq=False, repr=False)
class Finish:
    """The run is over: with an error, or (None) with what `Machine.output` gives."""

    error: BaseException | None = None


MachineCommand: TypeAlias = (
    SaveWrites | SaveCheckpoint | Emit | RunTasks | RunCall | Settle | Finish
)


def is_lone(commands: Sequence[MachineCommand]) -> bool:
    """True if they end with a step of one task."""
    return bool(commands) and isinstance(run := commands[-1], RunTasks) and len(run.tasks) == 1
