"""Tries a bug: plants it in a copy of the repository, and runs the test that must fail there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.planted.bug import Bug
from tests.planted.reports import REPORTS, Report, read_reports

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("actors", "agent_server", "checkpoint", "streaming", "tests", "examples")
"""What tests need of the repository, beside `pyproject.toml`."""
SECONDS = 120
"""A trial may take no longer: a bug whose test hangs is none for this table."""
_PYTEST = (
    "-m",
    "pytest",
    "-q",
    "--tb=line",
    "-p",
    "tests.planted.reports",
    "-p",
    "no:cacheprovider",
)
_IDLE = ("schemathesis", "langsmith_plugin", "xdist")
"""Plugins that these tests do without: loading them takes longer than most of the trials."""


class TrialError(Exception):
    """The trial itself went wrong, so it says nothing of the bug."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of the test of one bug."""

    bug: Bug
    missed: str
    """Why it is not caught as the table says; "" if it is."""
    seconds: float
    """That its test took."""


class Laboratory:
    """Copies of the repository below a folder, one clean and one for each bug."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clean = folder / "clean"
        for part in PARTS:
            shutil.copytree(
                ROOT / part, self._clean / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy2(ROOT / "pyproject.toml", self._clean)

    def check_clean(self, bugs: Iterable[Bug]) -> None:
        """Run the tests of all bugs without any; they must be there, and pass.

        Leaves compiled modules behind, which saves most of each trial.  Raises TrialError.
        """
        tests = sorted({bug.caught_by for bug in bugs})
        failed = [report for report in _run(self._clean, *tests) if report.end != "passed"]
        if failed:
            lines = "\n".join(f"  {report.test}: {report.words}" for report in failed)
            raise TrialError(f"these fail without any bug:\n{lines}")

    def try_out(self, bug: Bug) -> Verdict:
        """Plant a bug and see what its test says.  Raises StaleBugError, TrialError."""
        place = self._folder / bug.name.replace(" ", "_")
        shutil.copytree(self._clean, place, copy_function=_link)
        bug.plant(place)
        reports = _run(place, bug.caught_by)
        shutil.rmtree(place)
        seconds = sum(report.seconds for report in reports)
        return Verdict(bug, why_missed(bug.caught_by, reports), seconds)


def _link(source: str, target: str) -> None:
    os.link(source, target)


def why_missed(test: str, reports: Sequence[Report]) -> str:
    """Why a test did not notice; "" if it did: some of its cases failed, and all those by an
    assertion."""
    cases = [each for each in reports if each.test == test or each.test.startswith(f"{test}[")]
    asserted = {each.test for each in cases if each.end == "asserted"}
    for each in cases:
        if each.end == "broke" and each.test not in asserted:  # else its clean-up broke, too
            return f"{each.test} did not fail by an assertion: {each.words}"
    return "" if asserted else f"{test} passes"


def _run(place: Path, *tests: str) -> list[Report]:
    """Run tests in a copy.  Raises TrialError."""
    reports = place.with_name(f"{place.name}.jsonl")
    reports.unlink(missing_ok=True)
    plugins = [word for name in _IDLE for word in ("-p", f"no:{name}")]
    command = [sys.executable, *_PYTEST, *plugins, *tests]
    environment = {**os.environ, REPORTS: str(reports), "PYTHONPATH": str(place)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.pop("STRICT_TESTS", None)
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise TrialError(f"{' '.join(tests)} did not end within {SECONDS} s") from error
    if done.returncode not in (0, 1) or not reports.exists():  # 1: tests were run, some failed
        raise TrialError(f"{' '.join(tests)} did not run:\n{done.stdout}{done.stderr}")
    return list(read_reports(reports))
