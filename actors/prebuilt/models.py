"""Models that answer messages: functions, and whatever LangChain has.

A function is a model if it takes messages; it chooses one if it takes a state and a runtime.  That
is told by its parameters, for both may be async:

    async def model(messages, tools): ...      one parameter, or a second one called `tools`
    def choose(state, runtime): ...            two others
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from reprlib import repr as shortened
from typing import Any, Protocol, cast

from actors.errors import MessageError
from actors.plain_messages import PlainMessage, convert
from streaming import ModelCall

from .errors import AgentDefinitionError, AgentModelError, ToolInputError
from .schemas import parsed, schema_of
from .turns import calls_of, is_assistant, said
from .workers import called

_ASKED = ("tools", "response_format")
"""What a model function may ask for by the names of its parameters."""
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Model(Protocol):
    """Answers messages."""

    async def answer(self, messages: Any) -> Any:
        """A message.  Raises AgentModelError if none comes."""
        ...

    async def structured(self, messages: Any, wanted: Any) -> Any:
        """An answer as a value of the schema `wanted`."""
        ...


def is_runnable(model: Any) -> bool:
    """True for a chat model, or a chain with one, of LangChain."""
    return hasattr(model, "ainvoke") and not isinstance(model, type)


def is_function(model: Any) -> bool:
    """True for a function, or an object that is called like one."""
    return callable(model) and not isinstance(model, type) and not is_runnable(model)


def chooses(function: Any) -> bool:
    """True for a function that takes a state and a runtime, and gives a model."""
    if not is_function(function):
        return False
    parameters = list(inspect.signature(function).parameters.values())
    places = [p for p in parameters if p.kind in _POSITIONAL]
    needed = [p for p in places if p.default is p.empty]
    if len(places) > 1 and places[1].name == "runtime":
        return len(needed) < 3
    return len(needed) == 2 and needed[1].name != "tools"


def is_model_function(model: Any) -> bool:
    """True for a function that takes messages."""
    return is_function(model) and not chooses(model)


class FunctionModel:
    """A function as a model: it is given plain messages, and the schemas of tools if it asks.

    `schemas`: of the tools, in the form of OpenAI's function tools.

    Raises AgentDefinitionError for a function that takes no messages, or needs more.
    """

    def __init__(self, function: Callable[..., Any], schemas: Sequence[Mapping[str, Any]]) -> None:
        self._function = function
        self._schemas = list(schemas)
        signature = inspect.signature(function)
        self._names = set(signature.parameters)
        try:
            signature.bind((), **{name: () for name in _ASKED if name in self._names})
        except TypeError as error:
            raise AgentDefinitionError(
                f"{function!r} cannot be a model: called with messages, and by name with "
                f"{' or '.join(_ASKED)} if it has such parameters, it lacks something ({error}). "
                "Give a function (messages) or (messages, tools), or (state, runtime) for one that "
                "gives a model"
            ) from error

    async def answer(self, messages: Any) -> Any:
        """What the function says, as a message.  Raises AgentModelError if it is none."""
        return spoken(await self._called(messages, self._schemas), self._function)

    async def structured(self, messages: Any, wanted: Any) -> Any:
        """What it says in JSON, as a value of the schema.

        Raises AgentDefinitionError if it takes no `response_format`, AgentModelError for an answer
        that does not fit.
        """
        self.check_structured()
        schema = schema_of(wanted)
        answer = await self._called(messages, [], response_format=schema)
        if isinstance(answer, dict) and "role" not in answer:
            return parsed(wanted, cast("Any", answer), self._function)
        message = spoken(answer, self._function)
        return parsed(wanted, said(message, "content"), self._function)

    def check_structured(self) -> None:
        """Raise AgentDefinitionError if the function cannot be asked for an answer in a form."""
        if "response_format" not in self._names:
            raise AgentDefinitionError(
                f"response_format was given, and the model {self._function!r} cannot be told: add "
                "a parameter `response_format=None`, which gets a JSON schema, and answer in JSON"
            )

    async def _called(self, messages: Any, schemas: list[Any], **more: Any) -> Any:
        plain = plain_messages(messages)
        if "tools" in self._names:
            more["tools"] = schemas
        name = getattr(self._function, "__name__", type(self._function).__name__)
        with ModelCall(name, prompt=plain, whole=True) as call:
            answer = await called(self._function, plain, **more)
            call.output = spoken(answer, self._function) if isinstance(answer, str) else answer
        return answer


def plain_messages(messages: Any) -> list[PlainMessage]:
    """Messages of any form as plain dicts.  Raises MessageError for what is none."""
    given = messages.to_messages() if hasattr(messages, "to_messages") else messages
    listed = cast("list[Any]", given) if isinstance(given, list) else [given]
    if "langchain_core.messages" in sys.modules:
        from actors.langchain_messages import plain

        listed = plain(listed)
    return convert(listed)[0]


def spoken(answer: Any, model: Any) -> Any:
    """A model's answer as a message.  Raises AgentModelError if it is none."""
    if isinstance(answer, str):
        return {"role": "assistant", "content": answer}
    if isinstance(answer, dict):
        try:
            convert([cast("Any", answer)])
        except MessageError as error:
            raise AgentModelError(f"The model {model!r} gave no message: {error}") from error
        if is_assistant(answer):
            return _with_calls(answer, model)
    elif hasattr(answer, "content") and hasattr(answer, "type"):
        return answer
    raise AgentModelError(
        f"The model {model!r} gave {shortened(cast('Any', answer))}, which is no message of a "
        "model: return {'role': 'assistant', 'content': …}, its text, or a LangChain message"
    )


def _with_calls(message: Any, model: Any) -> Any:
    """The message, whose calls can be read."""
    try:
        calls_of(message)
    except ToolInputError as error:
        raise AgentModelError(f"The model {model!r} gave no message: {error}") from error
    return message
