"""The table of import lines: names on the left are LangGraph's, names on the right ours."""

from __future__ import annotations

import importlib
import re

import pytest

from .documents import ROOT

PAGE = ROOT / "docs" / "coming-from-langgraph.md"
ROW = re.compile(r"^\| `from (\S+) import (.+?)` \| `from (\S+) import (.+?)` \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_the_table_has_rows() -> None:
    assert len(ROWS) > 15


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1]}")
def test_every_name_of_a_row_can_be_imported(row: tuple[str, str, str, str]) -> None:
    theirs, their_names, ours, our_names = row
    for module, names in ((theirs, their_names), (ours, our_names)):
        loaded = importlib.import_module(module)
        missing = [name for name in names.split(", ") if not hasattr(loaded, name)]
        assert not missing, f"{module} has no {missing}"


def test_our_names_come_from_the_packages_that_promise_them() -> None:
    for _, _, ours, our_names in ROWS:
        public = set(importlib.import_module(ours).__all__)
        assert public.issuperset(our_names.split(", "))
