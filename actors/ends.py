"""Where nodes and branches may go, as declared: by a map, a list, or a return annotation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, cast, get_args, get_origin

from .errors import GraphBuildError
from .params import Callee


def labelled(destinations: Mapping[str, str] | Sequence[str]) -> dict[str, str | None]:
    """Declared destinations -> label for drawings (None: no label)."""
    if isinstance(destinations, str):
        return {destinations: None}
    if isinstance(destinations, Mapping):
        return dict(destinations)
    return dict.fromkeys(destinations)


def command_ends(returns: Any) -> dict[str, str | None]:
    """Where `-> Command[Literal["a", "b"]]` (also in a union) says that control goes."""
    parts = [returns, *get_args(returns)]
    commands = [p for p in parts if getattr(get_origin(p), "__name__", "") == "Command"]
    ends = [literal_ends(arg) or {} for p in commands for arg in get_args(p)]
    return {name: None for found in ends for name in found}


def literal_ends(returns: Any) -> dict[Any, str] | None:
    """The names in `-> Literal["a", "b"]`, as a path_map; None for another annotation."""
    if get_origin(returns) is Literal:
        return {name: name for name in get_args(returns)}
    return None


def mapped_ends(path_map: Any) -> dict[Any, str]:
    """A path_map as a dict.  Raises GraphBuildError if it is neither dict nor list."""
    if isinstance(path_map, Mapping):
        return dict(cast("Mapping[Any, str]", path_map))
    if isinstance(path_map, Sequence) and not isinstance(path_map, str):
        return {name: name for name in cast("Sequence[str]", path_map)}
    raise GraphBuildError(
        f"{path_map!r} cannot be a path_map: give a dict of result to node name, or a list of names"
    )


def branch_name(path: Any, callee: Callee, taken: Collection[str]) -> str:
    """The path's own name; "condition" (numbered) for a lambda, partial or object."""
    name = getattr(path, "__name__", None) and callee.name
    if name is not None:
        return name
    number = sum(1 for other in taken if other.startswith("condition")) + 1
    return "condition" if number == 1 else f"condition_{number}"
