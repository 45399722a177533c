"""How a run's log is opened, and what it counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias, TypedDict

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
