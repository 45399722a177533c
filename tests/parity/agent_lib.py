"""The two engines' agents under one set of names, a model that follows a script, and what a caller
sees of a run."""

from __future__ import annotations

import importlib
import json
import re
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda

from .lib import Engine

NAMES = (
    "InjectedState",
    "InjectedStore",
    "ToolNode",
    "ToolRuntime",
    "ValidationNode",
    "create_react_agent",
    "tools_condition",
)


def kit_of(engine: Engine, ours: bool) -> SimpleNamespace:
    """The engine's names with those of its agents."""
    prebuilt = importlib.import_module("actors.prebuilt" if ours else "langgraph.prebuilt")
    messages = importlib.import_module("actors" if ours else "langgraph.graph.message")
    state = "actors.prebuilt" if ours else "langgraph.prebuilt.chat_agent_executor"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangGraph advises another package
        agent_state = importlib.import_module(state).AgentState
    names = {name: value for name, value in vars(engine).items() if name[0] != "_"}
    names |= {name: getattr(prebuilt, name) for name in NAMES}
    names |= {
        "AgentState": agent_state,
        "MessagesState": messages.MessagesState,
        "add_messages": messages.add_messages,
        "asaver": engine.asaver,
        "saver": engine.saver,
    }
    return SimpleNamespace(**names)


class Scripted(BaseChatModel):
    """Says the line that is its turn, told by how often a model has spoken in what it is given."""

    lines: list[AIMessage]
    says_what_it_was_given: bool = False
    structured: Any = None
    bound: Sequence[str] = ()

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
        names = [each["name"] if isinstance(each, dict) else each.name for each in tools]
        return self.model_copy(update={"bound": names}).bind(tools=[])

    def with_structured_output(self, schema: Any, **_: Any) -> Any:
        return RunnableLambda(lambda messages: {"schema": str(schema), "read": len(messages)})

    def _line(self, messages: Sequence[BaseMessage]) -> AIMessage:
        turn = sum(isinstance(message, AIMessage) for message in messages)
        line = self.lines[min(turn, len(self.lines) - 1)].model_copy(deep=True)
        if self.says_what_it_was_given:
            line.content = " | ".join(f"{m.type}: {m.content}" for m in messages)
        return line

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._line(messages))])

    def _stream(
        self, messages: list[BaseMessage], *_: Any, run_manager: Any = None, **__: Any
    ) -> Iterator[ChatGenerationChunk]:
        line = self._line(messages)
        for word in re.findall(r"\S+\s*", str(line.content)):
            piece = ChatGenerationChunk(message=AIMessageChunk(word, id=line.id))
            if run_manager is not None:
                run_manager.on_llm_new_token(word, chunk=piece)
            yield piece
        calls = [
            {"name": c["name"], "args": json.dumps(c["args"]), "id": c["id"], "index": index}
            for index, c in enumerate(line.tool_calls)
        ]
        if calls:
            made = AIMessageChunk("", tool_call_chunks=calls, id=line.id)
            piece = ChatGenerationChunk(message=made)
            if run_manager is not None:
                run_manager.on_llm_new_token("", chunk=piece)
            yield piece


def call(name: str, known: str = "", **args: Any) -> dict[str, Any]:
    """A call of a tool."""
    return {"name": name, "args": args, "id": known or f"call-{name}", "type": "tool_call"}


def asks(*calls: dict[str, Any], text: str = "") -> AIMessage:
    """A line that asks for tools."""
    known = "-".join(each["id"] for each in calls)
    return AIMessage(text, tool_calls=list(calls), id=f"asks-{known}")


def says(text: str) -> AIMessage:
    """A line that asks for none."""
    return AIMessage(text, id=f"says-{text}")


def script(*lines: AIMessage, **options: Any) -> Scripted:
    """A model with these lines."""
    return Scripted(lines=list(lines), **options)


Outcome = list[Any]
"""The chunks, and at the end what was raised."""


def seen(value: Any) -> Any:
    """A chunk, or a part of one, without what differs from run to run."""
    if isinstance(value, BaseMessage):
        return _message(value)
    if isinstance(value, Mapping):
        return {key: seen(part) for key, part in value.items() if key not in _FLEETING}
    if type(value).__name__ == "Interrupt":
        return ("interrupt", seen(value.value))
    if isinstance(value, tuple):
        return tuple(seen(part) for part in value)
    if isinstance(value, str):
        return _TASK.sub("", value)
    if isinstance(value, list):
        return [seen(part) for part in value]
    return value


