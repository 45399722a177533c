"""Managed values: state keys that the engine fills in when a node reads them; pure.

They are in a node's input and nowhere else: no channel stands behind them, so they are neither
streamed as state nor stored, and an update of one is dropped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Generic, NamedTuple, TypeAlias

from .backports import TypeVar

V = TypeVar("V", default=Any)


class StepInfo(NamedTuple):
    """Where a run stands, as a managed value sees it."""

    step: int
    """The super-step that runs."""
    stop: int
    """The super-step at whose end the recursion limit is reached."""


class ManagedValue(ABC, Generic[V]):
    """Subclass it to have a state key of your own filled in, as in `Annotated[int, MyValue]`.

    Example:
        >>> class Half(ManagedValue[bool]):
        ...     @staticmethod
        ...     def get(scratchpad: StepInfo) -> bool:
        ...         return scratchpad.step > scratchpad.stop / 2
    """

    @staticmethod
    @abstractmethod
    def get(scratchpad: StepInfo) -> V:
        """The value that a node of this step finds."""


class IsLastStepManager(ManagedValue[bool]):
    """Stands behind `IsLastStep`."""

    @staticmethod
    def get(scratchpad: StepInfo) -> bool:
        """True in the last step that the recursion limit allows."""
        return scratchpad.step == scratchpad.stop - 1


class RemainingStepsManager(ManagedValue[int]):
    """Stands behind `RemainingSteps`."""

    @staticmethod
    def get(scratchpad: StepInfo) -> int:
        """Steps that the recursion limit leaves, this one included."""
        return scratchpad.stop - scratchpad.step


IsLastStep: TypeAlias = Annotated[bool, IsLastStepManager]
"""A state key of this type tells a node whether the recursion limit ends the run after it."""
RemainingSteps: TypeAlias = Annotated[int, RemainingStepsManager]
"""A state key of this type tells a node how many steps are left, its own included."""

Managed: TypeAlias = Mapping[str, type[ManagedValue[Any]]]
"""State key -> what fills it in."""


def filled_in(managed: Managed, step: int, stop: int) -> dict[str, Any]:
    """The managed keys with their values in a step."""
    info = StepInfo(step, stop)
    return {key: value.get(info) for key, value in managed.items()}
