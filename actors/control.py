"""Asking a run to stop between two super-steps; pure."""

from __future__ import annotations


class RunControl:
    """A handle on one run: ask it to stop at the next super-step boundary, where it is saved.

    Give a new one to each run.  Safe from any thread and any signal handler: asking is one write.
    The run raises GraphDrained, unless it was over anyway; `invoke(None, config)` goes on with it.

    Example:
        >>> control = RunControl()
        >>> signal.signal(signal.SIGTERM, lambda *_: control.request_drain("SIGTERM"))
        >>> await graph.ainvoke(inputs, config, control=control)
    """

    __slots__ = ("drain_reason",)

    def __init__(self) -> None:
        self.drain_reason: str | None = None
        """Why the run is to stop; None as long as nobody asked.  Read-only."""

    def __repr__(self) -> str:
        return f"RunControl(drain_reason={self.drain_reason!r})"

    def request_drain(self, reason: str = "shutdown") -> None:
        """Let the steps that run end, and start no other; asked again, the last reason counts."""
        self.drain_reason = reason

    @property
    def drain_requested(self) -> bool:
        """True once the run was asked to stop."""
        return self.drain_reason is not None
