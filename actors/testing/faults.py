"""What may go wrong in a simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from actors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Faults:
    """How much at most; how much of it happens, when and where, is drawn."""

    crashes: int = 3
    """Deaths of the process."""
    power_cuts: int = 1
    """Those of them at which the power fails, too: what was not synced is lost, or a part of it."""
    cancels: int = 2
    """Cancelled runs of a thread; "interrupt" or "rollback" is drawn."""
    readers: int = 2
    """Readers of a run and of its thread, who come when they like."""
    rivals: int = 1
    """Runs of a thread that are started while another one is on it."""

    def __post_init__(self) -> None:
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0:
                raise ConfigError(f"{name}={value!r} is no number of faults; give 0 or more")

    def fewer(self) -> Iterator[Faults]:
        """The same with less going wrong, what is simplest first."""
        calm = NO_FAULTS
        yield calm
        for name in (each.name for each in fields(self)):
            for count in range(getattr(self, name)):
                yield replace(self, **{name: count})


NO_FAULTS = Faults(0, 0, 0, 0, 0)
"""Nothing goes wrong, and nobody looks."""
