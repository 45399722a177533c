"""What one subscriber sees: its modes, filters and keys, applied to events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeAlias

from .chunk import MODES_PER_EVENT, Chunk, Make
from .events import Custom, Event, Namespace, StepCommitted, Token, Traced
from .modes import ORDINALS, SKIP, VIEWS, OutputKeys, Show, StreamMode, narrow

_Plan: TypeAlias = Mapping[type[Event], tuple[tuple[int, StreamMode, Show], ...]]
"""What is shown of each kind of event: in which modes, and how."""

Sight: TypeAlias = tuple[tuple[StreamMode, ...], bool, str | tuple[str, ...] | None]
"""What two views have in common that make the same of all events."""

_STATE_MODES = frozenset({"values", "checkpoints", "debug"})


def _plan(modes: Sequence[StreamMode], output_keys: OutputKeys) -> _Plan:
    return {
        kind: tuple(
            (ORDINALS[mode], mode, narrow(mode, show, output_keys))
            for mode, show in views
            if mode in modes
        )
        for kind, views in VIEWS.items()
    }


@lru_cache(maxsize=64)
def _whole(modes: tuple[StreamMode, ...]) -> _Plan:
    """The plan of all who read these modes of the whole state; making one takes 6 µs."""
    return _plan(modes, None)


@dataclass(slots=True, eq=False, repr=False)  # not frozen: one per reader, 2 µs less
class View:
    """Modes and filters of a subscriber; `chunks` applies them.  Never changed."""

    modes: tuple[StreamMode, ...]
    subgraphs: bool = False
    """False: events of the root graph only; but `events` shows the spans of all graphs."""
    where: Callable[[Event], bool] | None = None
    """Keeps an event if true; for filters by node or tag."""
    output_keys: OutputKeys = None
    """State keys that `values` and `updates` show; None: all, a string: the bare value."""
    shows_state: bool = field(init=False, default=False)
    """True if some mode shows values of the state."""
    make: Make = Chunk
    """Makes of (chunk id, namespace, mode, data) what the reader gets."""
    _plan: _Plan = field(init=False)

    def __post_init__(self) -> None:
        self.shows_state = not _STATE_MODES.isdisjoint(self.modes)
        whole = self.output_keys is None
        self._plan = _whole(self.modes) if whole else _plan(self.modes, self.output_keys)

    @property
    def sight(self) -> Sight | None:
        """The same for views that make equal chunks of all events; None: there may be no other."""
        if self.where is not None or self.make is not Chunk:
            return None
        keys = self.output_keys
        return (
            self.modes,
            self.subgraphs,
            keys if keys is None or isinstance(keys, str) else tuple(keys),
        )

    def chunk(self, event_id: int, ns: Namespace, mode: StreamMode, data: Any) -> Any:
        """The chunk of an event that one mode shows, as `make` makes it; else SKIP."""
        if mode not in self.modes or (ns and not self.subgraphs):
            return SKIP
        return self.make(event_id * MODES_PER_EVENT + ORDINALS[mode], ns, mode, data)

    def chunks(self, events: Iterable[Event], after: int) -> list[Any]:
        """The chunks of events that have an id greater than `after`, in order, as `make` makes
        them."""
        plan, where, subgraphs, make = self._plan, self.where, self.subgraphs, self.make
        shown: list[Any] = []
        for event in events:
            views = plan.get(type(event))
            if not views or (event.ns and not subgraphs and type(event) is not Traced):
                continue
            if where is not None and not where(event):
                continue
            if type(event) is Token and event.seen_in and self._has_shown(event):
                continue
            first = event.id * MODES_PER_EVENT
            ns = (*event.ns, *event.inside) if type(event) is Custom else event.ns
            for ordinal, mode, show in views:
                if first + ordinal > after and (data := show(event)) is not SKIP:
                    shown.append(make(first + ordinal, ns, mode, data))
        return shown

    def _has_shown(self, message: Token) -> bool:
        """True if these readers saw the message, or pieces of it, before."""
        where = self.where
        return any(
            (self.subgraphs or not ns) and (where is None or where(replace(message, ns=ns)))
            for ns in message.seen_in
        )

    def lacks_some_values(self, events: Sequence[Event], after: int) -> bool:
        """True if that is so of any of these events; most hold what they need."""
        if not self.shows_state:
            return False
        for event in events:
            if type(event) is StepCommitted and event.values is None:  # else no more to ask
                return any(self.lacks_values(each, after) for each in events)
        return False

    def lacks_values(self, event: Event, after: int) -> bool:
        """True if chunks behind `after` show the event's state, and the event does not hold it."""
        if type(event) is not StepCommitted or event.values is not None or event.bare:
            return False
        if event.ns and not self.subgraphs:
            return False
        first = event.id * MODES_PER_EVENT
        return any(
            (event.wrote if mode == "values" else event.checkpoint is not None)
            for ordinal, mode, _ in self._plan[StepCommitted]
            if first + ordinal > after
        )
