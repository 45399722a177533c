"""Two users, every endpoint: one never sees, changes, cancels, joins or counts what is the other's.

A has one of everything, and B knows all of its ids.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import Auth

from agent_server.app import create_app
from agent_server.firing import run_of
from agent_server.openapi import Shapes, document
from agent_server.services import Services
from agent_server.shapes import BODIES, MANY, QUERIES
from checkpoint import new_id
from tests.agent_server.harness.local import local_client
from tests.agent_server.stage import Doors

SECRET = "what only A knows"


def by_owner() -> Auth:
    """One handler for all: stamps what is made, and filters by it."""
    hook = Auth()

    @hook.authenticate
    async def authenticate(authorization: str) -> str:
        return authorization

    @hook.on
    async def own(ctx: Any, value: Any) -> dict[str, Any]:
        mine = {"owner": ctx.user.identity}
        value.setdefault("metadata", {}).update(mine)
        return mine

    @hook.on.store
    async def scoped(ctx: Any, value: Any) -> None:
        value["namespace"] = (ctx.user.identity, *(value["namespace"] or ()))

    return hook


def by_membership() -> Auth:
    """Handlers that stamp only what is created, and filter by alternatives."""
    hook = Auth()

    @hook.authenticate
    async def authenticate(authorization: str) -> dict[str, Any]:
        return {"identity": authorization, "permissions": []}

    @hook.on
    async def own(ctx: Any, value: Any) -> dict[str, Any]:
        me = ctx.user.identity
        return {"$or": [{"owner": {"$eq": me}}, {"members": {"$contains": [me]}}]}

    @hook.on(resources=["threads", "assistants", "crons"], actions=["create"])
    async def stamp(ctx: Any, value: Any) -> dict[str, Any]:
        value["metadata"]["owner"] = ctx.user.identity
        return await own(ctx, value)

    return hook


def with_hidden_store() -> Auth:
    """Handlers that leave the store to the filter of the one for all."""
    hook = by_membership()
    del hook._handlers[("assistants", "create")]  # assistants are stamped by the client
    return hook


@dataclass(frozen=True, slots=True)
class Caller:
    http: httpx.AsyncClient
    name: str

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        async with asyncio.timeout(10):  # a stream that is not refused would not end
            return await self.http.request(
                method, path, json=body, headers={"authorization": self.name}
            )

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.send(method, path, body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@dataclass(slots=True)
class World:
    """What A has: the ids by the names that paths give them."""

    a: Caller
    services: Services
    doors: Doors
    assistant: str
    thread: str
    run: str
    busy: str
    running: str
    free: str
    loose: str
    """A stateless run, and the id that it has instead of a thread."""
    cron: str
    checkpoint: str

    async def shown(self) -> dict[str, Any]:
        """All of it, as A sees it."""
        asked = [
            *(f"/threads/{each}" for each in (self.thread, self.busy)),
            *(f"/threads/{each}/runs" for each in (self.thread, self.busy)),
            *(f"/threads/{each}/state" for each in (self.thread, self.busy)),
            f"/threads/{self.free}/runs/{self.loose}",
            f"/assistants/{self.assistant}",
            f"/runs/crons/{self.cron}",
        ]
        return {path: await self.a.ask("GET", path) for path in asked}


async def world_of(a: Caller, services: Services, doors: Doors) -> World:
    """One of everything."""
    config = {"configurable": {"key": SECRET}}
    assistant = await a.ask(
        "POST",
        "/assistants",
        {"graph_id": "steps", "config": config, "metadata": {"owner": "A"}},
    )
    id_ = assistant["assistant_id"]
    order: dict[str, Any] = {"assistant_id": id_, "input": {"log": [SECRET]}}
    threads = [
        (await a.ask("POST", "/threads", {"metadata": {"note": SECRET}}))["thread_id"]
        for _ in range(2)
    ]
    doors.open()
    run = await a.ask("POST", f"/threads/{threads[0]}/runs", order)
    await a.ask("GET", f"/threads/{threads[0]}/runs/{run['run_id']}/join")
    doors.shut()
    while doors.arrived:
        await doors.arrival()
    running = await a.ask("POST", f"/threads/{threads[1]}/runs", order)
    free = await a.ask("POST", "/runs", order)
    for _ in range(2):
        await doors.arrival()
    cron = await a.ask("POST", "/runs/crons", {**order, "schedule": "0 0 1 1 *"})
    state = await a.ask("GET", f"/threads/{threads[0]}/state")
    return World(
        a=a,
        services=services,
        doors=doors,
        assistant=id_,
        thread=threads[0],
        run=run["run_id"],
        busy=threads[1],
        running=running["run_id"],
        free=free["thread_id"],
        loose=free["run_id"],
        cron=cron["cron_id"],
        checkpoint=state["checkpoint"]["checkpoint_id"],
    )


@asynccontextmanager
async def two(path: Path, hook: Auth) -> AsyncIterator[tuple[World, Caller]]:
    doors = Doors(1)
    app = create_app({"steps": doors.graph}, database=path / "server.db", auth=hook)
    async with app.router.lifespan_context(app), local_client(app) as http:
        world = await world_of(Caller(http, "A"), app.state.services, doors)
        try:
            yield world, Caller(http, "B")
        finally:
            doors.open()


REFUSED = (403, 404, 409)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What B tries: a path as OpenAPI has it, and the bodies to try with it."""

    method: str
    path: str
    bodies: Callable[[World], list[Any]] = lambda _: [None]
    finds: Any = None
    """What the answer is, where B may ask: nothing of A's."""
    may: bool = False
    """True if the answer may be B's own thing."""

    def paths(self, world: World) -> Iterator[str]:
        """With A's ids in all spellings, in all combinations that name one of A's things."""
        threads = (world.thread, world.busy, world.free)
        runs = (world.run, world.running, world.loose)
        ids = {
            "assistant_id": (world.assistant,),
            "cron_id": (world.cron,),
            "checkpoint_id": (world.checkpoint,),
            "namespace": ("x",),
            "thread_id": threads,
            "run_id": runs,
        }
        names = re.findall(r"{(\w+)}", self.path)
        for found in product(*(ids[name] for name in names)):
            for spelled in (str, str.upper, lambda id_: id_.replace("-", "")):
                given = {n: spelled(i) for n, i in zip(names, found, strict=True)}
                yield self.path.format(**given)
                if not names:
                    return


