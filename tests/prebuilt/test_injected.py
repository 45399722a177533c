"""Markers, and how LangChain comes to know them, whichever was imported first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.tools import tool

from actors.prebuilt import (
    InjectedState,
    InjectedStore,
    InjectedToolCallId,
    Tool,
    ToolNode,
    ToolRuntime,
)

from .scripts import call

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


class Known(TypedDict):
    messages: list[Any]


def generic(n: int, runtime: ToolRuntime[int, Known]) -> str:
    """Take one with both parameters."""
    return str(runtime.tool_call_id)


def maybe(n: int, around: ToolRuntime[int] | None = None) -> str:
    """Take one with its first parameter, or none."""
    return str(around and around.tool_call_id)


def whole(n: int, state: Annotated[Known, InjectedState]) -> str:
    """Take a state that names some of its keys."""
    return str(sorted(state))


def part(n: int, city: Annotated[Known | None, InjectedState("city")] = None) -> str:
    """Take a key that may be missing."""
    return str(city)


@pytest.mark.parametrize(
    ("function", "said"),
    [(generic, "1"), (maybe, "1"), (whole, "['city', 'messages']"), (part, "{'messages': []}")],
)
@pytest.mark.parametrize("kind", [Tool, tool])
def test_they_may_say_what_they_are_filled_in_with(kind: Any, function: Any, said: str) -> None:
    asked = {"role": "assistant", "content": "", "tool_calls": [call(function.__name__, "1", n=1)]}
    state = {"messages": [asked], "city": {"messages": []}}
    (answer,) = ToolNode([kind(function)]).invoke(state)["messages"]
    assert answer["content"] == said
