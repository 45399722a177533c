"""What stands before the messages that a model is given."""

from __future__ import annotations

import sys
from typing import Any

from actors.context import current
from actors.node import injections
from actors.params import Callee, callee_of
from actors.runnables import run

from .errors import AgentDefinitionError
from .turns import field_of, is_plain
from .workers import called


class Prompt:
    """Makes what a model is given of a state.

    `given`: a str or a message of the system, which stands before the messages; a function of the
    state, sync or async, or a runnable of LangChain, which gives what the model gets; or None.  A
    function may ask for what a node may: its config, runtime, store, writer.
    Raises AgentDefinitionError for anything else, GraphBuildError (a ValueError) for a function
    that needs more.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._leads = isinstance(given, str) or is_plain(given) or _is_message(given)
        self._callee: Callee | None = None
        if given is None or self._leads or hasattr(given, "ainvoke"):
            return
        if not callable(given):
            raise AgentDefinitionError(
                f"prompt={given!r} says nothing to a model. Got unexpected type for `prompt`: "
                f"{type(given)}. Give a str, a system message, or a function of the state"
            )
        self._callee = callee_of(given, "prompt", {})

    async def messages(self, state: Any) -> Any:
        """What the model gets for a state."""
        if self._given is None:
            return field_of(state, "messages")
        if self._leads:
            messages = list(field_of(state, "messages") or ())
            return [led_by(self._given, messages), *messages]
        if self._callee is None:
            return await run(self._given, state)
        context, params = current(), self._callee.params
        injected = injections(params, context) if context is not None and params else {}
        return await called(self._callee.call, state, **injected)


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
