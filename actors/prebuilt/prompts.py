"""What stands before the messages that a model is given."""

from __future__ import annotations

import sys
from typing import Any

from .errors import AgentDefinitionError
from .turns import field_of, is_plain
from .workers import called


class Prompt:
    """Makes what a model is given of a state.

    `given`: a str or a message of the system, which stands before the messages; a function of the
    state, sync or async, or a runnable of LangChain, which gives what the model gets; or None.
    Raises AgentDefinitionError for anything else.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._leads = isinstance(given, str) or is_plain(given) or _is_message(given)
        if not (given is None or self._leads or callable(given) or hasattr(given, "ainvoke")):
            raise AgentDefinitionError(
                f"prompt={given!r} says nothing to a model. Got unexpected type for `prompt`: "
                f"{type(given)}. Give a str, a system message, or a function of the state"
            )

    async def messages(self, state: Any) -> Any:
        """What the model gets for a state."""
        if self._given is None:
            return field_of(state, "messages")
        if self._leads:
            messages = list(field_of(state, "messages") or ())
            return [led_by(self._given, messages), *messages]
        if hasattr(self._given, "ainvoke"):
            return await self._given.ainvoke(state)
        return await called(self._given, state)


def led_by(prompt: Any, messages: list[Any]) -> Any:
    """A prompt as a message of the system, in the form of the messages."""
    if not isinstance(prompt, str):
        return prompt
    has_objects = any(not isinstance(message, dict) for message in messages)
    if has_objects and "langchain_core.messages" in sys.modules:
        from .langchain_models import system_message

        return system_message(prompt)
    return {"role": "system", "content": prompt}


def _is_message(given: Any) -> bool:
    return hasattr(given, "content") and getattr(given, "type", None) == "system"