_FLEETING = frozenset({"checkpoint_ns", "langgraph_checkpoint_ns", "ls_integration"})
_TASK = re.compile(r"(?<=:)[0-9a-f-]{36}")


def _message(message: BaseMessage) -> tuple[Any, ...]:
    calls = [(c["name"], c["args"], c["id"]) for c in getattr(message, "tool_calls", ())]
    made = (message.id or "").startswith(("asks-", "says-"))
    return (
        type(message).__name__,
        message.content,
        message.name,
        calls,
        getattr(message, "tool_call_id", None),
        getattr(message, "status", None),
        getattr(message, "artifact", None),
        message.additional_kwargs,
        message.id if made else "",
    )


def failed(error: BaseException) -> tuple[str, str]:
    """What was raised: of errors with a name of the engine's own, how they begin."""
    return ("raised", str(error)[:40])


def followed(stream: Iterator[Any]) -> Outcome:
    """What a sync stream gives."""
    chunks: Outcome = []
    try:
        for chunk in stream:
            chunks.append(seen(chunk))
    except Exception as error:
        chunks.append(failed(error))
    return chunks


async def afollowed(stream: AsyncIterator[Any]) -> Outcome:
    """What an async stream gives."""
    chunks: Outcome = []
    try:
        async for chunk in stream:
            chunks.append(seen(chunk))
    except Exception as error:
        chunks.append(failed(error))
    return chunks


class Story(SimpleNamespace):
    """An agent's run: how it is made, and what is done with it."""

    name: str
    build: Callable[..., Any]
    turns: tuple[Any, ...]
    options: dict[str, Any]
    awaits: bool
    order: str
    unlike: str

    def inputs(self, kit: Any, graph: Any, config: Any) -> Iterator[Any]:
        """The inputs, each made when its turn has come."""
        for turn in self.turns:
            yield turn(kit, graph, config) if callable(turn) else turn


ASKED = {"messages": [("user", "hello")]}


def story(
    *turns: Any, awaits: bool = False, order: str = "exact", unlike: str = "", **options: Any
) -> Callable[[Callable[..., Any]], Story]:
    """Make a story of the decorated function, which is given an engine's names and a saver.

    `order="any"`: tasks finish in no fixed order.  `unlike`: the mode that differs on purpose.
    """

    def wrap(build: Callable[..., Any]) -> Story:
        name = build.__name__.replace("_", " ")
        return Story(
            name=name,
            build=build,
            turns=turns or (ASKED,),
            options=options,
            awaits=awaits,
            order=order,
            unlike=unlike,
        )

    return wrap


def resume(answer: Any) -> Callable[..., Any]:
    """The turn that answers."""
    return lambda kit, graph, config: kit.Command(resume=answer)


def _ordered(story: Story, chunks: Outcome) -> Outcome:
    return sorted(chunks, key=repr) if story.order == "any" else chunks


def watch(story: Story, kit: Any, mode: Any, saver: str, database: Path) -> list[Outcome]:
    """All turns through the sync door."""
    with kit.saver(saver, database) as kept:
        graph = story.build(kit, kept)
        config = {"configurable": {"thread_id": "t"}, **story.options.get("config", {})}
        options = {k: v for k, v in story.options.items() if k != "config"}
        return [
            _ordered(story, followed(graph.stream(value, config, stream_mode=mode, **options)))
            for value in story.inputs(kit, graph, config)
        ]


async def awatch(story: Story, kit: Any, mode: Any) -> list[Outcome]:
    """All turns through the async door."""
    async with kit.asaver("memory", Path()) as kept:
        graph = story.build(kit, kept)
        config = {"configurable": {"thread_id": "t"}, **story.options.get("config", {})}
        options = {k: v for k, v in story.options.items() if k != "config"}
        outcomes = []
        for value in story.inputs(kit, graph, config):
            stream = graph.astream(value, config, stream_mode=mode, **options)
            outcomes.append(_ordered(story, await afollowed(stream)))
        return outcomes
