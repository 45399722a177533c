"""Who brings a run's events into its log while the loops that are to do so are held up."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from .committer import CALL_ASYNC_TWINS, Committer
from .errors import LogBackedUpError
from .waiting import finish, is_held, running_loop

_FIRST = 0.001
"""Seconds between the first two looks; it is twice as long each time."""
_LATE = 0.05
"""Seconds between two looks at most, and after which a loop that does not answer is held up."""


class StandIn:
    """Sends what waits, and finds in the log what was sent by those who stand still."""

    def __init__(self, committer: Committer, patience: float) -> None:
        self._committer = committer
        self._patience = patience
        self._left = asyncio.Event()
        self._asked: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    @property
    def is_needed(self) -> bool:
        """True if it is known that others stand still."""
        return is_held(self._committer.loop) or is_held(self._committer.awaited)

    def leave(self) -> None:
        """Let `work` come to its end: what it is just sending is sent; and who waits on this loop
        from now on waits as long as it takes."""
        self._left.set()
        self._committer.hope()
        self._committer.progress.pulse()

    async def work(self) -> None:
        """Do it until `leave` is called; not to be cancelled, as who else would send its rows?

        Raises what the event log raises, and LogBackedUpError if rows that somebody else has sent
        do not come there in so many seconds of waiting: nobody on this loop waits for those then,
        until `leave` is called.
        """
        try:
            await self._stand_in()
        except BaseException as error:  # a cancel, too: nobody else is here who would send
            if not self._left.is_set():
                self._committer.give_up(error)
            raise

    async def _stand_in(self) -> None:
        committer = self._committer
        while True:
            await committer.progress.until(lambda: self._ends or committer.outbox.count > 0)
            if self._ends:
                return
            if await self._goes_on(committer.awaited):
                await self._pause(_LATE)
            elif not await committer.send():
                await self._find()

    @property
    def _ends(self) -> bool:
        return self._left.is_set() or self._committer.failed

    async def _find(self) -> None:
        committer, failure = self._committer, None
        waited, pause = 0.0, _FIRST
        while not self._is_done():
            try:
                if await committer.find():
                    return
                failure = None
            except Exception as error:  # noqa: BLE001 - raised if it is no better in time
                failure = error
            if waited >= self._patience and not self._is_done():
                raise failure or LogBackedUpError(
                    f"{committer.outbox.count} events of run {committer.durable.run_id!r} did not "
                    f"come to the event log in {self._patience:g} seconds; who sends them is held "
                    f"up by sync code: {CALL_ASYNC_TWINS}"
                )
            await self._pause(pause)
            waited += pause  # not by the clock: this loop may stand still, too
            pause = min(2 * pause, _LATE)

    def _is_done(self) -> bool:
        committer = self._committer
        return self._ends or committer.outbox.idle or self._has_answered(committer.awaited)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._left.wait()

    async def _goes_on(self, awaited: asyncio.AbstractEventLoop | None) -> bool:
        """True if the loop has turns of its own, so that what it has to do is done."""
        if awaited is None or awaited is running_loop():
            return True
        if is_held(awaited):
            return False
        if self._asked is None or self._asked[0] is not awaited or self._asked[1].done():
            answer = asyncio.get_running_loop().create_future()
            self._asked = awaited, answer
            with suppress(RuntimeError):  # closed: that answers nobody
                awaited.call_soon_threadsafe(finish, answer)
            await asyncio.wait({answer}, timeout=_LATE)
        return self._has_answered(awaited)

    def _has_answered(self, awaited: asyncio.AbstractEventLoop | None) -> bool:
        if self._asked is None or is_held(awaited):
            return False
        loop, answer = self._asked
        return loop is awaited and answer.done()
