"""A server whose database cannot be written any more, as on a full disk: a real process under a
limit on the size of its files, which is lifted again."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from agent_server.failures import UNUSABLE
from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess
from tests.agent_server.lib_streams import frames_in

JOKE = {"assistant_id": "agent", "input": {"topic": "x"}}


def fill(server: ServerProcess) -> None:
    """From here on no file of the server's may grow, or be written beyond its first page."""
    limits = (4096, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)


def empty(server: ServerProcess) -> None:
    """There is room again."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def gate() -> AsyncIterator[Gate]:
    async with Gate() as gate:
        yield gate


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path_factory.mktemp("full") / "server.db") as server:
        yield server


@pytest.fixture
def server(process: ServerProcess) -> Iterator[ServerProcess]:
    yield process
    empty(process)


@pytest_asyncio.fixture(loop_scope="module")
async def http(server: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        yield client


async def asked(http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await http.request(method, path, json=body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def held_up(http: httpx.AsyncClient, gate: Gate) -> str:
    """A run that stands inside its first step, with all that it has written by then; its path."""
    thread = (await asked(http, "POST", "/threads", {}))["thread_id"]
    body = {"assistant_id": "slow", "input": {"gate": gate.address, "log": []}}
    run = await asked(http, "POST", f"/threads/{thread}/runs", body)
    assert await gate.arrival() == "step1"
    await asked(http, "POST", "/threads", {})  # written after what the run had to write
    return f"/threads/{thread}/runs/{run['run_id']}"


async def status_of(http: httpx.AsyncClient, path: str) -> str:
    """Of a run, once it has ended."""
    while True:
        run = await asked(http, "GET", path)
        if run["status"] not in ("pending", "running"):
            return run["status"]
        await asyncio.sleep(0)


async def test_a_run_whose_steps_cannot_be_written_ends_with_a_clear_error(
    server: ServerProcess, http: httpx.AsyncClient, gate: Gate
) -> None:
    path = await held_up(http, gate)
    async with asyncio.TaskGroup() as group:
        join = group.create_task(asked(http, "GET", f"{path}/join"))
        headers = {"last-event-id": "-1"}
        stream = group.create_task(http.get(f"{path}/stream", headers=headers))
        await server.has_streams(1)
        fill(server)
        gate.open()
    told = join.result()["__error__"]
    assert (told["error"], told["message"]) == ("DatabaseUnwritableError", UNUSABLE)
    *_, last = frames_in(stream.result().content)
    assert (last.name, last.data) == ("error", told)
    assert (await asked(http, "GET", path))["status"] == "running", "not written yet"
    empty(server)
    assert await status_of(http, path) == "error"
    thread = path.partition("/runs/")[0]
    assert (await asked(http, "GET", thread))["error"]["message"] == UNUSABLE
    # what was committed is there, and the thread goes on from it
    ended = await asked(http, "POST", f"{thread}/runs/wait", {"assistant_id": "slow"})
    assert ended["log"] == ["step1", "step2", "step3", "step4", "step5"]


async def test_what_would_be_written_is_refused_and_the_rest_goes_on(
    server: ServerProcess, http: httpx.AsyncClient
) -> None:
    thread = (await asked(http, "POST", "/threads", {}))["thread_id"]
    joke = await asked(http, "POST", f"/threads/{thread}/runs/wait", JOKE)
    before = await asked(http, "GET", f"/threads/{thread}/state")
    fill(server)
    for method, path, body in [
        ("POST", "/threads", {}),
        ("POST", "/runs", JOKE),
        ("POST", f"/threads/{thread}/runs", JOKE),
        ("POST", f"/threads/{thread}/runs/wait", JOKE),
        ("POST", f"/threads/{thread}/runs/stream", JOKE),
        ("POST", f"/threads/{thread}/state", {"values": {"topic": "y"}}),
        ("PATCH", f"/threads/{thread}", {"metadata": {"a": 1}}),
        ("DELETE", f"/threads/{thread}", None),
        ("PUT", "/store/items", {"namespace": ["a"], "key": "k", "value": {}}),
    ]:
        answer = await http.request(method, path, json=body)
        assert answer.status_code == 503, (path, answer.text)
        assert "database" in answer.json()["detail"]
        assert str(server.database) not in answer.text
    assert await asked(http, "POST", "/runs/wait", JOKE) == joke
    assert await asked(http, "GET", f"/threads/{thread}/state") == before
    assert len(await asked(http, "GET", f"/threads/{thread}/runs")) == 1
    empty(server)
    assert await asked(http, "POST", f"/threads/{thread}/runs/wait", JOKE) == joke
    assert len(await asked(http, "GET", f"/threads/{thread}/runs")) == 2


async def test_a_run_that_the_process_dies_with_goes_on_when_there_is_room(
    server: ServerProcess, http: httpx.AsyncClient, gate: Gate
) -> None:
    path = await held_up(http, gate)
    fill(server)
    gate.let_on()
    assert "__error__" in await asked(http, "GET", f"{path}/join")
    await server.kill()
    gate.open()
    await server.restart()
    assert await status_of(http, path) == "success"
    log = (await asked(http, "GET", f"{path}/join"))["log"]
    assert log == ["step1", "step2", "step3", "step4", "step5"]


async def test_a_cancelled_run_stops_though_that_cannot_be_written(
    server: ServerProcess, http: httpx.AsyncClient, gate: Gate
) -> None:
    path = await held_up(http, gate)
    fill(server)
    answer = await http.post(f"{path}/cancel")
    assert answer.status_code == 503, answer.text
    assert "__error__" in await asked(http, "GET", f"{path}/join")
    empty(server)
    assert await status_of(http, path) == "interrupted"