def order(world: World) -> list[Any]:
    """Runs of A's assistant, and of everybody's."""
    return [
        {"assistant_id": world.assistant, "input": {}, "if_not_exists": "create"},
        {"assistant_id": "steps", "input": {}, "multitask_strategy": "rollback"},
    ]


def theirs(world: World) -> list[Any]:
    """Runs of A's assistant without a thread."""
    return [{"assistant_id": world.assistant, "input": {}, "on_completion": "keep"}]


def empty(_: World) -> list[Any]:
    return [{}]


def wide(_: World) -> list[Any]:
    """Searches for all, and for A's."""
    return [{"limit": 100}, {"metadata": {"owner": "A"}}, {"metadata": {}}]


def crons(world: World) -> list[Any]:
    timed = {"schedule": "* * * * *", "input": {}}
    return [{**timed, "assistant_id": world.assistant}]


def on_thread(world: World) -> list[Any]:
    return [*crons(world), {"schedule": "* * * * *", "input": {}, "assistant_id": "steps"}]


def command(world: World) -> list[Any]:
    start = {"assistant_id": "steps", "input": {}}
    return [
        {"id": 1, "method": "run.start", "params": start},
        {"id": 2, "method": "input.respond", "params": {"interrupt_id": "x", "response": 1}},
        {"id": 3, "method": "agent.getTree"},
        {"id": 4, "method": "subscription.subscribe", "params": {"channels": ["values"]}},
    ]


