"""Threads: made, found, changed, copied, pruned, deleted.

The row of a thread says what it is for and how it stands; its state is in the saver's checkpoints.
What the rows are made of, and the units for other people's transactions: `thread_rows.py`.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar

from actors import StateSnapshot
from checkpoint import (
    CorruptDataError,
    SqliteSaver,
    SqliteTables,
    ThreadBusyError,
    new_id,
)

from .answers import interrupts_of
from .erasing import Eraser
from .errors import ConflictError, NotFoundError, RequestError, UndeletedError
from .feeds import Feeds, Gone
from .ids import uuid_of
from .paging import Page
from .records import Json, Thread, Ttl
from .thread_rows import (
    add_thread,
    expired_threads,
    find_thread,
    limit_thread,
    merge_metadata,
    open_runs,
    settle_thread,
    spare_thread,
    thread_exists,
)
from .thread_search import ThreadQuery, count_threads, find_threads

logger = logging.getLogger(__name__)

T = TypeVar("T")
IfExists: TypeAlias = Literal["raise", "do_nothing"]
PruneStrategy: TypeAlias = Literal["delete", "keep_latest"]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a thread stays after its last change, and what goes then."""

    minutes: float
    strategy: PruneStrategy = "delete"

    def since(self, now: float) -> Ttl:
        """The same, for a thread changed now."""
        return Ttl(self.minutes, self.strategy, now + 60 * self.minutes)


