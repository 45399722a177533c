"""Objects that files name: found, and what is wrong with them told in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_server import GraphLoadError
from agent_server.loading import load, split_target


@pytest.fixture(autouse=True)
def modules_as_before() -> Iterator[None]:
    """Modules and the path are the process's; each test gives them back."""
    path, names = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - names:
        del sys.modules[name]


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_variable_of_a_file_is_found(tmp_path: Path) -> None:
    write(tmp_path, "one_graph.py", "graph = 7")
    assert load("./one_graph.py:graph", tmp_path) == 7
    assert load(f"{tmp_path}/one_graph.py:graph") == 7


def test_a_variable_of_a_module_is_found() -> None:
    assert load("collections.abc:Mapping").__name__ == "Mapping"


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, "helper_of_two.py", "VALUE = 3")
    write(tmp_path, "two_graph.py", "from helper_of_two import VALUE\ngraph = VALUE + 1")
    assert load("two_graph.py:graph", tmp_path) == 4


def test_a_file_in_a_package_is_a_part_of_it(tmp_path: Path) -> None:
    write(tmp_path, "my_agents/__init__.py", "")
    write(tmp_path, "my_agents/tools.py", "VALUE = 3")
    write(tmp_path, "my_agents/inner/__init__.py", "")
    write(tmp_path, "my_agents/inner/agent.py", "from ..tools import VALUE\ngraph = __name__")
    assert load("./my_agents/inner/agent.py:graph", tmp_path) == "my_agents.inner.agent"


def test_two_graphs_of_a_file_come_from_one_module(tmp_path: Path) -> None:
    write(tmp_path, "three_graph.py", "one = []\ntwo = one")
    assert load("three_graph.py:one", tmp_path) is load("three_graph.py:two", tmp_path)


def test_a_file_called_as_a_known_module_is_read_and_leaves_that_alone(tmp_path: Path) -> None:
    write(tmp_path, "json.py", "graph = 'mine'")
    known = sys.modules["json"]
    assert load("json.py:graph", tmp_path) == "mine"
    assert sys.modules["json"] is known


@pytest.mark.parametrize("target", ["graph.py", ":graph", "graph.py:", "graph.py:a-b", ""])
def test_a_target_without_both_halves_is_told_how_to_write_one(target: str) -> None:
    with pytest.raises(GraphLoadError, match=r"write the file, a colon and the variable"):
        split_target(target)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def broken(:\n  pass", r"graph_of_error\.py, line 1: invalid syntax; mend it there"),
        ("x = 1\nraise ValueError('no\\nkey')", r"ValueError: no key \(.*\.py, line 2\)"),
        ("import no_such_module_at_all", r"No module named 'no_such_module_at_all'"),
        ("raise SystemExit(3)", r"SystemExit: 3"),
        ("graph_one = 1", r"has no 'graph'"),
    ],
    ids=["syntax", "raises", "import", "exits", "name"],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, text: str, told: str
) -> None:
    write(tmp_path, "graph_of_error.py", text)
    with pytest.raises(GraphLoadError, match=told) as caught:
        load("graph_of_error.py:graph", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_not_there_is_told_with_the_graphs_that_are(tmp_path: Path) -> None:
    text = "from actors import StateGraph\nagent = StateGraph(dict)\n_hidden = agent\nnumber = 3"
    write(tmp_path, "named_graphs.py", text)
    with pytest.raises(GraphLoadError, match=r"has no 'graph'; it has: agent$"):
        load("named_graphs.py:graph", tmp_path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(GraphLoadError, match=r"nothing\.py is not there"):
        load("nothing.py:graph", tmp_path)


def test_a_file_that_was_mended_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, "json.py", "raise ValueError")
    with pytest.raises(GraphLoadError):
        load("json.py:graph", tmp_path)
    write(tmp_path, "json.py", "graph = 'mended since'")
    assert load("json.py:graph", tmp_path) == "mended since"
