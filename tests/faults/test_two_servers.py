"""Two server processes on one file: refused, or told to share it; then each runs what it took."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess
from tests.histories.following import Follower


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


@pytest.mark.timeout(180)
async def test_readers_of_a_server_that_died_miss_nothing_of_what_the_next_one_goes_on_with(
    tmp_path: Path,
) -> None:
    database, order = tmp_path / "server.db", {"assistant_id": "slow"}
    async with (
        Gate() as gate,
        ServerProcess(database, shared="true") as one,
        ServerProcess(database, shared="true") as other,
        AsyncExitStack() as stack,
    ):
        there = asyncio.Event()
        followers: list[Follower] = []
        reading: list[asyncio.Task[int | None]] = []
        seen = asyncio.Queue[None]()
        for _ in range(4):
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=one.url, timeout=60))
            thread = (await answer("POST", f"{one.url}/threads", {})).json()["thread_id"]
            follower = Follower(http, cut=0, seen=lambda: seen.put_nowait(None), again=there.wait)
            body = {**order, "input": {"gate": gate.address, "log": []}, "stream_mode": ["values"]}
            followers.append(follower)
            reading.append(asyncio.create_task(follower.start(f"/threads/{thread}", body)))
            assert await gate.arrival() == "step1"
        gate.let_on()
        for _ in followers:
            assert await gate.arrival() == "step2"
        while any(len(each.frames) < 3 for each in followers):  # metadata, the input, a step
            await seen.get()
        await one.kill()

        # The other one serves what is its own, also on this file, and leaves the dead one's alone.
        thread = (await answer("POST", f"{other.url}/threads", {})).json()["thread_id"]
        body = {**order, "input": {"log": []}}
        ended = await answer("POST", f"{other.url}/threads/{thread}/runs/wait", body)
        assert len(ended.json()["log"]) == 5
        for each in followers:
            path = other.url + each.run
            assert (await answer("GET", path)).json()["status"] == "running"
            for method in ("DELETE", "GET"):
                at = path.rpartition("/runs/")[0] if method == "DELETE" else f"{path}/stream"
                assert (await answer(method, at)).status_code == 409

        await other.stop()
        gate.open()
        await one.restart()
        there.set()
        assert await asyncio.gather(*reading) == [None] * len(followers)
        for each in followers:
            await each.check()
            steps = [frame.data["log"] for frame in each.frames if frame.name == "values"]
            # What the second attempt found, it tells once more.
            assert [len(log) for log in steps] == [0, 1, 1, 2, 3, 4, 5]
            attempts = [frame.data["attempt"] for frame in each.frames if frame.name == "metadata"]
            assert attempts == [1, 2]
