"""Pages of what was searched for."""

from __future__ import annotations

import pytest

from agent_server.paging import Page
from agent_server.responses import page_headers


@pytest.mark.parametrize(
    ("items", "total", "offset", "expected"),
    [
        ([1, 2], 5, 0, 2),
        ([1, 2], 5, 2, 4),
        ([1], 5, 4, None),
        ([], 5, 9, None),
        ([], 0, 0, None),
        ([1, 2], 2, 0, None),
    ],
)
def test_a_page_says_where_the_next_one_begins(
    items: list[int], total: int, offset: int, expected: int | None
) -> None:
    page = Page(items, total, offset)

    assert page.next == expected
    headers = page_headers(page)
    assert headers["x-pagination-total"] == str(total)
    assert headers.get("x-pagination-next") == (None if expected is None else str(expected))
