"""The auth hook in front of the whole server: each sees, changes and runs only its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from langgraph_sdk import Auth

from actors import START, StateGraph
from agent_server.app import create_app
from tests.agent_server.harness.graphs import Story, agent
from tests.agent_server.harness.local import local_client

UNKNOWN = "01a1fb68-8f52-73d0-be5d-fa7e91459f52"


def owners() -> Auth:
    """Everything belongs to who made it; the store has a namespace for each."""
    hook = Auth()

    @hook.authenticate
    async def authenticate(authorization: str | None) -> dict[str, Any]:
        if not authorization:
            raise Auth.exceptions.HTTPException(status_code=401, detail="Who are you?")
        return {"identity": authorization, "permissions": []}

    @hook.on
    async def own(ctx: Any, value: Any) -> dict[str, str]:
        filters = {"owner": ctx.user.identity}
        value.setdefault("metadata", {}).update(filters)
        return filters

    @hook.on.store
    async def scoped(ctx: Any, value: Any) -> None:
        value["namespace"] = (ctx.user.identity, *(value["namespace"] or ()))

    @hook.on.assistants.create
    async def nobody(ctx: Any, value: Any) -> bool:
        return False

    @hook.on(resources="assistants", actions=["read", "search"])
    async def everybody(ctx: Any, value: Any) -> None:
        return None

    return hook


class Caller:
    """Asks as one user."""

    def __init__(self, http: httpx.AsyncClient, name: str) -> None:
        self._http = http
        self._headers = {"authorization": name} if name else {}

    async def status(self, method: str, path: str, body: Any = None) -> int:
        return (await self.send(method, path, body)).status_code

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.send(method, path, body)
        assert answer.status_code in (200, 202, 204), answer.text
        return answer.json() if answer.content else None

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self._http.request(method, path, json=body, headers=self._headers)


def tell_user(_state: Story, config: dict[str, Any]) -> dict[str, str]:
    return {"topic": "asked by " + config["configurable"]["langgraph_auth_user"]["identity"]}


who = StateGraph(Story).add_node(tell_user).add_edge(START, "tell_user").compile()


@asynccontextmanager
async def guarded(path: Path, hook: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app({"agent": agent, "who": who}, database=path / "server.db", auth=hook)
    async with app.router.lifespan_context(app), local_client(app) as http:
        yield http


@pytest_asyncio.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with guarded(tmp_path, owners()) as http:
        yield http


@pytest.fixture
def me(http: httpx.AsyncClient) -> Caller:
    return Caller(http, "me")


@pytest.fixture
def you(http: httpx.AsyncClient) -> Caller:
    return Caller(http, "you")


async def test_who_is_nobody_only_learns_that_the_server_is_there(http: httpx.AsyncClient) -> None:
    nobody = Caller(http, "")
    assert await nobody.status("GET", "/ok") == 200
    answer = await nobody.send("POST", "/threads", {})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Who are you?"})
    assert await nobody.status("GET", "/nothing") == 401


async def test_a_thread_is_stamped_and_only_its_owner_sees_it(me: Caller, you: Caller) -> None:
    thread = await me.ask("POST", "/threads", {"metadata": {"k": 1}})
    path = f"/threads/{thread['thread_id']}"
    assert thread["metadata"] == {"k": 1, "owner": "me"}
    assert (await me.ask("GET", path))["thread_id"] == thread["thread_id"]
    for method, below in [
        ("GET", ""),
        ("GET", "/state"),
        ("POST", "/history"),
        ("POST", "/copy"),
        ("GET", "/runs"),
        ("DELETE", ""),
    ]:
        assert await you.status(method, path + below, {} if method == "POST" else None) == 404
    assert await you.status("PATCH", path, {"metadata": {"owner": "you"}}) == 404
    assert await you.status("POST", f"{path}/state", {"values": {"topic": "x"}}) == 404
    assert await you.status("POST", f"{path}/runs/wait", {"assistant_id": "agent"}) == 404
    assert (await me.ask("GET", path))["metadata"]["owner"] == "me"


async def test_searches_find_ones_own(me: Caller, you: Caller) -> None:
    mine = await me.ask("POST", "/threads", {})
    await you.ask("POST", "/threads", {})
    found = await me.ask("POST", "/threads/search", {})
    assert [each["thread_id"] for each in found] == [mine["thread_id"]]
    assert await me.ask("POST", "/threads/count", {}) == 1


async def test_a_search_for_anothers_finds_nothing(tmp_path: Path) -> None:
    hook = Auth()

    @hook.authenticate
    async def authenticate(authorization: str) -> str:
        return authorization

    @hook.on.threads.search
    async def own(ctx: Any, value: Any) -> dict[str, str]:
        return {"owner": ctx.user.identity}

    async with guarded(tmp_path, hook) as http:
        you = Caller(http, "you")
        await you.ask("POST", "/threads", {"metadata": {"owner": "me"}})
        asked = {"metadata": {"owner": "me"}}
        assert await you.ask("POST", "/threads/search", asked) == []
        assert await you.ask("POST", "/threads/count", asked) == 0
        assert len(await Caller(http, "me").ask("POST", "/threads/search", asked)) == 1


async def test_an_id_that_is_taken_by_another_is_a_conflict(me: Caller, you: Caller) -> None:
    asked = {"thread_id": UNKNOWN, "if_exists": "do_nothing"}
    await me.ask("POST", "/threads", asked)
    assert await you.status("POST", "/threads", asked) == 409
    assert (await me.ask("POST", "/threads", asked))["metadata"] == {"owner": "me"}


async def test_a_run_goes_on_ones_own_thread_and_knows_its_user(me: Caller, you: Caller) -> None:
    thread = await me.ask("POST", "/threads", {})
    path = f"/threads/{thread['thread_id']}/runs"
    run = await me.ask("POST", path, {"assistant_id": "who", "input": {"topic": "x"}})
    assert run["metadata"]["owner"] == "me"
    assert (await me.ask("GET", f"{path}/{run['run_id']}/join"))["topic"] == "asked by me"
    assert await you.status("GET", f"{path}/{run['run_id']}") == 404
    assert await you.status("POST", f"{path}/{run['run_id']}/cancel") == 404
    assert await you.status("DELETE", f"{path}/{run['run_id']}") == 404


async def test_a_thread_that_a_run_makes_belongs_to_who_runs(me: Caller, you: Caller) -> None:
    asked = {"assistant_id": "agent", "input": {"topic": "x"}, "if_not_exists": "create"}
    await me.ask("POST", f"/threads/{UNKNOWN}/runs/wait", asked)
    assert (await me.ask("GET", f"/threads/{UNKNOWN}"))["metadata"]["owner"] == "me"
    assert await you.status("POST", f"/threads/{UNKNOWN}/runs/wait", asked) == 404


async def test_a_thread_that_a_session_makes_belongs_to_who_opened_it(
    me: Caller, you: Caller
) -> None:
    path = f"/threads/{UNKNOWN}"
    params = {"assistant_id": "who", "input": {"topic": "x"}}
    asked = {"id": 1, "method": "run.start", "params": params}
    run_id = (await me.ask("POST", f"{path}/commands", asked))["result"]["run_id"]
    assert (await me.ask("GET", f"{path}/runs/{run_id}/join"))["topic"] == "asked by me"
    assert (await me.ask("GET", path))["metadata"]["owner"] == "me"
    assert await you.status("POST", f"{path}/commands", asked) == 404


async def test_a_stateless_run_is_its_owners(me: Caller, you: Caller) -> None:
    asked = {"assistant_id": "agent", "input": {"topic": "x"}}
    answer = await me.send("POST", "/runs/stream", asked)
    location = answer.headers["location"]
    assert await me.status("GET", location) == 200
    assert await you.status("GET", location) == 404
    assert (await me.ask("POST", "/runs/wait", asked))["topic"] == "x and cats"


async def test_cancelling_many_names_ones_own_thread(me: Caller, you: Caller) -> None:
    thread = await me.ask("POST", "/threads", {})
    asked = {"thread_id": thread["thread_id"], "run_ids": [UNKNOWN]}
    assert await you.status("POST", "/runs/cancel", asked) == 404
    assert await you.status("POST", "/runs/cancel", {"status": "all"}) == 403


async def test_pruning_names_ones_own_threads(me: Caller, you: Caller) -> None:
    thread = await me.ask("POST", "/threads", {})
    asked = {"thread_ids": [thread["thread_id"]], "strategy": "delete"}
    assert await you.status("POST", "/threads/prune", asked) == 404
    assert await me.ask("POST", "/threads/prune", asked) == {"pruned_count": 1}


async def test_what_a_handler_forbids_is_forbidden(me: Caller) -> None:
    assert await me.status("POST", "/assistants", {"graph_id": "agent"}) == 403
    assert len(await me.ask("POST", "/assistants/search", {})) == 2


@pytest.mark.parametrize("body", [[], "x", {"metadata": 3}], ids=repr)
async def test_a_body_that_handlers_cannot_be_shown_is_refused(me: Caller, body: Any) -> None:
    assert await me.status("POST", "/threads", body) == 422


async def test_what_no_rule_knows_is_not_there(me: Caller) -> None:
    assert await me.status("POST", "/threads/x/y/../../z") in (404, 405)
    assert await me.status("PUT", "/threads") == 404
    assert await me.status("GET", "/info") == 200


async def test_the_store_has_a_namespace_for_each(me: Caller, you: Caller) -> None:
    item = {"namespace": ["notes"], "key": "k", "value": {"text": "mine"}}
    await me.ask("PUT", "/store/items", item)
    asked = "/store/items?namespace=notes&key=k"
    assert (await me.ask("GET", asked))["value"] == {"text": "mine"}
    assert await you.ask("GET", asked) is None
    found = await me.ask("POST", "/store/items/search", {"namespace_prefix": ["notes"]})
    assert [each["key"] for each in found["items"]] == ["k"]
    assert (await you.ask("POST", "/store/items/search", {"namespace_prefix": []}))["items"] == []
    assert (await you.ask("POST", "/store/namespaces", {}))["namespaces"] == []
    await you.ask("DELETE", "/store/items", {"namespace": ["notes"], "key": "k"})
    assert (await me.ask("GET", asked))["value"] == {"text": "mine"}


async def test_frames_tell_the_same_after_a_restart_and_nothing_of_who_asked(
    tmp_path: Path,
) -> None:
    hook = Auth()

    @hook.authenticate
    async def authenticate() -> dict[str, Any]:
        return {"identity": "me", "permissions": ["p"], "token": "secret"}

    async with guarded(tmp_path, hook) as http:
        thread = (await http.post("/threads", json={})).json()["thread_id"]
        modes = ["checkpoints", "debug", "tasks", "values"]
        asked = {"assistant_id": "who", "input": {"topic": "x"}, "stream_mode": modes}
        live = await http.post(f"/threads/{thread}/runs/stream", json=asked)
    place = live.headers["location"]
    async with guarded(tmp_path, hook) as http:
        replayed = await http.get(place, headers={"last-event-id": "-1"})
    assert replayed.text == live.text
    assert "asked by me" in live.text
    assert "secret" not in live.text
