"""/runs/crons over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent_server.firing import run_of
from tests.agent_server.harness.graphs import agent
from tests.agent_server.serving import Serving, serving

AGENT = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"
OTHER = "22222222-2222-4222-8222-222222222222"
YEARLY: dict[str, Any] = {
    "assistant_id": "agent",
    "schedule": "0 0 1 1 *",
    "input": {"topic": "c"},
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path, {"agent": agent}) as server:
        yield server


async def test_a_cron_is_made_and_shown(server: Serving) -> None:
    made = await server.ask("POST", "/runs/crons", {**YEARLY, "metadata": {"m": 1}, "zzz": 1})

    assert list(made) == [
        "cron_id",
        "assistant_id",
        "thread_id",
        "user_id",
        "end_time",
        "schedule",
        "timezone",
        "payload",
        "next_run_date",
        "metadata",
        "on_run_completed",
        "enabled",
        "created_at",
        "updated_at",
    ]
    assert made["assistant_id"] == AGENT
    assert (made["thread_id"], made["user_id"], made["end_time"]) == (None, "", None)
    assert made["timezone"] is None
    assert made["next_run_date"].endswith("-01-01T00:00:00+00:00")
    assert made["payload"] == {
        "assistant_id": AGENT,
        "schedule": "0 0 1 1 *",
        "input": {"topic": "c"},
        "metadata": {"m": 1},
        "config": {"configurable": {"cron_id": made["cron_id"]}},
    }
    assert (made["metadata"], made["on_run_completed"], made["enabled"]) == (
        {"m": 1},
        "delete",
        True,
    )
    assert await server.ask("GET", f"/runs/crons/{made['cron_id']}") == made


@pytest.mark.parametrize(
    "number",
    [123456789012345678901234567890, 10**400],
    ids=["beyond 64 bits", "beyond floats"],
)
async def test_its_body_and_metadata_keep_integers_of_any_size(
    server: Serving, number: int
) -> None:
    body = {**YEARLY, "input": {"n": number}, "metadata": {"m": number}}
    made = await server.ask("POST", "/runs/crons", body)

    assert (made["payload"]["input"], made["metadata"]) == ({"n": number}, {"m": number})
    assert await server.ask("GET", f"/runs/crons/{made['cron_id']}") == made
    assert await server.ask("POST", "/runs/crons/search", {"metadata": {"m": number}}) == [made]
    cron = await server.services.crons.get(made["cron_id"])
    assistant = await server.services.assistants.resolve("agent")
    assert run_of(cron, assistant, OTHER, 1.0).order.input == {"n": number}


async def test_a_cron_of_a_thread_needs_the_thread(server: Serving) -> None:
    thread = (await server.ask("POST", "/threads", {}))["thread_id"]

    made = await server.ask("POST", f"/threads/{thread}/runs/crons", YEARLY)

    assert (made["thread_id"], made["on_run_completed"]) == (thread, None)
    assert await server.refused("POST", f"/threads/{OTHER}/runs/crons", YEARLY, 404)
    assert await server.refused("POST", "/threads/x/runs/crons", YEARLY, 422)
    await server.ask("DELETE", f"/threads/{thread}", status=204)
    assert await server.ask("POST", "/runs/crons/count", {}) == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"schedule": None}, 422),
        ({"schedule": "xx"}, 422),
        ({"schedule": 5}, 422),
        ({"timezone": "Nope"}, 422),
        ({"timezone": "../../etc/passwd"}, 422),
        ({"end_time": "soon"}, 422),
        ({"enabled": "maybe"}, 422),
        ({"on_run_completed": "burn"}, 422),
        ({"assistant_id": "nope"}, 422),
        ({"assistant_id": OTHER}, 404),
        ({"assistant_id": None}, 422),
        ({"webhook": "file:///etc/passwd"}, 422),
        ({"metadata": 5}, 422),
        ({"stream_mode": "nothing"}, 422),
        ({"command": {"resume": 1}}, 400),
        ({"context": {"a": 1}, "config": {"configurable": {"b": 1}}}, 400),
    ],
)
async def test_a_cron_that_cannot_be_is_refused(
    server: Serving, change: dict[str, Any], status: int
) -> None:
    assert await server.refused("POST", "/runs/crons", {**YEARLY, **change}, status)
    assert await server.ask("POST", "/runs/crons/count", {}) == 0


async def test_a_bad_schedule_is_told_with_a_good_one(server: Serving) -> None:
    detail = await server.refused("POST", "/runs/crons", {**YEARLY, "schedule": "xx"}, 422)

    assert detail.startswith("Invalid cron schedule: 'xx'")
    assert "'*/5 * * * *'" in detail


async def test_a_patch_changes_what_it_names(server: Serving) -> None:
    made = await server.ask("POST", "/runs/crons", {**YEARLY, "end_time": "2050-01-01T00:00:00Z"})
    path = f"/runs/crons/{made['cron_id']}"
    assert made["end_time"] == "2050-01-01T00:00:00+00:00"

    off = await server.ask("PATCH", path, {"enabled": False})
    assert off["enabled"] is False
    assert off["payload"]["enabled"] is False
    assert off["schedule"] == made["schedule"]

    later = await server.ask(
        "PATCH",
        path,
        {"schedule": "0 12 * * *", "timezone": "Asia/Tokyo", "input": {"x": 1}, "end_time": None},
    )
    assert (later["schedule"], later["timezone"]) == ("0 12 * * *", "Asia/Tokyo")
    assert later["next_run_date"].endswith("T03:00:00+00:00")
    assert (later["payload"]["input"], later["end_time"]) == ({"x": 1}, None)
    assert later["assistant_id"] == AGENT

    for wrong in ({"schedule": "x"}, {"timezone": "x"}, {"enabled": 5}, {"end_time": "x"}):
        assert await server.refused("PATCH", path, wrong, 422)
    for id_, status in ((OTHER, 404), ("x", 422)):
        for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
            assert await server.refused(method, f"/runs/crons/{id_}", body, status)
    assert await server.ask("GET", path) == later


async def test_crons_are_searched_counted_and_deleted(server: Serving) -> None:
    first = await server.ask("POST", "/runs/crons", YEARLY)
    second = await server.ask("POST", "/runs/crons", {**YEARLY, "metadata": {"m": 1}})

    answer = await server.http.post("/runs/crons/search", json={"limit": 1, "select": ["cron_id"]})
    assert answer.json() == [{"cron_id": second["cron_id"]}]
    assert answer.headers["x-pagination-total"] == "2"
    assert answer.headers["x-pagination-next"] == "1"
    for body, expected in (
        ({"metadata": {"m": 1}}, [second]),
        ({"assistant_id": "agent", "sort_order": "asc"}, [first, second]),
        ({"assistant_id": AGENT, "enabled": False}, []),
        ({"thread_id": OTHER}, []),
    ):
        assert await server.ask("POST", "/runs/crons/search", body) == expected
    for wrong in ({"limit": 0}, {"thread_id": "x"}, {"sort_by": "x"}, {"select": ["x"]}):
        assert await server.refused("POST", "/runs/crons/search", wrong, 422)

    assert await server.ask("POST", "/runs/crons/count", {"metadata": {"m": 1}}) == 1
    await server.ask("DELETE", f"/runs/crons/{first['cron_id']}", status=204)
    assert await server.ask("POST", "/runs/crons/count", {}) == 1


async def test_its_runs_are_what_its_body_says_and_know_their_cron(server: Serving) -> None:
    body = {**YEARLY, "context": {"a": 1}, "metadata": {"m": 1}, "on_run_completed": "keep"}
    made = await server.ask("POST", "/runs/crons", body)
    cron = await server.services.crons.get(made["cron_id"])
    assistant = await server.services.assistants.resolve("agent")

    run = run_of(cron, assistant, OTHER, 1.0)

    assert (run.run_id, run.assistant_id, run.stateless) == (OTHER, AGENT, False)
    assert run.order.input == {"topic": "c"}
    assert run.order.context == {"a": 1}
    assert run.order.config["configurable"] == {"cron_id": cron.cron_id}
    assert run.order.metadata.items() >= {"m": 1, "graph_id": "agent"}.items()


async def test_a_cron_that_fires_leaves_a_thread_if_that_is_asked(server: Serving) -> None:
    body = {**YEARLY, "schedule": "* * * * * *", "on_run_completed": "keep"}
    made = await server.ask("POST", "/runs/crons", body)

    while not (found := await server.ask("POST", "/threads/search", {"status": "idle"})):
        pass
    await server.ask("DELETE", f"/runs/crons/{made['cron_id']}", status=204)

    assert found[0]["values"] == {
        "topic": "c and cats",
        "joke": "This is a joke about c and cats",
    }
