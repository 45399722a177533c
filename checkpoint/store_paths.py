"""Paths to the texts of a value that an index embeds.

    $                  the whole value, as JSON
    title, a.b         a field, a field of a field
    tags[*], tags[-1]  every item of a list (one text each), or one of them
    a.*                every field of a dict, or item of a list
    {title,a.b}        several fields

A leaf gives its text; a dict or a list at the end gives its JSON; what is missing gives nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

from .errors import InvalidArgumentError
from .value import Value, slotted

_PART = r"\.?(?:\[(?P<at>\*|-?\d+)\]|\{(?P<fields>[^{}]+)\}|(?P<name>[^.\[\]{}]+))"


@slotted
class _Every(Value):
    """All items of a list; also all fields of a dict, if `fields`."""

    fields: bool


@slotted
class _At(Value):
    index: int


@slotted
class _Field(Value):
    name: str


@slotted
class _Fields(Value):
    paths: tuple[tuple[_Field, ...], ...]


_Step: TypeAlias = _Every | _At | _Field | _Fields


@slotted
class Path(Value):
    """A path that was checked; no steps: the whole value."""

    steps: tuple[_Step, ...]

    def texts(self, value: Mapping[str, Any]) -> list[str]:
        """The texts that stand there, in the order of the value."""
        return list(_texts(value, self.steps))


def parse_path(path: object) -> Path:
    """The path.  Raises InvalidArgumentError."""
    if path == "$":
        return Path(())
    if not isinstance(path, str) or not path:
        raise _wrong(path)
    steps: list[_Step] = []
    end = 0
    while end < len(path):
        part = re.compile(_PART).match(path, end)
        if part is None or (end == 0 and path[0] == "."):
            raise _wrong(path)
        steps.append(_step(part))
        end = part.end()
    return Path(tuple(steps))


def _step(part: re.Match[str]) -> _Step:
    if (at := part["at"]) is not None:
        return _Every(fields=False) if at == "*" else _At(int(at))
    if (fields := part["fields"]) is not None:
        paths = [field.strip().split(".") for field in fields.split(",")]
        return _Fields(tuple(tuple(map(_Field, path)) for path in paths))
    return _Every(fields=True) if part["name"] == "*" else _Field(part["name"])


def _wrong(path: object) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{path!r} is no path of a field to index: a path is made of names, indices and dots; "
        'give one such as "$", "title", "a.b", "tags[*]", "a[0].b" or "{title,a.b}"'
    )


def _texts(value: Any, steps: tuple[_Step, ...]) -> Iterator[str]:
    if not steps:
        yield from _leaf(value)
        return
    for below in _below(value, steps[0]):
        yield from _texts(below, steps[1:])


def _below(value: Any, step: _Step) -> Iterator[Any]:
    match step, value:
        case _Field(name), {**fields} if name in fields:
            yield fields[name]
        case _Fields(paths), {**fields}:
            for path in paths:
                yield from _along(fields, path)
        case _Every(), [*items]:
            yield from items
        case _Every(fields=True), {**fields}:
            yield from fields.values()
        case _At(index), [*items] if -len(items) <= index < len(items):
            yield items[index]
        case _:
            return


def _along(value: Any, path: tuple[_Field, ...]) -> Iterator[Any]:
    values = [value]
    for field in path:
        values = [below for value in values for below in _below(value, field)]
    yield from values


def _leaf(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        yield json.dumps(cast(Any, value), sort_keys=True, ensure_ascii=False)
    elif value is not None:
        yield str(value)
