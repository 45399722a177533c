"""A reader's place in a run's log, kept by the log under its lock."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Any, Final

from .events import Custom, Event, Token
from .modes import SKIP
from .view import View
from .waiting import LoopWaiter

BATCH = 128
"""Events a reader takes, or is handed, at once."""

_SAID = frozenset({Token, Custom})


class Reading(Enum):
    """What a cursor meets when there are no events for it."""

    WAIT = "wait"
    BEHIND = "behind"
    END = "end"


# Names of their own, as looking a member up in its class costs more than the rest of a comparison.
WAIT: Final = Reading.WAIT
"""Nothing new yet: park the cursor and await its waiter."""
BEHIND: Final = Reading.BEHIND
"""The ring has dropped what comes next."""
END: Final = Reading.END
"""The log is closed and read to its end."""


class Cursor:
    """Where one reader stands."""

    __slots__ = ("chunks", "closed", "position", "room", "thread", "until", "view", "waiter")

    def __init__(self, position: int, view: View, room: int = 0) -> None:
        self.position = position
        """Id of the last event taken out of the log."""
        self.view = view
        """What it shows."""
        self.chunks: deque[Any] = deque()
        """Made of the events taken, not yet given to the reader."""
        self.room = room
        """Chunks it may be handed before it has read them; 0: it takes all events itself."""
        self.waiter: LoopWaiter | None = None
        """Set while the reader waits for more."""
        self.thread = 0
        """The thread that reads."""
        self.closed = False
        self.until: int | None = None
        """Id of the last event it is to read; None: to the end of the log."""

    def hand(self, event: Event) -> bool:
        """Make the chunk of the event behind `position` at once, past the log; False if its reader
        has to take it.

        For what is said inside of nodes: it comes often, is quickly shown and lacks nothing.
        """
        chunks, view = self.chunks, self.view
        if type(event) not in _SAID or len(chunks) >= self.room or view.where is not None:
            return False
        chunk = view.chunk(event)
        if chunk is not SKIP:
            chunks.append(chunk)
        self.position = event.id
        return True
