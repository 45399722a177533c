"""Under which keys results are cached; pure.

Keys are made of the serializer's bytes, so that they are the same in every process and nothing is
pickled; dicts and sets count by what is in them, in whatever order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

from checkpoint import MsgpackSerializer, Serializer

from .digests import digest, text_digest
from .errors import CacheKeyError

_DEEP = 64
"""Levels that are looked into; what is deeper counts as the serializer writes it."""


def default_cache_key(*args: Any, **kwargs: Any) -> bytes:
    """A key that is equal for equal inputs, in any process.

    Raises SerializationError for an input that cannot be stored as it is: register its class, an
    exception's too, or give `CachePolicy(key_func=…)`.
    """
    return digest(canonical((args, kwargs)))


def key_text(key: Any, who: str) -> str:
    """What a key function gave as the text that a cache takes.  Raises CacheKeyError."""
    if isinstance(key, str):
        return "t" + text_digest(key)
    if isinstance(key, bytes):
        return "b" + digest(key).hex()
    raise CacheKeyError(
        f"the key_func of {who} gave {key!r}, which is no key: return a str or bytes"
    )


@cache
def _serializer() -> Serializer:
    return MsgpackSerializer(exact=True)  # what is stored with less in it would share a key


def sized(parts: Iterable[bytes]) -> Iterable[bytes]:
    """Each part with its length in front, so that no two lists of parts look alike."""
    for part in parts:
        yield len(part).to_bytes(8, "big")
        yield part


def canonical(value: Any, depth: int = _DEEP) -> bytes:
    """Bytes that are equal for equal values.  Raises SerializationError for what has none."""
    kind = cast("type[Any]", type(value))
    if depth and kind in (list, tuple):
        parts = [canonical(item, depth - 1) for item in value]
    elif depth and kind is dict:
        pairs = cast("Mapping[Any, Any]", value).items()
        parts = sorted(canonical(pair, depth - 1) for pair in pairs)
    elif depth and kind in (set, frozenset):
        parts = sorted(canonical(item, depth - 1) for item in value)
    else:
        return b"=" + _serializer().dumps(value)
    return b"".join((kind.__name__.encode(), *sized(parts)))
