"""What the server stores: assistants, threads, runs, crons; plain values, as they are in a row.

Times are seconds since the epoch.  What users gave as JSON stays a dict here; it is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Mapping[str, Any]

ThreadStatus: TypeAlias = Literal["idle", "busy", "interrupted", "error"]
RunStatus: TypeAlias = Literal["pending", "running", "success", "error", "timeout", "interrupted"]
Multitask: TypeAlias = Literal["reject", "enqueue", "interrupt", "rollback"]
CancelAction: TypeAlias = Literal["interrupt", "rollback"]
OnDisconnect: TypeAlias = Literal["continue", "cancel"]
OnCompletion: TypeAlias = Literal["delete", "keep"]
WireMode: TypeAlias = Literal[
    "values",
    "updates",
    "messages",
    "messages-tuple",
    "custom",
    "debug",
    "tasks",
    "checkpoints",
    "events",
]

ENDED: frozenset[RunStatus] = frozenset({"success", "error", "timeout", "interrupted"})
"""Statuses after which a run does nothing more."""


@dataclass(frozen=True, slots=True)
class Assistant:
    """A graph with settings of its own; one row per version, this one is the latest."""

    assistant_id: str
    graph_id: str
    name: str
    config: Json
    context: Json
    metadata: Json
    version: int
    created_at: float
    updated_at: float
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Ttl:
    """When a thread goes."""

    minutes: float
    strategy: Literal["delete", "keep_latest"]
    expires_at: float


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of runs; its state is in the checkpoints, a copy of the newest values here."""

    thread_id: str
    created_at: float
    updated_at: float
    state_updated_at: float
    metadata: Json
    status: ThreadStatus
    config: Json = field(default_factory=dict[str, Any])
    values: Any = None
    """What the newest checkpoint holds, as JSON; None before the first run."""
    interrupts: Mapping[str, Sequence[Json]] = field(default_factory=dict[str, Sequence[Json]])
    """Task id -> what it asks."""
    error: Json | None = None
    """{"error": class, "message": text} of the last run, if it failed."""
    ttl: Ttl | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What a run was asked to do; what the wire calls its kwargs."""

    input: Any = None
    command: Json | None = None
    config: Json = field(default_factory=dict[str, Any])
    """With the assistant's under it, and "configurable" of the request in it."""
    context: Json | None = None
    metadata: Json = field(default_factory=dict[str, Any])
    stream_mode: Sequence[WireMode] = ("values",)
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    interrupt_before: Sequence[str] | Literal["*"] | None = None
    interrupt_after: Sequence[str] | Literal["*"] | None = None
    checkpoint: Json | None = None
    """{"checkpoint_id", "checkpoint_ns", "checkpoint_map"} to start from."""
    durability: Literal["sync", "async", "exit"] = "async"
    webhook: str | None = None
    feedback_keys: Sequence[str] | None = None
    on_disconnect: OnDisconnect = "continue"
    on_completion: OnCompletion = "delete"
    """Of a stateless run: whether its thread goes when it has ended."""
    user: Json | None = None
    """Who asked, where the server authenticates."""
    trace: Mapping[str, str] | None = None
    """The trace that the request is part of, as headers name it."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as it is in the queue and, later, in the history of its thread."""

    run_id: str
    thread_id: str
    """Of a stateless run: an id that only it has."""
    assistant_id: str
    graph_id: str
    order: Order
    status: RunStatus
    created_at: float
    updated_at: float
    multitask_strategy: Multitask = "enqueue"
    stateless: bool = False
    """True: nothing of it is kept beyond its end."""
    due_at: float = 0.0
    """Not before this moment."""
    attempt: int = 0
    """Attempts that began."""
    error: Json | None = None
    """{"error": class, "message": text} if it failed."""

    @property
    def ended(self) -> bool:
        """True if it does nothing more."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Cron:
    """A run that starts again and again."""

    cron_id: str
    assistant_id: str
    thread_id: str | None
    schedule: str
    payload: Json
    """The body of a run, as it was given."""
    created_at: float
    updated_at: float
    next_at: float | None
    """When it fires next; None: never again."""
    timezone: str | None = None
    """Of the IANA; None: UTC."""
    end_at: float | None = None
    enabled: bool = True
    on_run_completed: OnCompletion = "delete"
    metadata: Json = field(default_factory=dict[str, Any])
    user_id: str = ""
