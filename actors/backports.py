"""What type checkers know and Python 3.11 does not: `override`, and type variables with a default.

Both do nothing at run time, so `typing_extensions`, which takes 2 ms to import, is left to type
checkers, and to those who make TypedDicts with it.
"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypeVar, override
else:
    T = typing.TypeVar("T")

    def TypeVar(name: str, **_for_checkers: Any) -> typing.TypeVar:  # noqa: N802 - its own name
        """A type variable; its default is for type checkers."""
        return typing.TypeVar(name)

    def override(method: T) -> T:
        """Says that a method takes the place of an inherited one."""
        return method


__all__ = ["TypeVar", "override"]
