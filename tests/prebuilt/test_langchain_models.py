"""LangChain's models as models of agents."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

from actors.prebuilt import AgentDefinitionError, Tool, create_react_agent
from actors.prebuilt.agent import named
from actors.prebuilt.langchain_models import (
    ChatModel,
    assistant_message,
    bare_model,
    bound,
    system_message,
)

from .scripts import HELLO, add, shout

MODEL = ChatOpenAI(model="gpt-4o", api_key="none")  # pyright: ignore[reportArgumentType]


def tools_of(model: Any) -> list[str]:
    return [each["function"]["name"] for each in model.kwargs["tools"]]


def test_tools_are_bound_once() -> None:
    made = bound(MODEL, [Tool(add), Tool(shout)], [])
    assert tools_of(made) == ["add", "shout"]
    assert bound(made, [Tool(add), Tool(shout)], []) is made
    chain = RunnableLambda(lambda messages: messages) | made
    assert bound(chain, [Tool(shout), Tool(add)], []) is chain
    assert bound(MODEL, [], []) is MODEL


def test_tools_that_the_provider_runs_are_bound_too() -> None:
    search = {"type": "web_search"}
    made = bound(MODEL, [Tool(add)], [search])
    assert made.kwargs["tools"][1] == search
    assert bound(made, [Tool(add)], [search]) is made


def test_other_tools_that_are_bound_are_refused() -> None:
    made = bound(MODEL, [Tool(add)], [])
    with pytest.raises(AgentDefinitionError, match="must match"):
        bound(made, [Tool(add), Tool(shout)], [])
    with pytest.raises(AgentDefinitionError, match="Missing tools"):
        bound(made, [Tool(shout)], [])


def test_the_chat_model_inside_is_found() -> None:
    made = bound(MODEL, [Tool(add)], [])
    assert bare_model(made) is bare_model(MODEL | RunnableLambda(str)) is MODEL
    with pytest.raises(AgentDefinitionError, match="Expected `model` to be a ChatModel"):
        bare_model(RunnableLambda(str))


def test_a_name_stands_for_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    made = named("openai:gpt-4o")
    assert isinstance(made, ChatOpenAI)
    assert list(create_react_agent("openai:gpt-4o", [add]).get_graph().nodes) == [
        "__start__",
        "agent",
        "tools",
        "__end__",
    ]


async def test_what_it_says_is_a_message() -> None:
    chat = GenericFakeChatModel(messages=iter([AIMessage("hi"), AIMessage("ho")]))
    assert (await ChatModel(chat).answer("x")).content == "hi"
    assert (await create_react_agent(chat, []).ainvoke(HELLO))["messages"][-1].content == "ho"


def test_messages_are_made_in_its_form() -> None:
    assert system_message("brief").content == "brief"
    assert assistant_message("sorry", "id-1").id == "id-1"
