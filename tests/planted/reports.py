"""A pytest plugin that writes how each test ended, as lines of JSON: `-p tests.planted.reports`.

The file is named by the environment, as PLANTED_REPORTS.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

REPORTS = "PLANTED_REPORTS"

End = Literal["passed", "asserted", "broke"]


@dataclass(frozen=True, slots=True)
class Report:
    """How one test ended."""

    test: str
    end: End
    """`asserted`: it failed, and not because something about it is out of order."""
    seconds: float
    words: str
    """The last line of what was raised."""


def read_reports(path: Path) -> Iterator[Report]:
    """All that were written; a test that also breaks after its end has two."""
    for line in path.read_text(encoding="utf-8").splitlines():
        yield Report(**json.loads(line))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call" or not report.passed:
        end: End = "passed" if report.passed else "broke"
        if call.excinfo is not None and call.when == "call" and _is_assertion(call.excinfo.value):
            end = "asserted"
        words = "" if call.excinfo is None else call.excinfo.exconly().strip()
        _write(Report(item.nodeid, end, report.duration, words.rsplit("\n", 1)[-1][:200]))
    return report


def _is_assertion(error: BaseException) -> bool:
    """True for an assertion, and for `pytest.raises` that saw nothing raised."""
    if isinstance(error, BaseExceptionGroup):
        parts: Sequence[BaseException] = error.exceptions
        return all(_is_assertion(part) for part in parts)
    if isinstance(error, pytest.fail.Exception):
        return not str(error).startswith("Timeout")
    return isinstance(error, AssertionError)


def _write(report: Report) -> None:
    with Path(os.environ[REPORTS]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(report)) + "\n")
