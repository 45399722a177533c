"""What a node finds in its `runtime` parameter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Generic, Self, overload

from streaming import SILENT_WRITER, StreamWriter

from .attempts import said_in
from .backports import TypeVar
from .errors import NoTaskError

if TYPE_CHECKING:
    from checkpoint import Store

    from .context import TaskContext
    from .control import RunControl
    from .journal import Journal
    from .once import OnUnknown

ContextT = TypeVar("ContextT", default=Any)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """Which task of which run this is."""

    checkpoint_id: str | None
    """The checkpoint the super-step started from; None in a stateless run."""
    checkpoint_ns: str
    """The task's namespace, as stored: "node:task_id", nested ones joined by "|"."""
    task_id: str
    thread_id: str | None = None
    """None in a stateless run."""
    run_id: str | None = None
    node_attempt: int = 1
    """1, or more when a retry policy has the node run again."""
    node_first_attempt_time: float | None = None
    """When the first attempt began, in seconds since the epoch."""
    node: str = ""
    step: int = 0
    """The super-step; 1 is the first of a thread."""


def _no_heartbeat() -> None:
    """For a runtime outside of a run."""


@dataclass(frozen=True)  # slots would forbid Runtime[Settings](context=…)
class Runtime(Generic[ContextT]):
    """A task's surroundings.

    Made by hand, as in `Runtime(context=Settings())`, it serves to test a node alone; it has no
    journal then.

    Example:
        >>> async def greet(state: State, runtime: Runtime[Settings]):
        ...     runtime.stream_writer("greeting")
        ...     return {"text": f"{runtime.context.greeting}, {state['name']}"}
    """

    context: ContextT = None  # pyright: ignore[reportAssignmentType] - as a run without `context=`
    """What the caller gave as `context=`."""
    store: Store | None = None
    """The store that the graph was compiled with, if any."""
    stream_writer: StreamWriter = SILENT_WRITER
    """Publishes `custom` chunks."""
    heartbeat: Callable[[], None] = _no_heartbeat
    """Says that the node makes progress, which `TimeoutPolicy(idle_timeout=…)` waits for; from any
    thread."""
    previous: Any = None
    """What an entrypoint saved when its thread last ran."""
    execution_info: ExecutionInfo | None = None
    """Which task this is."""
    control: RunControl | None = None
    """Asks the run to stop at the next super-step boundary, or tells whether it was asked."""
    _task: TaskContext | None = field(default=None, repr=False, compare=False)

    @property
    def drain_requested(self) -> bool:
        """True once the run was asked to stop: a long node may end early, with what it has."""
        return self.control is not None and self.control.drain_requested

    @property
    def drain_reason(self) -> str | None:
        """Why the run is to stop; None as long as nobody asked."""
        return None if self.control is None else self.control.drain_reason

    def override(self, **changes: Any) -> Self:
        """The same runtime with other values.  Raises TypeError for a name it does not have."""
        return replace(self, **changes)

    def merge(self, other: Runtime[ContextT]) -> Self:
        """The same runtime with what `other` has set."""
        given = {f.name: getattr(other, f.name) for f in fields(self)}
        return replace(self, **{n: v for n, v in given.items() if v is not getattr(_NOTHING, n)})

    def idempotency_key(self, key: str) -> str:
        """A text for other systems that tells effects apart: 36 characters, the same whenever this
        task runs again, another one for any other task or key.

        Raises ConfigError for a key that is none, NoTaskError outside of a task.
        """
        return self._journal().idempotency_key(key)

    def partial_message(self) -> Any:
        """What a model had said in this task when an earlier attempt was cancelled or its process
        died: the pieces that were shown of the task's last message, put together; else None.

        A MessageChunk, or a message chunk of LangChain's.  For runs of an ActorSystem with an
        event log that were started with the stream mode "messages".

            before = runtime.partial_message()
            prompt = question + before.content if before else question
        """
        if self._task is None:
            return None
        return said_in(self._task.scheduler.setting.said, self._task.namespace())

    @overload
    async def once(
        self,
        key: str,
        fn: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        on_unknown: OnUnknown = ...,
        **kwargs: Any,
    ) -> T: ...
    @overload
    async def once(
        self,
        key: str,
        fn: Callable[..., T],
        /,
        *args: Any,
        on_unknown: OnUnknown = ...,
        **kwargs: Any,
    ) -> T: ...
    async def once(
        self,
        key: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        on_unknown: OnUnknown = "retry",
        **kwargs: Any,
    ) -> Any:
        """Call `fn(*args, **kwargs)` once, however often the node runs, and give its result.

        That the call begins is committed before it, its result after it; when the node runs again
        after an interrupt, a retry or a crash, the result is given back.  `fn` is async, or sync
        (then it runs in a worker thread).  What it raises is raised here, and the next run calls
        it again.  Another call with the same key in the same task waits and gets the same result.

        If the process or the call was stopped between the two commits, nobody knows whether the
        effect was done: "retry" calls again (give the other system `idempotency_key(key)`),
        "raise" raises OutcomeUnknown.

        Raises ConfigError for wrong arguments, OutcomeUnknown, SerializationError for a result that
        cannot be stored (the effect is done then), NoTaskError outside of a task.

            receipt = await runtime.once("charge", bank.charge, order, 7)
        """
        return await self._journal().once(key, (fn, args, kwargs), on_unknown)

    @overload
    def once_sync(
        self,
        key: str,
        fn: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        on_unknown: OnUnknown = ...,
        **kwargs: Any,
    ) -> T: ...
    @overload
    def once_sync(
        self,
        key: str,
        fn: Callable[..., T],
        /,
        *args: Any,
        on_unknown: OnUnknown = ...,
        **kwargs: Any,
    ) -> T: ...
    def once_sync(
        self,
        key: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        on_unknown: OnUnknown = "retry",
        **kwargs: Any,
    ) -> Any:
        """The same as `once`, for sync nodes: `fn` runs in the node's own thread."""
        return self._journal().once_sync(key, (fn, args, kwargs), on_unknown)

    def _journal(self) -> Journal:
        if self._task is None:
            raise NoTaskError(
                "this runtime belongs to no task, so it has no journal; take the `runtime` that a "
                "node is given, or get_runtime() inside one"
            )
        from .journal import Journal

        return Journal(self._task)


_NOTHING: Runtime[Any] = Runtime()
"""What a runtime holds that nobody has set."""
