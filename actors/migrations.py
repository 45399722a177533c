"""Functions that turn what older threads hold under a key into what the key holds today."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_type_hints

from .errors import GraphBuildError

Old = TypeVar("Old")
New = TypeVar("New")


@dataclass(frozen=True, slots=True, eq=False)
class Migration(Generic[Old, New]):
    """What `migrate` makes of a function; calling it calls the function."""

    key: str
    """The state key it is for."""
    function: Callable[[Old], New]
    name: str
    """By what threads note, once it was applied, that it was."""
    was: str | None = None
    """The key that the value stood under before."""

    def __call__(self, value: Old) -> New:
        """The new value of a stored one."""
        return self.function(value)

    @property
    def note(self) -> str:
        """What threads note of it."""
        return f"{self.key} {self.name}"

    @property
    def takes(self) -> Any:
        """The type that its parameter is annotated with; Any if there is none."""
        return _first_hint(self.function)


def migrate(
    key: str, *, was: str | None = None, name: str | None = None
) -> Callable[[Callable[[Old], New]], Migration[Old, New]]:
    """Make a function of one stored value the migration of a state key, for `compile`.

    @migrate("score")
    def score_from_text(value: str) -> float:
        return float(value)

    graph = builder.compile(checkpointer=saver, migrations=[score_from_text])

    It is called when a thread is loaded that was stored without it, once: what the thread stores
    next says that it was applied, by `name` (the function's own, so give one before you rename the
    function).  A value that is not of the type of its annotated parameter is passed by.  `was`: the
    key under which older threads hold the value, after the key was renamed.
    """

    def decorate(function: Callable[[Old], New]) -> Migration[Old, New]:
        known = name or getattr(function, "__name__", None)
        if not callable(function) or inspect.iscoroutinefunction(function) or not known:
            raise GraphBuildError(
                f"{function!r} cannot migrate key {key!r}: give a plain function of one value, "
                "and name= if it has no name of its own"
            )
        return Migration(key, function, known, was)

    return decorate


def migrations_of(given: Any, state_keys: Sequence[str]) -> tuple[Migration[Any, Any], ...]:
    """The migrations as given to `compile`.

    Raises GraphBuildError for what is none, is of no state key, or has the name of another.
    """
    found: dict[tuple[str, str], Migration[Any, Any]] = {}
    for each in _listed(given):
        if not isinstance(each, Migration):
            raise GraphBuildError(
                f"migrations holds {each!r}, which is none: give functions that `@migrate(key)` "
                "decorates"
            )
        if each.key not in state_keys:
            raise GraphBuildError(
                f"migration {each.name!r} is for key {each.key!r}, which the state does not have: "
                f"name one of {sorted(state_keys)}; the key of before goes into was="
            )
        if (each.key, each.name) in found:
            raise GraphBuildError(
                f"two migrations of key {each.key!r} are named {each.name!r}: give one of them "
                "another name="
            )
        found[each.key, each.name] = each
    return tuple(found.values())


def _listed(given: Any) -> Iterable[Any]:
    if given is None:
        return ()
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        return given  # pyright: ignore[reportUnknownVariableType]
    raise GraphBuildError(f"migrations={given!r} is no list: give a list of `@migrate` functions")


def _first_hint(function: Callable[..., Any]) -> Any:
    try:
        hints = get_type_hints(function)
        first = next(iter(inspect.signature(function).parameters))
    except (NameError, TypeError, ValueError, StopIteration):  # it says nothing that can be known
        return Any
    return hints.get(first, Any)
