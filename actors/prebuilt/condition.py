"""Whether a model asked for tools."""

from __future__ import annotations

from typing import Any, Literal

from .errors import ToolInputError
from .turns import calls_of, messages_of


def tools_condition(state: Any, messages_key: str = "messages") -> Literal["tools", "__end__"]:
    """Where to go after a model: to "tools" if its message calls some, else to the end.

    `state`: a state with messages under `messages_key`, or the messages.  Raises ToolInputError (a
    ValueError) if there are none.

        builder.add_conditional_edges("model", tools_condition)
    """
    messages = messages_of(state, messages_key)
    if not messages:
        raise ToolInputError(
            f"No messages found in input state to tool_edge: {state}. Without a model's message "
            f"there is nothing to decide: give a state with messages under {messages_key!r}"
        )
    return "tools" if calls_of(messages[-1]) else "__end__"
