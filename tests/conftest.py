"""Rules for the whole suite: no test leaves a task behind, and none is skipped in a strict run."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from typing import Any

import pytest

from actors.calls import _Known

STRICT = "STRICT_TESTS" in os.environ
"""Set by `.ci/run`: a test that is skipped, expected to fail or deselected fails the run."""


@pytest.fixture
async def no_task_left_behind() -> AsyncIterator[None]:
    """Fails a test whose tasks do not end with it; wrapped round every async test."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:  # what is being cancelled may need some turns of the loop for its `finally`
        _, left = await asyncio.wait(left, timeout=2)
    assert not left, f"tasks still alive after the test: {left}"


@pytest.fixture
def taskless() -> Iterator[None]:
    """No task is defined in this process, as far as the engine knows: a lone sync node of a sync
    call runs in the caller's thread."""
    before, _Known.possible = _Known.possible, False
    yield
    _Known.possible |= before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.insert(0, no_task_left_behind.__name__)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end: looking at 600,000 objects, modules and
    tests, again and again took a fifth of the time of many tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if STRICT and (report.skipped or hasattr(report, "wasxfail")):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} did not run to its end: {report.longrepr}"
        report.__dict__.pop("wasxfail", None)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if STRICT and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped as a whole: {report.longrepr}"
    return report


def pytest_deselected(items: Sequence[Any]) -> None:
    if STRICT and items:
        names = ", ".join(item.nodeid for item in items[:5])
        raise pytest.UsageError(f"{len(items)} tests deselected in a strict run: {names} …")
