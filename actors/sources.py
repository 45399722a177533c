"""Where runs have the time and the dice from; a simulation has its own.

Both are looked up in this module at each use: `sources.now()`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


def _dice() -> float:
    from random import random  # takes 2 ms to import, and few nodes fail

    return random()  # noqa: S311 - spreads attempts, keeps no secret


now: Callable[[], float] = time.time
"""Seconds since the epoch."""
dice: Callable[[], float] = _dice
"""A number from 0 to 1 that nobody can foretell."""


class Sources(NamedTuple):
    """A clock and dice."""

    now: Callable[[], float]
    dice: Callable[[], float]


_own = Sources(now, dice)
_here: ContextVar[Sources] = ContextVar("sources", default=_own)


@contextmanager
def sources_from(sources: Sources) -> Generator[None]:
    """Inside the block, runs have the time and the dice from these: those that are started in the
    block's context.  Everywhere else they stay what they are."""
    global now, dice
    now, dice = _routed_now, _routed_dice
    token = _here.set(sources)
    try:
        yield
    finally:
        _here.reset(token)


def _routed_now() -> float:
    return _here.get().now()


def _routed_dice() -> float:
    return _here.get().dice()