def cancelling(world: World) -> list[Any]:
    named = [(world.busy, world.running), (world.free, world.loose)]
    return [
        {"status": "all"},
        *({"thread_id": thread, "run_ids": [run]} for thread, run in named),
        *({"thread_id": t, "run_ids": [r], "thread_ids": [new_id()]} for t, r in named),
    ]


def pruning(world: World) -> list[Any]:
    return [
        {"thread_ids": ids, "strategy": strategy}
        for ids in ([world.thread], [new_id(), world.busy], [world.free])
        for strategy in ("delete", "keep_latest")
    ]


def taken(world: World) -> list[Any]:
    return [
        {"thread_id": id_, "if_exists": "do_nothing"}
        for id_ in (world.thread, world.thread.upper(), world.free)
    ]


T, R = "/threads/{thread_id}", "/threads/{thread_id}/runs/{run_id}"
A_ = "/assistants/{assistant_id}"
ATTEMPTS = (
    Attempt("POST", "/assistants", lambda w: [{"graph_id": "steps", "assistant_id": w.assistant}]),
    Attempt("POST", "/assistants/search", wide, finds=[]),
    Attempt("POST", "/assistants/count", wide, finds=0),
    Attempt("GET", A_),
    Attempt("PATCH", A_, lambda _: [{"metadata": {"owner": "B"}}, {"name": "mine now"}]),
    Attempt("DELETE", A_),
    Attempt("POST", f"{A_}/versions", empty),
    Attempt("POST", f"{A_}/latest", lambda _: [{"version": 1}]),
    Attempt("GET", f"{A_}/graph"),
    Attempt("GET", f"{A_}/schemas"),
    Attempt("GET", f"{A_}/subgraphs"),
    Attempt("GET", f"{A_}/subgraphs/{{namespace}}"),
    Attempt("POST", "/threads", taken),
    Attempt("POST", "/threads/search", wide, finds=[]),
    Attempt("POST", "/threads/count", wide, finds=0),
    Attempt("POST", "/threads/prune", pruning),
    Attempt("GET", T),
    Attempt("PATCH", T, lambda _: [{"metadata": {"owner": "B"}}]),
    Attempt("DELETE", T),
    Attempt("POST", f"{T}/copy"),
    Attempt("GET", f"{T}/state"),
    Attempt("POST", f"{T}/state", lambda _: [{"values": {"log": ["b"]}}]),
    Attempt(
        "POST", f"{T}/state/checkpoint", lambda w: [{"checkpoint": {"checkpoint_id": w.checkpoint}}]
    ),
    Attempt("GET", f"{T}/state/{{checkpoint_id}}"),
    Attempt("GET", f"{T}/history"),
    Attempt("POST", f"{T}/history", empty),
    Attempt("GET", f"{T}/stream"),
    Attempt("POST", f"{T}/stream/events", lambda _: [{"channels": ["values", "lifecycle"]}]),
    Attempt("POST", f"{T}/commands", command),
    Attempt("POST", f"{T}/runs", order),
    Attempt("POST", f"{T}/runs/wait", order),
    Attempt("POST", f"{T}/runs/stream", order),
    Attempt("POST", f"{T}/runs/crons", on_thread),
    Attempt("GET", f"{T}/runs"),
    Attempt("GET", R),
    Attempt("DELETE", R),
    Attempt("GET", f"{R}/join"),
    Attempt("GET", f"{R}/stream"),
    Attempt("POST", f"{R}/cancel"),
    Attempt("POST", "/runs", theirs),
    Attempt("POST", "/runs/wait", theirs),
    Attempt("POST", "/runs/stream", theirs),
    Attempt("POST", "/runs/batch", lambda w: [[each] for each in theirs(w)] + [
        [{"thread_id": id_, "assistant_id": "steps", "if_not_exists": "create"}]
        for id_ in (w.thread, w.busy, w.free)
    ]),
    Attempt("POST", "/runs/cancel", cancelling),
    Attempt("GET", "/runs/{run_id}/stream"),
    Attempt("POST", "/runs/crons", crons),
    Attempt("POST", "/runs/crons/search", wide, finds=[]),
    Attempt("POST", "/runs/crons/count", wide, finds=0),
    Attempt("GET", "/runs/crons/{cron_id}"),
    Attempt("PATCH", "/runs/crons/{cron_id}", lambda _: [{"enabled": False}]),
    Attempt("DELETE", "/runs/crons/{cron_id}"),
)  # fmt: skip
STORE = {
    ("PUT", "/store/items"),
    ("GET", "/store/items"),
    ("DELETE", "/store/items"),
    ("POST", "/store/items/search"),
    ("POST", "/store/namespaces"),
}
NOBODYS = {("GET", path) for path in ("/", "/ok", "/info", "/metrics", "/docs", "/openapi.json")}


