"""Long reads that let other threads have the interpreter now and then.

A thread that reads rows gives the interpreter up for each of them, for some microseconds: too short
for a thread that waits for it to wake up and take it, and each time that thread's five milliseconds
begin anew, after which Python would make the reader give way.  A commit takes the interpreter a
dozen times, so it took a page's time for each where a page was always being read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 0.0003
"""Seconds of reading from one pause to the next."""
PAUSE = 0.00005
"""Seconds of a pause: enough for who waits to wake up."""


def gently(
    rows: Iterable[T],
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[T]:
    """The same rows, with pauses between them if it takes long to go through them."""
    pause_at = clock() + AT_ONCE
    for row in rows:
        yield row
        if clock() > pause_at:
            sleep(PAUSE)
            pause_at = clock() + AT_ONCE
