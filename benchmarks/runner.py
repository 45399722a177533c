"""Runs workloads: each contender in its own process, taking turns, for several rounds."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .contenders import LIMIT, OURS, THEIRS, is_here
from .served.server import ROOT, Servers, peer_is_here
from .workload import Workload


@dataclass(frozen=True, slots=True)
class Figures:
    """What a contender was measured at, round by round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """Largest minus smallest, as a share of the median."""
        return (max(self.rounds) - min(self.rounds)) / self.median if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """One workload's figures by contender."""

    workload: Workload
    figures: dict[str, Figures]
    absent: list[str] = field(default_factory=list[str])
    """Contenders that are not installed."""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; None when a figure is missing or zero."""
        ours, theirs = self.figures.get(OURS), self.figures.get(THEIRS)
        if not ours or not theirs or min(ours.median, theirs.median) <= 0:
            return None
        ratio = theirs.median / ours.median
        return 1 / ratio if self.workload.more_is_better else ratio

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target or without our figure."""
        ours, theirs, bare = (self.median(name) for name in (OURS, THEIRS, LIMIT))
        return None if ours is None else self.workload.target.met(ours, theirs, bare)

    def median(self, contender: str) -> float | None:
        """A contender's figure; None if it was not measured."""
        return figures.median if (figures := self.figures.get(contender)) else None


def run(workloads: Sequence[Workload], *, quick: bool, say: Callable[[str], None]) -> list[Result]:
    """Measure every workload; `say` is told of each figure as it comes."""
    if any(workload.load is Servers for workload in workloads) and not peer_is_here():
        say(
            "langgraph dev is not installed, so our server is measured alone; see make bench-server"
        )
    return [_measure(workload, quick=quick, say=say) for workload in workloads]


def _measure(workload: Workload, *, quick: bool, say: Callable[[str], None]) -> Result:
    asked = _contenders(workload)
    contenders = [name for name in asked if is_here(name)]
    absent = [name for name in asked if name not in contenders]
    for name in absent:
        say(f"{workload.name:18} {name:21} is not installed; see make bench")
    measured = {contender: list[float]() for contender in contenders}
    for _ in range(1 if quick else workload.rounds):
        for contender in contenders:
            size = "quick" if quick else "full"
            figure = float(in_own_process("benchmarks.worker", workload.name, contender, size))
            measured[contender].append(figure)
            say(f"{workload.name:18} {contender:21} {figure:12.2f} {workload.unit}")
    figures = {name: Figures(tuple(rounds)) for name, rounds in measured.items()}
    return Result(workload, figures, absent)


def _contenders(workload: Workload) -> list[str]:
    served = workload.load is not Servers or peer_is_here()
    engines = [name for name in workload.engines if served or name == OURS]
    return [*engines, *([LIMIT] if workload.limit else []), *workload.peers]


def in_own_process(module: str, *arguments: str) -> Any:
    """What a module prints as JSON in its last line.  Raises RuntimeError if it fails."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed; mend what it says:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
