"""Connections whose thread serves many callers on many event loops.

aiosqlite gives each connection a thread of its own and answers through the event loop that asked.
A saver belongs to no loop: a caller's loop may be closed before its answer is ready, and an answer
to a closed loop would end the thread for all.  So the thread is parked in `serve` as soon as the
connection is open: what arrives in our queues is answered by `Answers`, which a closed loop cannot
hurt, and one hop to the thread carries as much work as is waiting.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias, cast

import aiosqlite

Serve: TypeAlias = Callable[[sqlite3.Connection], None]
Ended: TypeAlias = Callable[[Exception | None], None]
Waiting: TypeAlias = "asyncio.Future[Any] | Future[Any]"
"""Of a caller in an event loop, or of a thread that waits."""


def park(database: str, serve: Serve, ended: Ended) -> None:
    """Open a connection and run `serve` on its thread; it is closed when `serve` returns.

    Returns at once.  `ended` is called at the very end, with what went wrong: the connection could
    not be opened, or `serve` raised.
    """

    class Parked(sqlite3.Connection):
        failure: Exception | None = None

        def __init__(self, *args: Any, **options: Any) -> None:
            try:
                super().__init__(*args, **options)
            except sqlite3.Error as error:
                self.failure = error

        def close(self) -> None:
            """Serve; then close."""
            try:
                if self.failure is None:
                    serve(self)
                    super().close()
            except Exception as error:  # noqa: BLE001 - the end of the thread: hand it on
                self.failure = error
            ended(self.failure)

    def open_and_park() -> None:
        try:
            connection = asyncio.run(_connect(database, Parked))
        except Exception as error:  # noqa: BLE001 - no descriptor or thread left: hand it on
            ended(error)
            return
        # No event loop is set here any more, so aiosqlite calls `close` without making a future.
        cast(Any, connection).stop()

    # A daemon thread, and so is the one that aiosqlite starts from it: a saver that nobody closed
    # does not keep the interpreter from ending.
    threading.Thread(target=open_and_park, name="checkpoint-open", daemon=True).start()


async def _connect(database: str, factory: type[sqlite3.Connection]) -> aiosqlite.Connection:
    return await aiosqlite.connect(database, factory=factory, isolation_level=None, timeout=30.0)


class Answers:
    """Results for callers on any event loops, sent with one wake-up per loop, and for threads."""

    def __init__(self) -> None:
        self._ready: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []

    def add(self, future: Waiting, result: Any) -> None:
        """Answer with a result, or with an error if that is what it is; a thread hears it now."""
        error = result if isinstance(result, BaseException) else None
        if not isinstance(future, Future):
            self._ready.append((future, result, error))
        elif error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def send(self) -> None:
        """Wake the callers; one that was cancelled or whose loop is closed is passed over."""
        ready, self._ready = self._ready, []
        loops = {future.get_loop() for future, _, _ in ready}
        for loop in loops:
            mine = [answer for answer in ready if answer[0].get_loop() is loop]
            try:
                loop.call_soon_threadsafe(_settle, mine)
            except RuntimeError:  # the loop is closed, its callers are gone
                continue


def _settle(answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, result, error in answers:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
