"""Values that cannot be stored, taken apart down to parts that can be.

What it costs grows with the value's size alone, whatever its shape: a part that contains itself, or
stands too deep, is met once and has no parts of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from typing import Any, Final, TypeAlias, cast

from checkpoint import SerializationError, Serializer

from .storable import parts_of
from .views import error_text

Instead: TypeAlias = Callable[[Any, SerializationError | None], Any]
"""What stands for a part that cannot be stored and has no parts: because of an error, or, for None,
because it has no end.  Or it raises."""

DEEPEST: Final = 250
"""Levels that are taken apart; the Agent Server shows as many."""
_TRIED: Final = 4
"""Levels on which lists, tuples and dicts are packed as they are, which is quick, to see if they
can be stored.  Below, their parts are: each level would pack once more all that is below it."""
_CONTAINERS = frozenset({list, tuple, dict})
_LEAVES = frozenset({type(None), bool, float, str, bytes})


def refused(part: Any, error: SerializationError | None) -> Any:
    """Instead of the part: its error."""
    raise error or SerializationError(
        f"a {type(part).__qualname__} contains itself, or stands more than {DEEPEST} deep inside "
        "others beside what cannot be stored: store a flatter form, such as a list of nodes"
    )


def told(part: Any, error: SerializationError | None) -> Any:
    """Instead of the part: its repr, or "…" if it has no end, and so its repr may have none."""
    return "…" if error is None else error_text(part)


def apart(value: Any, serializer: Serializer, instead: Instead) -> Any:
    """The value if it can be stored, or else its parts in its place, down to what has none.

    Raises what `instead` raises.
    """
    try:
        return _Parts(serializer, instead).of(value, 0)
    except RecursionError:  # whoever asks stands deep already
        return instead(value, None)


class _Parts:
    """What became of the parts of one value."""

    def __init__(self, serializer: Serializer, instead: Instead) -> None:
        self._serializer = serializer
        self._instead = instead
        self._met: dict[int, tuple[Any, Any]] = {}  # with the part, so that its id stays its own
        self._cuts = 0

    def of(self, value: Any, depth: int) -> Any:
        """What is stored of a part that stands so deep."""
        if type(value) in _LEAVES:
            return value
        _, kept = self._met.get(id(value), (None, _NEW))
        if kept is _OPEN or depth > DEEPEST:
            self._cuts += 1
            return self._instead(value, None)
        if kept is not _NEW:
            return kept
        self._met[id(value)] = value, _OPEN
        cuts = self._cuts
        kept = self._kept(value, depth)
        if self._cuts == cuts:  # what was cut stays open: put in many places, it had no end either
            self._met[id(value)] = value, kept
        return kept

    def _kept(self, value: Any, depth: int) -> Any:
        refusal = None
        if depth < _TRIED or type(value) not in _CONTAINERS:
            refusal = self._refusal(value)
            if refusal is None:
                return value
        parts = _parts_of(value)
        if parts is not value:
            return self.of(parts, depth + 1)
        below = repeat(depth + 1)  # mapped, as comprehensions would make the stack deeper
        if isinstance(value, Mapping):
            mapping = cast("Mapping[Any, Any]", value)
            return self._mapping(mapping, [*map(self.of, mapping.values(), below)])
        if isinstance(value, list | tuple):
            listed = cast("list[Any]", value)
            return self._listed(listed, [*map(self.of, listed, below)])
        return self._instead(value, refusal)

    def _mapping(self, value: Mapping[Any, Any], kept: list[Any]) -> Any:
        whole = type(value) in _CONTAINERS and _same(value.values(), kept)
        if whole and self._refusal([*value]) is None:
            return value
        return dict(zip(map(str, value), kept, strict=True))

    def _listed(self, value: list[Any], kept: list[Any]) -> Any:
        if type(value) not in _CONTAINERS or not _same(value, kept):
            return kept
        if type(value) is list or self._refusal(value) is None:  # tuples may stand less deep
            return value
        return kept

    def _refusal(self, value: Any) -> SerializationError | None:
        """Why the value cannot be stored as it is; None if it can."""
        try:
            self._serializer.dumps(value)
        except SerializationError as error:
            return error
        return None


_NEW, _OPEN = object(), object()
"""A part that was not met yet, and one whose parts are being looked at."""


def _same(parts: Iterable[Any], kept: Iterable[Any]) -> bool:
    return all(part is other for part, other in zip(parts, kept, strict=True))


def _parts_of(value: Any) -> Any:
    try:
        return parts_of(value)
    except Exception:  # noqa: BLE001 - user code, or a model that contains itself
        return value
