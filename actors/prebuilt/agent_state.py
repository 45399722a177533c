"""States of agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired, TypedDict, cast

from actors.hints import field_hints, is_dataclass, is_pydantic, is_typed_dict
from actors.managed import RemainingSteps
from actors.messages import add_messages

from .errors import AgentDefinitionError


class AgentState(TypedDict):
    """The state of an agent; subclass it to add keys."""

    messages: Annotated[Sequence[Any], add_messages]
    remaining_steps: NotRequired[RemainingSteps]


class AgentStateWithStructuredResponse(AgentState):
    """The state of an agent that answers in a form."""

    structured_response: Any


class PlainAgentState(TypedDict):
    """The state of an agent whose messages are plain dicts, whatever is loaded."""

    messages: Annotated[list[Any], add_messages(format="dict")]
    remaining_steps: NotRequired[RemainingSteps]


class PlainAgentStateWithStructuredResponse(PlainAgentState):
    """The same, of one that answers in a form."""

    structured_response: Any


def schema_for(given: Any, *, plain: bool, structured: bool) -> Any:
    """The state's schema: the one given, or a default.

    Raises AgentDefinitionError if the one given lacks a key.
    """
    if given is None:
        if plain:
            return PlainAgentStateWithStructuredResponse if structured else PlainAgentState
        return AgentStateWithStructuredResponse if structured else AgentState
    needed = {"messages", "remaining_steps", *(["structured_response"] if structured else [])}
    missing = needed - field_hints(given).keys()
    if missing:
        raise AgentDefinitionError(
            f"Missing required key(s) {missing} in state_schema {given!r}, which an agent works "
            "with: subclass AgentState, or add them"
        )
    return given


def with_model_input(schema: Any) -> Any:
    """The schema with the key under which a hook gives the model other messages than the state's.

    Raises AgentDefinitionError for a schema that nothing can be added to.
    """
    key = "llm_input_messages"
    if is_typed_dict(schema):
        hints = {**field_hints(schema), key: NotRequired[list[Any]]}
        return cast("Any", TypedDict)("CallModelInput", hints)
    if is_pydantic(schema):
        from pydantic import create_model

        fields: Any = {key: (list[Any] | None, None)}
        return create_model("CallModelInput", __base__=schema, **fields)
    if is_dataclass(schema):
        from dataclasses import field, make_dataclass

        added = [(key, list[Any] | None, field(default=None, kw_only=True))]
        return make_dataclass("CallModelInput", added, bases=(schema,))
    raise AgentDefinitionError(
        f"state_schema={schema!r} takes no further key, and pre_model_hook needs "
        f"{key!r}: give a TypedDict, a pydantic model or a dataclass"
    )
