"""The half of administration that savers share: it claims threads, decides what goes, and has
the saver carry that out in one transaction.

Its rules (`contents.py`, `prune.py`) are imported when they are first needed: most processes only
run graphs, and administration is a twentieth of their import.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .doors import PATIENCE, SyncDoors
from .errors import ThreadNotEmptyError, UnknownThreadError
from .limits import Age, Strategy, checked_timeout, id_of, ids_of, ids_to_copy, keep_of
from .record import Claim
from .reports import Removed

if TYPE_CHECKING:
    from .contents import Contents, Removal


class Change(NamedTuple):
    """What one transaction does."""

    erased: tuple[Claim, ...] = ()
    """Threads of which nothing stays, nor their runs' events."""
    removals: tuple[tuple[Claim, Removal], ...] = ()
    run_ids: tuple[str, ...] = ()
    """Runs whose events go."""


@dataclass(slots=True, eq=False, repr=False)
class _Held:
    """The threads that an operation holds, and those of which nothing is left."""

    claims: list[Claim] = field(default_factory=list[Claim])
    erased: set[Claim] = field(default_factory=set[Claim])


class Custodian(SyncDoors):
    """A saver's administration, but for what touches its rows."""

    @abstractmethod
    async def claim(self, thread_id: str, owner: str, *, timeout: float | None) -> Claim:
        """See `Saver`."""

    @abstractmethod
    def release(self, claim: Claim) -> None:
        """See `Saver`."""

    @abstractmethod
    async def synced(self) -> None:
        """See `Saver`."""

    @abstractmethod
    async def _contents(self, thread_id: str) -> Contents:
        """What a thread holds."""

    @abstractmethod
    async def _threads_of(self, run_ids: Sequence[str]) -> Sequence[str]:
        """The threads with checkpoints of these runs; others among them do no harm."""

    @abstractmethod
    async def _change(self, change: Change) -> Removed:
        """Carry out a change, all of it or nothing; what erasing removed.

        Raises StaleClaimError.
        """

    @abstractmethod
    async def _copy(self, source_thread_id: str, claim: Claim) -> None:
        """Copy a thread to the one that is claimed, which is empty."""

    @abstractmethod
    def _release_erased(self, claim: Claim) -> None:
        """Give back the claim of a thread that is no more."""

    async def acopy_thread(
        self,
        source_thread_id: str,
        target_thread_id: str,
        *,
        timeout: float | None = PATIENCE,
    ) -> None:
        """Copy a thread as it is committed now; see `Administration.acopy_thread`.

        Raises UnknownThreadError, ThreadNotEmptyError, ThreadBusyError or InvalidArgumentError.
        """
        source, target = ids_to_copy(source_thread_id, target_thread_id)
        if not await self._contents(source):
            raise unknown_source(source)
        async with self._holding_target(target, timeout) as claim:
            await self._copy(source, claim)
        await self.synced()

    async def adelete_thread(self, thread_id: str, *, timeout: float | None = PATIENCE) -> Removed:
        """Delete all there is of a thread; see `Administration.adelete_thread`.

        Raises ThreadBusyError or InvalidArgumentError.
        """
        return await self._erase([id_of("thread_id", thread_id)], "delete_thread", timeout)

    async def adelete_for_runs(
        self, run_ids: Sequence[str], *, timeout: float | None = PATIENCE
    ) -> Removed:
        """Delete what runs wrote; see `Administration.adelete_for_runs`.

        Raises ThreadBusyError or InvalidArgumentError.
        """
        from .contents import removal_of
        from .prune import without_runs

        runs = ids_of("run_ids", run_ids)
        threads = sorted(await self._threads_of(runs))
        async with self._holding(threads, "delete_for_runs", timeout) as held:
            plans: list[tuple[Claim, Removal]] = []
            for claim in held.claims:
                contents = await self._contents(claim.thread_id)
                plans.append((claim, removal_of(contents, without_runs(contents, runs))))
            return await self._carry_out(held, plans, runs)

    async def aprune(
        self,
        thread_ids: Sequence[str],
        *,
        strategy: Strategy = "keep_latest",
        keep_last: int | None = None,
        older_than: Age | None = None,
        timeout: float | None = PATIENCE,
    ) -> Removed:
        """Delete old checkpoints of threads; see `Administration.aprune`.

        Raises InvalidLimitError, InvalidArgumentError or ThreadBusyError.
        """
        from .contents import removal_of
        from .prune import pruned

        threads = ids_of("thread_ids", thread_ids)
        keep = keep_of(strategy, keep_last, older_than, time.time())
        if keep is None:
            return await self._erase(threads, "prune", timeout)
        async with self._holding(threads, "prune", timeout) as held:
            plans: list[tuple[Claim, Removal]] = []
            for claim in held.claims:
                contents = await self._contents(claim.thread_id)
                plans.append((claim, removal_of(contents, pruned(contents, keep))))
            return await self._carry_out(held, plans)

    async def _erase(self, thread_ids: Sequence[str], owner: str, timeout: float | None) -> Removed:
        async with self._holding(thread_ids, owner, timeout) as held:
            held.erased.update(held.claims)
            removed = await self._change(Change(erased=tuple(held.claims)))
        await self.synced()
        return removed

    async def _carry_out(
        self, held: _Held, plans: Sequence[tuple[Claim, Removal]], run_ids: tuple[str, ...] = ()
    ) -> Removed:
        erased = tuple(claim for claim, removal in plans if removal.emptied)
        held.erased.update(erased)
        shrunk = tuple(plan for plan in plans if plan[1].scopes and not plan[1].emptied)
        removed = Removed()
        if erased or shrunk or run_ids:
            removed = await self._change(Change(erased, shrunk, run_ids))
            await self.synced()
        return sum((removal.removed for _, removal in shrunk), removed)

    @asynccontextmanager
    async def _holding_target(self, thread_id: str, timeout: float | None) -> AsyncGenerator[Claim]:
        """Hold a thread that is to be a copy.  Raises ThreadNotEmptyError."""
        async with self._holding([thread_id], "copy_thread", timeout) as held:
            if there := await self._contents(thread_id):
                raise _not_empty(thread_id, there)
            yield held.claims[0]

    @asynccontextmanager
    async def _holding(
        self, thread_ids: Sequence[str], owner: str, timeout: float | None
    ) -> AsyncGenerator[_Held]:
        """Hold the claims of threads, all together within `timeout` seconds."""
        clock = asyncio.get_running_loop().time
        deadline = None if timeout is None else clock() + checked_timeout(timeout)
        held = _Held()
        try:
            for thread_id in thread_ids:
                left = None if deadline is None else max(deadline - clock(), 0)
                held.claims.append(await self.claim(thread_id, owner, timeout=left))
            yield held
        finally:
            for claim in held.claims:
                if claim in held.erased:
                    self._release_erased(claim)
                else:
                    self.release(claim)


def unknown_source(thread_id: str) -> UnknownThreadError:
    """The error for a thread that cannot be copied because it holds nothing."""
    return UnknownThreadError(
        f"thread {thread_id!r} cannot be copied: nothing is stored of it; nothing was changed; "
        "look at threads() for those there are"
    )


def _not_empty(thread_id: str, contents: Contents) -> ThreadNotEmptyError:
    from .contents import info_of

    there = info_of(thread_id, contents)
    return ThreadNotEmptyError(
        f"thread {thread_id!r} cannot be copied to: it holds {there.checkpoints} checkpoints in "
        f"{len(contents)} namespaces, the newest is {there.newest_id!r}; nothing was changed; "
        "delete it first, or give another target_thread_id"
    )
