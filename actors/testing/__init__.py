"""Simulations: a graph on a virtual clock, with crashes, where one seed decides everything.

`import actors` does not load this.
"""

from .effects import Effects
from .errors import (
    BrokenPromiseError,
    OutageError,
    ProcessKilled,
    SimulationError,
    StuckError,
    UnsafeResumeError,
)
from .faults import Faults
from .loop import SimulatedLoop
from .proof import Finding, ResumeProof
from .resuming import prove_resume
from .simulating import Simulation, simulate

__all__ = [
    "BrokenPromiseError",
    "Effects",
    "Faults",
    "Finding",
    "OutageError",
    "ProcessKilled",
    "ResumeProof",
    "SimulatedLoop",
    "Simulation",
    "SimulationError",
    "StuckError",
    "UnsafeResumeError",
    "prove_resume",
    "simulate",
]
