"""Single values out of an answer, by paths like `values.messages[-1].content`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from .errors import InvalidError

Steps: TypeAlias = tuple[str | int, ...]

ROOTS = frozenset({"values", "metadata", "config", "interrupts", "error"})
MAX_PATHS = 10
_PATH = re.compile(r"[^.\[\]]+(\.[^.\[\]]+|\[-?[0-9]{1,9}\])*")
_STEP = re.compile(r"([^.\[\]]+)|\[(-?[0-9]+)\]")


def parse_paths(paths: Mapping[str, str]) -> dict[str, Steps]:
    """Paths by the names that their values get.  Raises InvalidError."""
    if len(paths) > MAX_PATHS:
        raise InvalidError(f"extract has {len(paths)} paths; give at most {MAX_PATHS}")
    return {name: _parsed(path) for name, path in paths.items()}


def extracted(answer: Mapping[str, Any], paths: Mapping[str, Steps]) -> dict[str, Any]:
    """What stands at the paths; None where there is nothing."""
    return {name: _at(answer, steps) for name, steps in paths.items()}


def _parsed(path: str) -> Steps:
    steps = tuple(
        int(index) if index else key
        for key, index in _STEP.findall(path if _PATH.fullmatch(path) else "")
    )
    if not steps or steps[0] not in ROOTS:
        raise InvalidError(
            f"extract: {path!r} is no path; begin with one of {', '.join(sorted(ROOTS))}, then "
            ".key or [index]"
        )
    return steps


def _at(value: Any, steps: Steps) -> Any:
    for step in steps:
        if isinstance(step, int) and isinstance(value, Sequence) and not isinstance(value, str):
            items = cast("Sequence[Any]", value)
            value = items[step] if -len(items) <= step < len(items) else None
        elif isinstance(step, str) and isinstance(value, Mapping):
            value = cast("Mapping[str, Any]", value).get(step)
        else:
            return None
    return value
