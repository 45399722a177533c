"""A client of raw sockets: it sends, sees where an answer ends, and decodes nothing.

The same for every server, and so cheap that the server is what is measured.
"""

from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Iterable, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Self

SIZE = 1 << 18
PATIENCE = 60
"""Seconds that a server may take for its next bytes."""
LAST_CHUNK = b"\r\n0\r\n\r\n"


class Answer:
    """An answer as it comes: `feed` it, until it is whole."""

    def __init__(self) -> None:
        self.whole = False
        self._head = b""
        self._body = list[bytes]()
        self._lacks: int | None = None
        self._tail = b"\r\n"

    @property
    def ok(self) -> bool:
        """Whether it is a 200."""
        return self._head.startswith(b"HTTP/1.1 200")

    @property
    def has_head(self) -> bool:
        """Whether its headers are here."""
        return b"\r\n\r\n" in self._head

    @property
    def latest(self) -> bytes:
        """The last bytes of its body that came."""
        return self._body[-1] if self._body else b""

    @property
    def body(self) -> bytes:
        """Its body, with what stands around its chunks."""
        return b"".join(self._body)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if not self.has_head:
            data = self._read_head(self._head + data)
        if not data:
            return
        self._body.append(data)
        if self._lacks is None:
            self._tail = (self._tail + data[-len(LAST_CHUNK) :])[-len(LAST_CHUNK) :]
            self.whole = self._tail == LAST_CHUNK
        else:
            self._lacks -= len(data)
            self.whole = self._lacks <= 0

    def _read_head(self, data: bytes) -> bytes:
        head, end, rest = data.partition(b"\r\n\r\n")
        self._head = head + end
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                self._lacks = int(line[15:])
        return rest


def request(method: str, path: str, body: Any = None) -> bytes:
    """The bytes of a request."""
    data = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


class Connection:
    """A connection that stays open from one request to the next."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = Answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, message: bytes) -> None:
        """Send a request; `answer` is what comes to it."""
        self.answer = Answer()
        self.socket.sendall(message)

    def receive(self) -> Answer:
        """Take what is there, and wait if there is nothing.  Raises ConnectionError."""
        data = self.socket.recv(SIZE)
        if not data:
            raise ConnectionError("the server hung up; look into its log")
        self.answer.feed(data)
        return self.answer

    def ask(self, message: bytes) -> Answer:
        """Send a request, and wait for the whole of its answer.  Raises ConnectionError."""
        self.send(message)
        return self.rest()

    def rest(self) -> Answer:
        """Wait until the answer is whole.  Raises ConnectionError."""
        while not self.answer.whole:
            self.receive()
        return self.answer

    def ask_for_head(self, message: bytes) -> None:
        """Send a request, and wait for the headers of its answer.  Raises ConnectionError."""
        self.send(message)
        while not self.answer.has_head:
            self.receive()


def one_after_the_other(connection: Connection, message: bytes, count: int) -> list[float]:
    """Ask so many times; the seconds of each."""
    times = list[float]()
    for _ in range(count):
        began = perf_counter()
        answer = connection.ask(message)
        times.append(perf_counter() - began)
        check(answer)
    return times


def side_by_side(connections: Sequence[Connection], message: bytes, count: int) -> float:
    """Ask so many times in all, each connection again as soon as it is answered; the seconds."""
    began, asked, answered = perf_counter(), 0, 0
    with _all_of(connections) as selector:
        for connection in connections:
            connection.send(message)
            asked += 1
        while answered < asked:
            for key, _ in selector.select(PATIENCE):
                connection: Connection = key.data
                if not connection.receive().whole:
                    continue
                answered += 1
                check(connection.answer)
                if asked < count:
                    connection.send(message)
                    asked += 1
    return perf_counter() - began


def drain(connections: Iterable[Connection]) -> float:
    """Read until every answer is whole; when that was."""
    with _all_of(connections) as selector:
        while selector.get_map():
            for key, _ in selector.select(PATIENCE):
                if key.data.receive().whole:
                    selector.unregister(key.fileobj)
    return perf_counter()


def check(answer: Answer) -> None:
    """Raise RuntimeError if the server refused."""
    if not answer.ok or b"event: error" in answer.body or b"__error__" in answer.body:
        raise RuntimeError(f"the server answered {answer.body[:500]!r}; look into its log")


def _all_of(connections: Iterable[Connection]) -> selectors.BaseSelector:
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    return selector
