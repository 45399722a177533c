"""Markers, and how LangChain comes to know them, whichever was imported first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from actors.prebuilt import InjectedState, InjectedStore, InjectedToolCallId, ToolRuntime

ROOT = Path(__file__).resolve().parents[2]

USE = """
@tool
def find(
    query: str,
    runtime: ToolRuntime,
    state: Annotated[dict, InjectedState],
    city: Annotated[str, InjectedState("city")],
    store: Annotated[Any, InjectedStore()],
    known: Annotated[str, InjectedToolCallId],
) -> str:
    "Find."
    return "found"

print(sorted(find.tool_call_schema.model_json_schema()["properties"]))
"""
OURS = "from actors.prebuilt import InjectedState, InjectedStore, InjectedToolCallId, ToolRuntime"
THEIRS = "from langchain_core.tools import tool"


@pytest.mark.parametrize("lines", [(OURS, THEIRS), (THEIRS, OURS)], ids=["before", "after"])
def test_langchain_hides_them_from_models_whichever_was_imported_first(
    lines: tuple[str, str],
) -> None:
    script = "\n".join(["from typing import Annotated, Any", *lines, USE])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "['query']\n", "")


def test_a_marker_tells_its_field() -> None:
    assert InjectedState().field is None
    assert InjectedState("city").field == "city"
    assert InjectedStore() is not None
    assert InjectedToolCallId() is not None


def test_a_runtime_has_parameters_for_type_checkers() -> None:
    assert ToolRuntime[int, dict] is not ToolRuntime
