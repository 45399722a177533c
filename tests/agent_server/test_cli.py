"""The command line, as users type it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx
import pytest

from agent_server.cli.tables import moment, size
from tests.agent_server.harness.commands import talking, understudy
from tests.agent_server.harness.server import CONFIG, HERE, ServerProcess

GRAPH = """
from typing import TypedDict
from actors import START, StateGraph

class State(TypedDict, total=False):
    topic: str

def say(state: State) -> State:
    return {{"topic": state["topic"] + " {word}"}}

graph = StateGraph(State).add_node(say).add_edge(START, "say").compile()
"""
HARNESS = str(HERE / "graphs.py")


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def test_a_graph_runs_without_a_server(tmp_path: Path) -> None:
    said = await understudy(
        *("run", f"{HARNESS}:agent", '{"topic": "ice cream"}', "--stream", "updates"), cwd=tmp_path
    )
    assert [json.loads(line) for line in said.out.splitlines()] == [
        {"refine_topic": {"topic": "ice cream and cats"}},
        {"generate_joke": {"joke": "This is a joke about ice cream and cats"}},
    ]
    assert (said.status, said.err) == (0, "")
    assert files(tmp_path) == []


async def test_several_modes_come_with_their_names_and_input_may_come_from_stdin(
    tmp_path: Path,
) -> None:
    said = await understudy(
        *("run", f"{HARNESS}:custom", "-", "--stream", "custom,updates"),
        cwd=tmp_path,
        stdin='{"query": "q"}',
    )
    assert [json.loads(line)[0] for line in said.out.splitlines()] == [*["custom"] * 3, "updates"]


@pytest.mark.parametrize("thread", ["1", ""])
async def test_a_thread_is_kept_and_goes_on_with_an_answer(tmp_path: Path, thread: str) -> None:
    command = ("run", f"{HARNESS}:hitl", "--thread", thread)
    asked = await understudy(*command, '{"text": "a"}', cwd=tmp_path)
    assert "__interrupt__" in json.loads(asked.out.splitlines()[-1])
    done = await understudy(*command, "--resume", "yes", cwd=tmp_path)
    assert json.loads(done.out.splitlines()[-1]) == {"text": "a! done", "approved": "yes"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", f"{HARNESS}:agent", "{bad"), r"INPUT='{bad' is no JSON"),
        (("run", f"{HARNESS}:nothing", "{}"), r"has no 'nothing'; it has: agent"),
        (("run", "gone.py:graph", "{}"), r"gone.py is not there"),
        (("run", f"{HARNESS}:fail", '{"topic": "x"}'), r"ValueError: boom: x (.*graphs.py, line"),
        (("run", f"{HARNESS}:agent", "{}", "--set", "x"), r"--set 'x' gives no value"),
        (("serve", "--port", "0"), r"langgraph.json is not there"),
        (("serve", "gone.py:graph", "--port", "0"), r"gone.py is not there"),
        (("serve", "a.py:graph", "b.py:graph"), r"two graphs are called 'graph'"),
        (("dev", "--port", "99999"), r"port=99999 cannot be"),
        (("threads",), r"is not there; give the file that a server keeps"),
        (("db", "verify", "--database", "."), r"is not there"),
    ],
    ids=lambda each: " ".join(Path(part).name for part in each) if isinstance(each, tuple) else "",
)
async def test_a_mistake_is_told_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    said = await understudy(*arguments, cwd=tmp_path)
    assert said.status == 1
    start, _, end = told.partition("(.*")
    assert start in said.complaint
    assert end in said.complaint
    assert said.complaint.startswith("understudy: ")


async def test_a_traceback_is_shown_when_it_is_asked_for(tmp_path: Path) -> None:
    command = ("run", f"{HARNESS}:fail", '{"topic": "x"}', "--traceback")
    said = await understudy(*command, cwd=tmp_path)
    assert "Traceback (most recent call last)" in said.err


async def test_serve_reads_langgraph_json_and_its_environment(tmp_path: Path) -> None:
    (tmp_path / "graph.py").write_text(GRAPH.format(word="served"))
    (tmp_path / ".env").write_text("UNDERSTUDY_API_KEYS=secret\n")
    config = {"graphs": {"agent": "./graph.py:graph"}, "env": ".env"}
    (tmp_path / "langgraph.json").write_text(json.dumps(config))
    async with talking("serve", "--port", "0", cwd=tmp_path) as server:
        url = (await server.says(r"listening on (\S+)"))[1]
        assert "x-api-key" in (await server.says("curl"))[0] or "x-api-key" in server.lines[-1]
        asked = {"assistant_id": "agent", "input": {"topic": "x"}}
        async with httpx.AsyncClient(base_url=url, headers={"x-api-key": "secret"}) as client:
            answer = await client.post("/runs/wait", json=asked)
            refused = await client.post("/runs/wait", json=asked, headers={"x-api-key": "other"})
    assert answer.json() == {"topic": "x served"}
    assert refused.status_code == 401
    assert "understudy.db" in files(tmp_path)


async def test_dev_begins_anew_when_a_file_changes_and_waits_for_the_mend(tmp_path: Path) -> None:
    graph = tmp_path / "graph.py"
    graph.write_text(GRAPH.format(word="one"))
    asked = {"assistant_id": "graph", "input": {"topic": "x"}}
    async with (
        talking("dev", "graph.py:graph", "--port", "0", cwd=tmp_path) as dev,
        httpx.AsyncClient(timeout=30) as client,
    ):
        url = (await dev.says(r"listening on (\S+)"))[1]
        assert (await client.post(f"{url}/runs/wait", json=asked)).json() == {"topic": "x one"}

        graph.write_text("def broken(:\n")
        await dev.says(r"understudy: .*graph\.py, line 1: invalid syntax; mend it there")
        await dev.says(r"begins anew when a file has changed")

        graph.write_text(GRAPH.format(word="mended"))
        await dev.says(r"listening on")
        assert (await client.post(f"{url}/runs/wait", json=asked)).json() == {"topic": "x mended"}
        assert await dev.stops(signal.SIGTERM) == 0


async def test_threads_runs_and_the_database_are_shown_and_cleaned(tmp_path: Path) -> None:
    database = tmp_path / "server.db"
    at = ("--database", str(database))
    async with ServerProcess(database, config=CONFIG) as server:
        async with server.client() as client:
            thread = await client.threads.create(metadata={"k": "[red]v\x1b[2J"})
            thread_id = thread["thread_id"]
            await client.runs.wait(thread_id, "agent", input={"topic": "x"})
            with pytest.raises(Exception, match="boom"):
                await client.runs.wait(thread_id, "fail", input={"topic": "x"})
        busy = await understudy("threads", "delete", thread_id, *at, cwd=tmp_path)
        assert f"process id {server.process.pid}" in busy.complaint
        listed = await understudy("threads", *at, cwd=tmp_path)
    assert thread_id in listed.out
    assert "[red]v" in listed.out  # no markup of a user's
    assert "\x1b" not in listed.out

    runs = await understudy("runs", *at, "--format", "json", cwd=tmp_path)
    assert [json.loads(line)["status"] for line in runs.out.splitlines()] == ["error", "success"]
    failed = await understudy("runs", *at, "--status", "error", cwd=tmp_path)
    assert "boom: x" in failed.out

    shown = await understudy("threads", "show", thread_id, *at, "--format", "json", cwd=tmp_path)
    assert json.loads(shown.out)["values.joke"] == "pre"
    facts = await understudy("db", *at, "--format", "json", cwd=tmp_path)
    assert json.loads(facts.out)["runs"] == 2

    assert (
        "1 threads pruned"
        in (await understudy("threads", "prune", thread_id, *at, cwd=tmp_path)).out
    )
    assert "everything is sound" in (await understudy("db", "verify", *at, cwd=tmp_path)).out
    deleted = await understudy("threads", "delete", thread_id, *at, cwd=tmp_path)
    assert deleted.out == "1 threads deleted\n"
    assert "before" in (await understudy("db", "vacuum", *at, cwd=tmp_path)).out
    assert "0 of 0 threads" in (await understudy("threads", *at, cwd=tmp_path)).out
    unknown = await understudy("threads", "show", thread_id, *at, cwd=tmp_path)
    assert unknown.complaint == f"understudy: Thread with ID {thread_id} not found"


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database at all, but long enough to be looked at\n")
    said = await understudy("threads", "--database", "notes.db", cwd=tmp_path)
    assert said.status == 1
    assert "notes.db" in said.complaint


async def test_help_and_the_version(tmp_path: Path) -> None:
    said = await understudy("--help", cwd=tmp_path)
    for word in ("dev", "serve", "run", "threads", "runs", "db"):
        assert word in said.out
    assert (await understudy("--version", cwd=tmp_path)).out.startswith("understudy ")


def test_times_and_sizes_are_for_people() -> None:
    assert moment(0) == "1970-01-01 00:00:00"
    assert [size(each) for each in (5, 2048, 3 << 20, 5 << 30)] == [
        *("5 B", "2.0 KiB", "3.0 MiB", "5.0 GiB")
    ]
