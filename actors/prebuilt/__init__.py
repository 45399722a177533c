"""Agents: models that call tools, and the nodes they are made of.

`import actors` does not load this; LangChain is not needed, and used where it is.
"""

from .agent_state import AgentState
from .condition import tools_condition
from .errors import (
    AgentDefinitionError,
    AgentModelError,
    ChatHistoryError,
    LangChainMissingError,
    ToolDefinitionError,
    ToolInjectionError,
    ToolInputError,
    ToolInvocationError,
    ToolResultError,
)
from .injected import InjectedState, InjectedStore, InjectedToolCallId, ToolRuntime
from .react import create_react_agent
from .request import ToolCallRequest, ToolCallWithContext
from .tool_node import ToolNode
from .tools import Tool
from .turns import ToolCall
from .validation import ValidationNode

__all__ = [
    "AgentDefinitionError",
    "AgentModelError",
    "AgentState",
    "ChatHistoryError",
    "InjectedState",
    "InjectedStore",
    "InjectedToolCallId",
    "LangChainMissingError",
    "Tool",
    "ToolCall",
    "ToolCallRequest",
    "ToolCallWithContext",
    "ToolDefinitionError",
    "ToolInjectionError",
    "ToolInputError",
    "ToolInvocationError",
    "ToolNode",
    "ToolResultError",
    "ToolRuntime",
    "ValidationNode",
    "create_react_agent",
    "tools_condition",
]
