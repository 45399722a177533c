"""Digests: what stands for texts and bytes, in few characters and the same in any process; pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


def digest(data: bytes) -> bytes:
    """16 bytes that stand for the data."""
    return _blake2b()(data, digest_size=16).digest()


def text_digest(text: str) -> str:
    """32 hex digits that stand for a text."""
    return digest(text.encode("utf-8", "surrogatepass")).hex()


def id_digest(text: str) -> str:
    """The same, written like a UUID."""
    digits = _blake2b()(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@cache
def _blake2b() -> Callable[..., Any]:
    from hashlib import blake2b  # and with it OpenSSL: not before something needs an id

    return blake2b
