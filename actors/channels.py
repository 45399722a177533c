"""Channels: where a graph's state and control live between super-steps.

A step's writes reach a channel in one `update`, in task order; what it holds then is what the
next step's tasks see.  A channel refuses writes that do not fit before it changes anything.

                         two writes in a step      lives            stored
    LastValue            error                     for ever         yes
    AnyValue             the last one wins         one step         yes
    EphemeralValue       error (guard)             one step         yes
    UntrackedValue       error (guard)             for the run      never
    Topic                collected                 one step, or on  yes
    BinaryOperatorAggregate  reduced               for ever         yes
    NamedBarrierValue    collected names           until consumed   yes

The two `…AfterFinish` channels trigger deferred nodes: what was written becomes readable when
nothing else is left to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

from .aggregate import BinaryOperatorAggregate
from .backports import override
from .barrier import NamedBarrierValue, NamedBarrierValueAfterFinish
from .channel import MISSING, Channel, Missing, Value, shown
from .errors import InvalidUpdateError
from .values import Overwrite

__all__ = [
    "MISSING",
    "AnyValue",
    "BinaryOperatorAggregate",
    "Channel",
    "EphemeralValue",
    "LastValue",
    "LastValueAfterFinish",
    "Missing",
    "NamedBarrierValue",
    "NamedBarrierValueAfterFinish",
    "Topic",
    "UntrackedValue",
]


class _OneValue(Channel[Value]):
    """Holds a single value, or none."""

    __slots__ = ("_value", "typ")

    def __init__(self, typ: Any) -> None:
        super().__init__()
        self.typ = typ
        self._value: Any = MISSING

    @override
    def fresh(self) -> Self:
        channel = type(self)(self.typ)
        channel.key = self.key
        return channel

    @override
    def get(self) -> Value:
        value = self._value
        if value is MISSING:
            raise self._empty()
        return value

    @override
    def is_available(self) -> bool:
        return self._value is not MISSING

    @override
    def checkpoint(self) -> Any:
        return self._value

    @override
    def restore(self, value: Any) -> None:
        self._value = value

    def _keep_last(self, values: Sequence[Any]) -> bool:
        if values:
            self._value = values[-1]
            return True
        changed = self._value is not MISSING
        self._value = MISSING
        return changed


class LastValue(_OneValue[Value]):
    """Keeps the value written last; takes one write per step.

    An `Overwrite(x)` counts as x.
    """

    __slots__ = ()

    @override
    def update(self, values: Sequence[Any]) -> bool:
        """Keep the one value; two are an InvalidUpdateError."""
        if len(values) != 1:
            if not values:
                return False
            raise InvalidUpdateError(
                f"At key '{self.key}': Can receive only one value per step. Use an Annotated key "
                f"to handle multiple values. Got {len(values)} in one step: {shown(values)}"
            )
        value = values[0]
        self._value = value if value.__class__ is not Overwrite else value.value
        return True


class AnyValue(_OneValue[Value]):
    """Keeps the last of a step's values, which are taken to be equal; gone after the next step."""

    __slots__ = ()
    expires = True

    @override
    def update(self, values: Sequence[Any]) -> bool:
        """Keep the last value; none clears."""
        return self._keep_last(values)


class _Guarded(_OneValue[Value]):
    """Takes one write per step, or, without a guard, keeps the last of several."""

    __slots__ = ("guard",)

    def __init__(self, typ: Any, guard: bool = True) -> None:
        super().__init__(typ)
        self.guard = guard

    @override
    def fresh(self) -> Self:
        channel = self.__new__(self.__class__)  # one per edge taken; __init__ thrice: 0.2 µs more
        channel.key, channel.typ, channel.guard = self.key, self.typ, self.guard
        channel.restore(MISSING)
        return channel

    @override
    def same_as(self, other: Channel[Any]) -> bool:
        return type(other) is type(self) and cast("_Guarded[Any]", other).guard is self.guard

    def _check_guard(self, values: Sequence[Any]) -> None:
        if self.guard and len(values) > 1:
            name = type(self).__name__
            raise InvalidUpdateError(
                f"At key '{self.key}': {name}(guard=True) can receive only one value per step. "
                f"Use guard=False to keep the last of several. Got {len(values)} in one step: "
                f"{shown(values)}"
            )


