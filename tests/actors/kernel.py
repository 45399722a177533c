"""Small stand-ins that the tests of the actor kernel share: actors, a clock, a lock-step loop."""

from __future__ import annotations

import asyncio
from typing import Any

from actors.actor import Actor
from actors.ledger import DeadLetter


class FakeTime:
    """A clock that only its own sleepers move, at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Hooks:
    """Keeps what a supervisor gives to its hooks."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.failures: list[tuple[str, BaseException]] = []

    def dead_letter(self, letter: DeadLetter) -> None:
        self.letters.append(letter)

    def failure(self, name: str, error: BaseException) -> None:
        self.failures.append((name, error))

    @property
    def dead(self) -> list[tuple[Any, str]]:
        """(message, reason) of every dead letter."""
        return [(letter.message, letter.reason) for letter in self.letters]


class CrashError(Exception):
    """What `Recorder` raises when it is told to."""


class Recorder(Actor[Any, Any]):
    """Writes down what happens to it; the messages "crash", "block" and an Event do as they say."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.gate = asyncio.Event()
        self.started = asyncio.Event()

    async def on_start(self) -> None:
        self.log.append("start")

    async def on_stop(self) -> None:
        await asyncio.sleep(0)
        self.log.append("stop")

    async def on_failure(self, error: Exception, message: Any) -> None:
        self.log.append((type(error).__name__, message))

    async def receive(self, message: Any) -> Any:
        if message == "crash":
            raise CrashError(message)
        if message == "block":
            self.started.set()
            await self.gate.wait()
        self.log.append(message)
        return message
