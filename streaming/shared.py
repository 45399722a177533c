"""Chunks that are made once for all readers who see the same of the same events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .chunk import event_id_of
from .events import Event
from .view import Sight, View


class _Batch:
    __slots__ = ("first", "last", "left", "shown")

    def __init__(self, first: int, last: int, left: int) -> None:
        self.first = first
        self.last = last
        self.left = left
        """Readers who have not taken it."""
        self.shown: dict[Sight, Sequence[Any]] = {}


_NONE: Final = _Batch(0, 0, 0)
"""Stands for no batch: the first event of a log has id 1."""


class LastShown:
    """The chunks of the batch of events that some reader was shown last.

    Readers that are woken together take the same events one after the other, and most of them see
    the same of them: all but the first are given what was made for it.  One batch is held at most,
    until as many readers have taken it as there were.  Any thread may ask.
    """

    __slots__ = ("_batch",)

    def __init__(self) -> None:
        self._batch = _NONE

    @property
    def held(self) -> int:
        """Chunks that are held."""
        return sum(map(len, self._batch.shown.values()))

    def chunks(
        self, view: View, events: Sequence[Event], after: int, readers: int
    ) -> Sequence[Any]:
        """What a view, of so many readers, shows of events behind the chunk `after`.

        Not to be changed.
        """
        first, last = events[0].id, events[-1].id
        sight = view.sight
        if readers < 2 or sight is None or first <= event_id_of(after):
            return view.chunks(events, after)
        batch = self._batch
        if batch.first != first or batch.last != last:
            batch = self._batch = _Batch(first, last, readers)
        shown = batch.shown.get(sight)
        if shown is None:
            shown = batch.shown[sight] = view.chunks(events, after)
        batch.left -= 1
        if batch.left <= 0:
            self.clear()
        return shown

    def clear(self) -> None:
        """Hold nothing."""
        self._batch = _NONE