def test_every_endpoint_is_tried() -> None:
    app = create_app({})
    paths: Mapping[str, Mapping[str, Any]] = document(
        app.routes, Shapes(BODIES, MANY, QUERIES), "0"
    )["paths"]
    known = {(method.upper(), path) for path, found in paths.items() for method in found}
    assert known - NOBODYS - STORE == {(each.method, each.path) for each in ATTEMPTS}


@pytest.mark.parametrize("hook", [by_owner, by_membership, with_hidden_store])
async def test_what_is_as_is_not_there_for_b(tmp_path: Path, hook: Callable[[], Auth]) -> None:
    async with two(tmp_path, hook()) as (world, b):
        before = await world.shown()
        wrong: list[str] = []
        for attempt in ATTEMPTS:
            for path, body in product(attempt.paths(world), attempt.bodies(world)):
                answer = await b.send(attempt.method, path, body)
                if attempt.finds is None:
                    fine = answer.status_code in REFUSED
                else:
                    fine = answer.status_code == 200 and answer.json() == attempt.finds
                if not fine or SECRET in answer.text:
                    told = f"{answer.status_code} {answer.text[:80]}"
                    wrong.append(f"{attempt.method} {path} {json.dumps(body)}: {told}")
        assert wrong == []
        assert await world.shown() == before


async def test_no_run_is_to_be_had_by_way_of_another_thread(tmp_path: Path) -> None:
    async with two(tmp_path, by_owner()) as (world, b):
        before = await world.shown()
        mine = (await b.ask("POST", "/threads", {}))["thread_id"]
        ways = [(each.method, each.path) for each in ATTEMPTS if each.path.startswith(R)]
        runs, told = (world.run, world.running, world.loose), dict[str, int]()
        for caller, thread, run in product((b, world.a), (mine, new_id()), runs):
            for method, path in ways:
                here = path.format(thread_id=thread, run_id=run)
                answer = await caller.send(method, here)
                told[f"{caller.name} {method} {here}"] = answer.status_code
        assert set(told.values()) == {404}, told
        assert await world.shown() == before


async def test_b_has_what_b_makes_beside_a(tmp_path: Path) -> None:
    async with two(tmp_path, by_membership()) as (world, b):
        assistant = await b.ask("POST", "/assistants", {"graph_id": "steps"})
        assert await b.ask("POST", "/assistants/count", {}) == 1
        mine = {"assistant_id": assistant["assistant_id"], "input": {"log": []}}
        thread = new_id()
        await b.ask("POST", f"/threads/{thread}/runs", {**mine, "if_not_exists": "create"})
        found = await b.ask("POST", "/threads/search", {})
        assert [each["thread_id"] for each in found] == [thread]
        assert found[0]["metadata"]["owner"] == "B"
        assert await world.a.ask("POST", "/threads/count", {}) == 2


