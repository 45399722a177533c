"""What is answered: JSON, and where things are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from .jsontext import to_json

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


class JsonResponse(Response):
    """Compact JSON of whatever users put into their states."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The content as bytes."""
        return to_json(content)


def place(request: HTTPConnection, path: str) -> str:
    """A path of the server's as the client must ask for it: below the prefix it is mounted at."""
    return request.scope.get("root_path", "") + path
