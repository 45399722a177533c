"""A server process: where it listens, how it stops, and what it leaves for the next one."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from pathlib import Path

import httpx
import pytest

from agent_server import PortInUseError, SettingsError
from agent_server.readers import STOPPING
from agent_server.serving import _frozen, listen, url_of
from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess


def test_a_free_port_is_taken_and_told() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_port_in_use_is_told_with_what_to_do() -> None:
    with (
        listen("127.0.0.1", 0) as first,
        pytest.raises(PortInUseError, match="in use; stop what does, or give another --port"),
    ):
        listen("127.0.0.1", first.getsockname()[1])


def test_a_host_that_is_none_is_told() -> None:
    with pytest.raises(SettingsError, match=r"'no\.such\.host\.invalid' is no address here"):
        listen("no.such.host.invalid", 0)


def test_an_address_of_six_has_brackets_in_its_url() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.bind(("::1", 0))
        assert url_of(listener).startswith("http://[::1]:")


def test_what_is_there_at_the_start_is_spared_by_collections_of_garbage() -> None:
    gc.unfreeze()  # the suite spares what it has collected, too
    with _frozen():
        assert gc.get_freeze_count() > 10_000
    assert gc.get_freeze_count() == 0
    gc.freeze()


async def deaf(server: ServerProcess) -> None:
    """Wait until it takes no new connection."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it let go of its socket with this one waiting in it
            continue
        writer.close()


async def all_of(answer: httpx.Response) -> str:
    """What it said until it was cut, which it has to be."""
    said = ""
    try:
        async for text in answer.aiter_text():
            said += text
    except httpx.RemoteProtocolError:
        return said
    raise AssertionError(f"the answer was whole: {said}")


async def test_asked_to_stop_it_stops_and_frees_its_database(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        server = ServerProcess(tmp_path / "server.db")
        await server.start()
        server.send_signal(number)
        assert await server.ended() == 0


async def test_a_stop_ends_streams_and_keeps_their_runs_for_the_next_start(
    tmp_path: Path,
) -> None:
    async with Gate() as gate, ServerProcess(tmp_path / "server.db") as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            thread = (await client.post("/threads", json={})).json()["thread_id"]
            asked = {"assistant_id": "slow", "input": {"gate": gate.address}}
            stream = client.stream("POST", f"/threads/{thread}/runs/stream", json=asked)
            async with stream as answer:
                location = answer.headers["location"]
                assert await gate.arrival() == "step1"
                server.send_signal(signal.SIGTERM)
                reading = asyncio.create_task(all_of(answer))
                await deaf(server)
                gate.let_on()
                said = await reading
        assert said.endswith(STOPPING.decode())
        assert "event: error" not in said
        assert await server.ended() == 0
        assert not [line for line in server.output if "ERROR" in line]
        gate.open()
        await server.restart()
        async with server.client() as client:
            run_id = location.split("/")[4]
            values = await client.runs.join(thread, run_id)
            run = await client.runs.get(thread, run_id)
    assert values["log"] == ["step1", "step2", "step3", "step4", "step5"]
    assert run["status"] == "success"


async def test_a_stop_cuts_the_streams_of_threads(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "server.db") as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            thread = (await client.post("/threads", json={})).json()["thread_id"]
            async with client.stream("GET", f"/threads/{thread}/stream") as answer:
                server.send_signal(signal.SIGTERM)
                assert (await all_of(answer)).endswith(STOPPING.decode())
        assert await server.ended() == 0


async def test_a_stop_is_bounded_whatever_a_run_does(tmp_path: Path) -> None:
    async with Gate() as gate, ServerProcess(tmp_path / "server.db", drain="0.2") as server:
        async with server.client() as client:
            thread = await client.threads.create()
            await client.runs.create(thread["thread_id"], "slow", input={"gate": gate.address})
            assert await gate.arrival() == "step1"
        assert await server.stop() == 0  # the gate is still closed


async def test_a_second_server_is_refused_with_the_first_ones_process_id(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "server.db") as server:
        other = ServerProcess(tmp_path / "server.db")
        with pytest.raises(RuntimeError):
            await other.start()
        assert await other.ended() == 1
    (line,) = other.output
    assert f"in use by the server with process id {server.process.pid}; stop that one" in line


async def test_a_killed_server_keeps_nobody_out(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "server.db") as server:
        await server.kill()
        await server.restart()
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/ok")).json()["ok"]


async def test_headers_without_end_are_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "server.db") as server:
        host, port = server.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /ok HTTP/1.1\r\nhost: x\r\nx-long: ")
        with pytest.raises(ConnectionError):
            await write_forever(writer)
        writer.close()
        async with httpx.AsyncClient(base_url=server.url) as client:
            fits = await client.get("/ok", headers={"x-long": "x" * 30_000})
    assert fits.status_code == 200


async def write_forever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 10_000)
        await writer.drain()
