"""/assistants over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypedDict

import pytest

from actors import START, StateGraph
from checkpoint import new_id
from tests.agent_server.database import keep_run
from tests.agent_server.harness.graphs import agent, hitl, sub
from tests.agent_server.serving import Serving, serving

AGENT = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"
SUB = "98812fd3-422f-502b-8c4e-fc3ed34d5061"
ID = "33333333-3333-4333-8333-333333333333"
OTHER = "22222222-2222-4222-8222-222222222222"


class Settings(TypedDict, total=False):
    model: str


class Odd:
    """No JSON schema is made of it."""


class Strange(TypedDict):
    odd: Odd


def odd() -> Any:
    builder = StateGraph(Strange, context_schema=Settings)
    builder.add_node("a", lambda state: state)
    builder.add_edge(START, "a")
    return builder.compile()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path, {"agent": agent, "hitl": hitl, "sub": sub, "odd": odd}) as server:
        yield server


async def test_each_graph_has_its_assistant(server: Serving) -> None:
    answer = await server.http.post("/assistants/search", json={})

    assert [each["name"] for each in answer.json()] == ["odd", "sub", "hitl", "agent"]
    assert answer.headers["x-pagination-total"] == "4"
    assert "x-pagination-next" not in answer.headers
    assert answer.json()[-1] == await server.ask("GET", f"/assistants/{AGENT}")
    assert answer.json()[-1]["metadata"] == {"created_by": "system"}


async def test_an_assistant_is_made_and_shown(server: Serving) -> None:
    made = await server.ask(
        "POST",
        "/assistants",
        {
            "graph_id": "agent",
            "name": "mine",
            "metadata": {"x": 1},
            "config": {"configurable": {"a": 1}, "tags": ["t"]},
            "description": "d",
            "zzz": 1,
        },
    )

    assert {**made, "assistant_id": "", "created_at": "", "updated_at": ""} == {
        "assistant_id": "",
        "graph_id": "agent",
        "config": {"configurable": {"a": 1}, "tags": ["t"]},
        "context": {"a": 1},
        "metadata": {"x": 1},
        "name": "mine",
        "created_at": "",
        "updated_at": "",
        "version": 1,
        "description": "d",
    }
    assert await server.ask("GET", f"/assistants/{made['assistant_id']}") == made


@pytest.mark.parametrize(
    "number",
    [123456789012345678901234567890, 10**400],
    ids=["beyond 64 bits", "beyond floats"],
)
async def test_an_assistant_keeps_integers_of_any_size(server: Serving, number: int) -> None:
    body = {"graph_id": "agent", "assistant_id": ID, "metadata": {"n": number}}
    configured = {**body, "config": {"configurable": {"n": -number}}}
    made = await server.ask("POST", "/assistants", configured)

    assert (made["metadata"], made["config"]) == ({"n": number}, configured["config"])
    assert await server.ask("GET", f"/assistants/{ID}") == made
    assert await server.ask("POST", "/assistants/search", {"metadata": {"n": number}}) == [made]
    [version] = await server.ask("POST", f"/assistants/{ID}/versions", {})
    assert version["config"] == configured["config"]
    patched = await server.ask("PATCH", f"/assistants/{ID}", {"context": {"c": number}})
    assert patched["context"]["c"] == number
    assert (await server.ask("GET", f"/assistants/{ID}"))["context"] == patched["context"]


async def test_an_id_that_is_taken_is_refused_unless_that_is_expected(server: Serving) -> None:
    body = {"graph_id": "agent", "assistant_id": ID}
    made = await server.ask("POST", "/assistants", body)

    detail = await server.refused("POST", "/assistants", body, 409)
    assert detail == f"Assistant {ID} already exists"
    again = {**body, "if_exists": "do_nothing", "name": "other"}
    assert await server.ask("POST", "/assistants", again) == made


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"graph_id": 5}, 422),
        ({"graph_id": "nope"}, 404),
        ({"graph_id": "agent", "assistant_id": "x"}, 422),
        ({"graph_id": "agent", "if_exists": "maybe"}, 422),
        ({"graph_id": "agent", "config": "x"}, 422),
        ({"graph_id": "agent", "config": {"configurable": 5}}, 422),
        ({"graph_id": "agent", "metadata": []}, 422),
        (
            {"graph_id": "agent", "config": {"configurable": {"a": 1}}, "context": {"a": 1}},
            400,
        ),
    ],
)
async def test_an_assistant_that_cannot_be_is_refused(
    server: Serving, body: dict[str, Any], status: int
) -> None:
    assert await server.refused("POST", "/assistants", body, status)
    assert await server.ask("POST", "/assistants/count", {}) == 4


async def test_unknown_and_impossible_ids_are_told_apart(server: Serving) -> None:
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("PATCH", "", {"name": "x"}),
        ("POST", "/versions", {}),
        ("POST", "/latest", {"version": 1}),
        ("GET", "/schemas", None),
        ("GET", "/subgraphs", None),
        ("GET", "/graph", None),
    ):
        assert await server.refused(method, f"/assistants/{OTHER}{path}", body, 404)
        assert await server.refused(method, f"/assistants/nope{path}", body, 422)
    detail = await server.refused("GET", "/assistants/agent", None, 422)
    assert detail == "Invalid assistant ID: must be a UUID"


async def test_a_patch_is_a_version_and_any_can_be_chosen(server: Serving) -> None:
    body = {"graph_id": "agent", "assistant_id": ID, "name": "one", "metadata": {"x": 1}}
    await server.ask("POST", "/assistants", body)

    patched = await server.ask(
        "PATCH", f"/assistants/{ID}", {"name": "two", "metadata": {"y": 2}, "graph_id": "sub"}
    )
    assert (patched["version"], patched["name"], patched["graph_id"]) == (2, "two", "sub")
    assert patched["metadata"] == {"x": 1, "y": 2}

    versions = await server.ask("POST", f"/assistants/{ID}/versions", {})
    assert [(each["version"], each["name"]) for each in versions] == [(2, "two"), (1, "one")]
    assert "updated_at" not in versions[0]
    chosen = await server.ask("POST", f"/assistants/{ID}/latest", {"version": 1})
    assert (chosen["version"], chosen["name"]) == (1, "one")
    assert await server.refused("POST", f"/assistants/{ID}/latest", {"version": 9}, 404)
    for wrong in ({}, {"version": "x"}, {"version": 0}, {"version": 2**70}):
        assert await server.refused("POST", f"/assistants/{ID}/latest", wrong, 422)
    for wrong in ({"limit": 0}, {"metadata": 1}, {"offset": -1}):
        assert await server.refused("POST", f"/assistants/{ID}/versions", wrong, 422)


async def test_a_search_takes_all_its_conditions(server: Serving) -> None:
    await server.ask(
        "POST", "/assistants", {"graph_id": "agent", "name": "Red", "metadata": {"o": 1}}
    )

    for body, expected in (
        ({"graph_id": "agent"}, ["Red", "agent"]),
        ({"name": "red"}, ["Red"]),
        ({"metadata": {"o": 1}}, ["Red"]),
        ({"sort_by": "name", "sort_order": "asc", "limit": 2}, ["Red", "agent"]),
        ({"metadata": None, "name": None, "limit": 1}, ["Red"]),
    ):
        answer = await server.http.post("/assistants/search", json={**body, "select": ["name"]})
        assert answer.json() == [{"name": name} for name in expected]
    assert answer.headers["x-pagination-total"] == "5"
    assert answer.headers["x-pagination-next"] == "1"
    assert await server.ask("POST", "/assistants/count", {"graph_id": "agent"}) == 2


@pytest.mark.parametrize(
    "body",
    [{"limit": 0}, {"limit": 1001}, {"sort_by": "x"}, {"select": ["x"]}, {"metadata": 5}],
)
async def test_a_search_that_cannot_be_is_refused(server: Serving, body: dict[str, Any]) -> None:
    assert await server.refused("POST", "/assistants/search", body, 422)


async def test_a_deleted_assistant_takes_its_threads_along_if_asked(server: Serving) -> None:
    for id_ in (ID, OTHER):
        await server.ask("POST", "/assistants", {"graph_id": "agent", "assistant_id": id_})
        await server.ask("POST", "/threads", {"metadata": {"assistant_id": id_}})

    await server.ask("DELETE", f"/assistants/{ID}", status=204)
    assert await server.ask("POST", "/threads/count", {}) == 2
    await server.ask("DELETE", f"/assistants/{OTHER}?delete_threads=true", status=204)
    [left] = await server.ask("POST", "/threads/search", {})
    assert left["metadata"] == {"assistant_id": ID}
    assert await server.refused("DELETE", f"/assistants/{AGENT}", None, 409)


async def test_a_thread_that_cannot_go_with_its_assistant_keeps_no_other(server: Serving) -> None:
    made, of_it = {"graph_id": "agent", "assistant_id": ID}, {"metadata": {"assistant_id": ID}}
    await server.ask("POST", "/assistants", made)
    ids = [(await server.ask("POST", "/threads", of_it))["thread_id"] for _ in range(3)]
    run_id = new_id()
    await server.services.tables.write(lambda db: keep_run(db, run_id, ids[0], "running"))

    text = await server.refused("DELETE", f"/assistants/{ID}?delete_threads=true", None, 409)

    assert "The assistant is deleted, but of its threads these stay" in text
    assert f"{ids[0]} (Run {run_id} was taken by another server" in text
    [left] = await server.ask("POST", "/threads/search", {})
    assert left["thread_id"] == ids[0]
    assert await server.refused("GET", f"/assistants/{ID}", None, 404)


async def test_what_an_assistant_runs_on_that_is_made_anew_is_its_own(server: Serving) -> None:
    made, of_it = {"graph_id": "agent", "assistant_id": ID}, {"metadata": {"assistant_id": ID}}
    await server.ask("POST", "/assistants", made)
    ids = [(await server.ask("POST", "/threads", of_it))["thread_id"] for _ in range(3)]
    held = await server.services.saver.claim(ids[1], "a script", timeout=0)
    path = f"/assistants/{ID}?delete_threads=true"
    deleting = asyncio.ensure_future(server.ask("DELETE", path, status=204))
    while (await server.http.get(f"/threads/{ids[0]}")).status_code == 200:
        pass
    await server.ask("DELETE", f"/threads/{ids[2]}", status=204)  # by somebody else
    await server.ask("POST", "/assistants", made)
    new = await server.ask("POST", "/threads", of_it)
    server.services.saver.release(held)
    await deleting
    [left] = await server.ask("POST", "/threads/search", {})
    assert left["thread_id"] == new["thread_id"]


async def test_a_graph_is_drawn_by_id_and_by_name(server: Serving) -> None:
    drawn = await server.ask("GET", f"/assistants/{AGENT}/graph")

    assert drawn == {
        "nodes": [
            {"id": "__start__", "type": "runnable", "data": {"name": "__start__"}},
            {"id": "refine_topic", "type": "runnable", "data": {"name": "refine_topic"}},
            {"id": "generate_joke", "type": "runnable", "data": {"name": "generate_joke"}},
            {"id": "__end__"},
        ],
        "edges": [
            {"source": "__start__", "target": "refine_topic"},
            {"source": "refine_topic", "target": "generate_joke"},
            {"source": "generate_joke", "target": "__end__"},
        ],
    }
    assert await server.ask("GET", "/assistants/agent/graph") == drawn


async def test_graphs_inside_are_drawn_as_deep_as_asked(server: Serving) -> None:
    for xray in ("true", "1", "9"):
        drawn = await server.ask("GET", f"/assistants/sub/graph?xray={xray}")
        names = {each["id"] for each in drawn["nodes"]}
        assert {"node_2:subgraph_node_1", "node_2:subgraph_node_2"} <= names
    plain = await server.ask("GET", "/assistants/sub/graph?xray=false")
    assert "node_2" in {each["id"] for each in plain["nodes"]}
    for wrong in ("0", "-1", "x", "9" * 5000 + "x"):
        assert await server.refused("GET", f"/assistants/sub/graph?xray={wrong}", None, 422)


async def test_schemas_say_what_a_graph_takes_and_gives(server: Serving) -> None:
    shown = await server.ask("GET", f"/assistants/{AGENT}/schemas")

    assert list(shown) == [
        "graph_id",
        "input_schema",
        "output_schema",
        "state_schema",
        "config_schema",
        "context_schema",
    ]
    assert shown["graph_id"] == "agent"
    assert shown["input_schema"]["properties"].keys() == {"topic", "joke"}
    assert shown["state_schema"]["properties"]["topic"] == {
        "default": None,
        "title": "Topic",
        "type": "string",
    }
    assert (shown["config_schema"], shown["context_schema"]) == ({}, None)


async def test_a_schema_that_cannot_be_made_is_null(server: Serving) -> None:
    [assistant] = await server.ask("POST", "/assistants/search", {"graph_id": "odd"})

    shown = await server.ask("GET", f"/assistants/{assistant['assistant_id']}/schemas")

    assert shown["input_schema"] is None
    assert shown["context_schema"]["properties"].keys() == {"model"}
    assert shown["config_schema"] == shown["context_schema"]


async def test_graphs_inside_have_schemas_of_their_own(server: Serving) -> None:
    everything = await server.ask("GET", f"/assistants/{SUB}/subgraphs")
    one = await server.ask("GET", f"/assistants/{SUB}/subgraphs/node_2?recurse=true")

    assert list(everything) == ["node_2"]
    assert everything == one
    assert one["node_2"]["state_schema"]["properties"].keys() == {"foo", "bar"}
    assert await server.ask("GET", f"/assistants/{SUB}/subgraphs/nope") == {}
    assert await server.ask("GET", f"/assistants/{AGENT}/subgraphs") == {}
