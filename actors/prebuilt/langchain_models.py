"""LangChain's chat models as an agent's models.

This module imports langchain_core; it is loaded only when such a model is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.runnables import RunnableBinding, RunnableSequence

from actors.runnables import run

from .errors import AgentDefinitionError
from .models import spoken
from .tools import Usable


class ChatModel:
    """A chat model, or a chain or binding with one.

    It is called without a config: in a task it inherits the task's, and a binding that was given
    one would have the task's callbacks twice.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    async def answer(self, messages: Any) -> Any:
        """What the model says.  Raises AgentModelError if it is no message."""
        return spoken(await run(self._model, messages), self._model)

    async def structured(self, messages: Any, wanted: Any) -> Any:
        """What it says as a value of the schema, as `with_structured_output` has it."""
        return await run(bare_model(self._model).with_structured_output(wanted), messages)


def bound(model: Any, tools: Sequence[Usable], builtin: Sequence[dict[str, Any]]) -> Any:
    """The model with the tools bound to it, unless they are already.

    Raises AgentDefinitionError if others are.
    """
    if not (tools or builtin):
        return model
    known = _bound_tools(model)
    if known is None:
        return model.bind_tools([*(_bindable(tool) for tool in tools), *builtin])
    if len(tools) != len(known) - len(builtin):
        raise AgentDefinitionError(
            f"The model has {len(known)} tools bound to it, and the agent {len(tools)}. Number of "
            "tools in the model.bind_tools() and tools passed to create_react_agent must match: "
            "give the same to both, or the model without any"
        )
    missing = {tool.name for tool in tools} - {_name_of(each) for each in known}
    if missing:
        raise AgentDefinitionError(
            f"Missing tools '{missing}' in the model.bind_tools(): the agent has them and its "
            "model does not know of them; give the same tools to both"
        )
    return model


def _bindable(tool: Usable) -> Any:
    return tool.schema() if tool.given is tool else tool.given


def _bound_tools(model: Any) -> Sequence[Any] | None:
    inner = _inner(model)
    if not isinstance(inner, RunnableBinding):
        return None
    return cast("Any", inner).kwargs.get("tools")


def _name_of(bound_tool: Any) -> Any:
    """Of a tool as OpenAI or Anthropic has it; None of any other kind."""
    if bound_tool.get("type") == "function":
        return bound_tool["function"]["name"]
    return bound_tool.get("name")


def _inner(model: Any) -> Any:
    """The model or binding that a chain has."""
    if not isinstance(model, RunnableSequence):
        return model
    steps = cast("list[Any]", cast("Any", model).steps)
    for step in steps:
        if isinstance(step, RunnableBinding | BaseChatModel):
            return cast("Any", step)
    return cast("Any", model)


def bare_model(model: Any) -> BaseChatModel:
    """The chat model inside.  Raises AgentDefinitionError if there is none."""
    inner = _inner(model)
    if isinstance(inner, RunnableBinding):
        inner = cast("Any", inner).bound
    if not isinstance(inner, BaseChatModel):
        raise AgentDefinitionError(
            f"{model!r} gives no answers in a form: response_format needs a chat model. Expected "
            f"`model` to be a ChatModel or RunnableBinding, got {type(inner).__name__}"
        )
    return inner


def system_message(text: str) -> SystemMessage:
    """What a model is told beforehand."""
    return SystemMessage(text)


def assistant_message(text: str, message_id: str | None) -> AIMessage:
    """What the agent says in its model's place."""
    return AIMessage(text, id=message_id)
