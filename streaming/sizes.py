"""About how much memory an event takes, told quickly; pure.

What is counted: the event itself (EVENT), and what it brings that the events before it did not:
what user code said, a message's text, what a task returned, the state keys that a step changed.
What a task is given and the rest of a step's state are shared with earlier events and not counted.
Strings and bytes count their length, containers some of their parts and the others like them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, Final, cast

from .events import Custom, Event, StepCommitted, TaskFinished, TaskInterrupted, Token, Traced

EVENT: Final = 500
"""Bytes of an event beside what it shows."""
_EACH = 60
"""Bytes of a small object, and of a place in a container."""
_SAMPLE = 20
"""Parts of a container that are looked at; the others are taken to be like them."""
_DEPTH = 6
_SAMPLES: Final = (0, 1, 2, 3, 4, 8, _SAMPLE)
"""By the levels left: fewer further down, as all are looked at for each of those above."""


def event_bytes(event: Event) -> int:
    """An estimate of what an event adds to those before it."""
    if type(event) is Custom:  # comes often, and is small
        data = event.data
        if type(data) is str:
            return EVENT + _EACH + len(data)
        if type(data) is dict and len(data) <= _SAMPLE:  # pyright: ignore[reportUnknownArgumentType]
            return EVENT + _flat_bytes(cast("dict[Any, Any]", data))
    shown = _SHOWN.get(type(event))
    return EVENT if shown is None else EVENT + about_bytes(shown(event))


def _flat_bytes(data: dict[Any, Any]) -> int:
    """`about_bytes` of a small dict, in a third of the time where its parts are plain."""
    size = _EACH
    for part in data.values():
        kind = cast("type[Any]", type(part))
        if kind is str:
            size += 2 * _EACH + len(part)
        elif kind in _SMALL:
            size += 2 * _EACH
        else:
            size += _EACH + about_bytes(part, _DEPTH - 1)
    return size


def about_bytes(value: Any, depth: int = _DEPTH) -> int:
    """About how many bytes a value takes, in a microsecond or a few for most, whatever its size; at
    most some thousands of its parts are looked at.

    Strings and arrays count their length; of containers and objects some parts are looked at, and
    the others taken to be like them.

        about_bytes("x" * 1_000_000)  # 1_000_060
    """
    if isinstance(value, str | bytes | bytearray):
        return _EACH + len(value)
    if depth == 0 or type(value) in _SMALL:
        return _EACH
    try:
        return _about_parts(value, depth)
    except Exception:  # noqa: BLE001 - code of a user's class, such as a proxy that is not ready
        return _EACH


def _about_parts(value: Any, depth: int) -> int:
    if isinstance(value, Mapping):
        parts = cast("Mapping[Any, Any]", value).values()
        return _EACH + _scaled(parts, len(cast("Sized", value)), depth)
    if isinstance(value, list | tuple | AbstractSet):
        return _EACH + _scaled(cast("Iterable[Any]", value), len(cast("Sized", value)), depth)
    size: Any = getattr(value, "nbytes", None)  # arrays
    if type(size) is int:
        return _EACH + size
    inside: Any = getattr(value, "__dict__", None) or _slots(value)
    return _EACH if not inside else about_bytes(inside, depth - 1)


def _slots(value: Any) -> Any:
    """What an object without a dict holds, as dataclasses do that are slotted."""
    fields: Any = getattr(value, "__dataclass_fields__", ())
    return [getattr(value, name, None) for name in fields]


_SMALL: Final = frozenset({int, float, bool, type(None)})


def _scaled(parts: Iterable[Any], count: int, depth: int) -> int:
    size = looked_at = 0
    for part in islice(parts, _SAMPLES[depth]):
        looked_at += 1
        size += about_bytes(part, depth - 1)
    return 0 if not looked_at else _EACH * count + size * count // looked_at


def _changed(event: StepCommitted) -> Any:
    """The part of the state that the step wrote; all of it, where nobody can tell."""
    values, changed = event.values, event.changed
    if changed is None or not isinstance(values, Mapping):
        return values
    return [values[key] for key in changed if key in values]


_SHOWN: Final[Mapping[type[Event], Callable[[Any], Any]]] = {
    Custom: lambda event: event.data,
    Token: lambda event: getattr(event.chunk, "content", event.chunk),
    TaskFinished: lambda event: event.update,
    TaskInterrupted: lambda event: event.interrupts,
    StepCommitted: _changed,
    Traced: lambda event: event.data,
}
