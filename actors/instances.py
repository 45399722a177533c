"""Between a state's dict of keys and an instance of its schema, both ways."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from reprlib import repr as shortened
from typing import Any, cast

from .errors import InvalidUpdateError
from .hints import field_names, is_dataclass, is_msgspec, is_pydantic
from .values import Command, Overwrite, Send

Coerce = Callable[[Mapping[str, Any]], Any]


def coercer(cls: type) -> Coerce | None:
    """What makes an instance from the keys that hold a value; None if nodes get the dict."""
    if is_pydantic(cls):
        given_as = _aliases(cls)
        if given_as:
            return lambda values: cls(**{given_as.get(k, k): v for k, v in values.items()})
    elif not (is_dataclass(cls) or is_msgspec(cls)):
        return None
    return lambda values: cls(**values)


def _aliases(cls: Any) -> dict[str, str]:
    """Fields of a pydantic model that its constructor knows by another name only."""
    config: Mapping[str, Any] = cls.model_config
    if config.get("populate_by_name") or config.get("validate_by_name"):
        return {}
    return {
        name: info.validation_alias
        for name, info in cls.model_fields.items()
        if isinstance(info.validation_alias, str)
    }


def updates_of(instance: Any) -> dict[str, Any] | None:
    """The state update that an instance of a schema stands for; None if it is no such thing.

    Of a pydantic model's fields, those set to None count only if that was said explicitly.
    """
    cls = cast("type", instance.__class__)
    names = _names(cls)
    if is_pydantic(cls):
        told: Collection[str] = instance.model_fields_set
        values = {name: getattr(instance, name) for name in names}
        return {k: v for k, v in values.items() if v is not None or k in told}
    if not names:
        return {} if is_dataclass(cls) or is_msgspec(cls) else None
    return {name: getattr(instance, name) for name in names if hasattr(instance, name)}


def _names(cls: type) -> Collection[str]:
    """What the instances of a class say something of."""
    if names := field_names(cls):
        return names
    return [name for base in reversed(cls.__mro__) for name in inspect.get_annotations(base)]


def input_reader(
    cls: Any, checked: frozenset[str], known: frozenset[str]
) -> Callable[[Any], Mapping[str, Any]]:
    """What turns a run's input into a dict of updates.

    A pydantic schema validates those of the `checked` keys that are given; a key that a reducer
    will still change, or that the thread may already hold, is validated when a node reads it.
    An instance of another class is taken if it has some of the `known` keys, which are the graph's:
    graphs are called with the state of others.
    """
    validates = is_pydantic(cls)

    def read(value: Any) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            given = dict(cast("Mapping[str, Any]", value))
            if validates:
                _validate(cls, given, checked)
            return given
        refuse_control(value)
        kind = cast("type", value.__class__)
        updates = None if kind is Overwrite else updates_of(value)
        if updates is None or not (kind is cls or known.intersection(_names(kind))):
            raise InvalidUpdateError(
                f"Expected dict, got {shortened(value)} as the graph's input. Give a dict of state "
                "keys, or an instance of the input schema"
            )
        return updates

    return read


def refuse_control(value: Any) -> None:
    """Raise InvalidUpdateError for an input that says where to go: it would be lost."""
    if issubclass(value.__class__, Command | Send):
        raise InvalidUpdateError(
            f"Expected dict, got {shortened(value)} as the graph's input. Give a Command to "
            "`invoke`, or to `update_state` as a node or as '__start__', a Send as its goto"
        )


def _validate(cls: Any, given: Mapping[str, Any], checked: frozenset[str]) -> None:
    plain = {
        key: value
        for key, value in given.items()
        if key in cls.model_fields and not isinstance(value, Overwrite)
    }
    named = _aliases(cls)
    try:
        cls(**{named.get(key, key): value for key, value in plain.items()})
    except ValueError as error:  # pydantic's ValidationError is one
        errors: Callable[[], list[dict[str, Any]]] | None = getattr(error, "errors", None)
        wrong = {str(e["loc"][0]) for e in errors() if e["loc"]} if errors else set[str]()
        if any(named.get(key, key) in wrong for key in plain if key in checked):
            raise
