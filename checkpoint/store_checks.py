"""Rules about what may be asked of a store; all raise before anything is changed."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from .errors import InvalidArgumentError, InvalidNamespaceError, SerializationError
from .store_config import MAX_DEPTH
from .store_ops import ListNamespacesOp, MatchCondition, Namespace

MAX_BITS = 14_000
"""How long whole numbers may be: Python turns no more than 4,300 digits into a text and back."""
_GREATEST = sys.float_info.max
_RESERVED = "langgraph"
"""The root label that code written for LangGraph expects to be refused."""


def checked_labels(namespace: object) -> Namespace:
    """A namespace, or the beginning or end of one, as a tuple; may be empty.

    Raises InvalidNamespaceError.
    """
    if isinstance(namespace, str) or not isinstance(namespace, Sequence):
        raise InvalidNamespaceError(
            f"{namespace!r} is no namespace: a namespace is a tuple of labels; "
            'give ("my", "namespace")'
        )
    labels = tuple(cast(Sequence[object], namespace))
    for label in labels:
        if (reason := _wrong_label(label)) is not None:
            raise InvalidNamespaceError(
                f"namespace {labels!r} cannot be used: its label {label!r} {reason}; "
                "give labels that are texts without dots"
            )
    return cast(Namespace, labels)


def checked_namespace(namespace: object) -> Namespace:
    """A namespace that items may be put in.  Raises InvalidNamespaceError."""
    labels = checked_labels(namespace)
    if not labels:
        raise InvalidNamespaceError(
            "namespace () cannot hold items: it is empty; give at least one label"
        )
    if labels[0] == _RESERVED:
        raise InvalidNamespaceError(
            f"namespace {labels!r} cannot hold items: the root label {_RESERVED!r} is reserved; "
            "begin with another one"
        )
    return labels


def _wrong_label(label: object) -> str | None:
    if not isinstance(label, str):
        return f"is a {type(label).__name__}, not a text"
    if not label:
        return "is empty"
    if "." in label:
        return "contains a dot"
    if "\0" in label:
        return "contains a NUL character"
    return None if _is_utf8(label) else "has no UTF-8 form"


def checked_key(key: object) -> str:
    """A key.  Raises InvalidArgumentError."""
    if isinstance(key, str) and _is_utf8(key):
        return key
    raise InvalidArgumentError(
        f"{key!r} is no key of an item: it is not a text that has a UTF-8 form; give such a text"
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates
        return False
    return True


def checked_count(name: str, count: object, least: int = 0) -> None:
    """Raise InvalidArgumentError unless a count is a whole number from `least` on."""
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        raise InvalidArgumentError(
            f"{name}={count!r} is no count: it is not a whole number from {least} on; give one"
        )


def checked_minutes(name: str, minutes: object) -> float | None:
    """A number of minutes above 0, or None.  Raises InvalidArgumentError."""
    if minutes is None:
        return None
    if isinstance(minutes, int | float) and minutes is not True and 0 < minutes <= _GREATEST:
        return float(minutes)
    raise InvalidArgumentError(
        f"{name}={minutes!r} is no number of minutes above 0; give one, or None for no end"
    )


def checked_query(query: object) -> str | None:
    """A text to search by; None when it is empty.  Raises InvalidArgumentError."""
    if query is None or isinstance(query, str):
        return query or None
    raise InvalidArgumentError(f"query={query!r:.200} cannot be embedded: it is no text; give one")


def checked_keys(name: str, given: object, known: Mapping[str, object]) -> None:
    """Raise InvalidArgumentError unless a configuration is a dict of known keys."""
    if isinstance(given, Mapping):
        unknown = [key for key in cast(Mapping[object, object], given) if key not in known]
        if not unknown:
            return
        what = f"nothing is known of {unknown[0]!r}"
    else:
        what = "it is not a dict"
    raise InvalidArgumentError(
        f"{name}={given!r:.200} cannot be used: {what}; give a dict with {', '.join(known)}"
    )


def checked_listing(op: ListNamespacesOp) -> None:
    """Raises InvalidNamespaceError or InvalidArgumentError."""
    checked_count("limit", op.limit)
    checked_count("offset", op.offset)
    if op.max_depth is not None:
        checked_count("max_depth", op.max_depth, 1)
    for condition in op.match_conditions or ():
        _check_condition(condition)


def _check_condition(condition: MatchCondition) -> None:
    if not isinstance(condition, MatchCondition):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(
            f"{condition!r:.200} is no condition for namespaces; give MatchCondition("
            '"prefix" or "suffix", ("my", "namespace"))'
        )
    checked_labels(condition.path)
    match_type: object = condition.match_type
    if match_type not in {"prefix", "suffix"}:
        raise InvalidArgumentError(
            f"{match_type!r} is no match_type: namespaces are matched by their beginning or "
            'their end; give "prefix" or "suffix"'
        )


def json_of(value: object) -> str:
    """A value that is to be stored, as JSON in ASCII.

    Raises InvalidArgumentError for what is no mapping, and SerializationError, which names the
    place, for what is not JSON.
    """
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(
            f"{value!r:.200} cannot be put: a stored value is a dict with texts as keys; wrap it: "
            '{"value": …}, or delete the item with `delete`'
        )
    return json.dumps(_plain(cast(Mapping[object, object], value), "value", 0))


def _plain(value: object, place: str, depth: int) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return _of_bounded_length(value, place)
    if isinstance(value, float):
        return _finite(value, place)
    if depth == MAX_DEPTH:
        raise _not_json(f"it is nested more than {MAX_DEPTH} deep", place, "contains itself?")
    if isinstance(value, Mapping):
        items = cast(Mapping[object, object], value).items()
        return {_text(k, place): _plain(v, f"{place}[{k!r}]", depth + 1) for k, v in items}
    if isinstance(value, list | tuple):
        values = enumerate(cast(Sequence[object], value))
        return [_plain(v, f"{place}[{at}]", depth + 1) for at, v in values]
    raise _not_json(f"a {type(value).__qualname__} is no JSON", place, repr(value))


def _text(key: object, place: str) -> str:
    if isinstance(key, str):
        return key
    raise _not_json("its keys are not all texts", place, repr(key))


def _of_bounded_length(value: int, place: str) -> int:
    if value.bit_length() <= MAX_BITS:
        return value
    shown = f"a whole number of {value.bit_length()} bits"
    raise _not_json(f"whole numbers have at most {MAX_BITS} bits here", place, shown)


def _finite(value: float, place: str) -> float:
    if math.isfinite(value):
        return value
    raise _not_json("JSON has only finite numbers", place, repr(value))


def _not_json(reason: str, place: str, shown: str) -> SerializationError:
    return SerializationError(
        f"{place} cannot be put ({shown:.200}): {reason}; nothing was changed; store texts, "
        "numbers, booleans, None, lists, and dicts with texts as keys"
    )
