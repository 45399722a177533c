"""What a channel is: one named place of a graph's state, with an empty copy for every run."""

from __future__ import annotations

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Generic, Self, final

from .backports import TypeVar
from .errors import EmptyChannelError

Value = TypeVar("Value", default=Any)


@final
class Missing:
    """The type of MISSING."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"  # copies are the same object


MISSING: Final = Missing()
"""Stands where a channel holds no value (None is a value like any other)."""


class Channel(ABC, Generic[Value]):
    """One named place of a graph's state; a run has its own copy of every channel."""

    __slots__ = ("key",)

    expires: bool = False
    """True if it is cleared, by `update(())`, in a step that did not write to it."""
    persisted: ClassVar[bool] = True
    """False if no checkpoint ever holds its value."""

    key: str
    """Its name in the graph, set by `named`; error messages show it."""

    def __init__(self) -> None:
        self.key = ""

    def named(self, key: str) -> Self:
        """An empty copy with this name: the prototype that a graph keeps."""
        channel = self.fresh()
        channel.key = key
        return channel

    @abstractmethod
    def fresh(self) -> Self:
        """An empty copy of the same name, for one run."""

    def copy(self) -> Self:
        """A copy that holds the same value."""
        channel = self.fresh()
        channel.restore(self.checkpoint())
        return channel

    def same_as(self, other: Channel[Any]) -> bool:
        """True if `other` was constructed alike, so that both may stand for one state key."""
        return type(self) is type(other)

    @abstractmethod
    def update(self, values: Sequence[Any]) -> bool:
        """Apply one step's writes, in order; True if the channel changed.

        Raises InvalidUpdateError, having changed nothing, when they do not fit.
        """

    @abstractmethod
    def get(self) -> Any:
        """What readers see.  Raises EmptyChannelError when there is nothing."""

    @abstractmethod
    def is_available(self) -> bool:
        """True if `get` gives something."""

    @abstractmethod
    def checkpoint(self) -> Any:
        """What `restore` needs to make an equal channel, or MISSING when there is nothing to store.

        The value is the channel's own: read it, do not change it.
        """

    @abstractmethod
    def restore(self, value: Any) -> None:
        """Take over what `checkpoint` gave (MISSING: be empty)."""

    @property
    def settles(self) -> bool:
        """True if `settle` may give another value than it was given."""
        return False

    def settle(self, value: Any) -> Any:
        """A write as it is stored and applied: what chance decides in it, such as ids, is decided
        here and once.  Never raises: what cannot be is left for `update` to refuse.
        """
        return value

    def consume(self) -> bool:
        """A task that this channel triggered has run; True if the channel changed."""
        return False

    def finish(self) -> bool:
        """Nothing else is left to run; True if the channel became readable by that."""
        return False

    def _empty(self) -> EmptyChannelError:
        return EmptyChannelError(
            f"Channel {self.key!r} ({type(self).__name__}) holds no value yet: write to it first, "
            "or ask is_available()"
        )


def shown(values: Sequence[Any]) -> str:
    """The first few values, shortened, for an error message."""
    return ", ".join(reprlib.repr(value) for value in values[:4]) + (
        ", …" if len(values) > 4 else ""
    )
