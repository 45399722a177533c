"""langgraph.json as people have it, and graphs named on the command line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_server import ConfigFileError, GraphLoadError, Settings
from agent_server.app import app_for
from agent_server.config_file import Cors
from agent_server.project import Project, named_graphs, read_project
from tests.agent_server.harness.local import local_client

GRAPHS = {"agent": "./graph.py:graph"}


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """The path and the environment are the process's; each test gives them back."""
    path, names = list(sys.path), dict(os.environ)
    yield
    sys.path[:] = path
    for name in set(os.environ) - set(names):
        del os.environ[name]


def config(folder: Path, **said: Any) -> Path:
    file = folder / "langgraph.json"
    file.write_text(json.dumps({"graphs": GRAPHS, **said}), encoding="utf-8")
    return file


def test_graphs_are_read_and_what_says_nothing_here_is_read_over(tmp_path: Path) -> None:
    graphs = {**GRAPHS, "other": {"path": "./b.py:g", "description": "the other"}}
    file = config(tmp_path, graphs=graphs, python_version="3.11", dockerfile_lines=["RUN x"])
    project = read_project(file)
    assert project.graphs == {"agent": "./graph.py:graph", "other": "./b.py:g"}
    assert project.base == tmp_path.resolve()


def test_local_dependencies_go_on_the_path_and_packages_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    project = read_project(config(tmp_path, dependencies=[".", "./lib", "./gone", "langchain"]))
    assert list(project.folders) == [tmp_path.resolve(), (tmp_path / "lib").resolve()]
    project.prepare()
    assert str((tmp_path / "lib").resolve()) in sys.path


def test_env_may_be_a_dict(tmp_path: Path) -> None:
    read_project(config(tmp_path, env={"UNDERSTUDY_TEST_A": "1"})).prepare()
    assert os.environ["UNDERSTUDY_TEST_A"] == "1"


def test_env_may_be_a_file_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('UNDERSTUDY_TEST_B="from file"\nUNDERSTUDY_TEST_C=x\nEMPTY\n')
    os.environ["UNDERSTUDY_TEST_C"] = "from outside"
    read_project(config(tmp_path, env=".env")).prepare()
    assert os.environ["UNDERSTUDY_TEST_B"] == "from file"
    assert os.environ["UNDERSTUDY_TEST_C"] == "from outside"
    assert "EMPTY" not in os.environ


def test_the_other_sections_are_read(tmp_path: Path) -> None:
    file = config(
        tmp_path,
        http={"cors": {"allow_origins": ["https://a.example"]}, "disable_mcp": True},
        checkpointer={"ttl": {"strategy": "delete", "default_ttl": 60}},
        store={"ttl": {"default_ttl": 5, "refresh_on_read": False}},
    )
    said = read_project(file).file
    assert said.http.cors == Cors(allow_origins=("https://a.example",))
    assert said.checkpointer.ttl is not None
    assert said.checkpointer.ttl.default_ttl == 60
    assert said.store.ttl is not None
    assert not said.store.ttl.refresh_on_read


def test_graphs_and_auth_are_loaded_from_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "graph.py").write_text("graph = 1")
    (tmp_path / "auth_of_project.py").write_text("hook = 2")
    project = read_project(config(tmp_path, auth={"path": "./auth_of_project.py:hook"}))
    assert project.load_graphs() == {"agent": 1}
    assert project.load_auth() == 2
    assert Project({}, tmp_path).load_auth() is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"graphs": {', r"langgraph\.json, line 1: .*; mend it there"),
        ('{"graphs": []}', r"langgraph\.json: graphs: .*; mend it there"),
        ('{"graphs": {"a": 3}}', r"langgraph\.json: graphs\.a"),
        ("{}", r"names no graphs; write"),
        ("[]", r"the whole file"),
        ('{"graphs": {"a": "b.py:c"}, "env": "gone.env"}', r"env: gone\.env is not there"),
    ],
    ids=["syntax", "list", "number", "none", "array", "env"],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "langgraph.json"
    file.write_text(text)
    with pytest.raises(ConfigFileError, match=told) as caught:
        read_project(file)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"is not there; write it, or name graphs"):
        read_project(tmp_path / "langgraph.json")
    with pytest.raises(ConfigFileError, match=r"cannot be read"):
        read_project(tmp_path)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    file = tmp_path / "langgraph.json"
    file.write_bytes(b'{"graphs": "\xff"}')
    with pytest.raises(ConfigFileError, match=r"not UTF-8"):
        read_project(file)


