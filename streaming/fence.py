"""The end of a task's right to write to its run's log."""

from __future__ import annotations


class Fence:
    """Given along when a task publishes; once raised, the log refuses (and counts) what comes.

    Raise it with `RunLog.fence`, which leaves no gap between the last write let in and the first
    one refused.
    """

    __slots__ = ("raised",)

    def __init__(self) -> None:
        self.raised = False
        """True when writes are refused; read-only."""
