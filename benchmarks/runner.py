"""Runs workloads: each contender in its own process, taking turns, for several rounds."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .contenders import LIMIT, OURS, THEIRS
from .served.server import ROOT, Servers, peer_is_here
from .workload import Workload

QUICK_ROUNDS = 2


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
        ours, theirs = self.figures.get(OURS), self.figures.get(THEIRS)
        if not str(self.workload.target) or ours is None:
            return None
        return self.workload.target.met(ours.median, theirs.median if theirs else None)


def run(workloads: Sequence[Workload], *, quick: bool, say: Callable[[str], None]) -> list[Result]:
    """Measure every workload; `say` is told of each figure as it comes."""
    if any(workload.load is Servers for workload in workloads) and not peer_is_here():
        say(
            "langgraph dev is not installed, so our server is measured alone; see make bench-server"
        )
    return [_measure(workload, quick=quick, say=say) for workload in workloads]


def _measure(workload: Workload, *, quick: bool, say: Callable[[str], None]) -> Result:
    contenders = _contenders(workload)
    measured = {contender: list[float]() for contender in contenders}
    for _ in range(min(QUICK_ROUNDS, workload.rounds) if quick else workload.rounds):
        for contender in contenders:
            figure = _in_own_process(workload.name, contender, "quick" if quick else "full")
            measured[contender].append(figure)
            say(f"{workload.name:16} {contender:10} {figure:12.2f} {workload.unit}")
    return Result(workload, {name: Figures(tuple(rounds)) for name, rounds in measured.items()})


def _contenders(workload: Workload) -> list[str]:
    if workload.load is Servers and not peer_is_here():
        return [OURS]
    return [OURS, THEIRS, LIMIT] if workload.limit else [OURS, THEIRS]


def _in_own_process(name: str, contender: str, size: str) -> float:
    command = [sys.executable, "-m", "benchmarks.worker", name, contender, size]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed; mend what it says:\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1]))
