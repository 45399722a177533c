"""Where events have their times from, and messages without an id theirs; a simulation has its own.

Both are looked up in this module at each use: `sources.now()`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

now: Callable[[], float] = time.time
"""Seconds since the epoch."""
random_bytes: Callable[[int], bytes] = os.urandom
"""That many random bytes."""


class Sources(NamedTuple):
    """A clock and dice."""

    now: Callable[[], float]
    random_bytes: Callable[[int], bytes]


_own = Sources(now, random_bytes)
_here: ContextVar[Sources] = ContextVar("sources", default=_own)


@contextmanager
def sources_from(sources: Sources) -> Generator[None]:
    """Inside the block, times and ids come from these sources: in the block's context and those
    that are copied from it, such as its tasks'.  Everywhere else they stay what they are.

    with sources_from(Sources(lambda: 0.0, Random(7).randbytes)):
        log.publish(event)  # at the time 0.0
    """
    global now, random_bytes
    now, random_bytes = _routed_now, _routed_bytes
    token = _here.set(sources)
    try:
        yield
    finally:
        _here.reset(token)


def _routed_now() -> float:
    return _here.get().now()


def _routed_bytes(count: int) -> bytes:
    return _here.get().random_bytes(count)