def test_named_graphs_are_called_as_their_variable_or_as_they_are_told(tmp_path: Path) -> None:
    project = named_graphs(["a.py:agent", "other=b.py:agent"], tmp_path)
    assert project.graphs == {"agent": "a.py:agent", "other": "b.py:agent"}


def test_named_graphs_take_the_place_of_those_in_a_file_and_leave_the_rest(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file = config(tmp_path / "there", graphs={}, env={"A": "1"})
    named = named_graphs(["graph.py:one", "two=package.module:graph"], tmp_path)
    project = read_project(file, named)
    assert project.graphs == {"one": f"{tmp_path}/graph.py:one", "two": "package.module:graph"}
    assert (project.env, project.base) == ({"A": "1"}, tmp_path / "there")


def test_what_names_no_graph_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(GraphLoadError, match=r"'graph\.py' names no graph"):
        named_graphs(["graph.py"], tmp_path)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r'two graphs are called .*"other=b.py:graph"'):
        named_graphs(["a.py:graph", "b.py:graph"], tmp_path)


def test_a_graph_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    with pytest.raises(GraphLoadError, match=r"gone\.py is not there"):
        named_graphs(["gone.py:graph"], tmp_path).load_graphs()


async def test_the_store_is_searched_by_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "graph.py").write_text(
        "from actors import START, StateGraph\n"
        "graph = StateGraph(dict).add_node('a', lambda s: s).add_edge(START, 'a')\n"
    )
    (tmp_path / "embed_of_project.py").write_text(
        "def embed(texts):\n    return [[float('cat' in t), float('dog' in t)] for t in texts]\n"
    )
    index = {"dims": 2, "embed": "./embed_of_project.py:embed"}
    project = read_project(config(tmp_path, store={"index": index}))
    app = app_for(project, Settings(database=tmp_path / "server.db"))
    async with app.router.lifespan_context(app), local_client(app) as client:
        for key, text in (("1", "a cat"), ("2", "a dog")):
            item = {"namespace": ["n"], "key": key, "value": {"text": text}}
            await client.put("/store/items", json=item)
        asked = {"namespace_prefix": ["n"], "query": "dog"}
        found = (await client.post("/store/items/search", json=asked)).json()["items"]
    assert [each["key"] for each in found] == ["2", "1"]


def test_an_embedding_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    index = {"dims": 2, "embed": "no-provider:no-model"}
    project = read_project(config(tmp_path, store={"index": index}))
    with pytest.raises(GraphLoadError, match=r"'no-provider:no-model' cannot be made: .*embed\.py"):
        project.load_index()
    assert Project({}, tmp_path).load_index() is None


def test_keys_that_nothing_comes_of_are_named_in_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read_project(config(tmp_path, python_version="3.12", colour="red", http={"ap": "./a.py:b"}))
    told = [record.getMessage() for record in caplog.records]
    assert [each.split(": ")[1].split()[0] for each in told] == ["colour", "http.ap"]


@pytest.mark.parametrize("prefix", ["api", "/api/", "/", "/a b", "/a?b"])
def test_a_prefix_that_is_no_path_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(ConfigFileError, match=r"http\.mount_prefix"):
        read_project(config(tmp_path, http={"mount_prefix": prefix}))
