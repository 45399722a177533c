"""What a node finds in its `runtime` parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from streaming import StreamWriter

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
