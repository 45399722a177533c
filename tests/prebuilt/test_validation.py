"""Tool calls that are validated and not carried out."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from actors import START, MessagesState, StateGraph
from actors.prebuilt import Tool, ToolDefinitionError, ToolInputError, ValidationNode

from .scripts import USER, add, asks, call


class Booking(BaseModel):
    seats: int


SCHEMAS = [Booking, add, Tool(add, name="ours"), tool(description="Theirs.")(add)]


def test_valid_calls_are_answered_by_their_arguments() -> None:
    calls = asks(call("Booking", seats="2"), call("add", "2", a=1), call("ours", "3", a=1, b=2))
    answers = ValidationNode(SCHEMAS).invoke([calls])
    contents = [(one["name"], one["content"]) for one in answers]
    assert contents == [
        ("Booking", '{"seats":2}'),
        ("add", '{"a":1,"b":1}'),
        ("ours", '{"a":1,"b":2}'),
    ]
    assert all("additional_kwargs" not in one for one in answers)


async def test_what_is_wrong_with_a_call_is_told_and_marked() -> None:
    message = AIMessage("", tool_calls=[call("Booking", seats="many")])
    builder = StateGraph(MessagesState).add_node(ValidationNode([Booking]))
    graph = builder.add_edge(START, "validation").compile()
    answer = (await graph.ainvoke({"messages": [message]}))["messages"][-1]
    assert isinstance(answer, ToolMessage)
    assert answer.additional_kwargs == {"is_error": True}
    assert "Respond after fixing all validation errors." in str(answer.content)


def test_errors_may_be_worded() -> None:
    def words(error: Exception, wrong: Any, schema: Any) -> str:
        return f"{type(error).__name__} {wrong['name']} {schema.__name__}"

    node = ValidationNode([Booking], format_error=words, name="check", tags=["t"])
    (answer,) = node.invoke({"messages": [asks(call("Booking"))]})["messages"]
    assert answer["content"] == "ValidationError Booking Booking"
    assert answer["additional_kwargs"] == {"is_error": True}
    assert (node.name, node.tags, list(node.schemas_by_name)) == ("check", ["t"], ["Booking"])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "No message found"),
        ({"messages": []}, "No message found"),
        ([USER], "Last message is not an AIMessage"),
        ([HumanMessage("x")], "Last message is not an AIMessage"),
        ([asks(call("unknown"))], "there are schemas of"),
    ],
)
def test_an_input_that_cannot_be_validated_is_refused(given: Any, why: str) -> None:
    with pytest.raises(ToolInputError, match=why):
        ValidationNode([Booking]).invoke(given)


@pytest.mark.parametrize("given", [5, "text", lambda state: state])
def test_what_is_no_schema_is_refused(given: Any) -> None:
    with pytest.raises(ToolDefinitionError):
        ValidationNode([given])
