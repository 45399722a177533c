"""The channel of a reducer: what is written is reduced into what it holds."""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Self, cast, get_origin

from .backports import override
from .channel import MISSING, Channel, Value, shown
from .errors import InvalidUpdateError
from .values import Overwrite


class BinaryOperatorAggregate(Channel[Value]):
    """Reduces what is written into what it holds: `held = operator(held, written)`.

    It starts as `typ()` where that can be made, else with the first value written.  An
    `Overwrite(x)` puts x in the place of everything, the other writes of its step included; a
    second one in a step is an InvalidUpdateError.

    Example:
        >>> total = BinaryOperatorAggregate(int, operator.add)
        >>> total.update([1, 2]), total.get()
        (True, 3)
    """

    __slots__ = ("_make", "_value", "operator", "typ")

    def __init__(self, typ: Any, operator: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.typ = typ
        self.operator = operator
        self._make = _maker(typ)
        self._value: Any = MISSING if self._make is None else self._make()

    @override
    def fresh(self) -> Self:
        channel = object.__new__(type(self))
        channel.key = self.key
        channel.typ = self.typ
        channel.operator = self.operator
        make = channel._make = self._make
        channel._value = MISSING if make is None else make()
        return channel

    @override
    def same_as(self, other: Channel[Any]) -> bool:
        return type(other) is type(self) and _same_function(
            self.operator, cast("BinaryOperatorAggregate[Any]", other).operator
        )

    @override
    def update(self, values: Sequence[Any]) -> bool:
        """Reduce the values; what the reducer raises comes out as it is."""
        if not values:
            return False
        for value in values:
            if value.__class__ is Overwrite or value.__class__ is dict:
                self._value = self._overwritten(values)
                return True
        self._value = self._reduced(values)
        return True

    @property
    @override
    def settles(self) -> bool:
        return hasattr(self.operator, "settle")

    @override
    def settle(self, value: Any) -> Any:
        """The reducer's own `settle`, if it has one, decides."""
        settle: Callable[[Any], Any] | None = getattr(self.operator, "settle", None)
        if settle is None or overwrite_of(value) is not MISSING:
            return value
        return settle(value)

    def _reduced(self, values: Sequence[Any]) -> Any:
        held, operator = self._value, self.operator
        for value in values:
            held = value if held is MISSING else operator(held, value)
        return held

    def _overwritten(self, values: Sequence[Any]) -> Any:
        found = [new for value in values if (new := overwrite_of(value)) is not MISSING]
        if len(found) > 1:
            raise InvalidUpdateError(
                f"Can receive only one Overwrite value per super-step. At key '{self.key}' got "
                f"{len(found)}: {shown(found)}. Let one task overwrite and the others write plain "
                "updates"
            )
        return found[0] if found else self._reduced(values)

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
        if value is MISSING and self._make is not None:
            value = self._make()
        self._value = value


def overwrite_of(value: Any) -> Any:
    """What an Overwrite, or its JSON form, puts in place; MISSING for any other value.

    The JSON forms are `{"__overwrite__": x}` and `{"type": "__overwrite__", "value": x}`.
    """
    if value.__class__ is Overwrite:
        return value.value
    if value.__class__ is dict:
        if len(value) == 1:
            return value.get("__overwrite__", MISSING)
        if len(value) == 2 and value.get("type") == "__overwrite__":
            return value.get("value", MISSING)
    return MISSING


_CONCRETE: dict[Any, type] = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}


def _maker(typ: Any) -> Callable[[], Any] | None:
    """What makes an aggregate's first value, or None when its type cannot be made from nothing."""
    origin = get_origin(typ) or typ
    make = _CONCRETE.get(origin, origin)
    if not isinstance(make, type):
        return None
    try:
        make()
    except Exception:  # noqa: BLE001 - a user's class may refuse in any way
        return None
    return make


def _same_function(one: Any, other: Any) -> bool:
    """Equal callables, or lambdas of the same text: a schema may repeat a reducer literally."""
    if one == other:
        return True
    if not (isinstance(one, FunctionType) and isinstance(other, FunctionType)):
        return False
    a, b = one.__code__, other.__code__
    return one.__name__ == "<lambda>" == other.__name__ and (
        (a.co_code, a.co_consts, a.co_names) == (b.co_code, b.co_consts, b.co_names)
    )
