"""The loop of a server process: what code of users cannot end, and what a signal still does."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient

from agent_server.failures import EXITED
from agent_server.loop import run
from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import HERE, ServerProcess
from tests.waiting import let_all_run

EXITS: list[BaseException] = [SystemExit(3), KeyboardInterrupt()]


async def leave(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", EXITS)
def test_who_waits_for_code_that_asks_for_the_end_gets_that_and_the_loop_goes_on(
    error: BaseException,
) -> None:
    async def main() -> str:
        with pytest.raises(type(error)):
            await asyncio.create_task(leave(error))
        return "went on"

    assert run(main()) == "went on"


def test_a_callback_that_asks_for_the_end_ends_nothing() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.call_soon(sys.exit, 3)
        await let_all_run()
        loop.call_soon(sys.exit, 3)  # in the very turn in which the main task ends
        return "went on"

    assert run(main()) == "went on"


@pytest.mark.parametrize("error", EXITS)
def test_the_main_task_may_ask_for_the_end(error: BaseException) -> None:
    with pytest.raises(type(error)):
        run(leave(error))


def test_ctrl_c_ends_the_main_task_and_a_second_one_the_loop() -> None:
    cancelled: list[str] = []

    async def main(*, stubborn: bool) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("main")
            if not stubborn:
                raise
        loop.call_soon(signal.raise_signal, signal.SIGINT)
        await asyncio.Event().wait()

    for stubborn in (False, True):
        with pytest.raises(KeyboardInterrupt):
            run(main(stubborn=stubborn))
    assert cancelled[:2] == ["main", "main"]


# --- a server -------------------------------------------------------------------------------------

LEAVING = """
import asyncio, sys
from typing import TypedDict
from actors import START, StateGraph
from tests.agent_server.harness.gate import pass_gate

class State(TypedDict, total=False):
    how: str
    gate: str

def leave(state: State) -> State:
    if state["how"] == "exit":
        sys.exit(3)
    raise KeyboardInterrupt

async def leave_later(state: State) -> State:
    if "gate" in state:
        await pass_gate(state["gate"], "leaving")
    return leave(state)

async def leave_in_a_task(state: State) -> State:
    return await asyncio.create_task(leave_later(state))

def factory():
    sys.exit(3)

def graph(node, **policies):
    return StateGraph(State).add_node("leave", node, **policies).add_edge(START, "leave").compile()

sync, later, task = graph(leave), graph(leave_later), graph(leave_in_a_task)
limited, sub = graph(leave_later, timeout=60), graph(sync)
"""
KINDS = ("sync", "later", "task", "limited", "sub")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Graphs whose nodes ask for the end of the process, and one that does not."""
    (tmp_path / "leaving.py").write_text(LEAVING)
    served = {name: f"./leaving.py:{name}" for name in (*KINDS, "factory")}
    served["slow"] = f"{HERE / 'graphs.py'}:slow"
    config = tmp_path / "langgraph.json"
    config.write_text(json.dumps({"graphs": served}))
    return config


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    async with Gate() as gate:
        yield gate


async def outcome(client: LangGraphClient, graph: str, how: str, thread: str | None) -> Any:
    answer: Any = await client.runs.wait(thread, graph, input={"how": how}, raise_error=False)
    return answer["__error__"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_nodes_that_ask_for_the_end_of_the_process_end_their_runs_alone(
    tmp_path: Path, config: Path, gate: Gate, stop: signal.Signals
) -> None:
    async with ServerProcess(tmp_path / "db", config=config) as server, server.client() as client:
        other = (await client.threads.create())["thread_id"]
        innocent = await client.runs.create(other, "slow", input={"gate": gate.address})
        assert await gate.arrival() == "step1"
        for graph in KINDS:
            for how, name in (("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt")):
                thread = (await client.threads.create())["thread_id"]
                told = {"error": name, "message": EXITED}
                assert await outcome(client, graph, how, thread) == told
                assert await outcome(client, graph, how, None) == told
                (ended,) = await client.runs.list(thread)
                assert ended["status"] == "error"
                assert (await client.threads.get(thread))["status"] == "error"
        lost = await outcome(client, "factory", "exit", None)
        assert lost["error"] == "GraphExitError"
        gate.open()
        await client.runs.join(other, innocent["run_id"])
        assert (await client.runs.get(other, innocent["run_id"]))["status"] == "success"
        server.send_signal(stop)
        assert await server.ended() == 0


@pytest.mark.parametrize("how", ["exit", "interrupt"])
async def test_a_run_that_asks_for_the_end_once_it_is_taken_up_again_lets_the_server_start(
    tmp_path: Path, config: Path, how: str
) -> None:
    database = tmp_path / "db"
    async with ServerProcess(database, config=config, drain="0.2") as server:
        async with Gate() as gate, server.client() as client:
            thread = (await client.threads.create())["thread_id"]
            given = {"how": how, "gate": gate.address}
            left = await client.runs.create(thread, "later", input=given)
            assert await gate.arrival() == "leaving"
            assert await server.stop() == 0
        await server.restart()
        async with server.client() as client:
            await client.runs.join(thread, left["run_id"])
            assert (await client.runs.get(thread, left["run_id"]))["status"] == "error"
