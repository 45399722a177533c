"""All bugs, by the promise they break, and the page that shows them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.planted.bug import Bug
from tests.planted.damage import HONEST, SAFE
from tests.planted.steps import KEPT, ONCE
from tests.planted.streams import BOUNDED, GAPLESS, LIVES

BUGS = (*KEPT, *ONCE, *GAPLESS, *LIVES, *SAFE, *BOUNDED, *HONEST)
PAGE = "docs/reliability.md"


def rows(bugs: tuple[Bug, ...] = BUGS) -> Iterator[str]:
    """The table of the page, line by line."""
    yield "| | bug | in | caught by |"
    yield "|---|---|---|---|"
    for bug in bugs:
        test = bug.caught_by.removeprefix("tests/")
        yield f"| {bug.promise} | {bug.name} | `{bug.file}` | `{test}` |"
