"""What a user gets who installed the wheel and nothing else; run from an empty folder."""

from __future__ import annotations

import asyncio
import importlib.util
import operator
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path
from typing import Annotated, TypedDict

import actors
import checkpoint
import streaming

LOADED = frozenset(sys.modules)
PACKAGES = (actors, checkpoint, streaming)
FORBIDDEN = {
    "aiohttp",
    "http.client",
    "httpx",
    "langchain_core",
    "langgraph",
    "numpy",
    "pydantic",
    "requests",
    "starlette",
    "urllib3",
    "uvicorn",
}


class State(TypedDict):
    total: Annotated[int, operator.add]


async def double(state: State) -> dict[str, int]:
    return {"total": state["total"]}


def build(saver: checkpoint.SqliteSaver) -> actors.CompiledGraph:
    builder = actors.StateGraph(State)
    builder.add_node("double", double)
    builder.add_edge(actors.START, "double")
    builder.add_edge("double", actors.END)
    return builder.compile(checkpointer=saver)


def check_contents() -> None:
    for package in PACKAGES:
        assert package.__file__, package
        assert (Path(package.__file__).parent / "py.typed").is_file(), package
    shipped = {path.parts[0] for path in files("understudy") or () if ".dist-info" not in str(path)}
    shipped -= {"..", "__pycache__"}  # the command, which stands in bin/, and what pip compiles
    packages = {"agent_server", *(package.__name__ for package in PACKAGES)}
    assert shipped == {*packages, "understudy.py"}, shipped
    for name in ("tests", "examples", "benchmarks"):
        assert importlib.util.find_spec(name) is None, name
    assert not LOADED & FORBIDDEN, LOADED & FORBIDDEN


def check_command() -> None:
    """It needs the extra, which is not here, and says so in one line."""
    command = Path(sys.executable).with_name("understudy")
    said = subprocess.run(  # noqa: S603
        [command, "--help"], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout) == (1, ""), said
    (line,) = said.stderr.splitlines()
    assert line.endswith("pip install 'understudy[server]'"), line


async def check_run(path: str) -> None:
    config = {"configurable": {"thread_id": "one"}}
    async with checkpoint.SqliteSaver.from_conn_string(path) as saver:
        graph = build(saver)
        chunks = [
            chunk
            async for chunk in graph.astream(
                {"total": 1}, config, stream_mode=["values", "updates"]
            )
        ]
    assert chunks == [
        ("values", {"total": 1}),
        ("updates", {"double": {"total": 1}}),
        ("values", {"total": 2}),
    ], chunks


def check_resume(path: str) -> None:
    """Another loop, another saver: the thread goes on from what the file holds."""
    config = {"configurable": {"thread_id": "one"}}
    with checkpoint.SqliteSaver.from_conn_string(path) as saver:
        graph = build(saver)
        assert graph.get_state(config).values == {"total": 2}
        assert graph.invoke({"total": 1}, config) == {"total": 6}


def main() -> None:
    check_contents()
    check_command()
    asyncio.run(check_run("runs.sqlite"))
    check_resume("runs.sqlite")
    print(f"the wheel works alone: Python {sys.version.split()[0]}, {Path(sys.prefix).name}")


main()
