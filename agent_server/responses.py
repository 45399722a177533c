"""What is answered: JSON, and where things are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from .jsontext import to_json

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .paging import Page


class JsonResponse(Response):
    """Compact JSON of whatever users put into their states."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The content as bytes."""
        return to_json(content)


def place(request: HTTPConnection, path: str) -> str:
    """A path of the server's as the client must ask for it: below the prefix it is mounted at."""
    return request.scope.get("root_path", "") + path


def page_headers(page: Page[Any]) -> dict[str, str]:
    """How many there are, and where the next page begins, if there is one."""
    headers = {"x-pagination-total": str(page.total)}
    if page.next is not None:
        headers["x-pagination-next"] = str(page.next)
    return headers
