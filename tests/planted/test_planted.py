"""The table of planted bugs fits the code and the page, and a bug that nobody notices is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.planted.bug import Bug, StaleBugError
from tests.planted.reports import End, Report
from tests.planted.table import BUGS, PAGE, rows
from tests.planted.trial import ROOT, Laboratory, TrialError, why_missed

OFF_BY_ONE = next(bug for bug in BUGS if bug.file == "streaming/ring.py")
TEST = "tests/thing/test_it.py::test_it"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_bug_can_be_planted_in_the_code_as_it_is(bug: Bug) -> None:
    code = (ROOT / bug.file).read_text(encoding="utf-8")
    assert code.count(bug.old) == 1
    compile(code.replace(bug.old, bug.new), bug.file, "exec")


def test_each_bug_has_a_name_and_a_test_and_every_promise_is_broken() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    assert all(bug.caught_by.startswith("tests/") and bug.old != bug.new for bug in BUGS)
    assert {bug.promise for bug in BUGS} == {f"P{number}" for number in range(1, 8)}


def test_the_page_shows_the_table() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert "\n".join(rows()) in page, f"put what `make planted ARGS=--table` prints into {PAGE}"


@pytest.mark.parametrize("code", ["nothing like it", "the place, and the place again"])
def test_a_bug_whose_place_is_not_there_exactly_once_is_refused(tmp_path: Path, code: str) -> None:
    (tmp_path / "file.py").write_text(code, encoding="utf-8")
    bug = Bug("a bug", "P1", "file.py", "the place", "", TEST)
    with pytest.raises(StaleBugError, match="not once"):
        bug.plant(tmp_path)
    assert (tmp_path / "file.py").read_text(encoding="utf-8") == code


def case(name: str, end: End) -> Report:
    return Report(TEST + name, end, 0.0, "said so")


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ([case("", "asserted")], ""),
        ([case("[a]", "passed"), case("[b]", "asserted")], ""),
        ([case("", "asserted"), case("", "broke")], ""),
        ([case("", "passed")], "passes"),
        ([case("_too", "asserted")], "passes"),
        ([case("", "broke")], "not fail by an assertion: said so"),
        ([case("[a]", "asserted"), case("[b]", "broke")], "not fail by an assertion: said so"),
    ],
)
def test_a_bug_is_caught_by_an_assertion_and_by_nothing_else(seen: list[Report], why: str) -> None:
    found = why_missed(TEST, seen)
    assert why in found
    assert bool(found) == bool(why)


def test_a_bug_that_harms_nobody_is_told_and_so_is_a_test_that_is_gone(tmp_path: Path) -> None:
    laboratory = Laboratory(tmp_path)
    laboratory.check_clean([OFF_BY_ONE])
    harmless = replace(OFF_BY_ONE, new=f"{OFF_BY_ONE.old}  # as it was")
    assert laboratory.try_out(harmless).missed == f"{OFF_BY_ONE.caught_by} passes"
    assert "# as it was" not in (ROOT / OFF_BY_ONE.file).read_text(encoding="utf-8")
    with pytest.raises(TrialError, match=r"not found: .*no_such_test"):
        laboratory.try_out(replace(OFF_BY_ONE, caught_by=f"{OFF_BY_ONE.caught_by}_no_such_test"))
