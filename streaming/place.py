"""A place in a log, held by whoever reads on from there."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from .cursor import Cursor
from .errors import LogFailedError


class Left(Protocol):
    """The log that is read, as far as leaving it goes."""

    run_id: str

    @property
    def error(self) -> BaseException | None:
        """What broke the log, if something did."""
        ...

    def leave(self, cursor: Cursor) -> None:
        """Read no more."""
        ...


class Place:
    """Given up by `close`, at the end of `async with`, or when its reader is collected."""

    def __init__(self, log: Left, cursor: Cursor) -> None:
        self._log = log
        self._cursor = cursor

    def close(self) -> None:
        """Read no more; a task that waits for more sees the end.  Any thread may."""
        self._log.leave(self._cursor)

    def _close_at_end(self) -> None:
        """The log is read to its end.  Raises LogFailedError if that is where it broke."""
        broken = None if self._cursor.closed else self._log.error
        self.close()
        if broken is not None:
            raise LogFailedError(
                f"the log of run {self._log.run_id!r} broke ({broken!r}), so events may be "
                "missing; mend the cause and read the run again from its durable log"
            ) from broken

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # The log must not keep events for, or the run wait for, a reader that is gone.
        cursor: Cursor | None = getattr(self, "_cursor", None)
        if cursor is not None and not cursor.closed:
            self._log.leave(cursor)