class Threads:
    """The threads of a server.

    `lifetime` is that of threads made without one of their own; None: they stay.  An id that is
    no UUID raises InvalidError, one that no thread has NotFoundError.
    """

    def __init__(
        self,
        tables: SqliteTables,
        saver: SqliteSaver,
        clock: Callable[[], float],
        *,
        lifetime: Lifetime | None = None,
    ) -> None:
        self._tables = tables
        self._saver = saver
        self._clock = clock
        self._lifetime = lifetime
        self._eraser = Eraser(tables, saver)
        self.feeds = Feeds()
        """For those who follow whole threads."""

    def fresh(
        self,
        thread_id: str,
        *,
        metadata: Json | None = None,
        config: Json | None = None,
        lifetime: Lifetime | None = None,
    ) -> Thread:
        """A thread that nothing has happened on; it is not stored yet (`add_thread`)."""
        now = self._clock()
        kept = lifetime or self._lifetime
        return Thread(
            thread_id=thread_id,
            created_at=now,
            updated_at=now,
            state_updated_at=now,
            metadata=metadata or {},
            status="idle",
            config=config or {},
            ttl=None if kept is None else kept.since(now),
        )

    async def create(
        self,
        thread_id: str | None,
        *,
        metadata: Json | None = None,
        if_exists: IfExists = "raise",
        ttl: Lifetime | None = None,
        config: Json | None = None,
    ) -> Thread:
        """A new thread (None: with a new id), or with "do_nothing" the one that has the id.

        Raises ConflictError for an id that is taken.
        """
        id_ = new_id() if thread_id is None else uuid_of("thread", thread_id)
        made = self.fresh(id_, metadata=metadata, config=config, lifetime=ttl)
        found = await self.add(made)
        if found is not None and if_exists == "raise":
            raise ConflictError(f"Thread with ID {id_} already exists")
        return found or made

    async def add(self, made: Thread) -> Thread | None:
        """Store a fresh thread; or give the one that has its id, and change nothing.

        Raises UndeletedError.
        """

        def unit(db: sqlite3.Connection) -> Thread | None:
            found = find_thread(db, made.thread_id)
            if found is None:
                add_thread(db, made)
            return found

        return await self.enter(made.thread_id, unit)

    async def enter(self, thread_id: str, unit: Callable[[sqlite3.Connection], T]) -> T:
        """What a unit gives that may add this thread (`add_thread`): all that make threads come by
        here, so what an older version has left of one with that id goes first.

        Raises UndeletedError if it cannot go now.
        """
        try:
            return await self._tables.write(unit)
        except UndeletedError:
            await self._eraser.clear(thread_id)
        return await self._tables.write(unit)

    async def get(self, thread_id: str) -> Thread:
        """The thread."""
        id_ = uuid_of("thread", thread_id)
        return _known(id_, await self._tables.read(lambda db: find_thread(db, id_)))

    async def patch(
        self, thread_id: str, *, metadata: Json | None = None, ttl: Lifetime | None = None
    ) -> Thread:
        """The thread with metadata merged into its own, and another time to live if given one."""
        id_, now = uuid_of("thread", thread_id), self._clock()

        def unit(db: sqlite3.Connection) -> Thread | None:
            if ttl is not None:
                limit_thread(db, id_, ttl.since(now))
            merge_metadata(db, id_, metadata or {}, now)
            return find_thread(db, id_)

        return _known(id_, await self._tables.write(unit))

    async def search(self, query: ThreadQuery) -> Page[Thread]:
        """A page of threads.  Raises InvalidError for a filter that is too large."""
        return await self._tables.read(lambda db: find_threads(db, query))

    async def count(self, query: ThreadQuery) -> int:
        """How many threads there are.  Raises InvalidError for a filter that is too large."""
        return await self._tables.read(lambda db: count_threads(db, query))

    async def take_values(self, thread_id: str, snapshot: StateSnapshot) -> None:
        """Copy a state to the thread's row: what an update from outside has made of it.

        Raises NotFoundError if the thread was deleted meanwhile: then the state goes, too.
        """
        now = self._clock()

        def unit(db: sqlite3.Connection) -> bool:
            waits = "interrupted" if snapshot.next else "idle"
            settle_thread(
                db,
                thread_id,
                status="busy" if open_runs(db, thread_id) else waits,
                values=snapshot.values,
                interrupts=interrupts_of(snapshot),
                error=None,
                now=now,
            )
            return thread_exists(db, thread_id)

        if not await self._tables.write(unit):
            await self._eraser.clear(thread_id)
            _known(thread_id, None)

    async def open_runs(self, thread_id: str) -> Sequence[str]:
        """Ids of its runs that wait or run, the oldest first."""
        id_ = uuid_of("thread", thread_id)
        return await self._tables.read(lambda db: open_runs(db, id_))

    async def copy(self, thread_id: str) -> Thread:
        """A new thread with the checkpoints, values and metadata that this one has now.

        Raises NotFoundError, also if it is deleted meanwhile: then there is no new thread.
        """
        asked = await self.get(thread_id)
        made = self.fresh(new_id())

        def unit(db: sqlite3.Connection) -> Thread:
            source = find_thread(db, asked.thread_id)
            is_same = source is not None and source.created_at == asked.created_at
            copy = _copied(_known(asked.thread_id, source if is_same else None), made)
            add_thread(db, copy)
            return copy

        copy = await self._saver.acopy_thread_with(asked.thread_id, made.thread_id, unit)
        await self._tables.synced()
        return copy

    async def delete(self, thread_id: str) -> None:
        """Delete a thread with its runs, crons and checkpoints.

        Raises ConflictError while runs of it wait or run; nothing is changed then.
        """
        await self._erase(uuid_of("thread", thread_id))

    async def prune(self, thread_ids: Sequence[str], strategy: PruneStrategy) -> int:
        """Delete threads, or all of their checkpoints that the newest ones do not need.

        Gives how many threads there were; raises ConflictError for one with runs that are open.
        """
        ids = list(dict.fromkeys(uuid_of("thread", each) for each in thread_ids))
        known = await self._tables.read(lambda db: [id_ for id_ in ids if thread_exists(db, id_)])
        if strategy == "delete":
            for id_ in known:
                with contextlib.suppress(NotFoundError):  # somebody else has deleted it
                    await self._erase(id_)
        elif known:
            await self._pruned(known)
        return len(known)

    async def expire(self, limit: int) -> int:
        """Take away what threads have outlived, of at most so many; gives how many there were.

        A thread that a run holds by now, or that is damaged, is left for the next time.
        """
        now = self._clock()
        expired = await self._tables.read(lambda db: expired_threads(db, now, limit))
        for id_, ttl in expired:
            try:
                delete = ttl.strategy == "delete"
                await (self._erase(id_, outlived=now) if delete else self._pruned([id_]))
            except RequestError:
                pass
            except CorruptDataError as error:  # the others go all the same
                logger.error("what a thread has outlived stays: %s", error)  # noqa: TRY400
            await self._tables.write(lambda db, id_=id_: spare_thread(db, id_, now))
        return len(expired)

    async def _pruned(self, thread_ids: Sequence[str]) -> None:
        try:
            await self._saver.aprune(thread_ids, strategy="keep_latest")
        except ThreadBusyError as error:
            raise ConflictError(f"a run holds one of the threads; wait for it: {error}") from error

    async def _erase(self, thread_id: str, *, outlived: float | None = None) -> None:
        await self._eraser.erase(thread_id, outlived=outlived)
        self.feeds.tell(thread_id, Gone())  # before anybody can follow one that is made anew
        await self._tables.synced()

    async def finish_deletions(self) -> None:
        """Take away what processes that died have left of threads: at the server's start."""
        await self._eraser.clear_all()


def _copied(source: Thread, made: Thread) -> Thread:
    """A thread made as another one is; nothing runs on it."""
    waits = "interrupted" if source.interrupts else "idle"
    return replace(
        made,
        metadata=source.metadata,
        config=source.config,
        status=waits if source.status == "busy" else source.status,
        values=source.values,
        interrupts=source.interrupts,
        error=source.error,
    )


def _known(thread_id: str, found: Thread | None) -> Thread:
    if found is None:
        raise NotFoundError(f"Thread with ID {thread_id} not found")
    return found
