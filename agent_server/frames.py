"""Events of a run as server-sent events, by wire mode; each is encoded once for all its readers.

    wire mode        shows               named
    values           StepCommitted, TaskInterrupted
    updates          TaskFinished, Paused
    messages-tuple   Token               messages
    messages         Token               messages/metadata, then messages/partial or …/complete
    custom           Custom
    checkpoints      StepCommitted
    tasks            TaskStarted, TaskFinished, TaskFailed, TaskInterrupted
    debug            what tasks and checkpoints show
    events           Traced
    (always)         RunStarted, Attempt    metadata
    (always)         Gap                    gap: {"lost": n} events that are not to be had any more

With subgraphs a name is followed by the namespace: `updates|node:task_id`.  An id is the engine's
chunk id, so it tells where to read on, in any modes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from streaming import (
    SKIP,
    Attempt,
    Custom,
    Event,
    Gap,
    Namespace,
    Paused,
    RunFailed,
    RunStarted,
    StepCommitted,
    StreamMode,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskStarted,
    Token,
    Traced,
    chunk_id,
)

from .jsontext import json_or_error
from .partials import Partials, metadata_json, partial_name
from .records import WireMode
from .shown import Show, shown

Slot: TypeAlias = tuple[int, str, Show]
"""Ordinal of the chunk in its event, its name, and what makes its data (or SKIP)."""

_MODES: Final[Mapping[type[Event], tuple[StreamMode, ...]]] = {
    StepCommitted: ("values", "checkpoints", "debug"),
    TaskStarted: ("tasks", "debug"),
    TaskFinished: ("updates", "tasks", "debug"),
    TaskFailed: ("tasks", "debug"),
    Paused: ("updates",),
    TaskInterrupted: ("values", "tasks", "debug"),
    Token: ("messages",),
    Custom: ("custom",),
    Traced: ("events",),
}
_FROM_ANYWHERE: Final = frozenset({Traced, RunStarted, Attempt})
"""Shown without their namespace, and to readers of the root, too."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class FrameCache:
    """The frames of one run that were made lately, for its other readers.

    Two generations: when the younger one is full, it takes the place of the older one, which goes.
    So between `max_bytes` / 2 and `max_bytes` are held.
    """

    def __init__(self, max_bytes: int = 2 << 20) -> None:
        self._half = max_bytes // 2
        self._young: dict[int, bytes] = {}
        self._old: dict[int, bytes] = {}
        self._size = 0

    def get(self, key: int) -> bytes | None:
        """The frame, if it is held."""
        found = self._young.get(key)
        return self._old.get(key) if found is None else found

    def put(self, key: int, frame: bytes) -> None:
        """Hold a frame."""
        self._size += len(frame) + 64
        if self._size > self._half:
            self._old, self._young, self._size = self._young, {}, len(frame) + 64
        self._young[key] = frame


