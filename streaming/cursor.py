"""A reader's place in a run's log, kept by the log under its lock."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

from .chunk import Chunk, Gap
from .waiting import LoopWaiter


class Reading(Enum):
    """What a cursor meets when there are no events for it."""

    WAIT = "wait"
    BEHIND = "behind"
    END = "end"


# Names of their own, as looking a member up in its class costs more than the rest of a comparison.
WAIT: Final = Reading.WAIT
"""Nothing new yet: the cursor is parked, await its waiter."""
BEHIND: Final = Reading.BEHIND
"""The ring has dropped what comes next."""
END: Final = Reading.END
"""The log is closed and read to its end."""


class Cursor:
    """Where one reader stands."""

    __slots__ = ("chunks", "closed", "mask", "position", "thread", "until", "waiter")

    def __init__(self, position: int, mask: int) -> None:
        self.position = position
        """Id of the last event taken out of the log."""
        self.mask = mask
        """Bit set of the modes it shows."""
        self.chunks: deque[Chunk | Gap] = deque()
        """Made of the events taken, not yet handed to the reader."""
        self.waiter: LoopWaiter | None = None
        """Set while the reader waits for more."""
        self.thread = 0
        """The thread that reads."""
        self.closed = False
        self.until: int | None = None
        """Id of the last event it is to read; None: to the end of the log."""
