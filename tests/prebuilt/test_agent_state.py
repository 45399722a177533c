"""States of agents, and the key that a hook gives the model's input under."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from actors.hints import field_hints
from actors.prebuilt import AgentDefinitionError, AgentState, create_react_agent
from actors.prebuilt.agent_state import (
    AgentStateWithStructuredResponse,
    PlainAgentState,
    PlainAgentStateWithStructuredResponse,
    schema_for,
    with_model_input,
)

from .scripts import HELLO, Given, model_of, says


class Model(BaseModel):
    messages: list[Any] = []
    remaining_steps: int = 25


@dataclass
class Data:
    messages: list[Any] = field(default_factory=list)
    remaining_steps: int = 25


class Struct(msgspec.Struct):
    messages: list[Any] = []
    remaining_steps: int = 25


def test_the_default_depends_on_the_model_and_the_answer() -> None:
    assert schema_for(None, plain=False, structured=False) is AgentState
    assert schema_for(None, plain=True, structured=False) is PlainAgentState
    assert schema_for(None, plain=False, structured=True) is AgentStateWithStructuredResponse
    plain = schema_for(None, plain=True, structured=True)
    assert plain is PlainAgentStateWithStructuredResponse
    assert schema_for(Model, plain=False, structured=False) is Model


@pytest.mark.parametrize("schema", [AgentState, Model, Data])
def test_a_key_is_added_to_any_schema(schema: Any) -> None:
    added = field_hints(with_model_input(schema)).keys() - field_hints(schema).keys()
    assert added == {"llm_input_messages"}


def test_a_schema_that_takes_no_further_key_is_refused() -> None:
    with pytest.raises(AgentDefinitionError, match="takes no further key"):
        with_model_input(Struct)


@pytest.mark.parametrize("schema", [Model, Data, Struct])
def test_an_agent_works_with_any_of_them(schema: Any) -> None:
    given = Given()
    agent = create_react_agent(model_of(says("x"), given=given), [], state_schema=schema)
    assert agent.invoke(HELLO)["messages"] == [says("x")]
    assert len(given[0][0]) == 1


@pytest.mark.parametrize("schema", [Model, Data])
def test_a_hook_works_with_either(schema: Any) -> None:
    given = Given()
    agent = create_react_agent(
        model_of(says("x"), given=given),
        [],
        state_schema=schema,
        pre_model_hook=lambda state: {"llm_input_messages": [says("a"), says("b")]},
    )
    agent.invoke(HELLO)
    assert [message["content"] for message in given[0][0]] == ["a", "b"]
