"""Stream events as bytes, for the durable log of a run that is kept in the thread's own database.

An event is stored as its kind and its fields, without what is never stored (`storable.py`) and
without metadata that cannot be: readers of the live run see all of it.  The
state that a step left is not stored again: the checkpoint holds it, and `resolve` takes it from
there when a reader asks for it.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import streaming
from checkpoint import (
    Decoder,
    DeserializationError,
    Saver,
    SerializationError,
    Serializer,
)
from streaming import (
    CheckpointSaved,
    Custom,
    Event,
    EventLog,
    LogOptions,
    StepCommitted,
    TaskStarted,
    Token,
    Traced,
    Withdrawn,
)

from .apart import apart, refused, told
from .config import storable_metadata
from .layout import Layout
from .restore import shown_by_events
from .spec import WHOLE_STATE
from .storable import place_of, storable
from .views import namespace_text

_KINDS: tuple[type[Event], ...] = (
    streaming.RunStarted,
    streaming.RunFinished,
    streaming.RunFailed,
    streaming.Attempt,
    streaming.TaskStarted,
    streaming.TaskFinished,
    streaming.TaskFailed,
    streaming.StepCommitted,
    streaming.Token,
    streaming.Custom,
    streaming.Withdrawn,
    streaming.Paused,
    streaming.TaskInterrupted,
    streaming.Traced,
)
"""Stored by position: add new kinds at the end."""
_NUMBERS: dict[type[Event], int] = {kind: number for number, kind in enumerate(_KINDS)}
_FIELDS: dict[type[Event], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind) if field.name != "unstored") for kind in _KINDS
}
_WITH_METADATA = (TaskStarted, Token, Traced)
_SAVED = tuple(field.name for field in fields(CheckpointSaved))


class SerializedEvents:
    """An EventCodec over a serializer, for the runs of one graph.

    `with_values`: store the state with each step, as no checkpoint will hold it (durability
    "exit").
    """

    def __init__(
        self, serializer: Serializer, layout: Layout, *, with_values: bool = False
    ) -> None:
        self._serializer = serializer
        self._layout = layout
        self._with_values = with_values

    def encode(self, event: Event) -> bytes:
        """The event as bytes; raises SerializationError, which says where, for what cannot be."""
        kind = type(event)
        kept = storable(event)
        values = [getattr(kept, name) for name in _FIELDS[kind]]
        if isinstance(kept, StepCommitted):
            if not self._with_values and self._is_saved(kept):
                values[_FIELDS[kind].index("values")] = None
                values[_FIELDS[kind].index("bare")] = False
            values[_FIELDS[kind].index("checkpoint")] = _plain(kept.checkpoint)
            values[_FIELDS[kind].index("changed")] = kept.changed and sorted(kept.changed)
        try:
            return self._serializer.dumps([_NUMBERS[kind], values])
        except SerializationError:
            return self._in_part(kept, values)

    def _in_part(self, event: Event, values: list[Any]) -> bytes:
        """What can be stored of an event that cannot be as a whole."""
        kind = type(event)
        if isinstance(event, _WITH_METADATA) and event.metadata:
            kept = storable_metadata(event.metadata, self._serializer)
            values[_FIELDS[kind].index("metadata")] = kept
        try:
            if isinstance(event, Traced):  # libraries put clients, locks and functions into them
                values = [apart(value, self._serializer, told) for value in values]
            if isinstance(event, Custom):  # as JSON, the parts of an object look as it does
                values = [apart(value, self._serializer, refused) for value in values]
            return self._serializer.dumps([_NUMBERS[kind], values])
        except SerializationError as error:
            error.args = (f"{place_of(event)}: {error}",)
            raise

    def _is_saved(self, event: StepCommitted) -> bool:
        """True if the event's checkpoint holds just what the event shows."""
        saved = event.checkpoint
        return saved is not None and saved.values is None and self._layout.at(event.ns) is not None

    def decode(self, data: bytes) -> Event:
        """The event that `encode` was given, a step's state left out.

        Raises DeserializationError for bytes of no event.
        """
        stored = self._serializer.loads(data)
        try:
            return _event_of(*stored)
        except Exception as error:  # hostile bytes make anything raise anything
            raise DeserializationError(
                f"{len(data)} bytes are no event ({type(error).__name__}): they are damaged, or a "
                "newer version wrote them; upgrade understudy, or restore them from a backup"
            ) from error


def _event_of(number: int, values: list[Any]) -> Event:
    kind = _KINDS[number]
    event = kind(**dict(zip(_FIELDS[kind], values, strict=True)))
    if isinstance(event, StepCommitted):
        saved: Any = event.checkpoint
        if saved is not None:
            event.checkpoint = CheckpointSaved(**dict(zip(_SAVED, saved, strict=True)))
    return event


def _plain(saved: CheckpointSaved | None) -> list[Any] | None:
    return None if saved is None else [getattr(saved, name) for name in _SAVED]


class SavedValues:
    """Fills in the state of steps that were read back from a durable log."""

    def __init__(self, saver: Saver, thread_id: str, layout: Layout) -> None:
        self._saver = saver
        self._thread_id = thread_id
        self._layout = layout

    async def __call__(self, event: Event) -> Event:
        """The event with its values; Withdrawn when its checkpoint is gone, and so they are."""
        layout = self._layout.at(event.ns)
        if not isinstance(event, StepCommitted) or event.checkpoint is None or layout is None:
            return event
        checkpoint_id = event.checkpoint.config["configurable"]["checkpoint_id"]
        ns = namespace_text(event.ns)
        loaded = await self._saver.load(self._thread_id, ns, checkpoint_id)
        if loaded is None:
            return Withdrawn(id=event.id, ns=event.ns, step=event.step, time=event.time)
        values = shown_by_events(loaded, Decoder(self._saver.serializer), layout)
        return replace(event, values=values, bare=layout.spec.state_keys in WHOLE_STATE)


async def durable_options(
    event_log: EventLog,
    saver: Saver,
    run_id: str,
    *,
    layout: Layout,
    thread_id: str,
    with_values: bool,
) -> LogOptions:
    """How to open the log of a run whose events are kept."""
    return {
        "keep": True,
        "start": await event_log.last(run_id),
        "event_log": event_log,
        "codec": SerializedEvents(saver.serializer, layout, with_values=with_values),
        "resolve": SavedValues(saver, thread_id, layout),
    }
