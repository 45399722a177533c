"""Locks between processes, in a side file: one for each thread, and one for writing at all.

An operating-system lock is freed when its owner dies, however it dies.  Such locks belong to the
process and vanish when it closes *any* descriptor of the file: one `LockFile` per database and
process, kept by the registry of databases.

Beside its lock each thread has a slot that says which process held it last and for whom.  A process
that finds its own mark there knows without asking the database that nobody took the thread over
since; everybody else can name the owner.

A process that is stopped, or hangs, keeps its locks.  To take a thread from it, the thread's *era*
is raised, which stands in the slot too: in each era the thread has another lock.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import DatabaseUnwritableError
from .lock_holder import lock_holder

_fcntl: Any = importlib.import_module("fcntl") if os.name == "posix" else None

SLOT = 128
MARK = 16
"""Bytes of a slot that tell the process; then comes the name of the owner."""
_ERA = 2
"""Bytes at the end of a slot: how often the thread was taken from a process that lives."""
_LOCKS = 1 << 40
"""Locks are taken far behind the slots, at this offset plus the number of the thread; those of
later eras behind them."""
_PER_ERA = 1 << 41
_NAME = SLOT - MARK - _ERA
_GATE = 0
GATE_SECONDS = 30.0


class LockFile:
    """The side file of one database in this process."""

    def __init__(self, path: Path, mark: bytes, *, patience: float = GATE_SECONDS) -> None:
        """`patience`: seconds to wait for others that write."""
        if _fcntl is None:
            raise DatabaseUnwritableError(
                f"{str(path)!r} cannot be locked: this system has no POSIX file locks; "
                "use SqliteSaver(':memory:') or MemorySaver here"
            )
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._path = path
        self._patience = patience
        self._mark = mark
        self._held: dict[int, int] = {}
        """Threads whose locks this process has, with the era of the lock."""

    def try_lock(self, number: int) -> bool:
        """Take the lock of a thread if no other process has it."""
        era = self.era(number)
        if not self._try(_place(number, era)):
            return False
        if self.era(number) != era:  # taken over in between: this lock is worth nothing
            self._free(_place(number, era))
            return False
        self._held[number] = era
        return True

    def unlock(self, number: int) -> None:
        """Give the lock of a thread back."""
        self._free(_place(number, self._held.pop(number, 0)))

    def is_mine(self, number: int, era: int) -> bool:
        """True if no other process held the thread since this one wrote its slot in that era."""
        slot = os.pread(self._fd, SLOT, number * SLOT)  # maybe the file's last one, not whole
        return slot[:MARK] == self._mark and int.from_bytes(slot[SLOT - _ERA :], "big") == era

    def sign(self, number: int, owner: str) -> None:
        """Write into the thread's slot that this process holds it, and for whom."""
        text = owner.encode("utf-8", "replace")[:_NAME]
        os.pwrite(self._fd, self._mark + text.ljust(_NAME, b"\0"), number * SLOT)

    def era(self, number: int) -> int:
        """The era of a thread."""
        return int.from_bytes(os.pread(self._fd, _ERA, (number + 1) * SLOT - _ERA), "big")

    def raise_era(self, number: int) -> None:
        """Begin another era of a thread: whoever has its lock has it no more.  By the one process
        that writes to the database just now."""
        era = (self.era(number) + 1) % (1 << 8 * _ERA)
        os.pwrite(self._fd, era.to_bytes(_ERA, "big"), (number + 1) * SLOT - _ERA)

    def owner(self, number: int) -> str:
        """Who signed the thread's slot last."""
        text = os.pread(self._fd, _NAME, number * SLOT + MARK)
        return text.rstrip(b"\0").decode("utf-8", "replace") or "another process"

    @contextmanager
    def gate(self) -> Generator[None]:
        """Hold the right to write to the database at all.

        SQLite before 3.51.3 can lose a log that one connection resets while another writes; with
        one writing connection per process and this gate between processes that cannot be.
        """
        deadline = time.monotonic() + self._patience
        pause = 0.0002
        while not self._try(_place(_GATE)):
            if time.monotonic() > deadline:
                raise DatabaseUnwritableError(
                    f"the database of {str(self._path)!r} cannot be written: "
                    f"{lock_holder(self._fd, _place(_GATE))} has been writing for "
                    f"{self._patience:g} s; let it go on, or end it, which undoes what it writes"
                )
            time.sleep(pause)
            pause = min(pause * 2, 0.01)
        try:
            yield
        finally:
            self._free(_place(_GATE))

    def close(self) -> None:
        """Give all locks back."""
        os.close(self._fd)

    def _try(self, place: int) -> bool:
        try:
            _fcntl.lockf(self._fd, _fcntl.LOCK_EX | _fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            return False
        return True

    def _free(self, place: int) -> None:
        _fcntl.lockf(self._fd, _fcntl.LOCK_UN, 1, place)


def _place(number: int, era: int = 0) -> int:
    return _LOCKS + number + era * _PER_ERA


class NoLocks:
    """In place of a LockFile for a database that no other process can see."""

    def __init__(self) -> None:
        self._signed: set[int] = set()

    def try_lock(self, number: int) -> bool:  # noqa: ARG002
        """Always: nobody else is there."""
        return True

    def unlock(self, number: int) -> None:
        """Nothing to do."""

    def is_mine(self, number: int, era: int) -> bool:  # noqa: ARG002
        """True once the thread was claimed."""
        return number in self._signed

    def sign(self, number: int, owner: str) -> None:  # noqa: ARG002
        """Remember that the thread was claimed."""
        self._signed.add(number)

    def era(self, number: int) -> int:  # noqa: ARG002
        """There is but one."""
        return 0

    def raise_era(self, number: int) -> None:
        """Forget that the thread was claimed."""
        self._signed.discard(number)

    def owner(self, number: int) -> str:
        """Never asked: a lock is never refused."""
        return f"thread {number}"

    @contextmanager
    def gate(self) -> Generator[None]:
        """Always open."""
        yield

    def close(self) -> None:
        """Nothing to do."""


Locks = LockFile | NoLocks
