"""What happened on a thread and what happens next, one thing after another."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from .ended import PastRun
from .errors import NotFoundError
from .feeds import Gone, Missed, RunBegins, StateWritten
from .finding import began, find_run, runs_so_far
from .live import LiveRun

if TYPE_CHECKING:
    from .services import Services

Chapter: TypeAlias = LiveRun | PastRun | StateWritten | Missed | Gone


class Story:
    """A thread's runs, those of before first, and what is written to its state from now on.

    `since`: runs that came before this moment (microseconds) are left out; None: all that have
    ended are.
    """

    def __init__(self, services: Services, thread_id: str, since: int | None) -> None:
        self._services = services
        self._thread_id = thread_id
        self._since = since
        self._feed = services.dispatcher.feeds.watch(thread_id)
        self._past: deque[str] = deque()
        self._told: frozenset[str] = frozenset()
        self._places: dict[str, int] = {}

    async def begin(self) -> None:
        """Look at what is there now; `next` goes on from it."""
        since = self._since
        for run in await runs_so_far(self._services, self._thread_id):
            if not run.ended if since is None else began(run) >= since:
                self._past.append(run.run_id)
                live = self._services.dispatcher.live(run.run_id)
                if since is None and live is not None and live.log is not None:
                    self._places[run.run_id] = live.log.visible * 8 + 7
        self._told = frozenset(self._past)

    async def next(self) -> Chapter | None:
        """The next thing, waiting for it; None when the server stops."""
        while self._past:
            if (run := await self._find(self._past.popleft())) is not None:
                return run
        while (thing := await self._feed.next()) is not None:
            if not isinstance(thing, RunBegins):
                return thing
            run = None if thing.run_id in self._told else await self._find(thing.run_id)
            if run is not None:
                return run
        return None

    def place_in(self, run_id: str) -> int | None:
        """Of a run that had begun when the story did, and is not told from its start: the highest
        id that its events had by then."""
        return self._places.get(run_id)

    async def _find(self, run_id: str) -> LiveRun | PastRun | None:
        with suppress(NotFoundError):  # deleted meanwhile
            return await find_run(self._services, self._thread_id, run_id)
        return None

    def close(self) -> None:
        """Nobody reads any more; who waits for the next thing gets None."""
        self._feed.close()
