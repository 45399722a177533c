"""How much is broken: all of it under `make faults`, a sample without kills at random moments.

`FAULT_KILLS` is how many of those there are to be, over all tests that kill so.  Cases have
numbers, and the same number is the same case each time, but for the moments that
processes are killed at: a long proof is made in pieces, each with its `FAULT_FIRST`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

KILLS = int(os.environ.get("FAULT_KILLS", "0"))
BITS = int(os.environ.get("FAULT_BITS", "10000"))
INPUTS = int(os.environ.get("FAULT_INPUTS", "1200"))
HISTORIES = int(os.environ.get("HISTORIES", "200"))
SEEDS = int(os.environ.get("SEEDS", "40"))
WHOLE = KILLS > 0
FIRST = int(os.environ.get("FAULT_FIRST", "0"))
"""The number of the first bit, input, history, seed or kill: a long run can be made in pieces."""
BATCH = 20
"""Kills, or seeds, of one test, which has a minute."""
SAMPLE = 8
"""Kills of one test where a sample is enough."""


def numbers(count: int, each: int, share: int = 1) -> range:
    """Numbers of tests, of `each` cases, that make so many cases from the first one on; `share`:
    there are so many times fewer of these than of what `FIRST` counts."""
    first = FIRST // share // each
    return range(first, first + max(1, count // each))


def batches(share: float) -> list[int]:
    """Numbers of tests, of `BATCH` kills each, that make this share of the kills asked for; one
    smaller one for a sample."""
    first = round(FIRST * share / BATCH)
    return list(range(first, first + max(1, round(KILLS * share / BATCH))))


def seed_batches() -> list[range]:
    """The seeds of each test."""
    end = FIRST + SEEDS
    return [range(first, min(first + BATCH, end)) for first in range(FIRST, end, BATCH)]


def kills() -> int:
    """Kills of one such test."""
    return BATCH if WHOLE else SAMPLE


def some(items: Sequence[T], every: int) -> list[T]:
    """All items; for a sample each so-manieth, and the last one."""
    return list(items) if WHOLE else sorted({*items[::every], items[-1]}, key=items.index)


def histories() -> tuple[range, int]:
    """Of lives of threads: the numbers of tests, and how many histories each."""
    return (numbers(HISTORIES, BATCH), BATCH) if WHOLE else (range(1), SAMPLE)


def client_histories(each: int) -> list[int]:
    """Numbers of tests, of `each` histories of concurrent clients: half as many as lives."""
    return list(numbers(HISTORIES // 2, each, share=2)) if WHOLE else [0]
