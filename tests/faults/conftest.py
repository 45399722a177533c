"""What all crash tests share: the process that children are forked from, a run without a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.forks import ForkServer
from tests.faults.scale import WHOLE
from tests.faults.witness import Reference


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference.of(tmp_path_factory.mktemp("reference"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was broken, all in all; each case is one that an assertion looked at afterwards."""
    if not WHOLE:
        return
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, ())]
    figures = Counter[str]()
    for report in reports:
        figures.update(dict(report.user_properties) if report.when == "call" else {})
    speed = figures["simulation: seeds"] / (figures.pop("simulation: seconds", 0) or 1)
    terminalreporter.section("faults")
    for name, count in sorted(figures.items()):
        terminalreporter.line(f"{count:>9,} {name}")
    if speed:
        terminalreporter.line(f"{speed:>9.1f} simulation: seeds per second of each processor")
