"""Assistants in a real database."""

from __future__ import annotations

from typing import Any

import pytest

from agent_server.assistant_rows import AssistantQuery, AssistantSort
from agent_server.assistants import AssistantChange, Assistants
from agent_server.errors import BadRequestError, ConflictError, InvalidError, NotFoundError
from tests.agent_server.database import Clock, Database

ID = "33333333-3333-4333-8333-333333333333"
AGENT = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"
"""What clients compute for a graph named "agent"."""


@pytest.fixture
async def assistants(database: Database) -> Assistants:
    made = Assistants(database.tables, ("agent", "sub"), Clock())
    await made.ensure_defaults()
    return made


async def found(assistants: Assistants, **asked: Any) -> list[str]:
    return [each.name for each in (await assistants.search(AssistantQuery(**asked))).items]


async def test_each_graph_has_an_assistant_whose_id_clients_can_compute(
    assistants: Assistants,
) -> None:
    agent = await assistants.resolve("agent")

    assert agent.assistant_id == AGENT
    assert (agent.name, agent.graph_id, agent.version) == ("agent", "agent", 1)
    assert agent.metadata == {"created_by": "system"}
    assert await assistants.resolve(AGENT.upper()) == agent == await assistants.get(AGENT)


async def test_defaults_are_made_once_and_stay_as_users_changed_them(
    assistants: Assistants, database: Database
) -> None:
    await assistants.patch(AGENT, AssistantChange(name="mine"))

    restarted = Assistants(database.tables, ("agent", "sub", "new"), Clock())
    await restarted.ensure_defaults()

    assert (await restarted.resolve("agent")).name == "mine"
    assert await found(restarted, sort_by="name", sort_order="asc") == ["mine", "new", "sub"]


async def test_names_that_no_graph_has_are_refused_with_those_there_are(
    assistants: Assistants,
) -> None:
    with pytest.raises(InvalidError, match="registered graphs: agent, sub"):
        await assistants.resolve("nope")
    with pytest.raises(NotFoundError, match="Graph 'nope' not found"):
        await assistants.create("nope", AssistantChange())
    with pytest.raises(NotFoundError, match="Graph 'nope' not found"):
        await assistants.patch(AGENT, AssistantChange(graph_id="nope"))
    with pytest.raises(NotFoundError, match="Thread or assistant not found"):
        await assistants.resolve(ID)


async def test_an_assistant_is_found_as_it_was_made(assistants: Assistants) -> None:
    change = AssistantChange(
        name="mine", config={"configurable": {"a": 1}}, metadata={"x": 1}, description="d"
    )

    made = await assistants.create("agent", change, assistant_id=ID)

    assert await assistants.get(ID) == made
    assert (made.name, made.description, made.version) == ("mine", "d", 1)
    assert made.context == {"a": 1}


async def test_an_assistant_without_settings_is_untitled_and_has_an_id(
    assistants: Assistants,
) -> None:
    made = await assistants.create("sub", AssistantChange())

    assert made.name == "Untitled"
    assert (made.config, made.context, made.metadata) == ({}, {}, {})
    assert await assistants.resolve(made.assistant_id) == made


async def test_an_id_that_is_taken_is_refused_or_taken_as_it_is(assistants: Assistants) -> None:
    made = await assistants.create("agent", AssistantChange(), assistant_id=ID)

    with pytest.raises(ConflictError, match=f"Assistant {ID} already exists"):
        await assistants.create("agent", AssistantChange(), assistant_id=ID)
    again = await assistants.create("sub", AssistantChange(), assistant_id=ID, do_nothing=True)
    assert again == made


async def test_context_and_configurable_are_one_thing(assistants: Assistants) -> None:
    made = await assistants.create("agent", AssistantChange(context={"a": 1}))
    assert made.config == {"configurable": {"a": 1}}

    tagged = await assistants.patch(
        made.assistant_id, AssistantChange(config={"tags": ["t"]}, context={"b": 2})
    )
    assert tagged.config == {"tags": ["t"], "configurable": {"b": 2}}

    cleared = await assistants.patch(made.assistant_id, AssistantChange(context={}))
    assert (cleared.config, cleared.context) == ({"tags": ["t"], "configurable": {}}, {})

    with pytest.raises(BadRequestError, match="give context alone"):
        await assistants.create(
            "agent", AssistantChange(config={"configurable": {"a": 1}}, context={"a": 1})
        )
    with pytest.raises(BadRequestError, match="give context alone"):
        await assistants.patch(
            made.assistant_id,
            AssistantChange(config={"configurable": {"a": 1}}, context={"a": 1}),
        )


