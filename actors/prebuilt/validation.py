"""A node that validates tool calls and runs none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from actors.doors import call as through_door
from actors.hints import is_pydantic

from .errors import ToolDefinitionError, ToolInputError
from .replies import reply
from .tools import Tool
from .turns import ToolCall, calls_of, is_assistant, messages_of

FormatError = Callable[[Exception, ToolCall, Any], str]
"""The text that tells a model of an error, from the error, the call and the schema."""


class ValidationNode:
    """Validates the tool calls of the last message; runs no tool.

    Each call is answered by a message with the valid arguments as JSON, or with what is wrong with
    them and `additional_kwargs={"is_error": True}`, so that a model can be asked again.
    `schemas`: pydantic models, typed functions, `Tool`s, or LangChain's tools with a pydantic
    schema.  `format_error(error, call, schema)` words the errors.

    Raises ToolDefinitionError for a schema that is none.

        builder.add_node("validation", ValidationNode([Booking]))
    """

    def __init__(
        self,
        schemas: Sequence[Any],
        *,
        format_error: FormatError | None = None,
        name: str = "validation",
        tags: Sequence[str] | None = None,
    ) -> None:
        self.name = name
        self.tags = list(tags or ())
        self.schemas_by_name: dict[str, Any] = dict(map(_named_schema, schemas))
        self._format = format_error or _format

    async def ainvoke(self, input: Any, config: Mapping[str, Any] | None = None) -> Any:  # noqa: A002, ARG002
        """Validate the calls; gives their answers as an update of the state.

        Raises ToolInputError if the last message is no model's, or calls what has no schema.
        """
        messages = messages_of(input, "messages")
        if not messages or not is_assistant(messages[-1]):
            found = "Last message is not an AIMessage" if messages else "No message found in input"
            raise ToolInputError(
                f"{found} {input!r}, so there is nothing to validate: give a state whose last "
                "message is a model's"
            )
        plain = isinstance(messages[-1], dict)
        answers = [self._answer(call, plain=plain) for call in calls_of(messages[-1])]
        return answers if isinstance(input, list) else {"messages": answers}

    def invoke(self, input: Any, config: Mapping[str, Any] | None = None) -> Any:  # noqa: A002
        """The same as `ainvoke`, for sync code."""
        return through_door(self.ainvoke(input, config))

    def _answer(self, call: ToolCall, *, plain: bool) -> Any:
        schema = self.schemas_by_name.get(call["name"])
        if schema is None:
            raise ToolInputError(
                f"The call of {call['name']!r} cannot be validated: there are schemas of "
                f"{sorted(self.schemas_by_name)} only; add one, or have the model call those"
            )
        try:
            content = schema.model_validate(call["args"]).model_dump_json(by_alias=True)
        except ValueError as error:  # pydantic's ValidationError is one
            return _failed(self._format(error, call, schema), call, plain=plain)
        return reply(content, call, plain=plain)


def _failed(text: str, call: ToolCall, *, plain: bool) -> Any:
    answer = reply(text, call, plain=plain)
    marked = {"is_error": True}
    if isinstance(answer, dict):
        return {**cast("dict[str, Any]", answer), "additional_kwargs": marked}
    answer.additional_kwargs = marked
    return answer


def _format(error: Exception, call: ToolCall, schema: Any) -> str:  # noqa: ARG001
    return f"{error!r}\n\nRespond after fixing all validation errors."


def _named_schema(given: Any) -> tuple[str, Any]:
    if is_pydantic(given):
        return given.__name__, given
    if isinstance(given, Tool):
        return given.name, given.arguments
    schema = getattr(given, "args_schema", None)
    if is_pydantic(schema):
        return given.name, schema
    if schema is not None or hasattr(given, "ainvoke") or not callable(given):
        raise ToolDefinitionError(
            f"{given!r} says nothing of arguments that could be validated: Expected BaseModel, "
            f"tool or function. Got: {type(given)}. Give a pydantic model, a typed function, or a "
            "tool that has a pydantic schema"
        )
    tool = Tool(given)
    return tool.name, tool.arguments
