"""Counts words with two actors. One meets a bad line, is restarted, and goes on with the rest.

    python -m examples.kernel

Prints:
    reader starts
    cannot read 'be ???': it is damaged
    reader stops
    reader starts
    to 3, be 2, or 1
    not handled any more: 'one line too late'
    reader stops
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from actors import Actor, ActorRef, DeadLetter, RestartPolicy, Supervisor

LINES = ["to be", "or not to be", "be ???", "to"]


class WordCounter(Actor[str, Counter[str]]):
    """Counts each word it is told; answers with the counts so far."""

    async def on_start(self) -> None:
        self.counts: Counter[str] = Counter()

    async def receive(self, message: str) -> Counter[str]:
        self.counts.update(message.split())
        return self.counts


class Reader(Actor[str, None]):
    """Splits lines into words for the counter; a damaged line is an error."""

    def __init__(self, counter: ActorRef[str, Counter[str]]) -> None:
        self.counter = counter

    async def on_start(self) -> None:
        print("reader starts")

    async def on_stop(self) -> None:
        print("reader stops")

    async def on_failure(self, error: Exception, message: str | None) -> None:
        print(f"cannot read {message!r}: {error}")

    async def receive(self, message: str) -> None:
        if "?" in message:
            raise ValueError("it is damaged")
        for word in message.split():
            await self.counter.tell(word)  # waits while the counter's mailbox is full


def mourn(letter: DeadLetter) -> None:
    print(f"not handled any more: {letter.message!r}")


async def main() -> None:
    logging.disable(logging.WARNING)  # the supervisor logs each restart with its traceback
    soon = RestartPolicy(budget=3, window=60, first_delay=0.01)
    async with Supervisor(on_dead_letter=mourn, restart=soon) as supervisor:
        counter = supervisor.start(WordCounter(), name="counter", capacity=2)
        reader = supervisor.start(Reader(counter), name="reader")
        for line in LINES:
            await reader.tell(line)
        await reader.ask("")  # its mailbox is in order: the lines before are done now
        counts = await counter.ask("")
        print(", ".join(f"{word} {count}" for word, count in counts.most_common(3)))
        await reader.tell("one line too late")


if __name__ == "__main__":
    asyncio.run(main())
