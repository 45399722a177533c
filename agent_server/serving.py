"""A server process: it listens, serves, and stops so that nothing is lost and nobody waits long.

When it is asked to stop (SIGTERM, SIGINT) it takes no new connections, tells its streams, gives
running steps time to reach a checkpoint, and closes the database.  Asked again, it ends at once,
which costs nothing but time: what was committed is there, and runs go on at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .errors import PortInUseError, SettingsError

if TYPE_CHECKING:
    from starlette.applications import Starlette

LAST_RESORT = 10
"""Seconds beyond the deadline after which the process is ended, whatever holds it up."""
_CUT = "ASGI callable returned without completing response."
"""What uvicorn says of each connection that an answer leaves unfinished."""
MAX_HEAD = 1 << 16
"""Bytes that a request's first line and headers may have."""
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: 46\r\nconnection: close\r\n\r\n"
    b'{"detail":"The request headers are too large"}'
)
STOPS = (signal.SIGINT, signal.SIGTERM)
"""Signals that ask it to stop."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.  Raises PortInUseError, SettingsError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small pieces at once only where the socket says that it is TCP; without that
    # a second piece waits 40 ms for the client to acknowledge the first one.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except socket.gaierror:
        listener.close()
        raise SettingsError(f"host={host!r} is no address here; give another --host") from None
    except OSError as error:
        listener.close()
        raise _refusal(host, port, error) from None
    return listener


def _refusal(host: str, port: int, error: OSError) -> SettingsError | PortInUseError:
    why = f"cannot listen on {host}:{port}: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(f"{why}; stop what does, or give another --port")
    mend = "a --port above 1023" if error.errno == errno.EACCES else "another --host or --port"
    return SettingsError(f"{why}; give {mend}")


def url_of(listener: socket.socket) -> str:
    """Where clients reach it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Http(HttpToolsProtocol):
    """uvicorn's, with a bound on what comes before a body: it would hold headers of any size."""

    _head = 0
    """Bytes of a request that has not come to its body yet."""
    _in_head = False

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its body begins, or its end."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Some of it has come."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.transport.write(_TOO_LARGE)
                self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's, with our own order of stopping."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._drain = drain

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are ours: uvicorn would end the process before the database is closed."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """No new connections; then the drain; then what is left of the open ones."""
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        for server in self.servers:
            server.close()
        await self._drain()
        await super().shutdown(sockets)


def _is_news(record: logging.LogRecord) -> bool:
    """At a stop, cut connections are meant: they tell clients to come back."""
    return record.msg != _CUT


async def serve(
    app: Starlette,
    listener: socket.socket,
    *,
    ready: Callable[[], None],
    drain: Callable[[], Awaitable[None]],
    deadline: float,
    stops: Sequence[signal.Signals] = STOPS,
) -> None:
    """Serve until a signal asks to stop; the app's lifespan is around it.

    `ready` is called when it listens; `deadline`: the seconds that a stop may take.
    """
    config = uvicorn.Config(
        app,
        http=_Http,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=1 << 24,
        ws_max_queue=1,  # messages of one client that wait; it is 32 of them otherwise
        timeout_graceful_shutdown=max(1, round(deadline / 2)),
    )
    server = _Server(config, drain)
    with _signals(server, deadline, stops), _frozen():
        ready()
        await server.serve(sockets=[listener])


@contextlib.contextmanager
def _frozen() -> Generator[None]:
    """Spare full collections of garbage what is here to stay: modules, graphs, routes.

    They took 50 to 380 ms with it, each of which stopped everybody, and take 3 to 6 ms without.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def _signals(
    server: uvicorn.Server, deadline: float, stops: Sequence[signal.Signals]
) -> Generator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in stops:
            loop.remove_signal_handler(number)  # the next one ends the process
        end_anyway(deadline + LAST_RESORT)
        server.should_exit = True

    for number in stops:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in stops:
            loop.remove_signal_handler(number)


def end_anyway(seconds: float) -> None:
    """Have the system end this process then: a thread of a node's may never come back."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