class EphemeralValue(_Guarded[Value]):
    """Keeps a value for one step only; trigger channels of edges and branches are such."""

    __slots__ = ()
    expires = True

    @override
    def update(self, values: Sequence[Any]) -> bool:
        """Keep the value for the next step; none clears."""
        if len(values) > 1:
            self._check_guard(values)
        return self._keep_last(values)


class UntrackedValue(_Guarded[Value]):
    """Keeps a value for the run, and never stores it: for clients, handles, secrets."""

    __slots__ = ()
    persisted = False

    @override
    def update(self, values: Sequence[Any]) -> bool:
        """Keep the value."""
        self._check_guard(values)
        return bool(values) and self._keep_last(values)

    @override
    def copy(self) -> Self:
        channel = self.fresh()
        channel.restore(self._value)
        return channel

    @override
    def checkpoint(self) -> Any:
        return MISSING


class Topic(Channel[Value]):
    """Collects everything written to it; a written list counts as its items.

    Readers see a step's values, or, with `accumulate`, all values since the start.
    """

    __slots__ = ("_values", "accumulate", "expires", "typ")

    def __init__(self, typ: Any, accumulate: bool = False) -> None:
        super().__init__()
        self.typ = typ
        self.accumulate = accumulate
        self.expires = not accumulate
        self._values: list[Value] = []

    @override
    def fresh(self) -> Self:
        channel = type(self)(self.typ, self.accumulate)
        channel.key = self.key
        return channel

    @override
    def same_as(self, other: Channel[Any]) -> bool:
        return type(other) is type(self) and cast("Topic[Any]", other).accumulate is self.accumulate

    @override
    def update(self, values: Sequence[Value | list[Value]]) -> bool:
        """Collect the values; the list held is replaced, never changed, as readers share it."""
        new = _flattened(values)
        if self.accumulate:
            if not new:
                return False
            self._values = [*self._values, *new]
            return True
        changed = bool(new or self._values)
        self._values = new
        return changed

    @override
    def get(self) -> list[Value]:
        if not self._values:
            raise self._empty()
        return list(self._values)

    @override
    def is_available(self) -> bool:
        return bool(self._values)

    @override
    def checkpoint(self) -> Any:
        return self._values or MISSING

    @override
    def restore(self, value: Any) -> None:
        self._values = [] if value is MISSING else list(value)


class LastValueAfterFinish(_OneValue[Value]):
    """Keeps the last value written; readable when nothing else is left to run."""

    __slots__ = ("_finished",)

    def __init__(self, typ: Any) -> None:
        super().__init__(typ)
        self._finished = False

    @override
    def update(self, values: Sequence[Any]) -> bool:
        """Keep the last value, and wait for the end anew."""
        if not values:
            return False
        self._finished = False
        return self._keep_last(values)

    @override
    def get(self) -> Value:
        if not self._finished:
            raise self._empty()
        return super().get()

    @override
    def is_available(self) -> bool:
        return self._finished and self._value is not MISSING

    @override
    def checkpoint(self) -> Any:
        return MISSING if self._value is MISSING else (self._value, self._finished)

    @override
    def restore(self, value: Any) -> None:
        self._value, self._finished = (MISSING, False) if value is MISSING else value

    @override
    def consume(self) -> bool:
        if not self._finished:
            return False
        self._value, self._finished = MISSING, False
        return True

    @override
    def finish(self) -> bool:
        if self._finished or self._value is MISSING:
            return False
        self._finished = True
        return True


def _flattened(values: Sequence[Any]) -> list[Any]:
    flat: list[Any] = []
    for value in values:
        if isinstance(value, list):
            flat.extend(cast("list[Any]", value))
        else:
            flat.append(value)
    return flat
