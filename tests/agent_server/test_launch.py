"""A run of the server as the engine is asked for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic import BaseModel, Field

from actors import Command, Send
from agent_server.launch import (
    context_keys_of,
    engine_config,
    engine_input,
    engine_modes,
    engine_options,
    factory_config,
)
from agent_server.orders import RunBody, run_from
from agent_server.records import Run
from tests.agent_server.stage import assistant_of


def run(thread_id: str | None = "t", user: Any = None, **body: Any) -> Run:
    asked = RunBody.model_validate({"assistant_id": "agent", **body})
    return run_from(asked, assistant_of("agent"), thread_id=thread_id, now=0.0, user=user)


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ({"input": {"a": 1}}, {"a": 1}),
        ({}, None),
        ({"command": {"resume": 0}}, Command(resume=0)),
        ({"command": {"goto": "b"}}, Command(goto="b")),
        (
            {"command": {"goto": ["b", {"node": "c", "input": 5}]}},
            Command(goto=["b", Send("c", 5)]),
        ),
        ({"command": {"goto": {"node": "c"}}}, Command(goto=Send("c", None))),
        ({"command": {"update": {"a": 1}}}, Command(update={"a": 1})),
        ({"command": {"update": [["a", 1], ["a", 2]]}}, Command(update=[("a", 1), ("a", 2)])),
    ],
)
def test_the_input_is_the_clients_or_a_command(body: dict[str, Any], given: Any) -> None:
    assert engine_input(run(**body).order) == given


def test_what_names_the_run_cannot_be_changed_by_its_config() -> None:
    theirs = {"thread_id": "x", "run_id": "x", "checkpoint_ns": "x", "user_id": "x", "own": 1}
    made = run(config={"configurable": theirs, "metadata": {"m": 1, "run_attempt": 7}})
    config = engine_config(made, 2, None)
    assert config["run_id"] == made.run_id
    assert config["configurable"] == {
        "own": 1,
        "thread_id": "t",
        "run_id": made.run_id,
        "graph_id": "agent",
        "assistant_id": "assistant of agent",
        "user_id": "",
        "langgraph_auth_user": None,
        "langgraph_auth_user_id": "",
        "langgraph_auth_permissions": [],
    }
    assert (config["metadata"]["m"], config["metadata"]["run_attempt"]) == (1, 2)
    assert config["metadata"]["run_id"] == made.run_id


def test_a_checkpoint_is_part_of_the_config() -> None:
    config = engine_config(run(), 1, {"checkpoint_id": "c"})
    assert config["configurable"]["checkpoint_id"] == "c"


def test_who_asked_is_told_to_the_nodes() -> None:
    user = {"identity": "ann", "permissions": ["read"]}
    given = engine_config(run(user=user), 1, None)["configurable"]
    assert (given["langgraph_auth_user"], given["user_id"]) == (user, "ann")
    assert given["langgraph_auth_permissions"] == ["read"]


def test_limits_and_tags_are_passed_on_where_they_were_given() -> None:
    config = engine_config(run(config={"tags": ["t"], "recursion_limit": 5}), 1, None)
    assert (config["tags"], config["recursion_limit"]) == (["t"], 5)
    assert "max_concurrency" not in config
    assert factory_config(run())["configurable"]["thread_id"] == "t"


@pytest.mark.parametrize(
    ("asked", "modes"),
    [
        (["updates", "custom"], ("values",)),
        (["messages-tuple"], ("values", "messages")),
        (["messages", "events"], ("values", "messages", "events")),
    ],
)
def test_only_modes_that_models_are_watched_for_are_asked_for(asked: Any, modes: Any) -> None:
    assert engine_modes(run(stream_mode=asked).order) == modes


def test_options_are_those_of_the_order() -> None:
    options = engine_options(run(None, durability="sync", interrupt_before="*", context={"a": 1}))
    assert (options["stateless"], options["durability"]) == (True, "sync")
    assert (options["interrupt_before"], options["context"]) == ("*", {"a": 1})


@dataclass
class Context:
    model: str = "tiny"


class More(Context):
    size: int


class Aliased(BaseModel):
    name: str = Field("", alias="theName")


def test_a_graph_finds_the_keys_of_its_context_whichever_name_they_were_sent_under() -> None:
    keys = context_keys_of(Context)
    old = run(config={"configurable": {"model": "small", "checkpoint_id": "c"}})
    new = run(context={"model": "large", "other": "x"})
    assert engine_options(old, keys)["context"] == {"model": "small"}
    assert engine_options(new, keys)["context"] == {"model": "large"}
    assert engine_options(old)["context"] == {"model": "small"}
    assert engine_options(new)["context"] == {"model": "large", "other": "x"}


def test_a_graph_always_has_a_context_so_that_its_fields_have_their_defaults() -> None:
    assert engine_options(run(), context_keys_of(Context))["context"] == {}
    assert engine_options(run())["context"] == {}


def test_a_context_wins_over_the_configurable_of_its_assistant_and_names_no_checkpoint() -> None:
    asked = RunBody(assistant_id="agent", context={"who": "b", "checkpoint_id": "c"})
    set_up = replace(assistant_of("agent"), config={"configurable": {"who": "a"}})
    both = run_from(asked, set_up, thread_id="t", now=0.0)
    configurable = engine_config(both, 1, None)["configurable"]
    assert configurable["who"] == "b"
    assert "checkpoint_id" not in configurable


def test_the_keys_of_a_context_are_the_fields_of_its_class() -> None:
    assert context_keys_of(More) == {"model", "size"}
    assert context_keys_of(Aliased) >= {"name", "theName"}
    assert context_keys_of(None) == context_keys_of(dict[str, Any]) == frozenset()
