"""What the stores of this package share: a batch is planned, embedded, and then run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable

from .embedding import NOTHING_EMBEDDED, Embedded, Index, IndexConfig, Texts, parse_index
from .store import Store
from .store_checks import checked_minutes
from .store_ops import Op, Result
from .store_plan import Plan, plan
from .store_ttl import Sweeper, TTLConfig, parse_ttl

_SWEEP_MINUTES = 5.0


class PlannedStore(Store):
    """A store that runs plans; `clock` gives the seconds since the epoch."""

    def __init__(
        self, index: IndexConfig | None, ttl: TTLConfig | None, clock: Callable[[], float]
    ) -> None:
        settings = parse_ttl(ttl)
        self.default_ttl = settings.default
        self.refresh_on_read = settings.refresh_on_read
        self._sweep_interval = settings.sweep_interval or _SWEEP_MINUTES
        self._sweeper: Sweeper | None = None
        self._index: Index | None = parse_index(index)
        self._clock = clock

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """The results of several operations, in their order; reads see the state before puts.

        Puts are all or nothing.  Raises InvalidArgumentError, SerializationError, EmbeddingError or
        what the embedding function raised; nothing is changed then.
        """
        asked = plan(ops, self._index)
        self._ready()
        index, texts = self._index, asked.texts
        embedded = index.embed(texts) if index and any_of(texts) else NOTHING_EMBEDDED
        return self._run(asked, embedded)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """`batch`, for async code; an embedding function that is not async runs in a thread."""
        asked = plan(ops, self._index)
        self._ready()
        index, texts = self._index, asked.texts
        embedded = await index.aembed(texts) if index and any_of(texts) else NOTHING_EMBEDDED
        return await self._arun(asked, embedded)

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
        minutes = checked_minutes("sweep_interval_minutes", sweep_interval_minutes)
        self._ready()
        if self._sweeper is None:
            self._sweeper = Sweeper(self.sweep_ttl, minutes or self._sweep_interval)

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


def any_of(texts: Texts) -> bool:
    """True if there is something to embed."""
    return bool(texts.documents or texts.queries)
