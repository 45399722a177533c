"""What happens in a run, as plain values: one append-only log of these is all there is to stream.

The engine publishes events; a stream mode (`modes.py`) is a pure view of them.  Events are slotted
but not frozen: they are made on the hot path.  Treat them, and what they carry, as read-only.

`id` is given by the run's log when the event is published: 1, 2, 3, … without gaps.
`ns` is the path of the graph the event comes from: () for the root, ("node:task_id", …) below it.
`step` is the super-step; `time` is seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

Namespace: TypeAlias = tuple[str, ...]
RunStatus = Literal["pending", "running", "success", "error", "interrupted", "cancelled"]


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Event:
    """Something that happened in a run.

    Compared and shown by its fields; these methods stand here once instead of being made for each
    kind, which makes the import 1.5 ms shorter.
    """

    id: int = 0
    ns: Namespace = ()
    step: int = 0
    time: float = 0.0

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        names = [each.name for each in fields(self) if each.compare]
        return all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # pyright: ignore[reportAssignmentType] - it changes when it is published

    def __repr__(self) -> str:
        shown = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr]
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class RunStarted(Event):
    """The run began; the first event of its log."""

    run_id: str
    thread_id: str | None = None
    attempt: int = 1


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class RunFinished(Event):
    """The run ended without an error; nothing follows it in the log."""

    status: RunStatus


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class RunFailed(Event):
    """The run ended with an error; nothing follows it in the log."""

    error: str
    """Class name of the exception."""
    message: str


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Attempt(Event):
    """The run goes on after a crash; what follows comes from its n-th attempt (2, 3, …)."""

    number: int


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class TaskStarted(Event):
    """A task of the super-step is about to run."""

    task_id: str
    name: str
    input: Any
    triggers: Sequence[str]
    metadata: Mapping[str, Any] | None = None
    hidden: bool = False
    """Tagged as hidden: left out of every mode."""
    unstored: Collection[str] = field(default=(), compare=False, repr=False)
    """State keys that are shown live but that no durable log keeps."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class TaskFinished(Event):
    """A task finished and its writes are kept."""

    task_id: str
    name: str
    update: Any
    """What `updates` shows: a dict of state keys, a list of such dicts, or None."""
    result: Mapping[str, Any]
    """What `tasks` shows: the state keys written."""
    cached: bool = False
    hidden: bool = False
    """Tagged as hidden: left out of every mode."""
    unstored: Collection[str] = field(default=(), compare=False, repr=False)
    """State keys that are shown live but that no durable log keeps."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class TaskFailed(Event):
    """A task raised."""

    task_id: str
    name: str
    error: BaseException | str
    """The exception, or (read back from a durable log of another process) what stands for it."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Paused(Event):
    """The graph pauses here: for the interrupts of one task, or (none) before or after a node."""

    interrupts: Sequence[Any] = ()
    hidden: bool = False
    """The task is tagged as hidden: left out of every mode."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class TaskInterrupted(Event):
    """A task asked for a pause, with the state as the step found it; follows its `Paused`."""

    task_id: str
    name: str
    interrupts: Sequence[Any]
    values: Any
    hidden: bool = False
    """Tagged as hidden: left out of every mode."""
    unstored: Collection[str] = field(default=(), compare=False, repr=False)
    """State keys that are shown live but that no durable log keeps."""


@dataclass(slots=True, kw_only=True)
class CheckpointSaved:
    """What a committed step's checkpoint says of itself (part of StepCommitted, no event)."""

    config: Mapping[str, Any]
    parent_config: Mapping[str, Any] | None
    metadata: Mapping[str, Any]
    next: Sequence[str]
    tasks: Sequence[Mapping[str, Any]]
    values: Any = None
    """The whole state, where the event's `values` show a part of it; None: they show all."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class StepCommitted(Event):
    """A super-step's writes are applied (and its checkpoint, if there is one, is committed)."""

    values: Mapping[str, Any] | None
    """The state after the step; None, unless it is `bare`, in a durable log, where the checkpoint
    holds it."""
    wrote: bool
    """False when no output key changed: `values` shows nothing then, `checkpoints` does."""
    checkpoint: CheckpointSaved | None = None
    changed: Collection[str] | None = None
    """State keys this step wrote, for readers of a few keys only; None: not known."""
    bare: bool = False
    """True: the state is one bare value, which may be None, and `values` holds it."""
    unstored: Collection[str] = field(default=(), compare=False, repr=False)
    """State keys that are shown live but that no durable log keeps."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Token(Event):
    """A piece of a model's message: what `messages` shows, as (chunk, metadata)."""

    chunk: Any
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seen_in: Sequence[Namespace] = ()
    """Of a whole message: namespaces under which it was shown before; who reads one of them does
    not see it again."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Traced(Event):
    """A span begins, says something or ends: what `events` shows (see `spans.py`)."""

    event: str
    """on_<kind of the span>_<start, stream, end or error>."""
    name: str
    """Of the graph, node, model, tool … that runs."""
    run_id: str
    """The span's id."""
    parent_ids: Sequence[str]
    """Ids of the spans around it, the outermost first."""
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    data: Any
    """A dict with "input", "chunk", "output" or "error"; of a custom event what was dispatched."""
    unstored: Collection[str] = field(default=(), compare=False, repr=False)
    """State keys that are shown live but that no durable log keeps."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Custom(Event):
    """What user code gave to a stream writer, verbatim."""

    data: Any
    node: str = ""
    """Name of the node that wrote it."""
    inside: Namespace = ()
    """Of a task that another task called: the tasks that it runs in, which the chunk's namespace
    names too, though they are of the same graph."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Withdrawn(Event):
    """Holds the place of an event whose commit failed, so that ids stay gapless; shows nothing."""
