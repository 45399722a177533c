"""Writing into a run's log from user code, and its custom chunks."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from .events import Custom, Event, Namespace
from .fence import Fence
from .log import RunLog
from .modes import StreamMode
from .waiting import running_loop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .spans import Span
    from .stand_in import StandIn
    from .tokens import TokenWriter


class TaskWriter:
    """Publishes what one task says into its run's log, until the task is fenced."""

    __slots__ = ("_fence", "_log", "_ns", "_step")

    def __init__(
        self, log: RunLog, *, ns: Namespace = (), step: int = 0, fence: Fence | None = None
    ) -> None:
        self._log = log
        self._ns = ns
        self._step = step
        self._fence = Fence() if fence is None else fence

    def wants(self, mode: StreamMode) -> bool:
        """True if anyone could see what the mode shows of an event published now."""
        return self._log.wants(mode) or self._fence.raised  # what is refused is counted

    def _publish(self, event: Event) -> None:
        log = self._log
        if log.publish(event, self._fence) and log.backlog() > log.high_water:
            self._wait_in_worker()

    def _wait_in_worker(self) -> None:
        if running_loop() is None:
            self._log.block_until_drained(self._is_fenced)

    def _is_fenced(self) -> bool:
        return self._fence.raised

    async def drain(self) -> None:
        """Wait until the run's owner (and the durable log) has room for more; see `low_water`.

        for row in rows:
            writer(row)
            await writer.drain()
        """
        if self._log.backlog() > self._log.low_water:
            await self._log.drained(self._is_fenced)

    def stand_in(self) -> StandIn | None:
        """Who writes the run's events on another loop, while sync code holds up the run's own; None
        without a durable log."""
        return self._log.stand_in()

    def fence(self) -> None:
        """Refuse (and count) whatever this task still writes, and let it go on if it waits."""
        self._log.fence(self._fence)

    @property
    def fenced(self) -> bool:
        """True if writes are refused."""
        return self._fence.raised


class StreamWriter(TaskWriter):
    """Writes custom chunks of one task into its run's log: call it with the data.

    A call never waits on the event loop; in a worker thread it waits while the run's owner lags
    more than the log's high-water mark.  Nothing is written while no one wants `custom`.
    """

    __slots__ = ("_inside", "_node")

    def __init__(
        self,
        log: RunLog,
        *,
        ns: Namespace = (),
        step: int = 0,
        node: str = "",
        inside: Namespace = (),
        fence: Fence | None = None,
    ) -> None:
        super().__init__(log, ns=ns, step=step, fence=fence)
        self._node = node
        self._inside = inside

    def __call__(self, data: Any) -> None:
        """Write one chunk: `data`, verbatim; it must not be changed afterwards."""
        if not self.wants("custom"):
            return
        if not self._inside and self._log.hand(self._ns, "custom", data, self._fence):
            return
        event = Custom(
            ns=self._ns, step=self._step, data=data, node=self._node, inside=self._inside
        )
        self._publish(event)


SILENT_WRITER = StreamWriter(RunLog("", keep=False))
"""Does nothing, as no one can see its log; for code that runs outside a run."""


class TaskSpans(Protocol):
    """Shows spans of a task."""

    def model(self, name: str, tags: Iterable[str], known: Mapping[str, Any]) -> Span:
        """A model that the code which runs now calls; `known`: metadata of its own."""
        ...

    def show(self, span: Span, phase: Any, data: Any) -> None:
        """Publish what happens to a span."""
        ...

    async def drain(self) -> None:
        """Wait until there is room for more."""
        ...


class TaskScope(Protocol):
    """What the engine says of the task that runs: at least its writer."""

    @property
    def writer(self) -> StreamWriter:
        """The task's writer."""
        ...

    @property
    def tokens(self) -> TokenWriter | None:
        """Where pieces of messages go; None if nobody asked for them when the run began."""
        ...

    @property
    def spans(self) -> TaskSpans | None:
        """Where spans go; None if nobody asked for `events` when the run began."""
        ...


current_task: ContextVar[TaskScope] = ContextVar("understudy_current_task")
"""Set by the engine around user code."""


def get_stream_writer() -> StreamWriter:
    """The writer of the task that runs; one that does nothing outside a run."""
    scope = current_task.get(None)
    return SILENT_WRITER if scope is None else scope.writer
