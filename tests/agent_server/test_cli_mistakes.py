"""What users do wrong at the command line: one line that says what, why, and what to do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_server.cli import main
from agent_server.errors import PortInUseError, SettingsError
from agent_server.lock import hold
from agent_server.serving import listen
from agent_server.settings import Settings
from tests.agent_server.harness.commands import talking
from tests.agent_server.harness.server import HERE, ROOT

HARNESS = str(HERE / "graphs.py")


@pytest.fixture(autouse=True)
def here(tmp_path: Path) -> Iterator[None]:
    """The command line belongs to the test, and so does what a command changes of the process."""
    arguments, path, modules = list(sys.argv), list(sys.path), set(sys.modules)
    with contextlib.chdir(tmp_path):
        yield
    sys.argv[:], sys.path[:] = arguments, path
    os.environ.pop("UNDERSTUDY_DRAIN", None)
    for name in {"graph", "graphs", "seven"} - modules:
        sys.modules.pop(name, None)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 1) -> str:
    """The one line that a command says, after its name."""
    sys.argv[1:] = arguments
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert ended.value.code == status
    assert line.startswith("understudy: ")
    return line.removeprefix("understudy: ")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("run", "Missing argument 'graph'; see understudy run --help"),
        ("runn", "No such command 'runn'. Did you mean 'run', 'runs'?; see understudy --help"),
        ("runs --limit 0", "Invalid value for '--limit': "),
        ("threads --format xml", "Invalid value for '--format': 'xml' is not one of 'table', "),
        ("serve --port abc", "Invalid value for '--port': "),
        ("serve --prot 1", "No such option: --prot"),
    ],
)
def test_a_command_that_cannot_be_says_where_help_is(
    capsys: pytest.CaptureFixture[str], command: str, told: str
) -> None:
    said = complaint(capsys, *command.split(), status=2)
    assert said.startswith(told)
    assert " --help" in said


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    sys.argv[1:] = []
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "Usage: understudy" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["serve graph.py:g --port 0", "threads", "db", "run {}:agent"])
def test_a_file_that_is_no_database_of_ours_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE x (y)")
    (tmp_path / "graph.py").write_text(f"import runpy; g = runpy.run_path({HARNESS!r})['agent']")
    more = ["{}", "--thread", "1"] if command.startswith("run") else []
    arguments = [*command.format(HARNESS).split(), *more, "--database", "other.db"]
    said = complaint(capsys, *arguments)
    assert "is an SQLite database of another program" in said
    assert said.endswith("it was left untouched; give another path")


def test_a_folder_is_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "serve", f"{HARNESS}:agent", "--port", "0", "--database", ".")
    assert said == "database='.' is a folder; give a file, in it or beside it"
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_graph_is_called_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seven.py").write_text("seven = 7")
    assert "has no 'eight'" in complaint(capsys, "run", "seven.py:eight", "{}")
    assert "graph 'seven' is int" in complaint(capsys, "run", "seven.py:seven", "{}")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ([], "the whole file: Input should be an object"),
        ({"graphs": {}}, "names no graphs"),
        ({"graphs": {"a": 3}}, "graphs.a: Input should be a valid string"),
        ({"graphs": {"a": "a.py:a"}, "dependencies": "."}, "dependencies: Input should be a list"),
        ({"graphs": {"a": "a.py:a"}, "store": {"index": {}}}, "store.index.dims: Field required"),
        ({"graphs": {"a": "a.py:a"}, "env": "gone"}, "env: gone is not there"),
        ({"graphs": {"a": "a.py:a"}, "env": "."}, "env: . cannot be read: Is a directory"),
        ({"graphs": {"a": "a.py:a"}, "env": "bad"}, "env: bad is not UTF-8; save it as UTF-8"),
        ({"graphs": {"a": "a.py:a"}}, "a.py is not there"),
        ({"graphs": {"a": "a"}}, "'a' names no graph; write the file, a colon and the variable"),
    ],
)
def test_what_is_wrong_in_langgraph_json_is_named_as_it_stands_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: object, told: str
) -> None:
    (tmp_path / "langgraph.json").write_text(json.dumps(config))
    (tmp_path / "bad").write_bytes(b"\xff\xfe=1\n")
    assert told in complaint(capsys, "serve", "--port", "0")


def test_dev_does_not_wait_where_no_file_can_come(capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "dev", "--config", "gone/langgraph.json", "--port", "0")
    assert said.startswith("gone/langgraph.json cannot be there: ")


@pytest.mark.parametrize(
    ("graphs", "told"),
    [
        (["graph.py"], "'graph.py' names no graph; write the file, a colon and the variable"),
        (["a.py:graph", "b.py:graph"], "two graphs are called 'graph'"),
        (["a.py:graph", "--database", "."], "database='.' is a folder"),
    ],
)
def test_dev_does_not_wait_for_a_file_where_the_command_is_wrong(
    capsys: pytest.CaptureFixture[str], graphs: list[str], told: str
) -> None:
    assert complaint(capsys, "dev", *graphs, "--port", "0").startswith(told)


def test_dev_does_not_wait_for_a_file_where_another_server_has_the_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("UNDERSTUDY_DATABASE=other.db\n")
    config = {"graphs": {"a": "a.py:a"}, "env": ".env"}
    (tmp_path / "langgraph.json").write_text(json.dumps(config))
    with hold(tmp_path / "other.db"):
        said = complaint(capsys, "dev", "--port", "0")
    assert said.startswith("the database other.db is in use by the server with process id ")


def test_a_variable_that_looks_like_a_setting_is_not_passed_over() -> None:
    os.environ["UNDERSTUDY_API_KEY"] = "secret"
    try:
        with pytest.raises(SettingsError, match="did you mean UNDERSTUDY_API_KEYS") as raised:
            Settings.read()
    finally:
        del os.environ["UNDERSTUDY_API_KEY"]
    assert "secret" not in str(raised.value)


def test_variables_of_others_are_theirs() -> None:
    os.environ["UNDERSTUDY_THEATRE"] = "yes"
    try:
        assert Settings.read(port=1).port == 1
    finally:
        del os.environ["UNDERSTUDY_THEATRE"]


def test_only_what_is_an_option_is_called_one() -> None:
    with pytest.raises(SettingsError, match="give another --port or UNDERSTUDY_PORT"):
        Settings.read(port=-1)
    os.environ["UNDERSTUDY_MAX_BODY"] = "much"
    try:
        with pytest.raises(SettingsError, match="give another UNDERSTUDY_MAX_BODY"):
            Settings.read()
    finally:
        del os.environ["UNDERSTUDY_MAX_BODY"]


def test_an_address_of_another_machine_is_no_port_in_use() -> None:
    with pytest.raises(SettingsError, match=r"give another --host or --port"):
        listen("192.0.2.1", 0)
    with listen("127.0.0.1", 0) as taken, pytest.raises(PortInUseError, match="stop what does"):
        listen("127.0.0.1", taken.getsockname()[1])


async def test_ctrl_c_ends_dev_without_a_word_more_also_while_its_server_starts(
    tmp_path: Path,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, threading\n"
        "if '--fd' in sys.orig_argv:  # the server that dev starts\n"
        "    print('starting', flush=True)\n"
        "    threading.Event().wait()\n"
    )
    paths = f"{tmp_path}{os.pathsep}{ROOT}"
    async with talking(
        *("dev", f"{HARNESS}:agent", "--port", "0"), cwd=tmp_path, PYTHONPATH=paths
    ) as dev:
        await dev.says("starting")
        os.killpg(dev.process.pid, signal.SIGINT)
        rest, _ = await dev.process.communicate()
    assert (dev.process.returncode, rest) == (0, b"")
