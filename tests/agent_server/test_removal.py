"""Taking a thread away while runs are on it, or seem to be, and making it anew meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pytest

from actors import START, StateGraph
from agent_server.errors import ElsewhereError, NotFoundError
from agent_server.left_rows import find_answer
from agent_server.removal import remove_thread
from agent_server.thread_rows import add_thread, erase_thread
from checkpoint import new_id
from tests.agent_server.database import keep_run
from tests.agent_server.serving import Serving, serving


class State(TypedDict, total=False):
    n: int


class Step:
    """A node that says when it has begun, and never ends by itself."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = False

    async def __call__(self, state: State) -> State:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return state


@pytest.fixture
def step() -> Step:
    return Step()


@pytest.fixture
async def server(tmp_path: Path, step: Step) -> AsyncIterator[Serving]:
    graph: Any = StateGraph(State).add_node("step", step).add_edge(START, "step").compile()
    async with serving(tmp_path, {"endless": graph}) as server:
        yield server


async def remove(server: Serving, thread_id: str) -> None:
    services = server.services
    await remove_thread(services.threads, services.dispatcher, thread_id)


async def test_runs_are_stopped_before_their_thread_goes(server: Serving, step: Step) -> None:
    id_ = (await server.ask("POST", "/threads", {}))["thread_id"]
    body = {"assistant_id": "endless", "input": {"n": 1}}
    first = await server.ask("POST", f"/threads/{id_}/runs", body)
    second = await server.ask("POST", f"/threads/{id_}/runs", body)
    await step.begun.wait()

    await remove(server, id_.upper())

    assert step.cancelled
    for run in (first, second):
        assert server.services.dispatcher.live(run["run_id"]) is None
    assert await server.refused("GET", f"/threads/{id_}", None, 404)
    with pytest.raises(NotFoundError):
        await remove(server, id_)


async def test_a_thread_stays_whose_run_another_server_has(server: Serving) -> None:
    id_, run_id = (await server.ask("POST", "/threads", {}))["thread_id"], new_id()
    await server.services.tables.write(lambda db: keep_run(db, run_id, id_, "running"))

    with pytest.raises(ElsewhereError, match=f"{run_id} was taken by another server"):
        await remove(server, id_)

    assert (await server.ask("GET", f"/threads/{id_}"))["thread_id"] == id_


# --- made anew meanwhile ---------------------------------------------------------------------


