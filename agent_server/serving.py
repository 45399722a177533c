"""A server process: it listens, serves, and stops so that nothing is lost."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn

from .errors import PortInUseError

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from .settings import Settings


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.  Raises PortInUseError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"cannot listen on {host}:{port}: {error.strerror}; "
            "stop what does, or give another --port"
        ) from None
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where clients reach it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    app: Starlette, settings: Settings, listener: socket.socket, ready: Callable[[str], None]
) -> None:
    """Serve until a signal asks to stop."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.drain) + 1,
    )
    server = uvicorn.Server(config)
    async with app.router.lifespan_context(app):
        ready(url_of(listener))
        await server.serve(sockets=[listener])
