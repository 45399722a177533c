"""Answers of a language model behind an OpenAI-compatible endpoint; needs no further library."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from streaming.sse import SseDecoder

from .answer import Message
from .documents import Passage

RULES = (
    "Answer the last question from these passages alone, in a few sentences, and name the files "
    "in brackets. If the passages do not hold the answer, say so."
)
REMEMBERED = 7
"""Messages of the conversation that the model is shown."""


class EndpointError(Exception):
    """The endpoint gave no answer, or no whole one; look at its address, key and model."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind POST {base_url}/chat/completions."""

    base_url: str
    model: str
    key: str = ""
    timeout: float = 60.0
    """Seconds without a byte after which an answer counts as broken off."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Endpoint | None:
        """The endpoint that OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL name, if any."""
        base_url = variables.get("OPENAI_BASE_URL", "").rstrip("/")
        if not base_url:
            return None
        model = variables.get("OPENAI_MODEL", "gpt-4o-mini")
        return cls(base_url, model, variables.get("OPENAI_API_KEY", ""))

    def __call__(
        self, messages: Sequence[Message], passages: Sequence[Passage], /
    ) -> Iterator[str]:
        """The answer's tokens as they come.  Raises EndpointError."""
        try:
            with closing(self._connection()) as connection:
                yield from _tokens(self._ask(connection, prompt(messages, passages)))
        except (OSError, HTTPException, ValueError) as error:
            raise EndpointError(
                f"{self.base_url} gave no whole answer: {error!r}; look whether OPENAI_BASE_URL is "
                "right and the server is up"
            ) from error

    def _connection(self) -> HTTPConnection:
        url = urlsplit(self.base_url)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        return kind(url.hostname or "", url.port, timeout=self.timeout)

    def _ask(self, connection: HTTPConnection, messages: list[dict[str, str]]) -> HTTPResponse:
        body = json.dumps({"model": self.model, "messages": messages, "stream": True})
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        connection.request(
            "POST", f"{urlsplit(self.base_url).path}/chat/completions", body, headers
        )
        response = connection.getresponse()
        if response.status != 200:
            said = response.read(300).decode(errors="replace")
            raise EndpointError(
                f"{self.base_url} answered {response.status} {response.reason}: {said}; look at "
                f"OPENAI_API_KEY and at OPENAI_MODEL, which is {self.model!r}"
            )
        return response


def prompt(messages: Sequence[Message], passages: Sequence[Passage]) -> list[dict[str, str]]:
    """What the model is shown: the rules, the passages, the end of the conversation."""
    quotes = "\n".join(f"[{p.path}] {p.heading}: {p.text}" for p in passages)
    said = [{"role": m.role, "content": m.text} for m in messages[-REMEMBERED:]]
    return [{"role": "system", "content": f"{RULES}\n\n{quotes}"}, *said]


def _tokens(response: HTTPResponse) -> Iterator[str]:
    """The text in a stream of completion chunks, up to `[DONE]`."""
    decoder = SseDecoder()
    while data := response.read1(1 << 16):
        for event in decoder.feed(data):
            if event.data == "[DONE]":
                return
            if text := _text(json.loads(event.data)):
                yield text
    raise EndpointError("the answer broke off before its end; ask again, or go on with /resume")


def _text(chunk: Any) -> str:
    match chunk:
        case {"error": error}:
            raise EndpointError(f"the model failed: {error!r}; ask again, or use another model")
        case {"choices": [{"delta": {"content": str(text)}}, *_]}:
            return text
        case _:
            return ""
