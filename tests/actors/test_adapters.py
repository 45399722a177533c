"""Adapters to libraries that may be there, too old, or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import actors

LOADED = """
import langchain_core
from actors import START, LangChainVersionError, StateGraph
from actors.adapters import langchain_is_too_old

graph = StateGraph(dict).add_node("n", lambda s: {}).add_edge(START, "n").compile()
print(langchain_is_too_old())
if langchain_is_too_old():
    assert list(graph.stream({}, stream_mode="updates")) == [{"n": {}}]
    for mode in ("messages", "events", ["updates", "messages"]):
        try:
            list(graph.stream({}, stream_mode=mode))
        except LangChainVersionError as error:
            print(error)
"""


@pytest.mark.parametrize(
    ("version", "old"),
    [("0.3.79", True), ("0.1rc1", True), ("1.0.0a1", False), ("2.0rc1", False), ("10", False)],
)
def test_a_langchain_that_is_too_old_is_told_with_the_version_that_is_needed(
    version: str, old: bool, tmp_path: Path
) -> None:
    package = tmp_path / "langchain_core"
    package.mkdir()
    (package / "__init__.py").write_text(f"__version__ = {version!r}")
    path = os.pathsep.join([str(tmp_path), str(Path(actors.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *errors = done.stdout.splitlines()
    assert first.split()[0] == str(old)
    assert len(errors) == (3 if old else 0)
    for error in errors:
        assert f"langchain-core {version} is loaded" in error
        assert "install langchain-core 1.0 or newer" in error


def test_a_langchain_whose_import_is_barred_is_none() -> None:
    barred = """
import sys
sys.modules["langchain_core"] = None
from actors import START, StateGraph

graph = StateGraph(dict).add_node("n", lambda s: {}).add_edge(START, "n").compile()
print(list(graph.stream({}, stream_mode=["updates", "messages"])))
"""
    done = subprocess.run(
        [sys.executable, "-c", barred], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[('updates', {'n': {}})]\n", done.stderr
