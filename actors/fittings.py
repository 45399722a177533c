"""What a graph is compiled with, beside its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from checkpoint import Saver

from .layout import NO_PAUSES, Pauses


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fittings:
    """The arguments of `StateGraph.compile`."""

    checkpointer: Saver | Literal[False] | None = None
    pauses: Pauses = NO_PAUSES
