"""The node that runs the tools a model asked for."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from actors.context import current
from actors.doors import call as through_door
from actors.errors import GraphBubbleUp
from actors.interrupts import is_answered, is_refusal
from actors.runnables import in_worker
from actors.runtime import Runtime

from .errors import ToolInputError, ToolResultError
from .handling import ErrorHandling, answer_to, invocation_errors
from .injected import ToolRuntime
from .parallel import results_of
from .replies import is_reply, reply, unknown_tool
from .request import AsyncWrapper, ToolCallRequest, Wrapper, check_wrappers
from .results import Form, combined, outputs_of
from .tool_spans import shown
from .tools import Tool, Usable, listed
from .turns import ToolCall, calls_of, field_of, last_turn, messages_of
from .wants import filled_in

GivenTool: TypeAlias = Any
"""A Tool, a typed function, or a tool of LangChain."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The calls that one input brought, and what their tools see."""

    calls: Sequence[ToolCall]
    form: Form
    state: Any
    plain: bool
    """Messages are plain dicts, and so are those that answer."""
    config: dict[str, Any]
    runtime: Runtime[Any]


class ToolNode:
    """Runs the tools that the last message of a model asks for, all at the same time.

    A node of a graph; also callable by itself (`invoke`, `ainvoke`).  Its input is a state with
    messages under `messages_key`, a bare list of messages, a list of tool calls, or a
    ToolCallWithContext; the answers come in the order of the calls, in the form of the message
    that called.  `tools`: typed functions, `Tool`s, and LangChain's tools, sync and async.

    An unknown tool and wrong arguments are answered as messages with the status "error";
    `handle_tool_errors` says what else is: True (all errors), a str (the answer to all), a
    function of the error, sync or async (to those that its parameter is annotated with), exception
    classes.
    False: none.  What is not answered is raised, and ends the tools beside it.

    A tool may call `interrupt`: the others run to the end, and all of them run again when the
    thread is resumed, one after the other as long as answers wait, so that each question gets its
    own.  `wrap_tool_call` and `awrap_tool_call` are called around each call; the async one is
    taken if both are given.

    Raises ToolDefinitionError for a tool, a wrapper or an error handling that is none.

        builder.add_node("tools", ToolNode([search, add]))
    """

    def __init__(
        self,
        tools: Sequence[GivenTool],
        *,
        name: str = "tools",
        tags: Sequence[str] | None = None,
        handle_tool_errors: ErrorHandling = cast("Any", invocation_errors),
        messages_key: str = "messages",
        wrap_tool_call: Wrapper | None = None,
        awrap_tool_call: AsyncWrapper | None = None,
    ) -> None:
        check_wrappers(wrap_tool_call, awrap_tool_call)
        self.name = name
        self.tags = list(tags or ())
        self.usable: Mapping[str, Usable] = {
            each.name: each for each in map(usable_tool, listed(tools))
        }
        self._answer = answer_to(handle_tool_errors)
        self._key = messages_key
        self._wrap = wrap_tool_call
        self._awrap = awrap_tool_call

    @property
    def tools_by_name(self) -> dict[str, Any]:
        """The tools: LangChain's as they are (where it is loaded, functions too), else `Tool`s."""
        return {name: tool.given for name, tool in self.usable.items()}

    async def ainvoke(self, input: Any, config: Mapping[str, Any] | None = None) -> Any:  # noqa: A002
        """Run the tools that the input asks for; gives an update of the state.

        Raises ToolInputError for an input without a model's message, and what a tool raised.
        """
        turn = self._turn(input, config)
        context = current()
        jobs = [self._job(call, turn) for call in turn.calls]
        again = context is not None and is_answered(context)
        results = await results_of(jobs, one_by_one=again)
        outputs = [output for result in results for output in result]
        return combined(outputs, turn.form, self._key)

    def invoke(self, input: Any, config: Mapping[str, Any] | None = None) -> Any:  # noqa: A002
        """The same as `ainvoke`, for sync code."""
        return through_door(self.ainvoke(input, config))

    def _turn(self, value: Any, config: Mapping[str, Any] | None) -> Turn:
        context = current()
        shown = dict(config or {}) if context is None else context.config()
        if self.tags:
            shown["tags"] = [*shown.get("tags", ()), *self.tags]
        runtime: Runtime[Any] = Runtime() if context is None else context.runtime
        calls, form, state = self._parsed(value)
        plain = _speak_plain(messages_of(state, self._key))
        return Turn(calls, form, state, plain, shown, runtime)

    def _parsed(self, value: Any) -> tuple[list[ToolCall], Form, Any]:
        """The calls, the form they came in, and the state."""
        if field_of(value, "__type") == "tool_call_with_context":
            return [value["tool_call"]], "tool_calls", value["state"]
        form: Form = "list" if isinstance(value, list) else "dict"
        messages = messages_of(value, self._key)
        if not messages:
            raise ToolInputError(
                f"No message found in input {value!r}, so no tool can be run: give a state with "
                f"messages under {self._key!r}, or a list of messages"
            )
        if form == "list" and _is_call(messages[-1]):
            context = current()
            return messages, "tool_calls", {} if context is None else context.state
        turn = last_turn(messages)
        if turn is None:
            raise ToolInputError(
                f"No AIMessage found in input: none of the {len(messages)} messages is a model's, "
                "so no tool was called; route to this node with tools_condition"
            )
        return calls_of(turn), form, cast("Any", value)

    def _job(self, call: ToolCall, turn: Turn) -> Callable[[], Coroutine[Any, Any, list[Any]]]:
        usable = self.usable.get(call["name"])
        runtime = ToolRuntime(
            turn.state,
            turn.runtime.context,
            turn.config,
            turn.runtime.stream_writer,
            call["id"],
            turn.runtime.store,
            list(self.tools_by_name.values()),
            turn.runtime.execution_info,
        )
        tool = None if usable is None else usable.given
        request = ToolCallRequest(call, tool, turn.state, runtime)
        if self._wrap is None and self._awrap is None:
            return lambda: self._execute(request, turn)
        return lambda: self._wrapped(request, turn)

    async def _wrapped(self, request: ToolCallRequest, turn: Turn) -> list[Any]:
        async def execute(asked: ToolCallRequest) -> Any:
            outputs = await self._execute(asked, turn)
            return outputs[0] if len(outputs) == 1 else outputs

        try:
            if self._awrap is not None:
                result = await self._awrap(request, execute)
            else:
                result = await in_worker("wrapper", self._wrap_sync, request, execute)
        except GraphBubbleUp:
            raise
        except Exception as error:  # noqa: BLE001 - it is the user's policy which errors are answered
            return [await self._answered(error, request.tool_call, turn)]
        outputs = cast("list[Any]", result if isinstance(result, list) else [result])
        for output in outputs:
            if not (is_reply(output) or hasattr(output, "goto")):
                raise ToolResultError(
                    f"What wraps tool {request.tool_call['name']!r} returned {output!r}, which "
                    "answers no call: return what `execute(request)` gave, a message or a Command"
                )
        return outputs

    def _wrap_sync(self, request: ToolCallRequest, execute: Callable[..., Any]) -> Any:
        from anyio import from_thread

        return cast("Wrapper", self._wrap)(request, lambda asked: from_thread.run(execute, asked))

    async def _execute(self, request: ToolCallRequest, turn: Turn) -> list[Any]:
        call = request.tool_call
        usable = self._usable(request)
        if usable is None:
            return [unknown_tool(call, self.usable, plain=turn.plain)]
        values = filled_in(usable.wants, usable.name, request.runtime, self._key)

        async def use() -> list[Any]:
            result = await usable.use(call, values, turn.config)
            return outputs_of(result, call, turn.form, self._key, plain=turn.plain)

        try:
            if usable.tells_events:
                return await use()
            return await shown(call, turn.config.get("tags", ()), use)
        except GraphBubbleUp:
            raise
        except Exception as error:  # noqa: BLE001 - it is the user's policy which errors are answered
            return [await self._answered(error, call, turn)]

    def _usable(self, request: ToolCallRequest) -> Usable | None:
        """The request's tool, which a wrapper may have put there."""
        known = self.usable.get(request.tool_call["name"])
        if request.tool is None or (known is not None and known.given is request.tool):
            return known
        return usable_tool(request.tool)

    async def _answered(self, error: Exception, call: ToolCall, turn: Turn) -> Any:
        content: Any = None if is_refusal(error) else self._answer(error)
        if inspect.isawaitable(content):
            content = await content
        if content is None:
            raise error
        return reply(content, call, plain=turn.plain, error=True)


def usable_tool(given: GivenTool) -> Usable:
    """A tool of any kind as the node sees it.  Raises ToolDefinitionError if it is none."""
    if isinstance(given, Tool):
        return given
    if "langchain_core" not in sys.modules:
        return Tool(given)
    from .langchain_tools import LangChainTool, is_langchain_tool, tool_of

    return LangChainTool(given if is_langchain_tool(given) else tool_of(given))


def _is_call(item: Any) -> bool:
    return isinstance(item, dict) and cast("Any", item).get("type") == "tool_call"


def _speak_plain(messages: Sequence[Any]) -> bool:
    """True if the answers are to be plain dicts, as the messages are."""
    turn = last_turn(messages)
    if turn is None:
        return "langchain_core.messages" not in sys.modules
    return isinstance(turn, dict)
