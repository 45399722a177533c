"""A reader's place in a run's log, kept by the log under its lock."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from enum import Enum
from typing import Any, Final

from .view import View

BATCH = 128
"""Events a reader takes at once."""


class Reading(Enum):
    """What a cursor meets when there are no events for it."""

    WAIT = "wait"
    BEHIND = "behind"
    END = "end"


# Names of their own, as looking a member up in its class costs more than the rest of a comparison.
WAIT: Final = Reading.WAIT
"""Nothing new yet: park the cursor and await its future."""
BEHIND: Final = Reading.BEHIND
"""The ring has dropped what comes next."""
END: Final = Reading.END
"""The log is closed and read to its end."""


class Cursor:
    """Where one reader stands."""

    __slots__ = (
        "chunks",
        "closed",
        "loop",
        "position",
        "room",
        "thread",
        "until",
        "view",
        "waiter",
    )

    def __init__(self, position: int, view: View, room: int = 0) -> None:
        self.position = position
        """Id of the last event taken out of the log."""
        self.view = view
        """What it shows."""
        self.chunks: deque[Any] = deque()
        """Made of the events taken, not yet given to the reader."""
        self.room = room
        """Chunks it may be handed before it has read them; 0: it takes all events itself."""
        self.waiter: Future[None] | None = None
        """Set while the reader waits for more, which it does with this."""
        self.thread = 0
        """The thread that reads."""
        self.loop: AbstractEventLoop | None = None
        """The loop it last waited on."""
        self.closed = False
        self.until: int | None = None
        """Id of the last event it is to read; None: to the end of the log."""