async def test_a_session_runs_no_assistant_of_another(tmp_path: Path) -> None:
    async with two(tmp_path, by_membership()) as (world, b):
        path = f"/threads/{new_id()}/commands"
        params = {"assistant_id": world.assistant, "input": {}}
        asked = {"id": 1, "method": "run.start", "params": params}
        assert (await b.ask("POST", path, asked))["error"] == "not_found"
        assert await b.ask("POST", "/threads/count", {}) == 0
        params["assistant_id"] = "steps"
        assert (await b.ask("POST", path, asked))["type"] == "success"
        assert await b.ask("POST", "/threads/count", {}) == 1


async def test_a_thread_is_shared_with_its_members(tmp_path: Path) -> None:
    async with two(tmp_path, by_membership()) as (world, b):
        path = f"/threads/{world.thread}"
        await world.a.ask("PATCH", path, {"metadata": {"members": ["B"]}})
        assert (await b.ask("GET", f"{path}/state"))["values"]["log"][0] == SECRET
        assert await b.ask("POST", "/threads/count", {}) == 1
        await world.a.ask("PATCH", path, {"metadata": {"members": []}})
        assert (await b.send("GET", f"{path}/state")).status_code == 404


@pytest.mark.parametrize("hook", [by_owner, by_membership])
async def test_what_runs_leave_behind_is_their_users(
    tmp_path: Path, hook: Callable[[], Auth]
) -> None:
    """A thread that is kept, of a run without one and of a cron's run."""
    async with two(tmp_path, hook()) as (world, b):
        dispatcher, crons = world.services.dispatcher, world.services.crons
        asked = {"assistant_id": "steps", "input": {"log": [SECRET]}}
        run = await world.a.ask("POST", "/runs", {**asked, "on_completion": "keep"})
        cron = await world.a.ask(
            "POST", "/runs/crons", {**asked, "schedule": "* * * * *", "on_run_completed": "keep"}
        )
        assert cron["metadata"]["owner"] == "A"
        before = {each["thread_id"] for each in await world.a.ask("POST", "/threads/search", {})}
        assert run["thread_id"] in before
        stored = await crons.get(cron["cron_id"])
        assistant = await world.services.assistants.resolve(stored.assistant_id)
        fired = await dispatcher.accept(run_of(stored, assistant, new_id(), 0.0))
        for thread in (run["thread_id"], fired.run.thread_id):
            assert (await world.a.ask("GET", f"/threads/{thread}"))["metadata"]["owner"] == "A"
            assert (await b.send("GET", f"/threads/{thread}")).status_code == 404


async def test_deleting_an_assistant_with_its_threads_spares_the_threads_of_others(
    tmp_path: Path,
) -> None:
    hook = by_membership()

    @hook.on.assistants
    async def shared(ctx: Any, value: Any) -> None:
        return None

    async with two(tmp_path, hook) as (world, b):
        thread = (await b.ask("POST", "/threads", {}))["thread_id"]
        mine = {"assistant_id": world.assistant, "input": {}}
        await b.ask("POST", f"/threads/{thread}/runs", mine)
        await b.ask("DELETE", f"/assistants/{world.assistant}?delete_threads=true")
        assert (await b.send("GET", f"/threads/{thread}")).status_code == 404
        assert (await world.a.ask("GET", f"/threads/{world.thread}/state"))["values"]
        assert (await world.a.ask("GET", f"/threads/{world.busy}"))["status"] == "busy"


async def test_a_checkpoint_of_another_thread_is_none_of_ones_own(tmp_path: Path) -> None:
    async with two(tmp_path, by_owner()) as (world, b):
        thread = (await b.ask("POST", "/threads", {}))["thread_id"]
        named = {"checkpoint_id": world.checkpoint, "thread_id": world.thread}
        path = f"/threads/{thread}"
        config = {"configurable": named}
        for answer in [
            await b.send("GET", f"{path}/state/{world.checkpoint}"),
            await b.send("POST", f"{path}/state/checkpoint", {"checkpoint": named}),
            await b.send("POST", f"{path}/history", {"checkpoint": named}),
            await b.send(
                "POST", f"{path}/runs/wait", {"assistant_id": "steps", "checkpoint": named}
            ),
            await b.send("POST", f"{path}/runs/wait", {"assistant_id": "steps", "config": config}),
            await b.send("POST", f"{path}/state", {"values": {"log": ["b"]}, "checkpoint": named}),
        ]:
            assert SECRET not in answer.text
        assert (await world.a.ask("GET", f"/threads/{world.thread}/runs"))[0]["run_id"] == world.run


