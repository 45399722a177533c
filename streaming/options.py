"""How a run's log is opened, and what it counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias, TypedDict

from .errors import LogSetupError
from .events import Event
from .points import Faults
from .ports import EventCodec, EventLog

Resolve: TypeAlias = Callable[[Event], Awaitable[Event]]


class LogOptions(TypedDict, total=False):
    """How a log is opened."""

    keep: bool
    """True (default): others may join later, so everything is kept as far as the ring goes.
    False: only what present subscribers want, until all of them have it."""
    start: int
    """Last id of the run's durable log, when the log goes on after a restart."""
    max_events: int
    """Bound of the ring, and of the rows that wait for the durable log."""
    max_bytes: int
    """The same in bytes: of encoded events where there is a durable log, else about what events
    take in memory (`sizes.py` tells what is counted).  Without either only `max_events` counts."""
    high_water: int
    """Events the owner may lag before a writer in a worker thread has to wait."""
    low_water: int
    """Lag at which waiting writers go on."""
    event_log: EventLog | None
    codec: EventCodec | None
    resolve: Resolve | None
    """Gives an event whose values are held by its checkpoint only together with them; Withdrawn in
    its place if that checkpoint is gone: readers get a Gap."""
    faults: Faults | None
    """For tests: what is to go wrong, and where (`streaming.testing_faults`)."""


class LogStats(NamedTuple):
    """A run log's counts."""

    published: int
    """Events that got an id here."""
    dropped: int
    """Events the ring pushed out to make room."""
    refused: int
    """Events of fenced tasks, or published after the end by one."""
    subscribers: int
    lag: int
    """Visible events that the slowest subscriber has not taken."""
    unsent: int
    """Events that wait for the durable log."""


def check_bounds(
    start: int, max_events: int, max_bytes: int, low_water: int, high_water: int
) -> None:
    """Raises LogSetupError if a log cannot have these."""
    if start < 0 or max_events < 1 or max_bytes < 1:
        raise LogSetupError(
            f"start={start}, max_events={max_events}, max_bytes={max_bytes} cannot be the "
            "bounds of a log; give start >= 0 and bounds >= 1"
        )
    if not 0 <= low_water <= high_water:
        raise LogSetupError(
            f"low_water={low_water}, high_water={high_water} cannot be: a writer "
            "that waits would never go on; give 0 <= low_water <= high_water"
        )
