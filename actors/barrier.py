"""Channels that wait for several writers: what `add_edge([a, b], c)` is made of."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Self, cast

from .backports import override
from .channel import MISSING, Channel, shown
from .errors import InvalidUpdateError


class NamedBarrierValue(Channel[None]):
    """Opens when every one of `names` was written, and closes again when it is consumed."""

    __slots__ = ("_seen", "names", "typ")

    def __init__(self, typ: Any, names: AbstractSet[Any]) -> None:
        super().__init__()
        self.typ = typ
        self.names = frozenset(names)
        self._seen: frozenset[Any] = frozenset()

    @override
    def fresh(self) -> Self:
        channel = type(self)(self.typ, self.names)
        channel.key = self.key
        return channel

    @override
    def same_as(self, other: Channel[Any]) -> bool:
        return type(other) is type(self) and cast("NamedBarrierValue", other).names == self.names

    @override
    def update(self, values: Sequence[Any]) -> bool:
        """Tick the names off; a name that is not waited for is an InvalidUpdateError."""
        try:
            fits = self.names.issuperset(values)
        except TypeError:  # something unhashable was written
            fits = False
        if not fits:
            raise self._stray(values)
        seen = self._seen.union(values)
        changed = seen != self._seen
        self._seen = seen
        return changed

    def _stray(self, values: Sequence[Any]) -> InvalidUpdateError:
        names = list(self.names)
        stray = [value for value in values if value not in names]
        return InvalidUpdateError(
            f"At key '{self.key}': {shown(stray)} is not among the names this barrier waits for. "
            f"Write one of {sorted(map(str, names))}"
        )

    @override
    def get(self) -> None:
        if not self.is_available():
            raise self._empty()

    @override
    def is_available(self) -> bool:
        return self._seen == self.names

    @override
    def checkpoint(self) -> Any:
        return set(self._seen) if self._seen else MISSING

    @override
    def restore(self, value: Any) -> None:
        self._seen = frozenset() if value is MISSING else frozenset(value)

    @override
    def consume(self) -> bool:
        if not self.is_available():
            return False
        self._seen = frozenset()
        return True


class NamedBarrierValueAfterFinish(NamedBarrierValue):
    """A barrier that opens when all names were written and nothing else is left to run."""

    __slots__ = ("_finished",)

    def __init__(self, typ: Any, names: AbstractSet[Any]) -> None:
        super().__init__(typ, names)
        self._finished = False

    @override
    def is_available(self) -> bool:
        return self._finished and super().is_available()

    @override
    def checkpoint(self) -> Any:
        return (set(self._seen), self._finished) if self._seen else MISSING

    @override
    def restore(self, value: Any) -> None:
        seen, self._finished = ((), False) if value is MISSING else value
        self._seen = frozenset(seen)

    @override
    def consume(self) -> bool:
        changed = super().consume()
        if changed:
            self._finished = False
        return changed

    @override
    def finish(self) -> bool:
        if self._finished or self._seen != self.names:
            return False
        self._finished = True
        return True