class TestTheStore:
    async def test_each_has_a_namespace(self, tmp_path: Path) -> None:
        async with two(tmp_path, by_owner()) as (world, b):
            item = {"namespace": ["notes"], "key": "k", "value": {"text": SECRET}}
            await world.a.ask("PUT", "/store/items", item)
            assert await b.ask("GET", "/store/items?namespace=notes&key=k") is None
            odd = await b.send("GET", "/store/items?namespace=..&namespace=A&key=k")
            assert odd.status_code == 422
            for prefix in ([], ["notes"], ["A"], ["A", "notes"]):
                found = await b.ask("POST", "/store/items/search", {"namespace_prefix": prefix})
                assert found == {"items": []}
                found = await b.ask("POST", "/store/namespaces", {"prefix": prefix})
                assert found == {"namespaces": []}
            await b.ask("DELETE", "/store/items", {"namespace": ["notes"], "key": "k"})
            asked = "/store/items?namespace=notes&key=k"
            assert (await world.a.ask("GET", asked))["value"] == {"text": SECRET}

    async def test_a_period_in_a_name_is_no_way_into_anothers(self, tmp_path: Path) -> None:
        async with two(tmp_path, by_owner()) as (world, b):
            item = {"namespace": ["notes"], "key": "k", "value": {"text": SECRET}}
            await world.a.ask("PUT", "/store/items", item)
            sly = Caller(b.http, "A.notes")
            answer = await sly.send("GET", "/store/items?key=k")
            assert answer.status_code == 422
            assert "without periods" in answer.text

    async def test_repeated_labels_are_one_namespace(self, tmp_path: Path) -> None:
        async with two(tmp_path, by_owner()) as (world, _):
            item = {"namespace": ["a", "b"], "key": "k", "value": {"n": 1}}
            await world.a.ask("PUT", "/store/items", item)
            for asked in ("namespace=a&namespace=b", "namespace=a.b"):
                found = await world.a.ask("GET", f"/store/items?{asked}&key=k")
                assert found["namespace"] == ["A", "a", "b"]

    async def test_a_filter_that_items_cannot_be_held_against_refuses(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with two(tmp_path, by_membership()) as (_, b):
            for method, path, body in [
                ("PUT", "/store/items", {"namespace": ["n"], "key": "k", "value": {}}),
                ("GET", "/store/items?namespace=n&key=k", None),
                ("DELETE", "/store/items", {"namespace": ["n"], "key": "k"}),
                ("POST", "/store/items/search", {}),
                ("POST", "/store/namespaces", {}),
            ]:
                assert (await b.send(method, path, body)).status_code == 403
            assert "value['namespace']" in caplog.text


async def test_what_was_stateless_stays_its_users_after_its_end(tmp_path: Path) -> None:
    async with two(tmp_path, by_membership()) as (world, b):
        asked = {"assistant_id": "steps", "input": {"log": [SECRET]}}
        a = world.a
        waiting = asyncio.ensure_future(a.send("POST", "/runs/wait", asked))
        await world.doors.arrival()
        world.doors.open()
        where = (await waiting).headers["content-location"]
        thread_id, run_id = where.split("/")[2::2]
        for path in (where, f"{where}/join", f"/runs/{run_id}/stream"):
            assert (await a.send("GET", path)).status_code == 200
            assert (await b.send("GET", path)).status_code == 404
        squat = {"thread_id": thread_id, "if_exists": "do_nothing"}
        assert (await b.send("POST", "/threads", squat)).status_code == 409
