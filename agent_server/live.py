"""A run that this process has accepted: where its events come from, and how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import actors
from streaming import RunLog

from .records import Run, RunStatus


class LiveRun:
    """One accepted run, from its acceptance until its streams are forgotten.

    The dispatcher is its only writer; requests read it and wait on it.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        """The run as its row says, kept up to date."""
        self.engine: actors.Run | None = None
        """The engine's run, from its beginning to its end; of another attempt after a restart."""
        self.log: RunLog | None = None
        """Its events, once it has begun; they stay when the engine's run has gone."""
        self.answer = b""
        """What `wait` and `join` answer, once it is settled, as JSON: the final values, with
        "__interrupt__" where it waits for answers, or {"__error__": …}."""
        self._begun = asyncio.Event()
        self._settled = asyncio.Event()

    def __repr__(self) -> str:
        return f"<LiveRun {self.run.run_id} {self.run.status} thread={self.run.thread_id}>"

    @property
    def is_settled(self) -> bool:
        """True when its row says how it ended, or the server stops."""
        return self._settled.is_set()

    async def begun(self) -> RunLog | None:
        """Wait until it begins, and give its events; None if it ended before that."""
        await self._begun.wait()
        return self.log

    async def settled(self) -> Run:
        """Wait until it has ended and its row says so; a stream closes only then.

        Also returns when the server stops before that: then `run.ended` is False, and the run goes
        on after the next start.
        """
        await self._settled.wait()
        return self.run

    # --- for the dispatcher ------------------------------------------------------------------

    def begin(self, engine: actors.Run, attempt: int) -> None:
        """The engine runs it."""
        self.engine, self.log = engine, engine.log
        self.run = replace(self.run, status="running", attempt=attempt)
        self._begun.set()

    def settle(self, status: RunStatus, answer: bytes, error: dict[str, str] | None = None) -> None:
        """It has ended, and whoever reads its row learns the same."""
        self.run = replace(self.run, status=status, error=error)
        self.answer = answer
        self.engine = None  # ended runs are kept for hours: what they ran on is most of them
        self._begun.set()
        self._settled.set()

    def suspend(self) -> None:
        """The server stops; it goes on with the next one, if it is stored."""
        self.run = replace(self.run, status="pending")
        self._begun.set()
        self._settled.set()
