"""What the stores of this package share: a batch is planned, embedded, and then run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .store import Store
from .store_config import IndexConfig, TTLConfig
from .store_ops import Op, Result

if TYPE_CHECKING:
    from .embedding import Embedded
    from .store_plan import Plan
    from .store_ttl import Sweeper


class PlannedStore(Store):
    """A store that runs plans; `clock` gives the seconds since the epoch."""

    def __init__(
        self, index: IndexConfig | None, ttl: TTLConfig | None, clock: Callable[[], float]
    ) -> None:
        from .store_plan import Planner  # not before somebody has a store: an import stays cheap
        from .store_ttl import parse_ttl

        self._ttl = parse_ttl(ttl)
        self._planner = Planner(index)
        self._clock = clock
        self._sweeper: Sweeper | None = None
        self.default_ttl = self._ttl.default
        self.refresh_on_read = self._ttl.refresh_on_read

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """The results of several operations, in their order; reads see the state before puts.

        Puts are all or nothing.  Raises InvalidArgumentError, SerializationError, EmbeddingError or
        what the embedding function raised; nothing is changed then.
        """
        asked = self._planner.plan(ops)
        self._ready()
        return self._run(asked, self._planner.embed(asked))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """`batch`, for async code; an embedding function that is not async runs in a thread."""
        asked = self._planner.plan(ops)
        self._ready()
        return await self._arun(asked, await self._planner.aembed(asked))

    @abstractmethod
    def sweep_ttl(self) -> int:
        """Delete what has expired; gives the number of items."""

    @abstractmethod
    async def asweep_ttl(self) -> int:
        """Delete what has expired; gives the number of items."""

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> None:
        """Start a thread that sweeps now and then; harmless when it runs.

        The interval is by default that of the store's `ttl`, or 5 minutes.  Who starts it stops it;
        closing the store does so, too.  Raises InvalidArgumentError.
        """
        from .store_ttl import Sweeper, sweep_interval

        minutes = sweep_interval(sweep_interval_minutes, self._ttl)
        self._ready()
        if self._sweeper is None:
            self._sweeper = Sweeper(self.sweep_ttl, minutes)

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop the thread, after the sweep that is running; True when it has ended."""
        if self._sweeper is None:
            return True
        stopped = self._sweeper.stop(timeout)
        if stopped:
            self._sweeper = None
        return stopped

    @abstractmethod
    def _ready(self) -> None:
        """Raise SaverClosedError unless plans can be run."""

    @abstractmethod
    def _run(self, asked: Plan, embedded: Embedded) -> list[Result]: ...

    @abstractmethod
    async def _arun(self, asked: Plan, embedded: Embedded) -> list[Result]: ...
