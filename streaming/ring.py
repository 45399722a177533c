"""A bounded window on the newest events of a run, found by their gapless ids."""

from __future__ import annotations

from collections import deque

from .events import Event


class Ring:
    """Holds the newest events, at most `max_events` of them and `max_bytes` of their sizes.

    The newest event stays whatever its size.  Appending and finding cost the same at any length.
    """

    __slots__ = ("_max_bytes", "_max_events", "_origin", "_sizes", "_slots", "dropped", "end",
                 "first", "size")  # fmt: skip

    def __init__(self, next_id: int, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._slots: list[Event | None] = []
        self._sizes: deque[int] | None = None  # of a log that keeps nothing, it would be 0.7 KB
        self._origin = next_id  # the id in slot 0, modulo max_events
        self.first = next_id
        """Id of the oldest event held; `end` when there is none."""
        self.end = next_id
        """Id of the next event to come."""
        self.size = 0
        """Sum of the sizes of the events held."""
        self.dropped = 0
        """Events that were pushed out by newer ones."""

    def append(self, event: Event) -> None:
        """Add the event with id `end`; a ring takes events either with sizes or without.

        One with a later id stands alone: no reader needs those before it.
        """
        slots, end = self._slots, self.end
        if event.id != end:
            self.clear(event.id)
            end = event.id
        if len(slots) < self._max_events:
            slots.append(event)
        else:
            if end - self.first == self._max_events:
                self._drop_oldest()
            slots[(end - self._origin) % self._max_events] = event
        self.end = end + 1

    def append_sized(self, event: Event, size: int) -> None:
        """Add the event with id `end`, which counts `size` bytes."""
        self.append(event)
        if self._sizes is None:
            self._sizes = deque()
        self._sizes.append(size)
        self.size += size
        while self.size > self._max_bytes and self.first < self.end - 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._slots[(self.first - self._origin) % self._max_events] = None
        self.first += 1
        self.dropped += 1
        if self._sizes:
            self.size -= self._sizes.popleft()

    def replace(self, event: Event) -> None:
        """Put another event in the place of the one with the same id, if that is still held."""
        if self.first <= event.id < self.end:
            self._slots[(event.id - self._origin) % self._max_events] = event

    def clear(self, next_id: int) -> None:
        """Forget all events (every reader has them); the next one has the given id."""
        self._slots.clear()
        self._sizes = None
        self._origin = self.first = self.end = next_id
        self.size = 0

    def between(self, after: int, upto: int) -> list[Event]:
        """The events with after < id <= upto; all of them must be held."""
        start = (after + 1 - self._origin) % self._max_events
        stop = start + upto - after
        found = self._slots[start:stop]
        if stop > self._max_events:
            found += self._slots[: stop - self._max_events]
        return found  # type: ignore[return-value]  # held slots are never None