async def test_a_patch_makes_a_version_and_any_version_can_be_chosen(
    assistants: Assistants,
) -> None:
    made = await assistants.create("agent", AssistantChange(name="one", metadata={"x": 1}))
    id_ = made.assistant_id

    patched = await assistants.patch(
        id_, AssistantChange(name="two", graph_id="sub", metadata={"y": 2})
    )
    assert (patched.version, patched.name, patched.graph_id) == (2, "two", "sub")
    assert patched.metadata == {"x": 1, "y": 2}
    assert patched.created_at == made.created_at < patched.updated_at
    assert await assistants.resolve(id_) == patched

    chosen = await assistants.set_latest(id_, 1)
    assert (chosen.version, chosen.name, chosen.graph_id) == (1, "one", "agent")
    assert await assistants.resolve(id_) == chosen

    assert (await assistants.patch(id_, AssistantChange(name="three"))).version == 3
    versions = await assistants.versions(id_)
    assert [(each.version, each.name) for each in versions] == [
        (3, "three"),
        (2, "two"),
        (1, "one"),
    ]
    assert [each.version for each in await assistants.versions(id_, limit=1, offset=1)] == [2]
    assert [each.version for each in await assistants.versions(id_, metadata={"y": 2})] == [2]
    with pytest.raises(NotFoundError):
        await assistants.set_latest(id_, 4)


async def test_a_search_takes_conditions_together(assistants: Assistants) -> None:
    await assistants.create("agent", AssistantChange(name="Red Fox", metadata={"o": "ann"}))
    await assistants.create("sub", AssistantChange(name="red hat", metadata={"o": "bob"}))

    assert await found(assistants) == ["red hat", "Red Fox", "sub", "agent"]
    assert await found(assistants, name="RED") == ["red hat", "Red Fox"]
    assert await found(assistants, name="%") == []
    assert await found(assistants, graph_id="agent") == ["Red Fox", "agent"]
    assert await found(assistants, metadata={"o": "bob"}) == ["red hat"]
    assert await assistants.count(AssistantQuery(graph_id="sub")) == 2
    page = await assistants.search(AssistantQuery(limit=3))
    assert (page.total, page.next) == (4, 3)


@pytest.mark.parametrize("by", ["assistant_id", "created_at", "updated_at", "name", "graph_id"])
async def test_a_search_is_sorted_as_asked(assistants: Assistants, by: AssistantSort) -> None:
    up = await found(assistants, sort_by=by, sort_order="asc")

    assert sorted(up) == ["agent", "sub"]
    assert await found(assistants, sort_by=by, sort_order="desc") == up[::-1]


async def test_a_deleted_assistant_is_gone_for_all(assistants: Assistants) -> None:
    made = await assistants.create("agent", AssistantChange(), assistant_id=ID)
    assert await assistants.resolve(ID) == made

    await assistants.delete(ID)

    for act in (assistants.get, assistants.resolve, assistants.delete, assistants.versions):
        with pytest.raises(NotFoundError):
            await act(ID)
    with pytest.raises(NotFoundError):
        await assistants.patch(ID, AssistantChange(name="x"))
    with pytest.raises(ConflictError, match="its graph's own"):
        await assistants.delete(AGENT)


@pytest.mark.parametrize("id_", ["agent", "x", "../x"])
async def test_an_id_that_is_no_uuid_is_refused(assistants: Assistants, id_: str) -> None:
    for act in (assistants.get, assistants.delete, assistants.versions):
        with pytest.raises(InvalidError, match="Invalid assistant ID: must be a UUID"):
            await act(id_)


async def test_more_assistants_than_are_remembered_are_all_found(database: Database) -> None:
    graphs = [f"g{number}" for number in range(1002)]
    assistants = Assistants(database.tables, graphs, Clock())
    await assistants.ensure_defaults()

    for graph in graphs:
        assert (await assistants.resolve(graph)).graph_id == graph
