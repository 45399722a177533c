"""Crons: runs that start again and again, at times that a schedule says.

A time that passed while no server ran is made up for once, whatever it was missed for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from checkpoint import SqliteTables, new_id

from .cron_rows import (
    CronQuery,
    Firing,
    begin_firing,
    count_crons,
    due_crons,
    end_firing,
    erase_cron,
    find_cron,
    find_crons,
    firings,
    first_due,
    forget_fired,
    put_cron,
)
from .errors import NotFoundError, OverloadedError, RequestError
from .ids import uuid_of
from .paging import Page
from .records import Cron
from .schedules import next_after
from .thread_rows import thread_exists

logger = logging.getLogger(__name__)

Start: TypeAlias = Callable[[Cron, str], Awaitable[None]]
"""Starts a run of a cron, with this id; returns when it is stored.  Raises RequestError."""

AT_ONCE = 100
LONGEST_WAIT = 60.0
"""Seconds after which the clock is looked at again: it may have been set."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a cron fires."""

    schedule: str
    timezone: str | None
    end_at: float | None

    def after(self, moment: float) -> float | None:
        """The first time after this moment; None: never again.  Raises InvalidError."""
        found = next_after(self.schedule, self.timezone, moment)
        over = found is not None and self.end_at is not None and found > self.end_at
        return None if over else found


class Crons:
    """The crons of a server.

    `start` starts their runs.  An id that is no UUID raises InvalidError, one that no cron has
    NotFoundError.
    """

    def __init__(self, tables: SqliteTables, clock: Callable[[], float], start: Start) -> None:
        self._tables = tables
        self._clock = clock
        self._start = start
        self._woken = asyncio.Event()
        self._closed = False

    async def add(self, cron: Cron) -> Cron:
        """Store a new cron; it fires from now on.

        Raises InvalidError for its schedule, NotFoundError for its thread.
        """
        made = replace(cron, next_at=timing_of(cron).after(self._clock()))

        def unit(db: sqlite3.Connection) -> None:
            if made.thread_id is not None and not thread_exists(db, made.thread_id):
                raise NotFoundError(f"Thread with ID {made.thread_id} not found")
            put_cron(db, made)

        await self._tables.write(unit)
        self._woken.set()
        return made

    async def get(self, cron_id: str) -> Cron:
        """The cron."""
        id_ = uuid_of("cron", cron_id)
        return _known(id_, await self._tables.read(lambda db: find_cron(db, id_)))

    async def change(self, cron_id: str, change: Callable[[Cron], Cron]) -> Cron:
        """The cron, changed; when its times change, or it goes on, it fires from now on.

        Raises InvalidError for its schedule.
        """
        id_, now = uuid_of("cron", cron_id), self._clock()

        def unit(db: sqlite3.Connection) -> Cron | None:
            old = find_cron(db, id_)
            if old is None:
                return None
            made = replace(change(old), updated_at=now)
            if timing_of(made) != timing_of(old) or (made.enabled and not old.enabled):
                made = replace(made, next_at=timing_of(made).after(now))
            put_cron(db, made)
            return made

        made = await self._tables.write(unit)
        self._woken.set()
        return _known(id_, made)

    async def delete(self, cron_id: str) -> None:
        """Delete the cron; runs that it started go on."""
        id_ = uuid_of("cron", cron_id)
        if not await self._tables.write(lambda db: erase_cron(db, id_)):
            _known(id_, None)

    async def search(self, query: CronQuery) -> Page[Cron]:
        """A page of crons.  Raises InvalidError for a filter that is too large."""
        return await self._tables.read(lambda db: find_crons(db, query))

    async def count(self, query: CronQuery) -> int:
        """How many crons there are.  Raises InvalidError for a filter that is too large."""
        return await self._tables.read(lambda db: count_crons(db, query))

    # --- firing ------------------------------------------------------------------------------

    async def resume(self) -> None:
        """Find out which runs an earlier process has stored; before those runs go on."""
        await self._tables.write(forget_fired)

    async def run(self) -> None:
        """Fire whatever is due, until `close`."""
        while not self._closed:
            self._woken.clear()
            try:
                wait = await self.fire()
            except Exception:
                logger.exception("crons could not be fired; trying again")
                wait = LONGEST_WAIT
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait)

    def close(self) -> None:
        """Let `run` end, after what it is starting now."""
        self._closed = True
        self._woken.set()

    async def fire(self) -> float:
        """Start the runs that are due; gives the seconds until the next ones are."""
        now = self._clock()
        waiting = await self._tables.read(firings)
        due = await self._tables.read(lambda db: due_crons(db, now, AT_ONCE))
        for firing in [*waiting, *await self._begun(due)]:
            await self._fired(firing)
        if len(due) == AT_ONCE:
            return 0.0
        following = await self._tables.read(lambda db: first_due(db, now))
        wait = LONGEST_WAIT if following is None else following - self._clock()
        return min(max(wait, 0.0), LONGEST_WAIT)

    async def _begun(self, due: Sequence[Cron]) -> Sequence[Firing]:
        now = self._clock()
        begun: list[Firing] = []
        for cron in due:
            run_id, following = new_id(), timing_of(cron).after(now)
            if await self._tables.write(
                lambda db, cron=cron, run_id=run_id, following=following: begin_firing(
                    db, cron, run_id, following
                )
            ):
                begun.append(Firing(cron, run_id))
        return begun

    async def _fired(self, firing: Firing) -> None:
        """Start its run; one that the server has no room for now is started at the next look."""
        facts = {"run_id": firing.run_id, "thread_id": firing.cron.thread_id}
        try:
            await self._start(firing.cron, firing.run_id)
        except OverloadedError as error:
            logger.warning("cron %s waits: %s", firing.cron.cron_id, error, extra=facts)
            return
        except RequestError as error:
            logger.warning(
                "cron %s did not start a run: %s", firing.cron.cron_id, error, extra=facts
            )
        except Exception:  # of one cron; the others go on
            logger.exception("cron %s could not start a run", firing.cron.cron_id, extra=facts)
        await self._tables.write(lambda db: end_firing(db, firing.run_id))


def timing_of(cron: Cron) -> Timing:
    """When the cron fires."""
    return Timing(cron.schedule, cron.timezone, cron.end_at)


def _known(cron_id: str, found: Cron | None) -> Cron:
    if found is None:
        raise NotFoundError(f"Cron with ID {cron_id} not found")
    return found
