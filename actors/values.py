"""Values that users hand to the engine and get from it; all frozen, none does anything."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, get_args

from .backports import TypeVar
from .policies import TimeoutOption, TimeoutPolicy, limits_of

START = sys.intern("__start__")
"""The virtual node before the first: edges from it say where a run begins."""
END = sys.intern("__end__")
"""The virtual node after the last: edges to it say where a run may end."""
TAG_HIDDEN = sys.intern("langsmith:hidden")
"""A node with this tag in its metadata's `tags` is left out of `updates`."""

Durability = Literal["sync", "async", "exit"]
"""When a step counts as done: synced to disk, committed, or not before the run's end."""
DURABILITIES: tuple[Durability, ...] = get_args(Durability)
CancelAction = Literal["interrupt", "rollback"]
"""What a cancelled run leaves on its thread: what has finished, or what was there before it."""
CANCEL_ACTIONS: tuple[CancelAction, ...] = get_args(CancelAction)

DEFAULT_RECURSION_LIMIT = 10_007

NodeName = TypeVar("NodeName", default=str)


@dataclass(frozen=True, slots=True, repr=False)
class Send:
    """A task for `node` in the next super-step, with `arg` as its input instead of the state.

    Raises GraphBuildError for a `timeout` that is none.

    Example:
        >>> def fan_out(state):
        ...     return [Send("work", {"n": n}) for n in state["numbers"]]
    """

    node: str
    arg: Any
    timeout: TimeoutOption = field(default=None, kw_only=True)
    """How long an attempt of this task may take: seconds, a timedelta or a TimeoutPolicy (which is
    what it is kept as); None: as long as the node says."""

    def __post_init__(self) -> None:
        if self.timeout is not None and not isinstance(self.timeout, TimeoutPolicy):
            policy = limits_of(self.timeout, f"A Send to {self.node!r}")
            object.__setattr__(self, "timeout", policy)

    def __repr__(self) -> str:
        limit = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{limit})"


@dataclass(frozen=True, slots=True)
class Overwrite:
    """An update that replaces a reduced value instead of going through its reducer.

    At most one per channel and super-step; a second one is an InvalidUpdateError.
    """

    value: Any


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A pause that a node asked for: what it wants to know, and the id to answer to."""

    value: Any
    id: str = "placeholder-id"
    """32 hex digits, the same in any process; a resume map's keys are such ids.  Only code that
    makes Interrupts by hand, such as a test of a client, leaves it out."""
    response_schema: Any = None
    """JSON Schema of the answer it wants, if the node gave one."""


@dataclass(frozen=True, kw_only=True, repr=False)  # slots would forbid Command[str](goto="x")
class Command(Generic[NodeName]):
    """What a node may return, or a caller give as input: an update and where to go next.

    `update`: a dict of state keys (or an instance of a schema, or (key, value) pairs).  `goto`: a
    node's name, a Send, or a sequence of those; static edges are followed as well.  `graph`: None
    for this graph, `Command.PARENT` for the one that called it.  `resume` (as input only): the
    answer to the pending interrupt, or a dict of interrupt id -> answer.

    Example:
        >>> def triage(state) -> Command[Literal["bot", "human"]]:
        ...     return Command(update={"seen": True}, goto="human" if state["angry"] else "bot")
    """

    graph: str | None = None
    update: Any = None
    resume: Any = None
    goto: Send | NodeName | Sequence[Send | NodeName] = ()

    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"

    def __repr__(self) -> str:
        parts = {"graph": self.graph, "update": self.update, "resume": self.resume}
        shown = [f"{name}={value!r}" for name, value in parts.items() if value is not None]
        if self.goto != ():
            shown.append(f"goto={self.goto!r}")
        return f"Command({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class GraphOutput:
    """What `invoke(version="v2")` gives: the final values, and what the run waits for."""

    value: Any
    interrupts: tuple[Interrupt, ...] = ()


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """One update of `bulk_update_state`."""

    values: Any
    as_node: str | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class TaskSnapshot:
    """One task of the super-step that a thread would run (or was running) next."""

    id: str
    name: str
    path: tuple[Any, ...]
    error: str | None = None
    """repr of the exception it raised when it last ran."""
    interrupts: tuple[Interrupt, ...] = ()
    state: Any = None
    """Config (or snapshot) of the subgraph it runs, if it runs one."""
    result: Mapping[str, Any] | None = None
    """State keys it wrote, when it has finished."""


@dataclass(frozen=True, slots=True)
class StateSnapshot:
    """A thread's state at one checkpoint."""

    values: dict[str, Any]
    next: tuple[str, ...]
    """Names of the nodes that run next; empty when the thread is finished."""
    config: dict[str, Any]
    """Give it to `invoke`, `get_state` or `update_state` to mean this very checkpoint."""
    metadata: dict[str, Any] | None
    created_at: str | None
    """ISO 8601, UTC."""
    parent_config: dict[str, Any] | None
    tasks: tuple[TaskSnapshot, ...]
    interrupts: tuple[Interrupt, ...] = ()


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A call's `config`, parsed once; inside the engine nothing rides in a dict."""

    thread_id: str | None = None
    checkpoint_id: str | None = None
    checkpoint_ns: str = ""
    recursion_limit: int = DEFAULT_RECURSION_LIMIT
    max_concurrency: int | None = None
    run_id: str | None = None
    run_name: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    configurable: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The user's own configurable keys and ours, as given."""
    callbacks: Any = None
