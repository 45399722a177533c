"""A stand-in for a language model: an OpenAI-compatible server on a loopback port."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

PIECE = 7
"""Bytes that are sent at a time, so that events and characters arrive cut in two."""


@dataclass(frozen=True)
class Reply:
    """How the model answers one request."""

    tokens: Sequence[str] = ()
    ending: Literal["done", "cut", "hold", "error"] = "done"
    status: int = 200


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    path: str
    key: str | None
    body: dict[str, Any]


class Model:
    """Gives its replies in order and keeps what it was asked."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.asked: list[Asked] = []
        self.released = threading.Event()
        """Lets a reply that holds come to its end."""
        self._replies = iter(replies)
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.asked.append(Asked(self.path, self.headers["Authorization"], body))
                model.reply(self, next(model._replies))

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def reply(self, request: BaseHTTPRequestHandler, reply: Reply) -> None:
        request.send_response(reply.status)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Connection", "close")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        try:
            for event in self._events(reply):
                for at in range(0, len(event), PIECE):
                    piece = event[at : at + PIECE]
                    request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if reply.ending != "cut":
                request.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # the reader is gone
        request.close_connection = True

    def _events(self, reply: Reply) -> Iterator[bytes]:
        if reply.status != 200:
            yield b'{"error": "no such key"}'
            return
        yield _event({"choices": [{"delta": {"role": "assistant", "content": None}}]})
        for token in reply.tokens:
            yield _event({"choices": [{"delta": {"content": token}}]})
        match reply.ending:
            case "done":
                yield _event({"choices": [], "usage": {"total_tokens": 3}})
                yield b"data: [DONE]\n\n"
            case "error":
                yield _event({"error": {"message": "overloaded"}})
            case "hold":
                self.released.wait()
            case "cut":
                pass

    @contextmanager
    def serving(self) -> Iterator[Model]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


@contextmanager
def model(*replies: Reply) -> Iterator[Model]:
    """A model that is up and gives these replies."""
    with Model(replies).serving() as up:
        yield up
