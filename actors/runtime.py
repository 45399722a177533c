"""What a node finds in its `runtime` parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from streaming import StreamWriter

from .control import RunControl

ContextT = TypeVar("ContextT", default=Any)


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """Which task of which run this is."""

    run_id: str
    thread_id: str | None
    """None in a stateless run."""
    checkpoint_id: str | None
    """The checkpoint the super-step started from; None in a stateless run."""
    checkpoint_ns: str
    """The task's namespace, as stored: "node:task_id", nested ones joined by "|"."""
    task_id: str
    node: str
    step: int
    node_attempt: int = 1
    """1, or more when a retry policy has the node run again."""
    node_first_attempt_time: float | None = None
    """When the first attempt began, in seconds since the epoch."""


def _no_heartbeat() -> None:
    """Nothing waits for a sign of progress."""


@dataclass(frozen=True, slots=True)
class Runtime(Generic[ContextT]):
    """A task's surroundings.

    Example:
        >>> async def greet(state: State, runtime: Runtime[Settings]):
        ...     runtime.stream_writer("greeting")
        ...     return {"text": f"{runtime.context.greeting}, {state['name']}"}
    """

    context: ContextT
    """What the caller gave as `context=`."""
    stream_writer: StreamWriter
    """Publishes `custom` chunks."""
    execution_info: ExecutionInfo
    heartbeat: Callable[[], None] = _no_heartbeat
    """Says that the node makes progress, which `TimeoutPolicy(idle_timeout=…)` waits for; from any
    thread."""
    control: RunControl | None = None
    """Asks the run to stop at the next super-step boundary, or tells whether it was asked."""

    @property
    def drain_requested(self) -> bool:
        """True once the run was asked to stop: a long node may end early, with what it has."""
        return self.control is not None and self.control.drain_requested

    @property
    def drain_reason(self) -> str | None:
        """Why the run is to stop; None as long as nobody asked."""
        return None if self.control is None else self.control.drain_reason
