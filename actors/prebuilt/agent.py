"""The nodes of an agent that ask its model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias, cast

from actors.runtime import Runtime

from .errors import (
    AgentDefinitionError,
    AgentModelError,
    ChatHistoryError,
    LangChainMissingError,
)
from .models import FunctionModel, Model, chooses, is_function, is_runnable
from .prompts import Prompt, led_by
from .schemas import form_of
from .tools import Usable
from .turns import calls_of, field_of, open_calls, said
from .workers import called

Choose: TypeAlias = Callable[[Any, Runtime[Any]], Awaitable[Model]]

NEED_STEPS = "Sorry, need more steps to process this request."
"""What an agent says that has no step left to run the tools its model asks for."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent's model and what it is told."""

    choose: Choose
    prompt: Prompt
    name: str | None
    direct: frozenset[str]
    """Names of tools whose result ends the turn."""
    hooked: bool
    """A hook before the model may give it other messages than the state's."""
    response_format: Any = None

    async def call_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        """Ask the model; gives its message as an update.

        Raises ChatHistoryError when calls of tools have no answer, and AgentModelError.
        """
        messages = self._model_input(state)
        _check_history(messages)
        model = await self.choose(state, runtime)
        asked = await self.prompt.messages(with_messages(state, messages))
        answer = _named(await model.answer(asked), self.name)
        if self._needs_steps(answer, field_of(state, "remaining_steps")):
            answer = _apology(answer)
        return {"messages": [answer]}

    async def answer_in_form(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        """Ask the model for an answer in the form of the response format."""
        messages = list(field_of(state, "messages"))
        prompt, wanted = form_of(self.response_format)
        if prompt is not None:
            messages = [led_by(prompt, messages), *messages]
        model = await self.choose(state, runtime)
        return {"structured_response": await model.structured(messages, wanted)}

    def _model_input(self, state: Any) -> Sequence[Any]:
        given = field_of(state, "llm_input_messages") if self.hooked else None
        messages = given or field_of(state, "messages")
        if messages is None:
            keys = "'llm_input_messages' or 'messages' key" if self.hooked else "'messages' key"
            raise AgentModelError(
                f"Expected input to call_model to have {keys}, but got {state}: there is nothing "
                "to ask the model; give the agent messages"
            )
        return messages

    def _needs_steps(self, answer: Any, remaining: int | None) -> bool:
        calls = calls_of(answer)
        if remaining is None:
            return False
        ends = all(call["name"] in self.direct for call in calls)
        return (remaining < 1 and ends) or (remaining < 2 and bool(calls))


def _check_history(messages: Sequence[Any]) -> None:
    calls = [call for message in messages for call in calls_of(message)]
    unanswered = open_calls(messages, calls) if calls else []
    if unanswered:
        raise ChatHistoryError(cast("list[Mapping[str, Any]]", unanswered))


def with_messages(state: Any, messages: Sequence[Any]) -> Any:
    """A copy of the state with these messages."""
    if isinstance(state, Mapping):
        return {**cast("Mapping[str, Any]", state), "messages": messages}
    if hasattr(state, "model_copy"):
        return state.model_copy(update={"messages": messages})
    from copy import copy

    made = copy(state)
    made.messages = messages
    return made


def _named(answer: Any, name: str | None) -> Any:
    if not isinstance(answer, dict):
        answer.name = name
        return answer
    plain = cast("dict[str, Any]", answer)
    return plain if name is None else {**plain, "name": name}


def _apology(answer: Any) -> Any:
    known = said(answer, "id")
    if not isinstance(answer, dict):
        from .langchain_models import assistant_message

        return assistant_message(NEED_STEPS, known)
    message = {"role": "assistant", "content": NEED_STEPS}
    return message if known is None else {**message, "id": known}


def chooser(
    model: Any, tools: Sequence[Usable], builtin: Sequence[dict[str, Any]], response_format: Any
) -> Choose:
    """How to come to a model for a state.

    `model`: a chat model or its name, a model function, or a function that gives one of those.
    Raises AgentDefinitionError for anything else, LangChainMissingError for a name without it.
    """
    if chooses(model):
        choose = cast("Callable[..., Any]", model)

        async def chosen(state: Any, runtime: Runtime[Any]) -> Model:
            found = await called(choose, state, runtime)
            return _model(found, tools, builtin, bind=False)

        return chosen
    fixed = _model(model, tools, builtin, bind=True)
    if response_format is not None and isinstance(fixed, FunctionModel):
        fixed.check_structured()

    async def always(state: Any, runtime: Runtime[Any]) -> Model:  # noqa: ARG001
        return fixed

    return always


def _model(
    given: Any, tools: Sequence[Usable], builtin: Sequence[dict[str, Any]], *, bind: bool
) -> Model:
    if isinstance(given, str):
        given = named(given)
    if is_runnable(given):
        from .langchain_models import ChatModel, bound

        return ChatModel(bound(given, tools, builtin) if bind else given)
    if is_function(given):
        return FunctionModel(given, [*(tool.schema() for tool in tools), *builtin])
    raise AgentDefinitionError(
        f"{given!r} is no model: give a LangChain chat model or its name ('provider:model'), an "
        "async function of messages, or a function of state and runtime that gives one of those"
    )


def named(name: str) -> Any:
    """The chat model that a name such as "openai:gpt-4o" stands for.

    Raises LangChainMissingError where LangChain is not installed, and what making it raises.
    """
    try:
        make = import_module("langchain.chat_models").init_chat_model
    except ImportError as error:
        raise LangChainMissingError(
            f"The model {name!r} is named, and it is LangChain that knows such names. Please "
            "install langchain (`pip install langchain`) to use '<provider>:<model>' string "
            "syntax for `model` parameter, or give a model"
        ) from error
    return make(name)
