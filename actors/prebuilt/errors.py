"""Errors of agents and their tools, under the engine's root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.errors import ActorsError


class ToolDefinitionError(ActorsError, ValueError):
    """Something given as a tool, or as what handles its errors, is none; give a typed function."""


class ToolInputError(ActorsError, ValueError):
    """A node that runs tools was given no call of a tool; give it a state with messages."""


class ToolInjectionError(ActorsError, ValueError):
    """A tool asks for what its run does not have, a store or a state key; the message says which.

    No model can mend that, so it is never answered as a message.
    """


class ToolResultError(ActorsError, ValueError, TypeError):
    """A tool returned what does not answer its call; the message says what would."""


class ToolInvocationError(ActorsError):
    """A model called a tool with arguments that it does not take; have the model correct them."""

    def __init__(self, tool_name: str, tool_kwargs: Any, why: str) -> None:
        self.tool_name = tool_name
        self.tool_kwargs: Any = tool_kwargs
        """The arguments, as the model gave them."""
        self.message = (
            f"Error invoking tool '{tool_name}' with kwargs {tool_kwargs} with error:\n"
            f" {why}\n Please fix the error and try again."
        )
        super().__init__(self.message)


class AgentDefinitionError(ActorsError, ValueError):
    """An agent cannot be made of what was given; the message says what is missing."""


class AgentModelError(ActorsError, TypeError):
    """A model answered with something that is no message; have it return one."""


class ChatHistoryError(ActorsError, ValueError):
    """A tool call in the messages has no answer, which models refuse; add a message for it."""

    def __init__(self, open_calls: list[Mapping[str, Any]]) -> None:
        self.open_calls = open_calls
        super().__init__(
            "Found AIMessages with tool_calls that do not have a corresponding ToolMessage. The "
            f"first of them: {open_calls[:3]}. A model refuses such messages: add a message with "
            "the role 'tool' and the call's id for each, or remove the message that calls"
        )


class LangChainMissingError(ActorsError, ImportError):
    """What was asked for is made by LangChain, which is not installed; install it."""
