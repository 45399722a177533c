"""The agent: a model and its tools, in turns, until the model asks for none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.compiled import CompiledGraph
from actors.graph import StateGraph
from checkpoint import Saver, Store

from .agent import Agent, chooser
from .agent_graph import Shape, Version, builder_of
from .agent_state import schema_for
from .errors import AgentDefinitionError
from .models import is_model_function
from .prompts import Prompt
from .schemas import make_storable
from .tool_node import ToolNode
from .tools import listed


def create_react_agent(
    model: Any,
    tools: Sequence[Any] | ToolNode,
    *,
    prompt: Any = None,
    response_format: Any = None,
    pre_model_hook: Any = None,
    post_model_hook: Any = None,
    state_schema: Any = None,
    context_schema: Any = None,
    checkpointer: Saver | bool | None = None,
    store: Store | None = None,
    interrupt_before: Sequence[str] | None = None,
    interrupt_after: Sequence[str] | None = None,
    debug: bool = False,
    version: Version = "v2",
    name: str | None = None,
) -> CompiledGraph:
    """A graph that asks a model, runs the tools it asks for, and asks again until it asks for none.

    `model`: a LangChain chat model (the tools are bound to it) or its name ("openai:gpt-4o"); a
    function `(messages)` or `(messages, tools)` that gives a message; or a function
    `(state, runtime)` that gives one of those.  Functions may be async.
    `tools`: typed functions, `Tool`s, LangChain's tools, dicts for tools that the model's provider
    runs; or a ToolNode.
    `prompt`: a str or system message, or what makes the model's input of the state.
    `response_format`: a schema, or (prompt, schema), of `structured_response`, for which the model
    is asked at the end.
    `pre_model_hook`, `post_model_hook`: nodes around each call of the model; what the first writes
    to `llm_input_messages` the model gets in place of the state's messages.
    `state_schema`: has the keys of AgentState.  `version`: "v2" runs each call of a tool as a task
    of its own, "v1" those of a turn in one.  `name` stands in the agent's messages.  The others are
    those of `StateGraph.compile`.

    Raises AgentDefinitionError and ToolDefinitionError (ValueErrors) for what cannot be, and
    LangChainMissingError for a name without LangChain.

        agent = create_react_agent("openai:gpt-4o", [search], prompt="Be brief.")
        agent.invoke({"messages": [("user", "What is new?")]})
    """
    node, builtin = (tools, []) if isinstance(tools, ToolNode) else _split(tools)
    structured, hooked = response_format is not None, pre_model_hook is not None
    direct = frozenset(tool.name for tool in node.usable.values() if tool.return_direct)
    shape = Shape(pre_model_hook, post_model_hook, structured, _checked(version), direct)
    choose = chooser(model, list(node.usable.values()), builtin, response_format)
    agent = Agent(choose, Prompt(prompt), name, direct, hooked, response_format)
    make_storable(response_format)
    schema = schema_for(state_schema, plain=is_model_function(model), structured=structured)
    return builder_of(shape, agent, node, StateGraph(schema, context_schema)).compile(
        checkpointer,
        store=store,
        interrupt_before=interrupt_before,
        interrupt_after=interrupt_after,
        debug=debug,
        name=name,
    )


def _checked(version: Any) -> Version:
    if version in ("v1", "v2"):
        return version
    raise AgentDefinitionError(
        f"Invalid version {version!r}. Supported versions are 'v1' and 'v2': give one of them"
    )


def _split(tools: Sequence[Any]) -> tuple[ToolNode, list[dict[str, Any]]]:
    """The tools that run here, and those that are described by a dict, which the provider runs."""
    given = listed(tools)
    own = [tool for tool in given if not isinstance(tool, dict)]
    return ToolNode(own), [tool for tool in given if isinstance(tool, dict)]
