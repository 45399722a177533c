"""A page of what was searched for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of what was found."""

    items: Sequence[T]
    total: int
    """How many there are on all pages."""
    offset: int = 0

    @property
    def next(self) -> int | None:
        """The offset of the next page; None after the last one."""
        end = self.offset + len(self.items)
        return end if self.items and end < self.total else None
