"""Errors of simulations.

ActorsError
├── SimulationError (RuntimeError)      a simulation was asked for what it cannot do
│   └── StuckError                      nothing in it can go on any more
├── BrokenPromiseError (AssertionError) the engine did what it promises not to do
├── UnsafeResumeError (AssertionError)  a graph does not go on from a crash as if there were none
└── OutageError (RuntimeError)          raised by nodes, to see what becomes of a run that fails

ProcessKilled (BaseException)           passes through sync code of a process that dies
"""

from __future__ import annotations

from actors.errors import ActorsError


class SimulationError(ActorsError, RuntimeError):
    """A simulation was asked for what it cannot do; the message says what to use instead."""


class StuckError(SimulationError):
    """Nothing in a simulation can go on, and nothing is planned: the code waits for itself; let it
    wait for what happens in the simulation, or give it a timeout."""


class BrokenPromiseError(ActorsError, AssertionError):
    """The engine did in a simulation what it promises not to do; report it with the seed, which is
    in the message."""


class UnsafeResumeError(ActorsError, AssertionError):
    """A graph, resumed after a crash, did something twice or came to another end; the message names
    the nodes; put their effects into `runtime.once`."""


class OutageError(ActorsError, RuntimeError):
    """Something that a node needs is not there for now: a node of a simulation may raise this, the
    run fails, and whoever works on the thread runs it again."""


class ProcessKilled(BaseException):
    """Passes through sync code of a simulated process that dies in the midst of it; let it pass."""
