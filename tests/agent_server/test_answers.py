"""Records and states as the JSON that clients read."""

from __future__ import annotations

import json
from typing import Any, TypedDict

import pytest

from actors import END, START, CompiledGraph, Interrupt, StateGraph, interrupt
from agent_server.answers import (
    assistant_json,
    checkpoint_json,
    cron_json,
    empty_state_json,
    interrupt_json,
    interrupts_of,
    moment,
    order_json,
    picked,
    run_json,
    state_json,
    thread_json,
    version_json,
)
from agent_server.jsontext import to_json
from agent_server.records import Assistant, Cron, Order, Run, Thread, Ttl
from checkpoint import MemorySaver

NOW = 1_795_219_282.210048
TEXT = "2026-11-21T00:01:22.210048+00:00"
CONFIG: dict[str, Any] = {
    "configurable": {"thread_id": "t", "graph_id": "g", "run_id": "r"},
    "metadata": {"created_by": "system"},
}


class State(TypedDict, total=False):
    topic: str
    answer: str


def outer() -> CompiledGraph:
    """A graph whose second node is a graph that asks."""

    def ask(state: State) -> State:
        return {"answer": interrupt({"q": state.get("topic", "")})}

    inner = StateGraph(State)
    inner.add_node("ask", ask)
    inner.add_edge(START, "ask")
    builder = StateGraph(State)
    builder.add_node("tell", lambda state: {"topic": state["topic"] + "!"})
    builder.add_node("inner", inner.compile())
    builder.add_edge(START, "tell")
    builder.add_edge("tell", "inner")
    builder.add_edge("inner", END)
    return builder.compile(checkpointer=MemorySaver())


@pytest.fixture
async def waiting() -> CompiledGraph:
    graph = outer()
    await graph.ainvoke({"topic": "x"}, CONFIG)
    return graph


def thread(**given: Any) -> Thread:
    return Thread("t", NOW, NOW, NOW, {}, "idle", **given)


def test_times_have_microseconds_and_their_zone() -> None:
    assert moment(NOW) == TEXT
    assert moment(1_800_000_000) == "2027-01-15T08:00:00.000000+00:00"


def test_an_assistant_shows_its_version_and_a_version_its_time() -> None:
    assistant = Assistant("a", "g", "n", {"tags": []}, {"c": 1}, {"m": 1}, 3, NOW, NOW, "d")

    assert assistant_json(assistant) == {
        "assistant_id": "a",
        "graph_id": "g",
        "config": {"tags": []},
        "context": {"c": 1},
        "metadata": {"m": 1},
        "name": "n",
        "created_at": TEXT,
        "updated_at": TEXT,
        "version": 3,
        "description": "d",
    }
    assert version_json(assistant) == {
        key: value for key, value in assistant_json(assistant).items() if key != "updated_at"
    }


def test_a_thread_shows_what_it_asks_once_something_has_happened_on_it() -> None:
    fresh = thread_json(thread())
    assert list(fresh) == [
        "thread_id",
        "created_at",
        "updated_at",
        "state_updated_at",
        "metadata",
        "status",
        "config",
        "values",
    ]
    assert fresh["values"] is None

    ran = thread_json(thread(values={"a": 1}))
    assert list(ran) == [*fresh, "error", "interrupts"]
    assert (fresh["config"], ran["config"]) == ({}, {"configurable": {}})
    assert (ran["error"], ran["interrupts"]) == (None, {})
    failed = thread_json(thread(error={"error": "E", "message": "m"}))
    assert failed["error"] == {"error": "E", "message": "m"}


def test_a_thread_shows_its_time_to_live_when_asked() -> None:
    limited = thread(ttl=Ttl(60, "delete", NOW))

    assert "ttl" not in thread_json(limited)
    assert "ttl" not in thread_json(thread(), ttl=True)
    assert thread_json(limited, ttl=True)["ttl"] == {
        "strategy": "delete",
        "ttl_minutes": 60,
        "expires_at": TEXT,
    }


def test_a_run_shows_what_it_was_asked_as_its_kwargs() -> None:
    order = Order(input={"x": 1}, metadata={"m": 1}, stream_resumable=True, stream_mode=["updates"])
    run = Run("r", "t", "a", "g", order, "pending", NOW, NOW, stateless=True)

    shown = run_json(run)

    assert {**shown, "kwargs": None} == {
        "run_id": "r",
        "thread_id": "t",
        "assistant_id": "a",
        "metadata": {"m": 1},
        "status": "pending",
        "kwargs": None,
        "multitask_strategy": "enqueue",
        "created_at": TEXT,
        "updated_at": TEXT,
        "langsmith_session_name": None,
    }
    assert list(shown["kwargs"]) == list(order_json(order, temporary=True))
    assert shown["kwargs"]["resumable"] is True
    assert shown["kwargs"]["stream_mode"] == ["updates"]
    assert shown["kwargs"]["context"] == {}
    assert order_json(Order(durability="exit"))["checkpoint_during"] is False


