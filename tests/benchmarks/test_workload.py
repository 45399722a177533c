"""Targets, contenders that are not there, and the page that tells of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.contenders import LIMIT, OURS, THEIRS, is_here
from benchmarks.report import Report, markdown
from benchmarks.runner import Figures, Result
from benchmarks.served.server import ROOT
from benchmarks.workload import Stage, Target, Workload
from benchmarks.workloads import WORKLOADS


@pytest.mark.parametrize(
    ("target", "theirs", "bare", "met"),
    [
        (Target(), 50.0, 5.0, None),
        (Target(ratio=5), 50.0, None, True),
        (Target(ratio=5), 49.0, None, False),
        (Target(ratio=5), None, None, None),
        (Target(limit=10), None, None, True),
        (Target(limit=9), None, None, False),
        (Target(least=10), None, None, True),
        (Target(least=11), None, None, False),
        (Target(of_bare=2), None, 5.0, True),
        (Target(of_bare=2), None, 4.9, False),
        (Target(ratio=5, of_bare=2), 50.0, 4.9, False),
        (Target(ratio=5, of_bare=2), None, 4.9, False),
        (Target(ratio=5, of_bare=2), 50.0, None, None),
    ],
)
def test_a_target_is_met_when_all_of_it_is_and_unknown_without_a_figure(
    target: Target, theirs: float | None, bare: float | None, met: bool | None
) -> None:
    assert target.met(10.0, theirs, bare) is met


async def _measure(engine: object, stage: Stage) -> float:
    return 1.0


def test_a_contender_that_is_not_installed_stands_in_the_table_as_that() -> None:
    workload = Workload("w", "what", "µs", _measure, target=Target(ratio=2))
    figures = {OURS: Figures((10.0, 12.0)), LIMIT: Figures((0.5,))}
    row = markdown(Report({}, [Result(workload, figures, [THEIRS, "burr"])], [])).splitlines()[-1]
    assert row == (
        "| w | what | µs | 11.0 ±9% | not installed | 0.50 | burr not installed |  | ≥ 2 × |  |"
    )


def test_ours_and_the_bare_one_need_no_distribution_of_others() -> None:
    assert is_here(OURS)
    assert is_here(LIMIT)


def test_every_workload_of_an_engine_says_what_it_asks_and_in_which_unit() -> None:
    for name, workload in WORKLOADS.items():
        assert workload.name == name
        assert workload.question
        assert workload.unit
        assert workload.engines[0] == OURS


def test_a_contender_s_process_has_loaded_no_engine_before_it_is_measured() -> None:
    script = (
        "import sys, benchmarks.worker, benchmarks.growing;"
        "print({'actors', 'agent_server', 'checkpoint', 'langgraph', 'streaming'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"
