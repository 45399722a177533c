"""The places an event passes on its way to a reader, by name, for tests to break.

    publish      before anything is changed; what fails here was not published
    published    it has its id, and nobody is told yet
    append       rows are about to go into the durable log
    appended     they are committed there, and the log does not know it yet
    shown        rows are visible, and nobody is told yet
    delivered    a reader is given events, and has not seen them yet

Rows that ride in a transaction of the publisher's own (`RunLog.stage`) pass its points instead of
`append` and `appended`.

A fault port is called with the name as the point is passed.  What it raises is what the operation
fails with (`FAILING`; elsewhere it must not raise); what it returns is awaited at `append` and
`appended`, where the log may be held up.  Without a port, a point costs one look at None.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

Point: TypeAlias = Literal["publish", "published", "append", "appended", "shown", "delivered"]
Faults: TypeAlias = Callable[[Point], Awaitable[None] | None]

FAILING: frozenset[Point] = frozenset({"publish", "append", "appended"})
"""Where an operation can still fail."""
WAITING: frozenset[Point] = frozenset({"append", "appended"})
"""Where it can be held up."""
