"""What happens on threads, for those who follow a whole thread: runs that start, states written.

A feed says which run started, not what it does: its reader finds the run's events itself.  So what
waits for a slow reader is a few ids, and at most `MOST` of those.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from .records import Json

MOST = 1_000
"""Things that may wait for one reader; then the oldest are lost, and it is told so."""


@dataclass(frozen=True, slots=True)
class RunBegins:
    """It is a run's turn."""

    run_id: str


@dataclass(frozen=True, slots=True)
class StateWritten:
    """Somebody wrote to the thread's state; `state` is it, as JSON."""

    time: float
    state: Json


@dataclass(frozen=True, slots=True)
class Gone:
    """The thread was deleted; one that gets its id is another thread, maybe another user's."""


@dataclass(frozen=True, slots=True)
class Missed:
    """The reader was too slow for so many things."""

    count: int


Thing: TypeAlias = RunBegins | StateWritten | Gone
Happening: TypeAlias = Thing | Missed


class Feed:
    """What happens on one thread from now on; made by `Feeds.watch`."""

    def __init__(self, feeds: Feeds, thread_id: str) -> None:
        self.thread_id = thread_id
        self._feeds = feeds
        self._things: deque[Thing] = deque()
        self._missed = 0
        self._closed = False
        self._news = asyncio.Event()

    def add(self, thing: Thing) -> None:
        """It happened."""
        if len(self._things) >= MOST:
            self._things.popleft()
            self._missed += 1
        self._things.append(thing)
        self._news.set()

    async def next(self) -> Happening | None:
        """The next thing, waiting for it; None when the feed is closed."""
        while not self._closed:
            if self._missed:
                missed, self._missed = Missed(self._missed), 0
                return missed
            if self._things:
                return self._things.popleft()
            self._news.clear()
            await self._news.wait()
        return None

    def close(self) -> None:
        """Nobody reads any more; who waits for the next thing gets None."""
        self._closed = True
        self._news.set()
        self._feeds.forget(self)


class Feeds:
    """The feeds of all threads that somebody follows."""

    def __init__(self) -> None:
        self._feeds: dict[str, set[Feed]] = {}
        self._closed = False

    def watch(self, thread_id: str) -> Feed:
        """What happens on a thread from now on; close it in the end."""
        feed = Feed(self, thread_id)
        if self._closed:
            feed.close()
        else:
            self._feeds.setdefault(thread_id, set()).add(feed)
        return feed

    def is_watched(self, thread_id: str) -> bool:
        """True if somebody follows the thread."""
        return thread_id in self._feeds

    def tell(self, thread_id: str, thing: Thing) -> None:
        """It happened on a thread."""
        for feed in self._feeds.get(thread_id, ()):
            feed.add(thing)

    def forget(self, feed: Feed) -> None:
        """A feed was closed."""
        others = self._feeds.get(feed.thread_id)
        if others is not None:
            others.discard(feed)
            if not others:
                del self._feeds[feed.thread_id]

    def close(self) -> None:
        """The server stops: all feeds end."""
        self._closed = True
        for feed in [feed for feeds in self._feeds.values() for feed in feeds]:
            feed.close()
