"""An agent's graph: its nodes, and what leads from one to the next.

    pre_model_hook → agent → post_model_hook → tools → … → generate_structured_response

The hooks, the tools and the last node are there if the agent has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from actors.graph import StateGraph
from actors.values import END, Send

from .agent import Agent
from .agent_state import with_model_input
from .tool_node import ToolNode
from .turns import calls_of, field_of, is_tool_message, last_turn, open_calls

Version: TypeAlias = Literal["v1", "v2"]
AGENT, TOOLS = "agent", "tools"
BEFORE, AFTER, FORM = "pre_model_hook", "post_model_hook", "generate_structured_response"


@dataclass(frozen=True, slots=True)
class Shape:
    """Which nodes the graph has, and the rules that lead from one to the next."""

    before: Any
    """The hook before the model, if there is one."""
    after: Any
    structured: bool
    """It ends with an answer in a form."""
    version: Version
    direct: frozenset[str]
    """Names of tools whose result ends the turn."""

    @property
    def first(self) -> str:
        """Where a turn begins."""
        return AGENT if self.before is None else BEFORE

    @property
    def last(self) -> str:
        """Where it goes when the model asks for no tool."""
        return FORM if self.structured else END

    async def should_continue(self, state: Any) -> str | list[Send]:
        """Where to go after the model."""
        calls = calls_of(field_of(state, "messages")[-1])
        if not calls:
            return self.last
        return TOOLS if self.version == "v1" else _sent(calls)

    async def post_model_hook_router(self, state: Any) -> str | list[Send]:
        """Where to go after the hook: it may have answered calls, or added messages."""
        messages: Sequence[Any] = field_of(state, "messages")
        calls = open_calls(messages, calls_of(last_turn(messages)))
        if calls:
            return _sent(calls)
        return self.first if is_tool_message(messages[-1]) else self.last

    async def route_tool_responses(self, state: Any) -> str:
        """Where to go after the tools: results of some end the turn."""
        called = calls_of(last_turn(field_of(state, "messages")))
        return END if any(call["name"] in self.direct for call in called) else self.first


def _sent(calls: Sequence[Any]) -> list[Send]:
    """A task for each call.  The tool reads the state itself: a Send that had it would be stored
    with a copy of all messages for each call."""
    return [Send(TOOLS, [call]) for call in calls]


def builder_of(shape: Shape, agent: Agent, node: ToolNode, builder: StateGraph) -> StateGraph:
    """The builder with the agent's nodes and edges."""
    schema = builder.parts.state.source
    reads = schema if shape.before is None else with_model_input(schema)
    builder.add_node(AGENT, agent.call_model, input_schema=reads)
    if node.usable:
        builder.add_node(TOOLS, cast("Callable[..., Any]", node))
    if shape.before is not None:
        builder.add_node(BEFORE, shape.before).add_edge(BEFORE, AGENT)
    if shape.after is not None:
        builder.add_node(AFTER, shape.after).add_edge(AGENT, AFTER)
    if shape.structured:
        builder.add_node(FORM, agent.answer_in_form)
    builder.set_entry_point(shape.first)
    if not node.usable:
        end = AGENT if shape.after is None else AFTER
        return builder.add_edge(end, FORM) if shape.structured else builder
    if shape.after is not None:
        ends = [shape.first, TOOLS, shape.last]
        builder.add_conditional_edges(AFTER, shape.post_model_hook_router, ends)
    else:
        builder.add_conditional_edges(AGENT, shape.should_continue, [TOOLS, shape.last])
    if shape.direct:
        ends = [shape.first, END]
        return builder.add_conditional_edges(TOOLS, shape.route_tool_responses, ends)
    return builder.add_edge(TOOLS, shape.first)
