"""/threads over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypedDict

import pytest

from actors import START, StateGraph
from checkpoint import register_type
from tests.agent_server.harness.graphs import agent, fan, hitl, slow, sub
from tests.agent_server.serving import Serving, serving

ID = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
FRESH = [
    "thread_id",
    "created_at",
    "updated_at",
    "state_updated_at",
    "metadata",
    "status",
    "config",
    "values",
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Serving]:
    graphs = {"agent": agent, "hitl": hitl, "sub": sub, "fan": fan, "slow": slow}
    async with serving(tmp_path, graphs) as server:
        yield server


async def thread_of(server: Serving, graph_id: str | None = None) -> str:
    metadata = {} if graph_id is None else {"graph_id": graph_id}
    return (await server.ask("POST", "/threads", {"metadata": metadata}))["thread_id"]


# --- threads ---------------------------------------------------------------------------------


async def test_a_thread_is_made_and_shown(server: Serving) -> None:
    made = await server.ask("POST", "/threads", {"thread_id": ID, "metadata": {"k": "v"}})

    assert list(made) == FRESH
    assert made["thread_id"] == ID
    assert made["metadata"] == {"k": "v"}
    assert (made["status"], made["config"], made["values"]) == ("idle", {}, None)
    assert await server.ask("GET", f"/threads/{ID}") == made
    assert (await server.ask("POST", "/threads", {}))["metadata"] == {}


async def test_an_id_that_is_taken_is_refused_unless_that_is_expected(server: Serving) -> None:
    made = await server.ask("POST", "/threads", {"thread_id": ID})

    for body in ({"thread_id": ID}, {"thread_id": ID, "if_exists": "raise"}):
        detail = await server.refused("POST", "/threads", body, 409)
        assert detail == f"Thread with ID {ID} already exists"
    again = {"thread_id": ID, "if_exists": "do_nothing", "metadata": {"x": 1}}
    assert await server.ask("POST", "/threads", again) == made


@pytest.mark.parametrize(
    "body",
    [
        {"thread_id": "abc"},
        {"thread_id": 5},
        {"metadata": "x"},
        {"metadata": [1]},
        {"if_exists": "maybe"},
        {"ttl": {"ttl": -1}},
        {"ttl": {"ttl": "soon"}},
        {"ttl": {"ttl": 1, "strategy": "burn"}},
        {"ttl": 0},
        {"supersteps": [{"updates": []}]},
        {"supersteps": [{}]},
        {"supersteps": "x"},
    ],
)
async def test_a_thread_that_cannot_be_is_refused(server: Serving, body: dict[str, Any]) -> None:
    assert await server.refused("POST", "/threads", body, 422)
    assert await server.ask("POST", "/threads/count", {}) == 0


async def test_unknown_and_impossible_ids_are_told_apart(server: Serving) -> None:
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("PATCH", "", {}),
        ("POST", "/copy", None),
        ("GET", "/state", None),
        ("POST", "/state", {"values": {}}),
        ("GET", "/history", None),
        ("POST", "/history", {}),
    ):
        detail = await server.refused(method, f"/threads/{ID}{path}", body, 404)
        assert detail == f"Thread with ID {ID} not found"
        detail = await server.refused(method, f"/threads/abc{path}", body, 422)
        assert detail == "Invalid thread ID: must be a UUID"


async def test_a_time_to_live_is_shown_when_asked_for(server: Serving) -> None:
    for given in ({"ttl": 60, "strategy": "keep_latest"}, 60):
        made = await server.ask("POST", "/threads", {"ttl": given})
        assert "ttl" not in made
        shown = await server.ask("GET", f"/threads/{made['thread_id']}?include=ttl,x")
        assert shown["ttl"]["ttl_minutes"] == 60
        assert shown["ttl"]["expires_at"] > made["created_at"]


async def test_a_patch_merges_metadata_and_may_answer_nothing(server: Serving) -> None:
    await server.ask("POST", "/threads", {"thread_id": ID, "metadata": {"k": "v"}})

    patched = await server.ask("PATCH", f"/threads/{ID}", {"metadata": {"k2": 2}, "ttl": 5})
    assert patched["metadata"] == {"k": "v", "k2": 2}

    answer = await server.http.patch(
        f"/threads/{ID}", json={"metadata": {"k": None}}, headers={"Prefer": "return=minimal"}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    shown = await server.ask("GET", f"/threads/{ID}?include=ttl")
    assert shown["metadata"] == {"k": None, "k2": 2}
    assert shown["ttl"]["ttl_minutes"] == 5


async def test_a_deleted_thread_is_gone(server: Serving) -> None:
    id_ = await thread_of(server, "agent")
    await server.invoke(id_, "agent", {"topic": "x"})

    assert await server.ask("DELETE", f"/threads/{id_}", status=204) is None

    assert await server.refused("GET", f"/threads/{id_}/state", None, 404)
    assert await server.refused("DELETE", f"/threads/{id_}", None, 404)


async def test_a_search_gives_pages_with_their_true_total(server: Serving) -> None:
    ids = [await thread_of(server) for _ in range(3)]

    first = await server.http.post("/threads/search", json={"limit": 2, "select": ["thread_id"]})
    last = await server.http.post("/threads/search", json={"limit": 2, "offset": 2})

    assert first.json() == [{"thread_id": ids[2]}, {"thread_id": ids[1]}]
    assert first.headers["x-pagination-total"] == "3"
    assert first.headers["x-pagination-next"] == "2"
    assert [each["thread_id"] for each in last.json()] == ids[:1]
    assert last.headers["x-pagination-total"] == "3"
    assert "x-pagination-next" not in last.headers


async def test_a_search_finds_by_values_also_beside_threads_that_never_ran(
    server: Serving,
) -> None:
    await thread_of(server)
    ran = await thread_of(server, "agent")
    await server.ask("POST", f"/threads/{ran}/state", {"values": {"topic": "z"}})

    found = await server.ask("POST", "/threads/search", {"values": {"topic": "z"}})

    assert [each["thread_id"] for each in found] == [ran]
    assert await server.ask("POST", "/threads/count", {"values": {"topic": "z"}}) == 1
    assert await server.ask("POST", "/threads/count", {"status": "idle"}) == 1


async def test_a_search_takes_all_its_conditions(server: Serving) -> None:
    one = await thread_of(server, "agent")
    two = await thread_of(server, "sub")

    for body, expected in (
        ({"metadata": {"graph_id": "agent"}}, [one]),
        ({"ids": [two.upper()]}, [two]),
        ({"ids": []}, []),
        ({"status": "busy"}, []),
        ({"sort_by": "created_at", "sort_order": "asc"}, [one, two]),
        ({"sort_by": "thread_id"}, [two, one]),
        ({"limit": None} | {"limit": 1000}, [two, one]),
        ({"metadata": None, "values": None, "select": None, "zzz": 1}, [two, one]),
        ({"select": []}, [two, one]),
    ):
        found = await server.ask("POST", "/threads/search", body)
        assert [each["thread_id"] for each in found] == expected
        assert all("values" in each for each in found)


async def test_a_search_takes_out_single_values(server: Serving) -> None:
    id_ = await thread_of(server, "fan")
    await server.ask("POST", f"/threads/{id_}/state", {"values": {"out": ["a", "b"]}})

    [found] = await server.ask(
        "POST",
        "/threads/search",
        {
            "select": ["thread_id"],
            "extract": {"last": "values.out[-1]", "graph": "metadata.graph_id", "no": "values.x.y"},
        },
    )

    assert found == {
        "thread_id": id_,
        "extracted": {"last": "b", "graph": "fan", "no": None},
    }


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": 5000},
        {"limit": "x"},
        {"limit": True, "offset": -1},
        {"offset": 2**70},
        {"metadata": "x"},
        {"values": []},
        {"status": "gone"},
        {"ids": ["x"]},
        {"ids": [ID] * 1001},
        {"sort_by": "1; DROP TABLE server_thread"},
        {"sort_order": "up"},
        {"select": ["secret"]},
        {"extract": {"a": "nothing"}},
        {"extract": {"a": "values."}},
        {"extract": {str(number): "values.a" for number in range(11)}},
        {"metadata": {"a": "\0"}},
    ],
)
async def test_a_search_that_cannot_be_is_refused(server: Serving, body: dict[str, Any]) -> None:
    assert await server.refused("POST", "/threads/search", body, 422)


@pytest.mark.parametrize(
    "number",
    [123456789012345678901234567890, 10**400, 10**4300 - 1],
    ids=["beyond 64 bits", "beyond floats", "longest"],
)
async def test_metadata_keeps_integers_of_any_size(server: Serving, number: int) -> None:
    made = await server.ask("POST", "/threads", {"thread_id": ID, "metadata": {"n": number}})
    assert made["metadata"] == {"n": number}

    patched = await server.ask("PATCH", f"/threads/{ID}", {"metadata": {"k": "v"}})

    assert patched["metadata"] == {"n": number, "k": "v"}
    assert await server.ask("GET", f"/threads/{ID}") == patched
    assert await server.ask("POST", "/threads/search", {"metadata": {"n": number}}) == [patched]
    assert await server.ask("POST", "/threads/count", {"metadata": {"n": -number}}) == 0


async def test_a_copy_has_the_state_and_its_own_future(server: Serving) -> None:
    id_ = await thread_of(server, "agent")
    await server.ask("POST", f"/threads/{id_}/state", {"values": {"topic": "z"}})

    copy = await server.ask("POST", f"/threads/{id_}/copy")

    assert copy["thread_id"] != id_
    assert copy["metadata"] == {"graph_id": "agent"}
    path = f"/threads/{copy['thread_id']}/state"
    assert (await server.ask("GET", path))["values"] == {"topic": "z"}
    await server.ask("POST", path, {"values": {"topic": "y"}})
    assert (await server.ask("GET", f"/threads/{id_}/state"))["values"] == {"topic": "z"}


async def test_pruning_keeps_the_newest_state_or_nothing(server: Serving) -> None:
    id_ = await thread_of(server, "agent")
    await server.invoke(id_, "agent", {"topic": "x"})
    state = await server.ask("GET", f"/threads/{id_}/state")

    body = {"thread_ids": [id_, OTHER], "strategy": "keep_latest"}
    assert await server.ask("POST", "/threads/prune", body) == {"pruned_count": 1}

    [only] = await server.ask("POST", f"/threads/{id_}/history", {})
    assert only["checkpoint"] == state["checkpoint"]
    assert only["values"] == state["values"]
    body = {"thread_ids": [id_, id_, OTHER]}
    assert await server.ask("POST", "/threads/prune", body) == {"pruned_count": 1}
    assert await server.refused("GET", f"/threads/{id_}", None, 404)
    for wrong in ({}, {"thread_ids": "x"}, {"thread_ids": ["x"]}, {**body, "strategy": "burn"}):
        assert await server.refused("POST", "/threads/prune", wrong, 422)


# --- states ----------------------------------------------------------------------------------


async def test_a_thread_is_made_in_the_state_that_supersteps_make(server: Serving) -> None:
    steps = [
        {"updates": [{"values": {"topic": "s"}, "as_node": "__start__"}]},
        {"updates": [{"values": {"topic": "s2"}, "as_node": "refine_topic", "command": None}]},
    ]

    made = await server.ask(
        "POST", "/threads", {"metadata": {"graph_id": "agent"}, "supersteps": steps}
    )

    assert (made["status"], made["values"]) == ("interrupted", {"topic": "s2"})
    assert (made["error"], made["interrupts"]) == (None, {})
    states = await server.ask("GET", f"/threads/{made['thread_id']}/history")
    assert [each["next"] for each in states] == [["generate_joke"], ["refine_topic"]]


@pytest.mark.parametrize(
    ("metadata", "as_node"), [({}, "refine_topic"), ({"graph_id": "agent"}, "nonode")]
)
async def test_a_thread_whose_state_cannot_be_is_not_made(
    server: Serving, metadata: dict[str, Any], as_node: str
) -> None:
    steps = [{"updates": [{"values": {"topic": "s"}, "as_node": as_node}]}]
    body = {"thread_id": ID, "metadata": metadata, "supersteps": steps}

    assert await server.refused("POST", "/threads", body, 400)
    assert await server.refused("GET", f"/threads/{ID}", None, 404)

    await server.ask("POST", "/threads", {"thread_id": ID})
    await server.ask("POST", "/threads", {**body, "if_exists": "do_nothing"})
    assert (await server.ask("GET", f"/threads/{ID}"))["values"] is None


async def test_a_superstep_may_be_a_command(server: Serving) -> None:
    steps = [
        {"updates": [{"values": {"topic": "s"}, "as_node": "__start__"}]},
        {
            "updates": [
                {
                    "values": None,
                    "command": {"update": {"topic": "c"}, "goto": ["refine_topic"]},
                    "as_node": "refine_topic",
                }
            ]
        },
    ]

    made = await server.ask(
        "POST", "/threads", {"metadata": {"graph_id": "agent"}, "supersteps": steps}
    )

    assert made["values"] == {"topic": "c"}
    state = await server.ask("GET", f"/threads/{made['thread_id']}/state")
    assert sorted(state["next"]) == ["generate_joke", "refine_topic"]


async def test_a_thread_without_a_graph_has_an_empty_state(server: Serving) -> None:
    id_ = await thread_of(server)

    state = await server.ask("GET", f"/threads/{id_}/state")

    assert state == {
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
    assert await server.ask("POST", f"/threads/{id_}/history", {}) == []
    detail = await server.refused("POST", f"/threads/{id_}/state", {"values": {}}, 400)
    assert detail.startswith(f"Thread '{id_}' has no assigned graph ID.")
    named = await thread_of(server, "agent")
    assert await server.ask("GET", f"/threads/{named}/state") == state


async def test_a_state_is_shown_whole_or_in_part(server: Serving) -> None:
    id_ = await thread_of(server, "agent")
    await server.invoke(id_, "agent", {"topic": "a"})

    state = await server.ask("GET", f"/threads/{id_}/state")

    joke = "This is a joke about a and cats"
    assert state["values"] == {"topic": "a and cats", "joke": joke}
    assert (state["next"], state["tasks"], state["interrupts"]) == ([], [], [])
    assert state["metadata"]["thread_id"] == id_
    assert state["metadata"]["graph_id"] == "agent"
    assert state["checkpoint"] == {
        "checkpoint_id": state["checkpoint_id"],
        "thread_id": id_,
        "checkpoint_ns": "",
    }
    picked = await server.ask("GET", f"/threads/{id_}/state?select=values.joke&select=next")
    assert picked == {"values": {"joke": joke}, "next": []}
    assert await server.refused("GET", f"/threads/{id_}/state?select=secret", None, 422)
    assert await server.refused("GET", f"/threads/{id_}/state?subgraphs=maybe", None, 422)


async def test_any_checkpoint_can_be_looked_at(server: Serving) -> None:
    id_ = await thread_of(server, "agent")
    await server.invoke(id_, "agent", {"topic": "a"})
    states = await server.ask("POST", f"/threads/{id_}/history", {})
    assert [each["values"].get("topic") for each in states] == ["a and cats"] * 2 + ["a", None]

    for state in states:
        by_path = await server.ask("GET", f"/threads/{id_}/state/{state['checkpoint_id']}")
        assert by_path == state
        for checkpoint in (state["checkpoint"], {"configurable": state["checkpoint"]}):
            body = {"checkpoint": checkpoint, "subgraphs": False, "select": None}
            assert await server.ask("POST", f"/threads/{id_}/state/checkpoint", body) == state


async def test_a_checkpoint_that_is_not_there_is_not_found(server: Serving) -> None:
    for id_ in (await thread_of(server), await thread_of(server, "agent")):
        detail = await server.refused("GET", f"/threads/{id_}/state/{OTHER}", None, 404)
        assert f"has no checkpoint {OTHER}" in detail
        assert await server.refused("GET", f"/threads/{id_}/state/abc", None, 422)
        for wrong in ({}, {"checkpoint": None}, {"checkpoint": 5}, {"checkpoint": "x"}):
            assert await server.refused("POST", f"/threads/{id_}/state/checkpoint", wrong, 422)


async def test_a_state_shows_what_is_asked_and_the_graphs_inside(server: Serving) -> None:
    id_ = await thread_of(server, "hitl")
    await server.invoke(id_, "hitl", {"text": "a"})

    state = await server.ask("GET", f"/threads/{id_}/state")

    [task] = state["tasks"]
    assert (task["name"], state["next"]) == ("ask", ["ask"])
    assert task["interrupts"] == state["interrupts"]
    assert list(state["interrupts"][0]) == ["id", "value"]
    assert (await server.ask("GET", f"/threads/{id_}/state?subgraphs=1"))["tasks"] == [task]


async def test_the_state_of_a_graph_inside_is_looked_at_by_its_namespace(server: Serving) -> None:
    id_ = await thread_of(server, "sub")
    await server.invoke(id_, "sub", {"foo": "a"})
    states = await server.ask("POST", f"/threads/{id_}/history", {"limit": 10})
    [ns] = [
        task["checkpoint"]["checkpoint_ns"]
        for state in states
        for task in state["tasks"]
        if task["checkpoint"]
    ]

    body = {"checkpoint": {"checkpoint_ns": ns, "thread_id": id_}}
    inner = await server.ask("POST", f"/threads/{id_}/state/checkpoint", body)
    assert inner["checkpoint"]["checkpoint_ns"] == ns
    assert "bar" in inner["values"]
    listed = await server.ask("POST", f"/threads/{id_}/history", body)
    assert listed[0]["checkpoint"] == inner["checkpoint"]
    update = {"values": {"bar": "z"}, "checkpoint": inner["checkpoint"]}
    made = await server.ask("POST", f"/threads/{id_}/state", update)
    assert list(made["checkpoint"]["checkpoint_map"]) == ["", ns]
    changed = await server.ask(
        "POST", f"/threads/{id_}/state/checkpoint", {"checkpoint": made["checkpoint"]}
    )
    assert changed["checkpoint"] == made["checkpoint"]
    assert changed["values"]["bar"] == "z"
    for wrong in ("nope:1", "node_2", "|", "a|b"):
        body = {"checkpoint": {"checkpoint_ns": wrong}}
        answer = await server.http.post(f"/threads/{id_}/state/checkpoint", json=body)
        assert answer.status_code in {200, 400}


async def test_an_update_is_a_new_checkpoint(server: Serving) -> None:
    id_ = await thread_of(server, "agent")
    await server.invoke(id_, "agent", {"topic": "a"})

    made = await server.ask(
        "POST", f"/threads/{id_}/state", {"values": {"topic": "z"}, "as_node": "refine_topic"}
    )

    assert list(made) == ["checkpoint", "configurable", "checkpoint_id"]
    assert made["checkpoint"] == made["configurable"]
    assert made["checkpoint"] == {
        "thread_id": id_,
        "checkpoint_ns": "",
        "checkpoint_id": made["checkpoint_id"],
    }
    state = await server.ask("GET", f"/threads/{id_}/state")
    assert state["checkpoint_id"] == made["checkpoint_id"]
    assert (state["next"], state["values"]["topic"]) == (["generate_joke"], "z")
    assert state["metadata"]["source"] == "update"
    assert state["metadata"]["graph_id"] == "agent"
    thread = await server.ask("GET", f"/threads/{id_}")
    assert (thread["status"], thread["values"]) == ("interrupted", state["values"])


async def test_an_update_may_begin_at_an_older_checkpoint(server: Serving) -> None:
    id_ = await thread_of(server, "agent")
    await server.invoke(id_, "agent", {"topic": "a"})
    old = (await server.ask("GET", f"/threads/{id_}/history"))[-2]

    for given in (
        {"checkpoint_id": old["checkpoint_id"]},
        {"checkpoint": old["checkpoint"]},
        {"checkpoint": {"configurable": old["checkpoint"]}},
    ):
        await server.ask("POST", f"/threads/{id_}/state", {"values": {"topic": "z"}, **given})
        state = await server.ask("GET", f"/threads/{id_}/state")
        assert state["parent_checkpoint_id"] == old["checkpoint_id"]
        assert state["values"] == {"topic": "z"}


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"values": {"topic": "z"}, "as_node": "nonode"}, 400, "Node nonode does not exist"),
        ({"values": [1, 2]}, 400, ""),
        ({"values": "text"}, 422, "values"),
        ({"values": {}, "checkpoint_id": "x"}, 422, "Invalid checkpoint ID"),
        ({"values": {}, "checkpoint_id": OTHER}, 400, ""),
        ({"values": {}, "as_node": 5}, 422, "as_node"),
    ],
)
async def test_an_update_that_the_graph_does_not_take_is_refused(
    server: Serving, body: dict[str, Any], status: int, told: str
) -> None:
    id_ = await thread_of(server, "agent")
    await server.invoke(id_, "agent", {"topic": "a"})
    before = await server.ask("GET", f"/threads/{id_}/state")

    assert told in await server.refused("POST", f"/threads/{id_}/state", body, status)

    assert await server.ask("GET", f"/threads/{id_}/state") == before


async def test_an_update_that_a_reducer_refuses_is_the_callers_fault(server: Serving) -> None:
    id_ = await thread_of(server, "fan")

    detail = await server.refused("POST", f"/threads/{id_}/state", {"values": {"out": 5}}, 400)

    assert "does not take the update: TypeError" in detail


async def test_a_state_is_not_changed_where_there_is_no_such_method(server: Serving) -> None:
    id_ = await thread_of(server)

    assert await server.refused("PATCH", f"/threads/{id_}/state", {"metadata": {}}, 405)


async def test_history_begins_before_a_checkpoint_in_any_form(server: Serving) -> None:
    id_ = await thread_of(server, "agent")
    await server.invoke(id_, "agent", {"topic": "a"})
    states = await server.ask("POST", f"/threads/{id_}/history", {"limit": 1000})
    assert len(states) == 4
    checkpoint = states[1]["checkpoint"]

    for before in (
        checkpoint["checkpoint_id"],
        checkpoint,
        {"configurable": {"checkpoint_id": checkpoint["checkpoint_id"]}},
        {"configurable": checkpoint},
    ):
        body = {"limit": 2, "before": before}
        assert await server.ask("POST", f"/threads/{id_}/history", body) == states[2:]
    query = f"limit=1&before={checkpoint['checkpoint_id']}"
    assert await server.ask("GET", f"/threads/{id_}/history?{query}") == states[2:3]


async def test_history_can_be_narrowed(server: Serving) -> None:
    id_ = await thread_of(server, "agent")
    await server.invoke(id_, "agent", {"topic": "a"})
    await server.ask("POST", f"/threads/{id_}/state", {"values": {"topic": "z"}})

    for metadata, count in (
        ({"source": "update"}, 1),
        ({"source": "update", "thread_id": id_}, 1),
        ({"step": 0}, 1),
        ({"source": "nothing"}, 0),
        ({}, 5),
        (None, 5),
    ):
        found = await server.ask("POST", f"/threads/{id_}/history", {"metadata": metadata})
        assert len(found) == count
    body = {"limit": 1, "select": ["values.topic"]}
    assert await server.ask("POST", f"/threads/{id_}/history", body) == [{"values": {"topic": "z"}}]
    [only] = await server.ask(
        "POST",
        f"/threads/{id_}/history",
        {"checkpoint": (await server.ask("GET", f"/threads/{id_}/history"))[2]["checkpoint"]},
    )
    assert only["metadata"]["step"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "x"},
        {"before": 5},
        {"before": "x"},
        {"before": {"checkpoint_id": "x"}},
        {"before": {"configurable": 5}},
        {"metadata": "x"},
        {"checkpoint": "x"},
        {"select": ["secret"]},
    ],
)
async def test_a_history_that_cannot_be_is_refused(server: Serving, body: dict[str, Any]) -> None:
    id_ = await thread_of(server, "agent")

    assert await server.refused("POST", f"/threads/{id_}/history", body, 422)
    for query in ("limit=0", "limit=x", "limit=1001", "before=x", "limit=" + "9" * 5000):
        assert await server.refused("GET", f"/threads/{id_}/history?{query}", None, 422)


# --- values that are large ------------------------------------------------------------------------


class Sum(TypedDict, total=False):
    power: int
    value: int


sums = (
    StateGraph(Sum)
    .add_node("raise", lambda state: {"value": 10 ** state["power"]})
    .add_edge(START, "raise")
    .compile()
)


@pytest.mark.parametrize(
    ("power", "shown"),
    [(30, 10**30), (400, 10**400), (5000, hex(10**5000))],
    ids=["beyond 64 bits", "beyond floats", "too long to be read"],
)
async def test_a_thread_whose_state_holds_a_huge_integer_is_like_any_other(
    tmp_path: Path, power: int, shown: Any
) -> None:
    async with serving(tmp_path, {"sums": sums}) as server:
        id_ = await thread_of(server, "sums")
        values = {"power": power, "value": shown}
        body = {"assistant_id": "sums", "input": {"power": power}}
        assert await server.ask("POST", f"/threads/{id_}/runs/wait", body) == values

        thread = await server.ask("GET", f"/threads/{id_}")
        assert (thread["status"], thread["values"]) == ("idle", values)
        assert await server.ask("POST", "/threads/search", {"values": {"power": power}}) == [thread]
        assert await server.ask("POST", "/threads/search", {"values": {"value": shown}}) == [thread]
        assert (await server.ask("GET", f"/threads/{id_}/state"))["values"] == values
        assert (await server.ask("GET", f"/threads/{id_}/history"))[0]["values"] == values
        copy = await server.ask("POST", f"/threads/{id_}/copy")
        assert copy["values"] == values
        update = {"values": {"value": 1}, "as_node": "raise"}
        await server.ask("POST", f"/threads/{id_}/state", update)
        await server.ask("DELETE", f"/threads/{id_}", status=204)
        gone = {"thread_ids": [copy["thread_id"]]}
        assert await server.ask("POST", "/threads/prune", gone) == {"pruned_count": 1}
        assert await server.ask("POST", "/threads/search", {}) == []


# --- values that cannot be shown -----------------------------------------------------------------


class Broken:
    """A value that can be stored, and not shown."""

    def __str__(self) -> str:
        raise ValueError("no text")


register_type(
    Broken, name="tests.Unshown", encode=lambda value: None, decode=lambda stored: Broken()
)


class Whole(TypedDict, total=False):
    kept: Any


def broken(state: Whole) -> Whole:
    return {"kept": Broken()}


async def test_a_value_that_cannot_be_shown_is_an_error_that_names_its_class(
    tmp_path: Path,
) -> None:
    graph = StateGraph(Whole).add_node(broken).add_edge(START, "broken").compile()
    async with serving(tmp_path, {"broken": graph}) as server:
        thread = await thread_of(server, "broken")
        await server.invoke(thread, "broken", {})
        for method, path, body in [
            ("GET", "state", None),
            ("GET", "history", None),
            ("POST", "history", {}),
            ("POST", "state", {"values": {}, "as_node": "broken"}),
        ]:
            told = await server.refused(method, f"/threads/{thread}/{path}", body, 500)
            assert "Broken cannot be shown as JSON" in told
            assert "ValueError: no text" in told
        (found,) = await server.ask("POST", "/threads/search", {"ids": [thread]})
        assert found["values"] is None
