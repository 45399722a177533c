"""A client for an app in the same process."""

from __future__ import annotations

import httpx
from starlette.types import ASGIApp


def local_client(app: ASGIApp, **options: object) -> httpx.AsyncClient:
    """Asks the app itself; what it raises is raised in the test."""
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://server", **options)  # type: ignore[arg-type]
