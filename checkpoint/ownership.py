"""Who may write to a thread of a database: one scheduler in this process, one process at a time.

A claim is three things: the turn in this process (`claims.py`), the lock between processes
(`locks.py`), and the thread's epoch in the database, which is raised when a thread changes hands
between processes.  While a thread stays in one process a claim costs two system calls and no
transaction.  `Claim.epoch` is the epoch and the turn in one number, so that a write of an earlier
turn is refused as well.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import threading

from .claims import ClaimTable, busy
from .committer import Committer
from .errors import UnknownThreadError
from .locks import Locks
from .places import add_thread, find_thread, seal_thread
from .points import Faults
from .record import Batch, Claim
from .rows import stale
from .schema import typed_error
from .value import Value, slotted

_TURN_BITS = 32
_TURN = (1 << _TURN_BITS) - 1
_KNOWN_THREADS = 1024
_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05


@slotted
class _Known(Value):
    """What this process knows of a thread it held before."""

    number: int
    epoch: int
    era: int
    """Of its lock: see `locks.py`."""


class Ownership:
    """The claims of one database in this process."""

    def __init__(self, locks: Locks, committer: Committer, faults: Faults | None = None) -> None:
        self._table = ClaimTable()
        self._locks = locks
        self._faults = faults
        self.committer = committer
        """Takes a thread over in the database."""
        self._known: dict[str, _Known] = {}
        self._place = f"process {os.getpid()} on {socket.gethostname()}"

    async def claim(self, thread_id: str, owner: str, timeout: float | None) -> Claim:
        """Take a thread.  Raises ThreadBusyError, which names the owner, or DatabaseError."""
        began = asyncio.get_running_loop().time()
        turn = await self._table.acquire(thread_id, owner, timeout)
        taking = _Taking(self, thread_id, f"{owner} ({self._place})")
        try:
            known = await taking.result(began, timeout)
            if self.committer.busy:
                # A write of the turn before may have been let through into the transaction that
                # is running; whoever loads after this claim must see it.
                await self.committer.submit(_nothing, "nothing")
            self._reach("claim taken")
        except BaseException as error:
            self._table.release(thread_id, turn, taking.abandon)
            if isinstance(error, OSError):  # of the file of locks
                raise typed_error(error, self.committer.database) from error
            raise
        return Claim(thread_id, owner, known.epoch << _TURN_BITS | turn)

    def release(self, claim: Claim) -> None:
        """Give a claim back; harmless when repeated."""
        turn = claim.epoch & _TURN
        self._table.release(claim.thread_id, turn, lambda: self._unlock(claim.thread_id))
        self._reach("claim left")

    def release_erased(self, claim: Claim) -> None:
        """Give back the claim of a thread that is no more: one of that name is another thread."""
        turn = claim.epoch & _TURN
        self._table.release(claim.thread_id, turn, lambda: self.forget(claim.thread_id))
        self._reach("claim left")

    def check(self, batch: Batch) -> int:
        """The epoch in the database that the batch needs; StaleClaimError if its turn is over."""
        if self._table.writer(batch.thread_id) != batch.epoch & _TURN:
            raise stale(batch)
        return batch.epoch >> _TURN_BITS

    def seal(self, claim: Claim) -> None:
        """Let nothing more be written under a claim; `check_held` still holds."""
        self._table.seal(claim.thread_id, claim.epoch & _TURN)

    def check_held(self, claim: Claim) -> int:
        """The epoch in the database that the claim needs; StaleClaimError if its turn is over."""
        if self._table.turn(claim.thread_id) != claim.epoch & _TURN:
            raise stale(claim)
        return claim.epoch >> _TURN_BITS

    def _reach(self, point: str) -> None:
        if self._faults is not None:
            self._faults(point)

    def _unlock(self, thread_id: str) -> None:
        if (known := self._known.get(thread_id)) is not None:
            self._locks.unlock(known.number)
            if len(self._known) > _KNOWN_THREADS:  # this one is free: it can be looked up again
                del self._known[thread_id]

    # What a claim in the making asks of its owner.

    def lock_known(self, thread_id: str, owner: str) -> _Known | str | None:
        """Lock a thread this process held before.

        Gives what is known if no other process held it since, its owner if it is locked, and None
        if the database must be asked.
        """
        known = self._known.get(thread_id)
        if known is None:
            return None
        if not self._locks.try_lock(known.number):
            return self._locks.owner(known.number)
        if self._locks.is_mine(known.number, known.era):
            self._locks.sign(known.number, owner)
            return known
        self._locks.unlock(known.number)
        return None

    def lock_in_database(
        self, connection: sqlite3.Connection, thread_id: str, owner: str
    ) -> _Known | str:
        """Lock a thread and raise its epoch; its owner if it is locked.  Part of a transaction."""
        self.committer.heads.forget(thread_id)
        found = find_thread(connection, thread_id)
        number, epoch = found or (add_thread(connection, thread_id), 0)
        if not self._locks.try_lock(number):
            return self._locks.owner(number)
        # Signed before the epoch is raised: if this process dies in between, the one before it
        # finds the slot signed by somebody else and asks the database.
        self._locks.sign(number, owner)
        if found:
            seal_thread(connection, number, thread_id, epoch + 1)
        known = _Known(number, epoch + 1, self._locks.era(number))
        self._known[thread_id] = known
        return known

    def fence(self, connection: sqlite3.Connection, thread_id: str) -> None:
        """Take a thread from whoever has it: what that one still writes is refused, and its lock
        keeps nobody out.  Part of a transaction.  Raises UnknownThreadError."""
        found = find_thread(connection, thread_id)
        if found is None:
            raise UnknownThreadError(
                f"thread {thread_id!r} cannot be taken over: nothing is stored of it; look at "
                "threads() for those there are"
            )
        number, epoch = found
        self._locks.raise_era(number)
        seal_thread(connection, number, thread_id, epoch + 1)

    def forget(self, thread_id: str) -> None:
        """Unlock a thread and forget what is known of it: its claim came to nothing."""
        self._unlock(thread_id)
        self._known.pop(thread_id, None)


class _Taking:
    """One claim in the making: it may be abandoned while its transaction is on the way."""

    def __init__(self, ownership: Ownership, thread_id: str, owner: str) -> None:
        self._ownership = ownership
        self._thread_id = thread_id
        self._owner = owner
        self._lock = threading.Lock()
        self._abandoned = False

    async def result(self, began: float, timeout: float | None) -> _Known:
        """Lock the thread, trying again until `timeout` seconds after `began`."""
        clock = asyncio.get_running_loop().time
        pause = _FIRST_PAUSE
        while not isinstance(taken := await self._attempt(), _Known):
            if timeout is not None and clock() - began >= timeout:
                raise busy(self._thread_id, taken, timeout)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return taken

    async def _attempt(self) -> _Known | str:
        """Lock the thread; who has it, if another process does."""
        taken = self._ownership.lock_known(self._thread_id, self._owner)
        if taken is None:
            taken = await self._ownership.committer.submit(self._apply, "claim")
        return taken

    def abandon(self) -> None:
        """Undo what was done, and keep a transaction on the way from doing anything."""
        with self._lock:
            self._abandoned = True
            self._ownership.forget(self._thread_id)

    def _apply(self, connection: sqlite3.Connection) -> _Known | str:
        with self._lock:
            if self._abandoned:
                return self._owner
            return self._ownership.committer.heads.beside(self._claim, connection)

    def _claim(self, connection: sqlite3.Connection) -> _Known | str:
        return self._ownership.lock_in_database(connection, self._thread_id, self._owner)


def _nothing(connection: sqlite3.Connection) -> None:
    """A unit that only waits for the transactions before it."""
    connection.execute("SELECT 1")
