"""The end of a run is told to an address that its request named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest

from agent_server.errors import InvalidError
from agent_server.left_rows import keep_webhook
from agent_server.tables import server_tables
from agent_server.webhooks import PAUSES, Webhooks
from tests.agent_server.harness import graphs
from tests.agent_server.stage import Doors, Stage, said, stage


class Receiver:
    """An HTTP server that keeps what it is sent, and answers with the statuses it is given."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        """Answers to come; 200 when there is none."""
        self._received: asyncio.Queue[tuple[str, dict[str, str], Any]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?x=1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.strip().split("\r\n")
        headers = dict(field.lower().split(": ", 1) for field in fields)
        body = await reader.readexactly(int(headers["content-length"]))
        self._received.put_nowait((line, headers, json.loads(body)))
        status = self.statuses.pop(0) if self.statuses else 200
        place = "location: http://127.0.0.1:1/\r\n" if status == 302 else ""
        writer.write(f"HTTP/1.1 {status} x\r\n{place}content-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def next(self) -> tuple[str, dict[str, str], Any]:
        """The next request: its first line, its headers, its body."""
        return await self._received.get()


class Pauses:
    """A sleep that takes no time, and remembers how long it would have taken."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def at(tmp_path: Path, pauses: Pauses) -> AsyncIterator[Stage]:
    served = {"agent": graphs.agent, "fail": graphs.fail}
    path = tmp_path / "server.db"
    async with stage(path, served, sleep=pauses, allow_private_webhooks=True) as parts:
        yield parts


async def unsent(at: Stage) -> int:
    def unit(db: Any) -> int:
        return db.execute("SELECT count(*) FROM server_webhook").fetchone()[0]

    return await at.tables.read(unit)


async def sent(at: Stage) -> None:
    """Wait until all webhooks have been sent or given up."""
    webhooks: Webhooks = at.dispatcher._webhooks
    while tasks := webhooks._supervisor.tasks:
        await asyncio.wait(tasks)


async def test_the_end_of_a_run_is_posted_with_its_values(at: Stage, receiver: Receiver) -> None:
    thread = await at.thread()
    live = await at.end("agent", {"topic": "x"}, thread, webhook=receiver.url)
    line, headers, told = await receiver.next()
    assert line == "POST /hook?x=1 HTTP/1.1"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert (told["run_id"], told["thread_id"]) == (live.run.run_id, thread)
    assert (told["status"], told["error"]) == ("success", None)
    assert told["values"] == said(live)
    await sent(at)
    assert await unsent(at) == 0


async def test_a_failure_is_told_with_its_error(at: Stage, receiver: Receiver) -> None:
    await at.end("fail", {"topic": "x"}, webhook=receiver.url)
    told = (await receiver.next())[2]
    assert told["status"] == "error"
    assert told["error"] == {"error": "ValueError", "message": "boom: x"}


async def test_it_is_tried_again_while_that_may_help(
    at: Stage, receiver: Receiver, pauses: Pauses
) -> None:
    receiver.statuses = [503, 429, 500]
    await at.end("agent", {"topic": "x"}, await at.thread(), webhook=receiver.url)
    bodies = [(await receiver.next())[2] for _ in range(4)]
    assert all(body == bodies[0] for body in bodies)
    await sent(at)
    assert pauses.taken == list(PAUSES[:3])
    assert await unsent(at) == 0


@pytest.mark.parametrize("status", [400, 404, 302])
async def test_it_is_not_tried_again_when_it_is_refused(
    at: Stage, receiver: Receiver, pauses: Pauses, status: int
) -> None:
    receiver.statuses = [status]
    await at.end("agent", {"topic": "x"}, await at.thread(), webhook=receiver.url)
    await receiver.next()
    await sent(at)
    assert pauses.taken == []
    assert await unsent(at) == 0


async def test_it_is_given_up_after_the_last_try(
    at: Stage, receiver: Receiver, pauses: Pauses
) -> None:
    receiver.statuses = [500] * 9
    await at.end("agent", {"topic": "x"}, await at.thread(), webhook=receiver.url)
    await sent(at)
    assert pauses.taken == list(PAUSES)
    assert await unsent(at) == 0


async def test_nobody_listening_does_not_hurt_the_run(at: Stage, pauses: Pauses) -> None:
    live = await at.end("agent", {"topic": "x"}, webhook="http://127.0.0.1:1/")
    assert live.run.status == "success"
    await sent(at)
    assert pauses.taken == list(PAUSES)


