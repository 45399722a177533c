"""Whether lengths in msgpack bytes claim no more than there is, before anything is made of them.

A list is made with room for as many items as its header claims, up to the length of all the bytes,
before the first one is read.  A thousand such headers inside each other, at each of sixty levels of
typed values, would take gigabytes for a hundred kilobytes.  A look at the headers alone makes
nothing, and takes a tenth of the time of reading.
"""

from __future__ import annotations

from typing import Any, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]

_msgpack = cast(Any, msgpack)

SHORT = 1024
"""Bytes that cannot claim more than a few megabytes, so nobody looks at them twice."""


def check_lengths(data: bytes) -> None:
    """Raise what msgpack raises for bytes that end too early, or are no msgpack."""
    size = len(data)
    if size <= SHORT:
        return
    unpacker = _msgpack.Unpacker(max_buffer_size=size)
    unpacker.feed(data)
    while unpacker.tell() < size:
        unpacker.skip()
