"""Two server processes on one file: refused, or told to share it; then each runs what it took."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess


async def test_a_second_server_is_refused_with_a_clear_word_unless_both_are_told_to_share(
    tmp_path: Path,
) -> None:
    async with ServerProcess(tmp_path / "server.db") as one:
        for shared in ("false", "true"):
            other = ServerProcess(tmp_path / "server.db", shared=shared)
            with pytest.raises(RuntimeError) as refused:
                await other.start()
            told = str(refused.value)
            assert f"in use by the server with process id {one.process.pid}" in told
            assert "Traceback" not in told
            assert await other.ended() != 0


async def answer(method: str, url: str, body: Any = None) -> Any:
    """What a server answers."""
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.request(method, url, json=body)


async def begun(server: ServerProcess, gate: Gate) -> tuple[str, str]:
    """A thread, and a run on it that waits at the gate inside its first step."""
    thread = (await answer("POST", f"{server.url}/threads", {})).json()["thread_id"]
    order = {"assistant_id": "slow", "input": {"gate": gate.address, "log": []}}
    run = (await answer("POST", f"{server.url}/threads/{thread}/runs", order)).json()["run_id"]
    assert await gate.arrival() == "step1"
    return f"/threads/{thread}", f"/threads/{thread}/runs/{run}"


@pytest.mark.timeout(180)
async def test_servers_that_share_a_file_run_what_they_took_and_leave_the_others_runs_alone(
    tmp_path: Path,
) -> None:
    database = tmp_path / "server.db"
    async with (
        Gate() as gate,
        ServerProcess(database, shared="true") as one,
        ServerProcess(database, shared="true") as other,
    ):
        thread, run = await begun(one, gate)

        # The other one answers for the thread, not for a run that it has not taken.
        for end in ("/join", "/stream"):
            refused = await answer("GET", other.url + run + end)
            assert refused.status_code == 409
            assert "another server" in refused.json()["detail"]
        assert (await answer("DELETE", other.url + run)).status_code == 409
        assert (await answer("GET", other.url + run)).json()["status"] == "running"

        # A run of the other on this thread waits until the thread is free.
        order = {"assistant_id": "slow", "input": {"log": []}}
        second = asyncio.create_task(answer("POST", f"{other.url}{thread}/runs/wait", order))
        gate.open()
        first = (await answer("GET", f"{one.url}{run}/join")).json()
        assert len((await second).json()["log"]) == 2 * len(first["log"])
        assert (await answer("GET", f"{other.url}{run}/join")).json() == first


@pytest.mark.timeout(180)
async def test_what_a_server_left_that_shared_its_file_goes_on_when_one_starts_alone(
    tmp_path: Path,
) -> None:
    database = tmp_path / "server.db"
    async with Gate() as gate, ServerProcess(database, shared="true") as other:
        async with ServerProcess(database, shared="true") as one:
            _, run = await begun(one, gate)
            await one.kill()
            gate.open()
            await one.restart()  # the other is there: it may be the one that has the run
            for server in (one, other):
                stored = (await answer("GET", server.url + run)).json()
                assert stored["status"] == "running"
        await other.stop()
        await other.restart()
        values = (await answer("GET", f"{other.url}{run}/join")).json()
        assert len(values["log"]) == 5
