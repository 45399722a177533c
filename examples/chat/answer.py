"""Answers made of the passages themselves, for when there is no model to ask."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from .documents import Passage

NOTHING = "The documents say nothing about that. Try other words."


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that was said."""

    role: Literal["user", "assistant"]
    text: str


class Answerer(Protocol):
    """Answers the last of the messages from the passages (best first), token by token."""

    def __call__(
        self, messages: Sequence[Message], passages: Sequence[Passage], /
    ) -> AsyncGenerator[str, None]: ...


@dataclass(frozen=True, slots=True)
class Extractive:
    """Quotes the passages that say most, word by word."""

    pace: float = 0.0
    """Seconds between words: about as fast as one reads, or as fast as it goes."""

    async def __call__(
        self, _messages: Sequence[Message], passages: Sequence[Passage], /
    ) -> AsyncGenerator[str, None]:
        for token in re.findall(r"\s*\S+", compose(passages)):
            yield token
            await asyncio.sleep(self.pace)


def compose(passages: Sequence[Passage], *, limit: int = 3) -> str:
    """The best passages (given best first), each once and with the file it stands in."""
    worth = [p for p in passages if 0 < p.score >= passages[0].score / 2]
    quotes = dict.fromkeys(_quote(passage) for passage in worth)
    return "\n".join(list(quotes)[:limit]) or NOTHING


def _quote(passage: Passage) -> str:
    place = f"{passage.path} › {passage.heading}" if passage.heading else passage.path
    return f"- {passage.text} [{place}]"
