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
from typing import Literal, TypeAlias

from actors import StateSnapshot
from checkpoint import (
    CorruptDataError,
    SqliteSaver,
    SqliteTables,
    ThreadBusyError,
    UnknownThreadError,
    new_id,
)

from .answers import interrupts_of
from .errors import ConflictError, NotFoundError
from .feeds import Feeds, Gone
from .ids import uuid_of
from .paging import Page
from .records import Json, Thread, Ttl
from .thread_rows import (
    add_thread,
    erase_thread,
    erased_threads,
    expired_threads,
    find_thread,
    forget_erased,
    limit_thread,
    merge_metadata,
    open_runs,
    settle_thread,
    spare_thread,
    thread_exists,
)
from .thread_search import ThreadQuery, count_threads, find_threads

logger = logging.getLogger(__name__)

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
        """Store a fresh thread; or give the one that has its id, and change nothing."""

        def unit(db: sqlite3.Connection) -> Thread | None:
            found = find_thread(db, made.thread_id)
            if found is None:
                add_thread(db, made)
            return found

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
        """Copy a state to the thread's row: what an update from outside has made of it."""
        now = self._clock()

        def unit(db: sqlite3.Connection) -> None:
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

        await self._tables.write(unit)

    async def open_runs(self, thread_id: str) -> Sequence[str]:
        """Ids of its runs that wait or run, the oldest first."""
        id_ = uuid_of("thread", thread_id)
        return await self._tables.read(lambda db: open_runs(db, id_))

    async def copy(self, thread_id: str) -> Thread:
        """A new thread with the checkpoints, values and metadata that this one has now."""
        source = await self.get(thread_id)
        fresh = self.fresh(new_id(), metadata=source.metadata, config=source.config)
        waits = "interrupted" if source.interrupts else "idle"
        made = replace(
            fresh,
            status=waits if source.status == "busy" else source.status,
            values=source.values,
            interrupts=source.interrupts,
            error=source.error,
        )
        try:  # first, so that there is never a thread without its checkpoints
            await self._saver.acopy_thread(source.thread_id, made.thread_id)
        except UnknownThreadError:
            pass  # nothing ran on it yet
        await self._tables.write(lambda db: add_thread(db, made))
        return made

    async def delete(self, thread_id: str) -> None:
        """Delete a thread with its runs, crons and checkpoints.

        Raises ConflictError while runs of it wait or run; nothing is changed then.
        """
        thread = await self.get(thread_id)
        await self._erase(thread.thread_id)

    async def prune(self, thread_ids: Sequence[str], strategy: PruneStrategy) -> int:
        """Delete threads, or all of their checkpoints that the newest ones do not need.

        Gives how many threads there were; raises ConflictError for one with runs that are open.
        """
        ids = list(dict.fromkeys(uuid_of("thread", each) for each in thread_ids))
        known = await self._tables.read(lambda db: [id_ for id_ in ids if thread_exists(db, id_)])
        if strategy == "delete":
            for id_ in known:
                await self._erase(id_)
        elif known:
            await self._pruned(known)
        return len(known)

    async def expire(self, limit: int) -> int:
        """Take away what threads have outlived, of at most so many; gives how many there were.

        A thread that a run holds by now is left for the next time.
        """
        now = self._clock()
        expired = await self._tables.read(lambda db: expired_threads(db, now, limit))
        for id_, ttl in expired:
            with contextlib.suppress(ConflictError):
                await (self._erase(id_) if ttl.strategy == "delete" else self._pruned([id_]))
            await self._tables.write(lambda db, id_=id_: spare_thread(db, id_, now))
        return len(expired)

    async def _pruned(self, thread_ids: Sequence[str]) -> None:
        try:
            await self._saver.aprune(thread_ids, strategy="keep_latest")
        except ThreadBusyError as error:
            raise ConflictError(f"a run holds one of the threads; wait for it: {error}") from error

    async def _erase(self, thread_id: str) -> None:
        """The rows first, as long as no run is open: one that was accepted is never erased."""

        def unit(db: sqlite3.Connection) -> None:
            if open_runs(db, thread_id):
                raise ConflictError(
                    f"Thread {thread_id} has in-flight runs, which would go on without it; cancel "
                    "them first"
                )
            erase_thread(db, thread_id)

        await self._tables.write(unit)
        self.feeds.tell(thread_id, Gone())
        await self._erase_state(thread_id)

    async def finish_deletions(self) -> None:
        """Delete the checkpoints of threads that a process which died had deleted the rows of.

        One that is damaged is left, and told of in the log: the server starts without it.
        """
        for thread_id in await self._tables.read(erased_threads):
            try:
                if not await self._tables.read(lambda db, id_=thread_id: thread_exists(db, id_)):
                    await self._erase_state(thread_id)
            except CorruptDataError as error:
                logger.error("a deletion is not finished: %s", error)  # noqa: TRY400 - all is said

    async def _erase_state(self, thread_id: str) -> None:
        try:
            await self._saver.adelete_thread(thread_id)
            await self._tables.write(lambda db: forget_erased(db, thread_id))
        except ThreadBusyError as error:
            logger.warning(
                "checkpoints of the deleted thread %s are left: %s",
                thread_id,
                error,
                extra={"thread_id": thread_id},
            )


def _known(thread_id: str, found: Thread | None) -> Thread:
    if found is None:
        raise NotFoundError(f"Thread with ID {thread_id} not found")
    return found