async def test_what_was_not_sent_is_sent_by_the_next_process(
    tmp_path: Path, receiver: Receiver
) -> None:
    path, never = tmp_path / "server.db", asyncio.Event()

    async def wait_for_ever(seconds: float) -> None:
        await never.wait()

    served = {"agent": graphs.agent}
    receiver.statuses = [503]
    async with stage(path, served, sleep=wait_for_ever, allow_private_webhooks=True) as at:
        live = await at.end("agent", {"topic": "x"}, await at.thread(), webhook=receiver.url)
        first = await receiver.next()
        assert await unsent(at) == 1
    async with stage(path, served, allow_private_webhooks=True) as at:
        assert await receiver.next() == first
        assert first[2]["run_id"] == live.run.run_id
        await sent(at)
        assert await unsent(at) == 0


async def test_a_name_that_leads_to_a_private_address_is_not_called(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with stage(tmp_path / "server.db", {"agent": graphs.agent}) as at:
        webhooks: Webhooks = at.dispatcher._webhooks
        assert await webhooks._address(receiver.url) is None
        assert await webhooks._address("http://localhost/") is None
        assert await webhooks._address("http://93.184.215.14/") == "93.184.215.14"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "[::1]",
        "[fe80::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "224.0.0.1",
    ],
)
async def test_addresses_that_are_private_by_their_text_are_refused_at_once(
    at: Stage, host: str
) -> None:
    webhooks = Webhooks(at.tables)
    with pytest.raises(InvalidError, match="Webhook host blocked"):
        webhooks.check(f"http://{host}/x")
    webhooks.check("https://example.com/x")
    webhooks.check(None)
    Webhooks(at.tables, allow_private=True).check(f"http://{host}/x")


@pytest.mark.parametrize("background", [True, False])
async def test_that_of_a_run_without_a_thread_outlives_the_process_too(
    tmp_path: Path, receiver: Receiver, background: bool
) -> None:
    path, never = tmp_path / "server.db", asyncio.Event()

    async def wait_for_ever(seconds: float) -> None:
        await never.wait()

    served = {"agent": graphs.agent}
    receiver.statuses = [503]
    async with stage(path, served, sleep=wait_for_ever, allow_private_webhooks=True) as at:
        order = at.order("agent", {"topic": "x"}, webhook=receiver.url)
        accept = at.dispatcher.accept_background if background else at.dispatcher.accept
        live = await accept(order)
        first = await receiver.next()
        assert await at.runs.find(None, live.run.run_id) is None
    async with stage(path, served, allow_private_webhooks=True) as at:
        assert await receiver.next() == first
        assert (first[2]["run_id"], first[2]["status"]) == (live.run.run_id, "success")
        await sent(at)
        assert await unsent(at) == 0


async def test_that_of_a_run_that_was_rolled_back_is_kept_without_its_row(
    tmp_path: Path, receiver: Receiver
) -> None:
    path, doors, never = tmp_path / "server.db", Doors(), asyncio.Event()

    async def wait_for_ever(seconds: float) -> None:
        await never.wait()

    receiver.statuses = [503]
    options: Any = {"sleep": wait_for_ever, "allow_private_webhooks": True}
    async with stage(path, {"steps": doors.graph}, **options) as at:
        thread = await at.thread()
        live = await at.start("steps", {"log": []}, thread, webhook=receiver.url)
        await doors.arrival()
        await at.dispatcher.cancel(thread, [live.run.run_id], "rollback", wait=True)
        first = await receiver.next()
        assert await unsent(at) == 1
    async with stage(path, {"steps": doors.graph}, allow_private_webhooks=True):
        assert await receiver.next() == first


async def test_one_that_cannot_be_stored_is_sent_all_the_same(
    at: Stage, receiver: Receiver
) -> None:
    await at.tables.write(
        lambda db: (
            db.execute(
                "CREATE TRIGGER full BEFORE INSERT ON server_webhook "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
            and None
        )
    )
    live = await at.end("agent", {"topic": "x"}, webhook=receiver.url)
    assert (await receiver.next())[2]["run_id"] == live.run.run_id


async def test_what_webhooks_send_is_bounded_in_bytes_and_goes_on_with_the_next_start(
    tmp_path: Path,
) -> None:
    never = asyncio.Event()

    async def wait_for_ever(seconds: float) -> None:
        await never.wait()

    def kept(db: Any) -> None:
        for number in range(60):
            keep_webhook(db, f"run {number:02}", "http://127.0.0.1:1/", b" " * 10_000 + b"{}")

    async with server_tables(tmp_path / "server.db") as tables:
        await tables.write(kept)
        for _ in range(2):
            webhooks = Webhooks(tables, allow_private=True, sleep=wait_for_ever, max_bytes=30_000)
            await webhooks.resend()
            assert len(webhooks._supervisor.tasks) == 3
            await webhooks.aclose()
