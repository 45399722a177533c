"""What clients ask of a run, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent_server.bodies import model_of
from agent_server.errors import BadRequestError, InvalidError, RequestError
from agent_server.orders import RunBody, checked_webhook, run_from
from agent_server.records import Assistant, Run
from tests.agent_server.stage import assistant_of

NOW = 1_800_000_000.0


def run(thread_id: str | None = "t", assistant: Assistant | None = None, **body: Any) -> Run:
    asked = model_of({"assistant_id": "agent", **body}, RunBody)
    ids = iter(f"id{number}" for number in range(9))
    return run_from(
        asked,
        assistant or assistant_of("agent"),
        thread_id=thread_id,
        now=NOW,
        make_id=lambda: next(ids),
    )


def test_a_body_with_nothing_but_an_assistant_takes_the_defaults() -> None:
    made = run()
    order = made.order
    assert (made.run_id, made.thread_id, made.status, made.attempt) == ("id0", "t", "pending", 0)
    assert (made.multitask_strategy, made.stateless, made.due_at) == ("enqueue", False, 0.0)
    assert (order.input, order.command, order.context, order.webhook) == (None, None, None, None)
    assert (order.stream_mode, order.durability) == (("values",), "async")
    assert (order.on_disconnect, order.on_completion) == ("continue", "delete")


def test_without_a_thread_it_is_stateless_and_has_an_id_for_one() -> None:
    made = run(None)
    assert (made.run_id, made.thread_id, made.stateless) == ("id0", "id1", True)


def test_without_a_thread_and_to_be_kept_it_gets_a_thread_of_its_own() -> None:
    made = run(None, on_completion="keep")
    assert (made.thread_id, made.stateless, made.order.on_completion) == ("id1", False, "keep")
    assert run("t", on_completion="keep").order.on_completion == "delete"


@pytest.mark.parametrize(
    ("given", "modes"),
    [
        (None, ("values",)),
        ([], ("values",)),
        ("updates", ("updates",)),
        (["values", "messages-tuple", "values"], ("values", "messages-tuple")),
    ],
)
def test_stream_modes_are_one_or_several_and_none_means_values(
    given: Any, modes: tuple[str, ...]
) -> None:
    assert run(stream_mode=given).order.stream_mode == modes


@pytest.mark.parametrize(
    "body",
    [
        {"stream_mode": "tools"},
        {"stream_mode": ["values", "lifecycle"]},
        {"multitask_strategy": "zzz"},
        {"durability": "never"},
        {"after_seconds": -1},
        {"after_seconds": "5"},
        {"after_seconds": float("nan")},
        {"after_seconds": 1e300},
        {"config": {"recursion_limit": 0}},
        {"config": {"recursion_limit": True}},
        {"config": {"recursion_limit": "9"}},
        {"config": {"tags": "one"}},
        {"config": {"configurable": []}},
        {"config": 5},
        {"interrupt_before": 5},
        {"checkpoint": "abc"},
        {"checkpoint_id": 5},
        {"checkpoint": {"checkpoint_id": 5}},
        {"command": []},
        {"command": {"goto": 5}},
        {"command": {"goto": [{"input": 1}]}},
        {"command": {"update": [["key"]]}},
        {"metadata": []},
        {"context": "x"},
        {"on_disconnect": "hope"},
        {"on_completion": "complete"},
        {"if_not_exists": "maybe"},
        {"assistant_id": 5},
        {"webhook": "ftp://host/x"},
        {"webhook": "/relative"},
        {"webhook": "http://"},
        {"webhook": "http://host:99999/"},
        {"webhook": "http://host/\r\nx: y"},
        {"webhook": "http://[::1"},
    ],
)
def test_a_wrong_field_is_refused_and_named(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidError) as refused:
        run(**body)
    assert next(iter(body)).split("_")[0].lower() in str(refused.value).lower()


def test_unknown_fields_are_ignored() -> None:
    asked = model_of({"assistant_id": "a", "langsmith_tracer": {}, "zzz": 1}, RunBody)
    assert asked.assistant_id == "a"


def test_the_assistant_is_needed() -> None:
    with pytest.raises(ValidationError):
        RunBody.model_validate({"input": {}})


def test_a_webhook_of_another_scheme_is_told_as_clients_know_it() -> None:
    with pytest.raises(InvalidError, match="Webhook host blocked: scheme 'ftp' not allowed"):
        checked_webhook("ftp://x")
    assert checked_webhook("https://host.example/hook?x=1") == "https://host.example/hook?x=1"


def test_the_request_wins_over_the_assistant_key_by_key() -> None:
    assistant = Assistant(
        "id",
        "agent",
        "name",
        {"tags": ["mine"], "recursion_limit": 9, "configurable": {"model": "a", "size": 1}},
        {},
        {},
        1,
        0.0,
        0.0,
    )
    made = run(
        assistant=assistant,
        config={"recursion_limit": 5, "configurable": {"model": "b"}, "callbacks": ["x"]},
    )
    assert made.order.config == {
        "tags": ["mine"],
        "recursion_limit": 5,
        "configurable": {"model": "b", "size": 1},
        "metadata": {},
    }


def test_context_and_configurable_of_one_request_contradict_each_other() -> None:
    with pytest.raises(BadRequestError, match="Cannot specify both configurable and context"):
        run(context={"a": 1}, config={"configurable": {"b": 1}})
    assert run(context={"a": 1}, config={"configurable": {}}).order.context == {"a": 1}


def test_configurable_is_the_context_of_older_clients_and_wins_over_the_assistants() -> None:
    set_up = replace(assistant_of("agent"), context={"who": "assistant", "size": 3})
    old = run(assistant=set_up, config={"configurable": {"who": "run", "checkpoint_id": "c"}})
    assert old.order.context == {"who": "run", "size": 3}
    assert run(assistant=set_up, context={"who": "run"}).order.context == old.order.context
    assert run(assistant=set_up).order.context == set_up.context


def test_a_run_has_its_assistants_metadata_below_its_own() -> None:
    set_up = replace(assistant_of("agent"), metadata={"team": "red", "graph_id": "x", "tier": 1})
    metadata = run(assistant=set_up, metadata={"tier": 2}).order.metadata
    assert metadata == {
        "team": "red",
        "tier": 2,
        "graph_id": "agent",
        "assistant_id": set_up.assistant_id,
    }


def test_input_and_command_contradict_each_other() -> None:
    with pytest.raises(BadRequestError, match="both input and command"):
        run(input={"x": 1}, command={"resume": "y"})
    assert run(input=None, command={"resume": "y"}).order.command == {"resume": "y"}


def test_only_a_thread_can_be_resumed() -> None:
    with pytest.raises(BadRequestError, match="You must provide a thread_id when resuming"):
        run(None, command={"resume": "x"})


@pytest.mark.parametrize(
    ("body", "checkpoint"),
    [
        ({"checkpoint_id": "c"}, {"checkpoint_id": "c"}),
        (
            {"checkpoint": {"checkpoint_id": "c", "checkpoint_ns": "n", "thread_id": "other"}},
            {"checkpoint_id": "c", "checkpoint_ns": "n"},
        ),
        ({"config": {"configurable": {"checkpoint_id": "c"}}}, {"checkpoint_id": "c"}),
        ({"checkpoint": {"checkpoint_ns": ""}}, None),
        ({}, None),
    ],
)
def test_a_checkpoint_is_found_wherever_it_is_named(
    body: dict[str, Any], checkpoint: dict[str, Any] | None
) -> None:
    assert run(**body).order.checkpoint == checkpoint


def test_a_delay_makes_it_due_later() -> None:
    assert run(after_seconds=30).due_at == NOW + 30
    assert run(after_seconds=0).due_at == 0.0


def test_checkpoint_during_is_the_old_name_of_durability() -> None:
    assert run(checkpoint_during=False).order.durability == "exit"
    assert run(checkpoint_during=False, durability="sync").order.durability == "sync"


def test_metadata_says_which_graph_and_assistant_it_is_of() -> None:
    assert run(metadata={"m": 1}).order.metadata == {
        "graph_id": "agent",
        "assistant_id": "assistant of agent",
        "m": 1,
    }


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(RunBody.model_fields)), _json))
def test_any_body_is_taken_or_refused_with_a_status(body: dict[str, Any]) -> None:
    refused: list[int] = []
    made: Run | None = None
    try:
        made = run(**body)
    except RequestError as error:
        refused.append(error.status)
    assert made is not None or refused in ([400], [422])
