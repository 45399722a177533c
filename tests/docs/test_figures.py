"""The figures that documents tell are those that `make bench` wrote down."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.report import HEAD
from benchmarks.workloads import WORKLOADS
from tests.docs.documents import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "results.md"
BRIEF = "| workload | what is measured | ours | LangGraph | ratio | target | met |"


def table(path: Path, head: str) -> list[str]:
    """The rows of a document's only table that begins so, as they stand there."""
    (found,) = re.findall(rf"^{re.escape(head)}\n\|[-|:]+\n((?:\|.*\n)+)", path.read_text(), re.M)
    return found.splitlines()


def cells(row: str) -> Sequence[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def measured() -> Mapping[str, Mapping[str, str]]:
    """What was written down, by workload and column."""
    head, _ = HEAD.split("\n")
    rows = [dict(zip(cells(head), cells(row), strict=True)) for row in table(RESULTS, head)]
    return {row["workload"]: row for row in rows}


def test_the_page_of_performance_shows_all_that_was_measured() -> None:
    head, _ = HEAD.split("\n")
    assert table(ROOT / "docs" / "performance.md", head) == table(RESULTS, head)
    asked = {name for name, each in WORKLOADS.items() if str(each.target)}
    served = {name for name in asked if name.startswith(("server-", "recovery"))}
    assert asked - served <= set(measured())


def test_the_readme_shows_what_was_measured_of_all_that_has_a_target() -> None:
    known = measured()
    rows = [cells(row) for row in table(ROOT / "README.md", BRIEF)]
    for name, question, ours, theirs, ratio, target, met in rows:
        row = known[name]
        assert ours == f"{row['ours']} {row['unit']}", name
        told = (row["what is measured"], row["LangGraph"], row["ratio"], row["target"], row["met"])
        assert (question, theirs, ratio, target, met) == told, name
    assert {row[0] for row in rows} == {name for name, row in known.items() if row["target"]}
