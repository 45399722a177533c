"""Answers of a language model behind an OpenAI-compatible endpoint; needs no further library.

The standard library's HTTP client blocks, so it works in a worker thread. When the answer is not
wanted any more (the node was cancelled), hanging up wakes that thread at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from streaming.sse import ServerEvent, SseDecoder

from .answer import Message
from .documents import Passage

RULES = (
    "Answer the last question from these passages alone, in a few sentences, and name the files "
    "in brackets. If the passages do not hold the answer, say so."
)
REMEMBERED = 7
"""Messages of the conversation that the model is shown."""
CONNECT_TIMEOUT = 10.0
ANSWER_TIMEOUT = 60.0
"""Seconds without a byte after which an answer counts as broken off."""


class EndpointError(Exception):
    """The endpoint gave no answer, or no whole one; look at its address, key and model."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind POST {base_url}/chat/completions."""

    base_url: str
    model: str
    key: str = ""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Endpoint | None:
        """The endpoint that OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL name, if any."""
        base_url = variables.get("OPENAI_BASE_URL", "").rstrip("/")
        if not base_url:
            return None
        model = variables.get("OPENAI_MODEL", "gpt-4o-mini")
        return cls(base_url, model, variables.get("OPENAI_API_KEY", ""))

    async def __call__(
        self, messages: Sequence[Message], passages: Sequence[Passage], /
    ) -> AsyncGenerator[str, None]:
        """The answer's tokens as they come.  Raises EndpointError."""
        exchange = Exchange(self)
        decoder = SseDecoder()
        worker = ThreadPoolExecutor(1)  # one thread: what it is given is done in order
        in_worker = partial(asyncio.get_running_loop().run_in_executor, worker)
        try:
            await in_worker(exchange.ask, prompt(messages, passages))
            while data := await in_worker(exchange.read):
                for text in _texts(decoder.feed(data)):
                    if text is None:
                        return
                    yield text
            raise EndpointError("the answer broke off before its end; ask again, or /resume it")
        except (OSError, HTTPException, ValueError) as error:
            raise EndpointError(
                f"{self.base_url} gave no whole answer: {error!r}; look whether OPENAI_BASE_URL is "
                "right and the server is up"
            ) from error
        finally:
            exchange.hang_up()
            worker.submit(exchange.close)
            worker.shutdown(wait=False)


class Exchange:
    """One request and its answer, for one thread, which it blocks; another one may `hang_up`."""

    def __init__(self, endpoint: Endpoint) -> None:
        url = urlsplit(endpoint.base_url)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        self._endpoint = endpoint
        self._path = f"{url.path}/chat/completions"
        self._connection = kind(url.hostname or "", url.port, timeout=CONNECT_TIMEOUT)
        self._socket: socket.socket | None = None
        self._response: HTTPResponse | None = None
        self._over = False

    def ask(self, messages: list[dict[str, str]]) -> None:
        """Send the messages and wait until the answer begins.  Raises EndpointError, OSError."""
        self._connection.connect()
        self._socket = self._connection.sock
        assert self._socket is not None, "it is connected"
        self._socket.settimeout(ANSWER_TIMEOUT)
        if self._over:
            raise ConnectionAbortedError("it was hung up before anything was asked")
        body = {"model": self._endpoint.model, "messages": messages, "stream": True}
        self._connection.request("POST", self._path, *self._content(body))
        self._response = self._connection.getresponse()
        self._check(self._response)

    def read(self) -> bytes:
        """What has come of the answer; b"" at its end."""
        assert self._response is not None, "ask first"
        return self._response.read1(1 << 16)

    def close(self) -> None:
        """Give the connection back to the system."""
        self._connection.close()
        if self._response is not None:
            self._response.close()

    def hang_up(self) -> None:
        """The answer is not wanted any more: who waits for it is woken.  From any thread."""
        self._over = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other side was faster, or it is closed

    def _content(self, body: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if self._endpoint.key:
            headers["Authorization"] = f"Bearer {self._endpoint.key}"
        return json.dumps(body).encode(), headers

    def _check(self, response: HTTPResponse) -> None:
        if response.status != 200:
            said = response.read(300).decode(errors="replace")
            raise EndpointError(
                f"{self._endpoint.base_url} answered {response.status} {response.reason}: {said}; "
                f"look at OPENAI_API_KEY and at OPENAI_MODEL, which is {self._endpoint.model!r}"
            )


def prompt(messages: Sequence[Message], passages: Sequence[Passage]) -> list[dict[str, str]]:
    """What the model is shown: the rules, the passages, the end of the conversation."""
    quotes = "\n".join(f"[{p.path}] {p.heading}: {p.text}" for p in passages)
    said = [{"role": m.role, "content": m.text} for m in messages[-REMEMBERED:]]
    return [{"role": "system", "content": f"{RULES}\n\n{quotes}"}, *said]


def _texts(events: Iterable[ServerEvent]) -> Iterator[str | None]:
    """The text in completion chunks; None at the end of the answer."""
    for event in events:
        if event.data == "[DONE]":
            yield None
        elif text := _text(json.loads(event.data)):
            yield text


def _text(chunk: Any) -> str:
    match chunk:
        case {"error": error}:
            raise EndpointError(f"the model failed: {error!r}; ask again, or use another model")
        case {"choices": [{"delta": {"content": str(text)}}, *_]}:
            return text
        case _:
            return ""
