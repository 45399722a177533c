"""Stream modes: pure views of events.

    event          shows as
    TaskStarted    tasks (start), debug (task)
    TaskFinished   updates, tasks (end), debug (task_result); from a cache: updates only
    TaskFailed     tasks (end), debug (task_result)
    Paused         updates
    TaskInterrupted  values (state and interrupts), tasks (end), debug (task_result)
    StepCommitted  values if an output key was written; checkpoints and debug (checkpoint) if saved
    Token          messages
    Custom         custom
    Traced         events
    Attempt        debug (attempt)

Modes that show the same event come in the order of `MODES`.  Dict keys come in the order users
know from LangGraph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from math import floor
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from .errors import UnknownStreamModeError
from .events import (
    Attempt,
    Custom,
    Event,
    Paused,
    StepCommitted,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskStarted,
    Token,
    Traced,
)

StreamMode = Literal[
    "values", "updates", "messages", "custom", "checkpoints", "tasks", "debug", "events"
]
MODES: Final[tuple[StreamMode, ...]] = get_args(StreamMode)
ORDINALS: Final[Mapping[str, int]] = {mode: at for at, mode in enumerate(MODES)}


class Skip(Enum):
    """The type of `SKIP`."""

    SKIP = "skip"


SKIP: Final = Skip.SKIP
"""What `project` gives when a mode does not show an event."""

INTERRUPTS: Final = "__interrupt__"
"""The key under which `values` and `updates` show interrupts."""

Show: TypeAlias = Callable[[Any], Any]
"""Event -> data of its chunk, or SKIP."""
OutputKeys: TypeAlias = Sequence[str] | str | None
_TEXTS: Final = (str, bytes)


def parse_modes(mode: str | Sequence[str]) -> tuple[StreamMode, ...]:
    """The modes asked for, in the order given, each once.

    Raises UnknownStreamModeError for anything that is none of the eight.
    """
    several = not isinstance(mode, _TEXTS) and hasattr(mode, "__iter__")
    asked: tuple[Any, ...] = tuple(mode) if several else (mode,)
    for name in asked:
        if not isinstance(name, str) or name not in ORDINALS:
            raise UnknownStreamModeError(
                f"stream mode {name!r} is not known; use one of {', '.join(MODES)}"
            )
    return cast("tuple[StreamMode, ...]", tuple(dict.fromkeys(asked)))


def project(event: Event, mode: StreamMode, output_keys: OutputKeys = None) -> Any:
    """What a mode shows of an event, or SKIP.

    `output_keys`: the state keys that `values` and `updates` show (None: all, a string: the bare
    value).
    """
    for name, show in VIEWS.get(type(event), ()):
        if name == mode:
            return show(event) if output_keys is None else narrow(mode, show, output_keys)(event)
    return SKIP


def narrow(mode: StreamMode, show: Show, keys: OutputKeys) -> Show:
    """A view of the given state keys only; only `values` and `updates` are narrowed."""
    if keys is None or mode not in ("values", "updates"):
        return show
    bare = isinstance(keys, str)
    wanted = (keys,) if isinstance(keys, str) else tuple(keys)
    if show is _paused:
        return show
    if show is _interrupted_values:
        return lambda event: _narrow_interrupted(event, () if bare else wanted)
    if mode == "values":
        return lambda event: _narrow_values(event, wanted, bare=bare)
    return lambda event: _narrow_updates(event, wanted, bare=bare)


# --- values, updates ---------------------------------------------------------------------------


def _values(event: StepCommitted) -> Any:
    return event.values if event.wrote else SKIP


def _narrow_values(event: StepCommitted, wanted: Sequence[str], *, bare: bool) -> Any:
    values, changed = event.values, event.changed
    if not event.wrote or values is None:
        return SKIP
    if changed is not None and not any(key in changed for key in wanted):
        return SKIP
    if bare:
        return values.get(wanted[0], SKIP)
    return {key: values[key] for key in wanted if key in values}


def _interrupted_values(event: TaskInterrupted) -> Any:
    if event.hidden or not event.interrupts:
        return SKIP
    return with_interrupts(event.values, tuple(event.interrupts))


def with_interrupts(values: object, interrupts: Sequence[Any]) -> dict[str, Any]:
    """State with the interrupts it waits for, as `values` shows it; of a state that is no dict,
    only those."""
    state = cast("dict[str, Any]", values) if isinstance(values, dict) else {}
    return {**state, INTERRUPTS: interrupts}


def _narrow_interrupted(event: TaskInterrupted, wanted: Sequence[str]) -> Any:
    """The keys of a list and the interrupts; a bare value has no room for both."""
    shown = _interrupted_values(event)
    if shown is SKIP:
        return SKIP
    return {key: shown[key] for key in (*wanted, INTERRUPTS) if key in shown}


def _paused(event: Paused) -> Any:
    return SKIP if event.hidden else {INTERRUPTS: tuple(event.interrupts)}


def _updates(event: TaskFinished) -> Any:
    return SKIP if event.hidden else _named(event, event.update)


def _narrow_updates(event: TaskFinished, wanted: Sequence[str], *, bare: bool) -> Any:
    if event.hidden:
        return SKIP
    writes = [(k, v) for part in _parts(event.update) for k, v in part.items() if k in wanted]
    if bare:
        found: list[Any] = [value for _, value in writes]
    else:
        merged = dict(writes)
        found = [merged] if len(merged) == len(writes) else [{k: v} for k, v in writes]
    if not writes:
        return _named(event, None)
    return _named(event, found[0] if len(found) == 1 else found)


def _parts(update: Any) -> list[Mapping[str, Any]]:
    """The dicts of an update."""
    if isinstance(update, Mapping):
        return [cast(Mapping[str, Any], update)]
    items = cast(list[Any], update) if isinstance(update, list) else []
    return [cast(Mapping[str, Any], item) for item in items if isinstance(item, Mapping)]


def _named(event: TaskFinished, update: Any) -> dict[str, Any]:
    shown = {event.name: update}
    if event.cached:
        shown["__metadata__"] = {"cached": True}
    return shown


# --- tasks, checkpoints ------------------------------------------------------------------------


def _task(event: TaskStarted) -> Any:
    if event.hidden:
        return SKIP
    shown = {
        "id": event.task_id,
        "name": event.name,
        "input": event.input,
        "triggers": event.triggers,
    }
    if event.metadata:
        shown["metadata"] = event.metadata
    return shown


def _task_result(event: TaskFinished) -> Any:
    if event.hidden or event.cached:
        return SKIP
    return _ended(event.task_id, event.name, None, event.result)


def _task_error(event: TaskFailed) -> Any:
    return _ended(event.task_id, event.name, event.error, {})


def _task_interrupted(event: TaskInterrupted) -> Any:
    if event.hidden:
        return SKIP
    shown = _ended(event.task_id, event.name, None, {})
    shown["interrupts"] = [plain_interrupt(interrupt) for interrupt in event.interrupts]
    return shown


def plain_interrupt(interrupt: Any) -> dict[str, Any]:
    """An interrupt as `tasks` and `checkpoints` show it: a dict."""
    return {name: getattr(interrupt, name) for name in ("value", "id", "response_schema")}


def _ended(
    task_id: str, name: str, error: BaseException | str | None, result: Mapping[str, Any]
) -> dict[str, Any]:
    return {"id": task_id, "name": name, "error": error, "result": result, "interrupts": []}


def _checkpoint(event: StepCommitted) -> Any:
    saved = event.checkpoint
    if saved is None:
        return SKIP
    return {
        "config": saved.config,
        "parent_config": saved.parent_config,
        "values": event.values if saved.values is None else saved.values,
        "metadata": saved.metadata,
        "next": saved.next,
        "tasks": saved.tasks,
    }


# --- debug -------------------------------------------------------------------------------------


def _debug(kind: str, show: Show) -> Show:
    """The debug view of what another mode shows."""

    def wrapped(event: Event) -> Any:
        payload = show(event)
        if payload is SKIP:
            return SKIP
        moment = _timestamp(event.time)
        return {"step": event.step, "timestamp": moment, "type": kind, "payload": payload}

    return wrapped


@lru_cache(maxsize=16)  # events that come together have one time
def _timestamp(seconds: float) -> str:
    """A moment with its microseconds; a quarter of what `datetime` takes, and the same text."""
    whole = floor(seconds)
    micros = round((seconds - whole) * 1e6)
    if micros == 1_000_000:
        whole, micros = whole + 1, 0
    return f"{_second(whole)}.{micros:06d}+00:00"


@lru_cache(maxsize=16)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).isoformat()[:19]


def _token(event: Token) -> Any:
    return (event.chunk, event.metadata)


def _custom(event: Custom) -> Any:
    return event.data


def _traced(event: Traced) -> Any:
    return {
        "event": event.event,
        "data": event.data,
        "name": event.name,
        "tags": list(event.tags),
        "run_id": event.run_id,
        "metadata": dict(event.metadata),
        "parent_ids": list(event.parent_ids),
    }


def _attempt(event: Attempt) -> Any:
    return {"number": event.number}


VIEWS: Final[Mapping[type[Event], tuple[tuple[StreamMode, Show], ...]]] = {
    StepCommitted: (
        ("values", _values),
        ("checkpoints", _checkpoint),
        ("debug", _debug("checkpoint", _checkpoint)),
    ),
    TaskStarted: (("tasks", _task), ("debug", _debug("task", _task))),
    TaskFinished: (
        ("updates", _updates),
        ("tasks", _task_result),
        ("debug", _debug("task_result", _task_result)),
    ),
    TaskFailed: (("tasks", _task_error), ("debug", _debug("task_result", _task_error))),
    Paused: (("updates", _paused),),
    TaskInterrupted: (
        ("values", _interrupted_values),
        ("tasks", _task_interrupted),
        ("debug", _debug("task_result", _task_interrupted)),
    ),
    Token: (("messages", _token),),
    Custom: (("custom", _custom),),
    Attempt: (("debug", _debug("attempt", _attempt)),),
    Traced: (("events", _traced),),
}
"""The views of each kind of event, in the order of `MODES`."""