class Frames:
    """What one reader is shown of a run; give it every event, in order.

    Chunks with an id up to `after` are left out, but heard: `messages` needs the pieces before
    them.  `metadata`: whether the beginning of the run is announced (another attempt always is).
    `output_keys`: what the run's graph gives of its state, and so all that `values` and `updates`
    show of it (None: all); the same for all readers of a run.
    """

    def __init__(
        self,
        run_id: str,
        modes: Collection[WireMode],
        cache: FrameCache,
        *,
        subgraphs: bool = False,
        after: int = 0,
        metadata: bool = True,
        output_keys: Sequence[str] | None = None,
    ) -> None:
        self._cache = cache
        self._subgraphs = subgraphs
        self._after = after
        self._plan = _plan(modes, run_id, metadata=metadata, output_keys=output_keys)
        wants_partials = "messages" in modes and "messages-tuple" not in modes
        self._partials = Partials() if wants_partials else None

    @property
    def from_the_start(self) -> bool:
        """True if the events before the first one shown are needed, too."""
        return self._partials is not None

    def of(self, event: Event) -> bytes:
        """The event's frames, none or some."""
        if self._partials is not None:
            if type(event) is Token:
                return self._said(event, self._partials)
            if type(event) is StepCommitted:
                self._partials.forget(event)
        slots = self._plan.get(type(event))
        if not slots or not self._sees(event):
            return b""
        if len(slots) == 1:
            return self._frame(event, slots[0])
        return b"".join([self._frame(event, slot) for slot in slots])

    def lacks_values(self, event: Event) -> bool:
        """True if the event shows the state of its step, and does not hold it."""
        if type(event) is not StepCommitted or event.values is not None or event.bare:
            return False
        if not self._sees(event):
            return False
        first = event.id * 8
        return any(
            first + ordinal > self._after
            and (event.wrote if name == "values" else event.checkpoint is not None)
            and self._cache.get(first + ordinal) is None
            for ordinal, name, _ in self._plan.get(StepCommitted, ())
        )

    def _sees(self, event: Event) -> bool:
        if event.ns and not self._subgraphs and type(event) not in _FROM_ANYWHERE:
            return False
        if type(event) is Token and event.seen_in:
            return not any(self._subgraphs or not ns for ns in event.seen_in)
        return True

    def _frame(self, event: Event, slot: Slot) -> bytes:
        ordinal, name, show = slot
        number = event.id * 8 + ordinal
        if number <= self._after:
            return b""
        ns = event.ns
        key = number
        if type(event) is Custom and event.inside:
            ns = (*ns, *event.inside)
            key = -number if self._subgraphs else number  # named otherwise
        frame = self._cache.get(key)
        if frame is None:
            data = show(event)
            place = ns if self._subgraphs and type(event) not in _FROM_ANYWHERE else ()
            frame = b"" if data is SKIP else encode(named(name, place), data, number)
            self._cache.put(key, frame)
        return frame

    def _said(self, event: Token, partials: Partials) -> bytes:
        """The message of a token so far, with its metadata in front if it is the first."""
        if not self._sees(event):
            return b""
        first = partials.hear(event)
        number = chunk_id(event.id, "messages")
        if number <= self._after:
            return b""
        key = number + 1  # beside the frame of `messages-tuple`
        frame = self._cache.get(key)
        if frame is None:
            frame = encode(partial_name(event), [partials.message(event)], number)
            self._cache.put(key, frame)
        if not first or number - 1 <= self._after:
            return frame
        return encode("messages/metadata", metadata_json(event), number - 1) + frame


def named(name: str, ns: Namespace) -> str:
    """The name of an event of a graph; of the root's it is the bare one."""
    return "|".join((name, *ns)) if ns else name


def encode(name: str, data: Any, number: int | None = None) -> bytes:
    """One server-sent event, with its id if it has one."""
    end = b"\r\n\r\n" if number is None else b"\r\nid: %d\r\n\r\n" % number
    return _head(name) + json_or_error(data) + end


def encode_gap(gap: Gap) -> bytes:
    """Stands for events that are not to be had any more."""
    return encode("gap", {"lost": gap.lost}, gap.id)


def metadata_of(run_id: str, attempt: int) -> dict[str, Any]:
    """What announces a run, and each new attempt at it."""
    return {"run_id": run_id, "attempt": attempt}


def _announced(run_id: str, event: Event) -> Any:
    """Of a run that failed before it began, its failure is the first event."""
    return metadata_of(run_id, 1) if event.id == 1 else SKIP


@lru_cache(maxsize=1024)
def _head(name: str) -> bytes:
    """Nodes may be called anything, also something that would break the event."""
    return f"event: {_CONTROL.sub('_', name)}\r\ndata: ".encode("utf-8", "replace")


def _plan(
    modes: Collection[WireMode], run_id: str, *, metadata: bool, output_keys: Sequence[str] | None
) -> dict[type[Event], tuple[Slot, ...]]:
    wanted = {mode for mode in modes if mode != "messages"}
    plan: dict[type[Event], tuple[Slot, ...]] = {
        Attempt: ((0, "metadata", lambda event: metadata_of(run_id, event.number)),)
    }
    if metadata:
        plan[RunStarted] = ((0, "metadata", lambda event: metadata_of(run_id, event.attempt)),)
        plan[RunFailed] = ((0, "metadata", lambda event: _announced(run_id, event)),)
    for kind, shown_in in _MODES.items():
        plan[kind] = tuple(
            (chunk_id(0, mode), mode, shown(kind, mode, output_keys))
            for mode in shown_in
            if (mode if mode != "messages" else "messages-tuple") in wanted
        )
    return plan