def test_a_runs_config_shows_its_ids_as_its_nodes_find_them() -> None:
    config = {"configurable": {"a": 1, "thread_id": "x"}, "metadata": {"m": 0, "n": 2}, "tags": []}
    order = Order(config=config, metadata={"m": 1}, user={"identity": "me"})
    run = Run("r", "t", "a", "g", order, "pending", NOW, NOW)
    assert run_json(run)["kwargs"]["config"] == {
        "configurable": {
            "a": 1,
            "run_id": "r",
            "thread_id": "t",
            "graph_id": "g",
            "assistant_id": "a",
            "user_id": "me",
        },
        "metadata": {"m": 1, "n": 2},
        "tags": [],
    }
    bare = run_json(Run("r", "t", "a", "g", Order(), "pending", NOW, NOW))
    assert bare["kwargs"]["config"]["configurable"]["user_id"] == ""


def test_a_cron_shows_when_it_fires_next() -> None:
    cron = Cron("c", "a", None, "0 0 1 1 *", {"input": {}}, NOW, NOW, 1_798_761_600.0)

    shown = cron_json(cron)

    assert shown["next_run_date"] == "2027-01-01T00:00:00+00:00"
    assert shown["end_time"] is None
    assert shown["created_at"] == TEXT
    assert (shown["enabled"], shown["on_run_completed"]) == (True, "delete")


async def test_a_state_shows_its_checkpoint_and_the_one_before(waiting: CompiledGraph) -> None:
    shown = state_json(await waiting.aget_state(CONFIG))

    assert list(shown) == [
        "values",
        "next",
        "tasks",
        "metadata",
        "created_at",
        "checkpoint",
        "parent_checkpoint",
        "interrupts",
        "checkpoint_id",
        "parent_checkpoint_id",
    ]
    assert shown["values"] == {"topic": "x!"}
    assert shown["checkpoint"] == {
        "checkpoint_id": shown["checkpoint_id"],
        "thread_id": "t",
        "checkpoint_ns": "",
    }
    assert shown["parent_checkpoint"]["checkpoint_id"] == shown["parent_checkpoint_id"]
    assert shown["parent_checkpoint_id"] < shown["checkpoint_id"]
    expected = {"source": "loop", "step": 1, "thread_id": "t", "run_id": "r", "graph_id": "g"}
    assert shown["metadata"].items() >= expected.items()


async def test_a_task_shows_what_it_asks_and_the_graph_in_it(waiting: CompiledGraph) -> None:
    [plain] = state_json(await waiting.aget_state(CONFIG))["tasks"]
    [whole] = state_json(await waiting.aget_state(CONFIG, subgraphs=True))["tasks"]

    assert list(plain) == [
        "id",
        "name",
        "path",
        "error",
        "interrupts",
        "checkpoint",
        "state",
        "result",
    ]
    [asked] = plain["interrupts"]
    assert asked["value"] == {"q": "x!"}
    assert plain["state"] is None
    assert plain["checkpoint"]["checkpoint_ns"] == f"inner:{plain['id']}"
    assert json.loads(to_json(plain["path"])) == ["__pregel_pull", "inner"]
    inner = whole["state"]
    assert inner["next"] == ("ask",)
    assert inner["checkpoint"] == whole["checkpoint"]
    assert inner["checkpoint"]["checkpoint_map"].keys() == {
        "",
        whole["checkpoint"]["checkpoint_ns"],
    }


async def test_interrupts_are_listed_by_task(waiting: CompiledGraph) -> None:
    snapshot = await waiting.aget_state(CONFIG)

    [(task, [asked])] = interrupts_of(snapshot).items()

    assert task == snapshot.tasks[0].id
    assert asked == state_json(snapshot)["interrupts"][0]


def test_an_interrupt_shows_the_schema_of_its_answer_if_it_has_one() -> None:
    assert interrupt_json(Interrupt(1, "i")) == {"id": "i", "value": 1}
    asked = interrupt_json(Interrupt(1, "i", {"type": "string"}))
    assert asked["response_schema"] == {"type": "string"}


def test_a_thread_without_a_state_shows_an_empty_one() -> None:
    assert json.loads(to_json(empty_state_json())) == {
        "values": {},
        "next": [],
        "tasks": [],
        "metadata": None,
        "created_at": None,
        "checkpoint": None,
        "parent_checkpoint": None,
        "interrupts": [],
        "checkpoint_id": None,
        "parent_checkpoint_id": None,
    }
    assert checkpoint_json(None) is None
    assert checkpoint_json({"configurable": {"thread_id": "t"}}) is None


async def test_only_the_fields_that_are_asked_for_are_shown(waiting: CompiledGraph) -> None:
    snapshot = await waiting.aget_state(CONFIG)

    assert list(state_json(snapshot, ["next", "values"])) == ["values", "next"]
    assert state_json(snapshot, ["values.topic", "values.none", "next"]) == {
        "values": {"topic": "x!"},
        "next": ("inner",),
    }
    assert state_json(snapshot, ["values", "values.none"]) == {"values": {"topic": "x!"}}
    assert state_json(snapshot, []) == state_json(snapshot)
    assert picked({"a": 1, "b": 2}, ["b", "c"]) == {"b": 2}
    assert picked({"a": 1}, None) == picked({"a": 1}, []) == {"a": 1}
