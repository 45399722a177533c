"""What all crash tests share: the process that children are forked from, a run without a crash."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
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


@pytest.fixture(scope="session")
def shims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the libraries of `shim/`, to be preloaded into children."""
    folder = tmp_path_factory.mktemp("shims")
    compiler = shutil.which(os.environ.get("CC", "cc"))
    assert compiler, "a C compiler is needed to build the disks that tests break"
    for source in Path(__file__).with_name("shim").glob("*.c"):
        target = folder / f"{source.stem}.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", target, source, "-ldl", "-lpthread"]
        subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="module")
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where the system has one: for files whose syncs wait for no disk,
    because what a sync is good for is not what is tested, or known from a record of them."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="faults-", dir=place) as folder:
        yield Path(folder)


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