class Stubborn:
    """A node that, cancelled, puts its things away and is not done with it before it is let."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cleaning = asyncio.Event()
        self.may_go = asyncio.Event()

    async def __call__(self, state: State) -> State:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cleaning.set()
            await self.may_go.wait()
        return state


@dataclass(frozen=True, slots=True)
class Scene:
    """A server with a thread that has a past."""

    server: Serving
    node: Stubborn
    thread_id: str

    async def run(self, **body: Any) -> str:
        """A run in the background; its id."""
        asked = {"assistant_id": "endless", "input": {"n": 1}, **body}
        path = f"/threads/{self.thread_id}/runs"
        return (await self.server.ask("POST", path, asked))["run_id"]

    async def make(self, status: int) -> None:
        """Ask for a thread with the id."""
        body = {"thread_id": self.thread_id, "metadata": {"graph_id": "plain"}}
        await self.server.ask("POST", "/threads", body, status)

    async def state(self) -> Any:
        return (await self.server.ask("GET", f"/threads/{self.thread_id}/state"))["values"]

    async def row(self) -> tuple[Any, ...]:
        """What its row says, and of runs."""
        found = await self.server.ask("GET", f"/threads/{self.thread_id}")
        runs = await self.server.ask("GET", f"/threads/{self.thread_id}/runs")
        return found["status"], found["values"], runs

    def deletion(self) -> asyncio.Future[Any]:
        path = f"/threads/{self.thread_id}"
        return asyncio.ensure_future(self.server.ask("DELETE", path, status=204))


async def bump(state: State) -> State:
    return {"n": state.get("n", 0) + 1}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    node = Stubborn()
    endless: Any = StateGraph(State).add_node("node", node).add_edge(START, "node").compile()
    plain: Any = StateGraph(State).add_node("bump", bump).add_edge(START, "bump").compile()
    async with serving(tmp_path, {"endless": endless, "plain": plain}) as server:
        made = Scene(server, node, str(uuid.uuid4()))
        await made.make(200)
        body = {"assistant_id": "plain", "input": {"n": 6}}
        await server.ask("POST", f"/threads/{made.thread_id}/runs/wait", body)
        assert await made.state() == {"n": 7}
        yield made


async def moved_on(server: Serving) -> None:
    """What was asked of the server before has come to what it waits for: it reads and writes a few
    times on its way, each of which comes before one of these."""
    for _ in range(50):
        await server.services.tables.read(lambda db: None)
        await server.services.tables.write(lambda db: None)


async def test_a_thread_is_there_with_its_state_until_it_is_gone_with_it(scene: Scene) -> None:
    saver = scene.server.services.saver
    held = await saver.claim(scene.thread_id, "a script", timeout=0)
    deleting = scene.deletion()
    await moved_on(scene.server)
    await scene.make(409)
    assert await scene.state() == {"n": 7}
    saver.release(held)
    await deleting
    await scene.make(200)
    assert await scene.state() == {}
    assert await scene.row() == ("idle", None, [])


async def test_a_run_that_makes_the_thread_anew_begins_with_nothing(scene: Scene) -> None:
    saver = scene.server.services.saver
    held = await saver.claim(scene.thread_id, "a script", timeout=0)
    deleting = scene.deletion()
    await moved_on(scene.server)
    saver.release(held)
    body = {"assistant_id": "plain", "input": {}, "if_not_exists": "create"}
    path = f"/threads/{scene.thread_id}/runs/wait"
    running = asyncio.ensure_future(scene.server.ask("POST", path, body))
    await deleting
    # It ran on the new thread, on the old one, or was cancelled with that and told how it stood.
    assert (await running) in ({"n": 1}, {"n": 8}, {"n": 7})
    assert await scene.server.ask("POST", path, body) in ({"n": 1}, {"n": 2})


async def test_a_run_that_was_cancelled_ends_before_its_thread_goes(scene: Scene) -> None:
    run_id = await scene.run()
    await scene.node.begun.wait()
    await scene.server.ask("POST", f"/threads/{scene.thread_id}/runs/{run_id}/cancel", status=202)
    await scene.node.cleaning.wait()
    deleting = scene.deletion()
    await moved_on(scene.server)
    await scene.make(409)  # it would be given what that run leaves
    scene.node.may_go.set()
    await deleting
    await scene.make(200)
    assert await scene.row() == ("idle", None, [])
    assert await scene.state() == {}


async def test_what_a_run_leaves_whose_thread_another_server_deleted_is_nobodys(
    scene: Scene,
) -> None:
    services = scene.server.services
    run_id = await scene.run()
    await scene.node.begun.wait()
    await services.dispatcher.cancel(scene.thread_id, [run_id], "interrupt", wait=False)
    await scene.node.cleaning.wait()

    def elsewhere(db: sqlite3.Connection) -> None:
        erase_thread(db, scene.thread_id)
        add_thread(db, services.threads.fresh(scene.thread_id))

    await services.tables.write(elsewhere)
    live = services.dispatcher.live(run_id)
    assert live is not None
    scene.node.may_go.set()
    await live.settled()
    assert await scene.row() == ("idle", None, [])
    left = await services.tables.read(lambda db: find_answer(db, run_id))
    assert left is None


async def test_an_update_finds_no_thread_that_was_deleted_before_its_turn(scene: Scene) -> None:
    services = scene.server.services
    path = f"/threads/{scene.thread_id}/state"
    async with services.dispatcher.alone(scene.thread_id):
        body = {"values": {"n": 100}, "as_node": "bump"}
        updating = asyncio.ensure_future(scene.server.ask("POST", path, body, 404))
        await moved_on(scene.server)
        await services.threads.delete(scene.thread_id)
    await updating
    assert await services.saver.athreads() == []


async def test_an_update_of_what_another_server_deletes_meanwhile_leaves_nothing(
    scene: Scene,
) -> None:
    services = scene.server.services
    held = await services.saver.claim(scene.thread_id, "a script", timeout=0)
    body = {"values": {"n": 100}, "as_node": "bump"}
    path = f"/threads/{scene.thread_id}/state"
    updating = asyncio.ensure_future(scene.server.ask("POST", path, body, 404))
    await moved_on(scene.server)
    await services.tables.write(lambda db: erase_thread(db, scene.thread_id))
    services.saver.release(held)
    await updating
    assert await services.saver.athreads() == []


async def test_two_who_delete_a_thread_at_once_find_it_once(scene: Scene) -> None:
    path = f"/threads/{scene.thread_id}"
    asked = [scene.server.http.delete(path) for _ in range(3)]
    found = await asyncio.gather(*asked)
    assert sorted(each.status_code for each in found) == [204, 404, 404]


async def test_ids_that_nothing_has_leave_no_row_when_they_are_deleted(scene: Scene) -> None:
    services = scene.server.services
    count = "SELECT count(*) FROM thread"
    before = await services.tables.read(lambda db: db.execute(count).fetchone())
    for _ in range(3):
        with pytest.raises(NotFoundError):
            await services.threads.delete(str(uuid.uuid4()))
    assert await services.tables.read(lambda db: db.execute(count).fetchone()) == before


# --- reading meanwhile --------------------------------------------------------------------------


class Opening:
    """A factory of a graph; what is put to it happens when the graph is opened next."""

    def __init__(self) -> None:
        self.next: Callable[[], Awaitable[Any]] | None = None

    async def __call__(self) -> Any:
        now, self.next = self.next, None
        if now is not None:
            await now()
        return StateGraph(State).add_node("step", lambda state: state).add_edge(START, "step")


READS = {
    "state": ("GET", "/threads/{thread}/state"),
    "state of subgraphs": ("GET", "/threads/{thread}/state?subgraphs=true"),
    "history": ("POST", "/threads/{thread}/history"),
    "stream of a run": ("GET", "/threads/{thread}/runs/{run}/stream"),
}


@pytest.mark.parametrize("read", READS)
async def test_who_reads_in_the_moment_of_a_deletion_is_told_that_it_is_gone(
    tmp_path: Path, read: str
) -> None:
    opening = Opening()
    async with serving(tmp_path, {"agent": opening}) as server:
        thread = (await server.ask("POST", "/threads", {}))["thread_id"]
        order = {"assistant_id": "agent", "input": {"n": 1}}
        run = (await server.ask("POST", f"/threads/{thread}/runs", order))["run_id"]
        await server.ask("GET", f"/threads/{thread}/runs/{run}/join")
        method, path = READS[read]
        path = path.format(thread=thread, run=run)
        opening.next = lambda: remove(server, thread)
        await server.refused(method, path, {} if method == "POST" else None, 404)
        assert opening.next is None, "it was there when it was asked for"
