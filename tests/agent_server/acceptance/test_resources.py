"""Assistants, threads, states, the store and crons, as the real client sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess

ID = "11111111-1111-4111-8111-111111111111"
AGENT = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path / "server.db") as server:
        yield server


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[LangGraphClient]:
    async with server.client() as client:
        yield client


async def test_assistants(client: LangGraphClient) -> None:
    assert (await client.assistants.get(AGENT))["graph_id"] == "agent"
    made = await client.assistants.create(
        "agent", context={"a": 1}, metadata={"x": 1}, name="mine", description="d"
    )
    id_ = made["assistant_id"]
    patched = await client.assistants.update(id_, name="mine2", metadata={"y": 2})
    assert (patched["version"], patched["metadata"]) == (2, {"x": 1, "y": 2})
    assert len(await client.assistants.get_versions(id_)) == 2
    assert (await client.assistants.set_latest(id_, 1))["name"] == "mine"
    found = await client.assistants.search(
        metadata={"x": 1}, limit=1, response_format="object", sort_by="name", sort_order="asc"
    )
    assert [each["assistant_id"] for each in found["assistants"]] == [id_]
    assert found["next"] is None
    assert await client.assistants.count(graph_id="agent") == 2
    assert len((await client.assistants.get_graph(id_, xray=True))["nodes"]) == 4
    assert (await client.assistants.get_schemas(id_))["graph_id"] == "agent"
    assert await client.assistants.get_subgraphs(id_, recurse=True) == {}
    await client.assistants.delete(id_)
    with pytest.raises(NotFoundError):
        await client.assistants.get(id_)


async def test_threads(client: LangGraphClient) -> None:
    made = await client.threads.create(
        thread_id=ID, metadata={"k": "v"}, graph_id="agent", if_exists="raise", ttl=60
    )
    assert made["metadata"] == {"k": "v", "graph_id": "agent"}
    with pytest.raises(ConflictError):
        await client.threads.create(thread_id=ID, if_exists="raise")
    assert await client.threads.create(thread_id=ID, if_exists="do_nothing") == made
    shown = await client.threads.get(ID, include=["ttl"])
    assert shown["ttl"]["ttl_minutes"] == 60  # type: ignore[typeddict-item]

    patched = await client.threads.update(ID, metadata={"k2": 2})
    assert patched["metadata"]["k2"] == 2  # type: ignore[index]
    assert await client.threads.update(ID, metadata={}, return_minimal=True) is None
    found = await client.threads.search(
        metadata={"k": "v"}, values={}, status="idle", select=["thread_id"], ids=[ID]
    )
    assert found == [{"thread_id": ID}]
    assert await client.threads.count(metadata={"k": "v"}) == 1
    copy = await client.threads.copy(ID)
    assert copy["metadata"] == patched["metadata"]  # type: ignore[index]
    assert await client.threads.prune([ID], strategy="keep_latest") == {"pruned_count": 1}
    await client.threads.delete(ID)
    with pytest.raises(NotFoundError):
        await client.threads.get(ID)
    with pytest.raises(UnprocessableEntityError):
        await client.threads.get("abc")


async def test_states(client: LangGraphClient) -> None:
    thread = await client.threads.create(
        graph_id="agent",
        supersteps=[
            {"updates": [{"values": {"topic": "s"}, "as_node": "__start__"}]},
            {"updates": [{"values": {"topic": "s2"}, "as_node": "refine_topic"}]},
        ],
    )
    id_ = thread["thread_id"]
    state = await client.threads.get_state(id_)
    assert (state["values"], state["next"]) == ({"topic": "s2"}, ["generate_joke"])
    assert await client.threads.get_state(id_, checkpoint=state["checkpoint"]) == state
    by_id = await client.threads.get_state(id_, checkpoint_id=state["checkpoint"]["checkpoint_id"])
    assert by_id == state
    picked: Any = await client.threads.get_state(id_, select=["values.topic"], subgraphs=True)
    assert picked == {"values": {"topic": "s2"}}

    await client.threads.update_state(id_, {"joke": "j"}, as_node="generate_joke")
    history = await client.threads.get_history(id_, limit=5)
    assert len(history) == 3
    before: Any = history[0]["checkpoint"]
    assert await client.threads.get_history(id_, before=before, limit=1) == history[1:2]
    updated = await client.threads.get_history(id_, metadata={"source": "update"}, limit=2)
    assert updated == history[:2]


async def test_a_run_leaves_a_thread_that_is_found_by_what_it_holds(
    client: LangGraphClient,
) -> None:
    thread = await client.threads.create()
    await client.threads.create()

    await client.runs.wait(thread["thread_id"], "agent", input={"topic": "a"})

    [found] = await client.threads.search(
        values={"topic": "a and cats"},
        metadata={"assistant_id": AGENT},
        extract={"joke": "values.joke"},
    )
    assert found["thread_id"] == thread["thread_id"]
    assert found["extracted"]["joke"].startswith("This is a joke")  # type: ignore[typeddict-item]
    assert (found["status"], found["interrupts"]) == ("idle", {})
    state = await client.threads.get_state(thread["thread_id"])
    metadata: Any = state["metadata"]
    assert metadata["assistant_id"] == AGENT
    assert metadata["run_attempt"] == 1
    assert metadata["run_id"]
    history = await client.threads.get_history(thread["thread_id"])
    assert [each["metadata"]["step"] for each in history] == [2, 1, 0, -1]  # type: ignore[index]


async def test_a_question_shows_in_the_thread_and_its_state(client: LangGraphClient) -> None:
    id_ = (await client.threads.create())["thread_id"]

    await client.runs.wait(id_, "hitl", input={"text": "a"})

    thread = await client.threads.get(id_)
    state = await client.threads.get_state(id_)
    assert (thread["status"], state["next"]) == ("interrupted", ["ask"])
    [(task, asked)] = thread["interrupts"].items()
    assert task == state["tasks"][0]["id"]
    assert asked == state["tasks"][0]["interrupts"] == state["interrupts"]  # type: ignore[typeddict-item]


async def test_a_thread_with_a_running_run_is_not_changed_but_copied_and_deleted(
    client: LangGraphClient,
) -> None:
    async with Gate() as gate:
        id_ = (await client.threads.create())["thread_id"]
        run = await client.runs.create(id_, "slow", input={"gate": gate.address, "log": []})
        assert await gate.arrival() == "step1"

        assert (await client.threads.get(id_))["status"] == "busy"
        with pytest.raises(ConflictError, match=run["run_id"]):
            await client.threads.update_state(id_, {"log": ["ext"]}, as_node="step1")
        assert (await client.threads.copy(id_))["status"] == "idle"
        await client.threads.delete(id_)

        with pytest.raises(NotFoundError):
            await client.threads.get(id_)
        with pytest.raises(NotFoundError):
            await client.runs.get(id_, run["run_id"])
    again = await client.threads.create(thread_id=id_, graph_id="slow")
    assert (await client.threads.get_state(again["thread_id"]))["values"] == {}


async def test_nothing_is_known_of_what_ran_on_a_deleted_thread(client: LangGraphClient) -> None:
    id_ = (await client.threads.create())["thread_id"]
    run = await client.runs.create(id_, "agent", input={"topic": "a"})
    await client.runs.join(id_, run["run_id"])

    await client.threads.delete(id_)

    with pytest.raises(NotFoundError):
        await client.runs.get(id_, run["run_id"])
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await client.runs.join(id_, run["run_id"])
    with pytest.raises(NotFoundError):
        [_ async for _ in client.runs.join_stream(id_, run["run_id"], last_event_id="-1")]


async def test_the_store(client: LangGraphClient) -> None:
    await client.store.put_item(["u", "1"], "k", {"a": 1}, index=False, ttl=60)

    item = await client.store.get_item(["u", "1"], "k", refresh_ttl=True)
    assert item["value"] == {"a": 1}
    found = await client.store.search_items(["u"], filter={"a": 1}, limit=5)
    assert [each["key"] for each in found["items"]] == ["k"]
    assert await client.store.list_namespaces(prefix=["u"], max_depth=2) == {
        "namespaces": [["u", "1"]]
    }
    await client.store.delete_item(["u", "1"], "k")
    assert await client.store.get_item(["u", "1"], "k") is None
    with pytest.raises(ValueError, match="periods"):
        await client.store.put_item(["u.x"], "k", {})


async def test_crons(client: LangGraphClient) -> None:
    made: Any = await client.crons.create(
        "agent", schedule="0 0 1 1 *", input={"topic": "c"}, timezone="Europe/Berlin"
    )
    thread = await client.threads.create()
    await client.crons.create_for_thread(
        thread["thread_id"], "agent", schedule="0 0 1 1 *", input={"topic": "c"}
    )

    assert await client.crons.count(assistant_id=AGENT) == 2
    [found] = await client.crons.search(thread_id=thread["thread_id"])
    assert found["schedule"] == "0 0 1 1 *"
    off = await client.crons.update(made["cron_id"], enabled=False)
    assert off["enabled"] is False  # type: ignore[typeddict-item]
    await client.crons.delete(made["cron_id"])
    assert await client.crons.count() == 1
    with pytest.raises(UnprocessableEntityError, match="every five minutes"):
        await client.crons.create("agent", schedule="xx")


async def test_all_of_it_is_there_after_a_kill(
    server: ServerProcess, client: LangGraphClient
) -> None:
    id_ = (await client.threads.create(metadata={"k": "v"}))["thread_id"]
    await client.runs.wait(id_, "agent", input={"topic": "a"})
    assistant = await client.assistants.create("agent", name="mine")
    cron: Any = await client.crons.create("agent", schedule="0 0 1 1 *")
    await client.store.put_item(["u"], "k", {"a": 1})
    thread, state = await client.threads.get(id_), await client.threads.get_state(id_)

    await server.kill()
    await server.restart()

    assert await client.threads.get(id_) == thread
    assert await client.threads.get_state(id_) == state
    assert await client.assistants.get(assistant["assistant_id"]) == assistant
    assert [each["cron_id"] for each in await client.crons.search()] == [cron["cron_id"]]
    assert (await client.store.get_item(["u"], "k"))["value"] == {"a": 1}
