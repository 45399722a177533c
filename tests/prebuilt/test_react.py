"""Agents of plain functions and plain messages; those of LangChain are compared in tests/parity."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import BaseModel
from typing_extensions import TypedDict

from actors import Command, InvalidUpdateError, interrupt, stream_message
from actors.prebuilt import (
    AgentDefinitionError,
    AgentModelError,
    AgentState,
    ChatHistoryError,
    Tool,
    ToolNode,
    create_react_agent,
)
from checkpoint import MemorySaver, SqliteSaver

from .scripts import HELLO, USER, Given, add, asks, call, model_of, says, shout, texts

ROOT = Path(__file__).resolve().parents[2]
THREAD = {"configurable": {"thread_id": "t"}}
SUM = (asks(call("add", a=1)), says("It is 2."))
SUMMED = [("user", "hello"), ("assistant", ""), ("tool", "2"), ("assistant", "It is 2.")]


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_it_takes_turns_with_its_tools(version: Any) -> None:
    given = Given()
    agent = create_react_agent(model_of(*SUM, given=given), [add], version=version)
    assert texts(agent.invoke(HELLO)) == texts(await agent.ainvoke(HELLO)) == SUMMED
    (first, tools), (second, _), *_ = given
    assert texts({"messages": first}) == SUMMED[:1]
    assert texts({"messages": second}) == SUMMED[:3]
    assert tools == [Tool(add).schema()]


def test_messages_stay_plain_though_langchain_is_loaded() -> None:
    state = create_react_agent(model_of(*SUM), [add]).invoke({"messages": [HumanMessage("hello")]})
    assert all(type(message) is dict for message in state["messages"])
    assert texts(state) == SUMMED


async def test_async_tools_run_in_sync_streams() -> None:
    model = model_of(asks(call("shout", word="hi")), says("Done."))
    chunks = list(create_react_agent(model, [shout]).stream(HELLO))
    assert [list(chunk) for chunk in chunks] == [["agent"], ["tools"], ["agent"]]
    assert texts(chunks[1]["tools"]) == [("tool", "HI")]


async def test_the_model_may_be_any_function_of_messages() -> None:
    class Model:
        async def __call__(self, messages: Any) -> str:
            return f"object, {len(messages)}"

    def sync(messages: Any) -> str:
        return f"sync, {len(messages)}"

    async def told(messages: Any, *, tools: Any, temperature: float) -> str:
        return f"{len(tools)} tools at {temperature}"

    warm = functools.partial(told, temperature=0.5)
    for model, said in ((Model(), "object, 1"), (sync, "sync, 1"), (warm, "1 tools at 0.5")):
        state = await create_react_agent(model, [add]).ainvoke(HELLO)
        assert texts(state)[-1] == ("assistant", said)


async def test_a_model_may_be_chosen_by_the_state() -> None:
    async def choose(state: Any, runtime: Any) -> Any:
        return model_of(says(f"{runtime.context['who']}, {len(state['messages'])}"))

    async def choose_by_chance(state: Any, runtime: Any = None) -> Any:
        return await choose(state, runtime)

    for chooser in (choose, choose_by_chance):
        agent = create_react_agent(chooser, [add])
        state = await agent.ainvoke(HELLO, context={"who": "Ada"})
        assert state["messages"][-1].content == "Ada, 1"


async def test_what_a_model_streams_is_shown_once() -> None:
    async def model(messages: Any) -> Any:
        async with stream_message() as message:
            for word in ("one ", "two"):
                await message.token(word)
        return message.message

    agent = create_react_agent(model, [])
    pieces = [piece.content async for piece, _ in agent.astream(HELLO, stream_mode="messages")]
    assert pieces == ["one ", "two"]


@pytest.mark.parametrize(
    ("prompt", "first"),
    [
        ("Be brief.", {"role": "system", "content": "Be brief."}),
        ({"role": "developer", "content": "dict"}, {"role": "developer", "content": "dict"}),
        (SystemMessage("theirs"), {"role": "system", "content": "theirs"}),
        (lambda state: [says("made"), *state["messages"]], says("made")),
        (lambda state: "just this", {"role": "user", "content": "just this"}),
    ],
)
def test_a_prompt_stands_before_the_messages(prompt: Any, first: Any) -> None:
    given = Given()
    create_react_agent(model_of(says("x"), given=given), [], prompt=prompt).invoke(HELLO)
    shown = given[0][0][0]
    assert {"role": shown["role"], "content": shown["content"]} == first


class Sum(BaseModel):
    total: int


class SumDict(TypedDict):
    total: int


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Sum, Sum(total=2)),
        (SumDict, {"total": 2}),
        ({"title": "Sum", "type": "object"}, {"total": 2}),
        (("Sum up.", Sum), Sum(total=2)),
    ],
)
@pytest.mark.parametrize("answer", ['{"total": 2}', {"total": 2}, says('{"total": 2}')])
async def test_it_answers_in_a_form(form: Any, expected: Any, answer: Any) -> None:
    asked = list[Any]()

    async def model(messages: Any, tools: Any, response_format: Any = None) -> Any:
        asked.append((response_format, messages[0]["content"]))
        return says("2") if response_format is None else answer

    state = await create_react_agent(model, [add], response_format=form).ainvoke(HELLO)
    assert state["structured_response"] == expected
    assert asked[1][0]["type"] == "object"
    assert asked[1][1] == ("Sum up." if isinstance(form, tuple) else "hello")


class Line(BaseModel):
    of: str


class Poem(BaseModel):
    lines: list[Line]


@pytest.mark.parametrize("form", [Poem, ("A poem, please.", Poem)])
def test_an_answer_in_a_form_is_kept_by_its_thread(form: Any) -> None:
    def poet(messages: Any, response_format: Any = None) -> Any:
        return {"lines": [{"of": "x"}]} if response_format else "Soon."

    saver = MemorySaver()
    create_react_agent(poet, [], response_format=form, checkpointer=saver).invoke(HELLO, THREAD)
    later = create_react_agent(poet, [], response_format=form, checkpointer=saver)
    kept = later.get_state(THREAD).values["structured_response"]
    assert kept == Poem(lines=[Line(of="x")])


async def test_an_answer_that_does_not_fit_the_form_is_an_error() -> None:
    async def model(messages: Any, response_format: Any = None) -> str:
        return "two"

    with pytest.raises(AgentModelError, match="does not fit"):
        await create_react_agent(model, [], response_format=Sum).ainvoke(HELLO)
    with pytest.raises(AgentDefinitionError, match="add a parameter `response_format=None`"):
        create_react_agent(model_of(says("x")), [], response_format=Sum)


def test_hooks_stand_around_the_model() -> None:
    class State(AgentState):
        log: list[str]

    given = Given()
    agent = create_react_agent(
        model_of(says("x"), given=given),
        [add],
        pre_model_hook=lambda state: {"llm_input_messages": [says("instead")]},
        post_model_hook=lambda state: {"log": [state["messages"][-1].content]},
        state_schema=State,
    )
    state = agent.invoke(HELLO)
    assert texts({"messages": given[0][0]}) == [("assistant", "instead")]
    assert state["log"] == ["x"]
    assert "llm_input_messages" not in state


def test_a_hook_after_the_model_may_answer_calls_of_either_version() -> None:
    def hook(state: Any) -> Any:
        calls = state["messages"][-1].get("tool_calls", [])[:1]
        refused = {"role": "tool", "content": "refused", "name": "add"}
        return {"messages": [{**refused, "tool_call_id": each["id"]} for each in calls]}

    model = model_of(asks(call("add", "1", a=1), call("add", "2", a=2)), says("Done."))
    for version in ("v1", "v2"):
        agent = create_react_agent(model, [add], post_model_hook=hook, version=version)
        said = texts(agent.invoke(HELLO))
        assert said[2:] == [("tool", "refused"), ("tool", "3"), ("assistant", "Done.")]


def test_results_of_some_tools_end_the_turn() -> None:
    agent = create_react_agent(model_of(*SUM), [Tool(add, return_direct=True)])
    assert texts(agent.invoke(HELLO)) == SUMMED[:3]


def test_it_says_so_when_its_steps_run_out() -> None:
    agent = create_react_agent(model_of(*SUM), [add], name="adder")
    state = agent.invoke(HELLO, {"recursion_limit": 2})
    assert texts(state)[-1] == ("assistant", "Sorry, need more steps to process this request.")


def test_its_name_stands_in_its_messages() -> None:
    state = create_react_agent(model_of(*SUM), [add], name="adder").invoke(HELLO)
    assert [message.get("name") for message in state["messages"]] == [None, "adder", "add", "adder"]


def test_a_sent_call_brings_no_copy_of_the_state() -> None:
    agent = create_react_agent(model_of(*SUM), [add])
    inputs = [
        chunk["input"] for chunk in agent.stream(HELLO, stream_mode="tasks") if "input" in chunk
    ]
    assert inputs[1] == [call("add", a=1)]


# ---------------------------------------------------------------------------------- threads


def pay(amount: int) -> str:
    """Pay."""
    return f"{amount}: {interrupt({'pay': amount})}"


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_tool_asks_and_the_agent_goes_on(version: Any, kind: str, tmp_path: Path) -> None:
    model = model_of(asks(call("pay", amount=3), call("add", a=1)), says("Paid."))
    async with AsyncExitStack() as stack:
        saver: Any = MemorySaver()
        if kind == "sqlite":
            opened = SqliteSaver.from_conn_string(tmp_path / "db")
            saver = await stack.enter_async_context(opened)
        agent = create_react_agent(model, [pay, add], version=version, checkpointer=saver)
        paused = await agent.ainvoke(HELLO, THREAD)
        assert [each.value for each in paused["__interrupt__"]] == [{"pay": 3}]
        done = await agent.ainvoke(Command(resume="yes"), THREAD)
        assert texts(done)[2:] == [("tool", "3: yes"), ("tool", "2"), ("assistant", "Paid.")]
        again = await agent.ainvoke(HELLO, THREAD)
        assert len(again["messages"]) == 7


def test_two_tools_ask_at_once_and_each_gets_its_answer() -> None:
    calls = [call("pay", "x", amount=1), call("pay", "y", amount=2)]
    agent = create_react_agent(
        model_of(asks(*calls), says("Paid.")), [pay], checkpointer=MemorySaver()
    )
    asked = agent.invoke(HELLO, THREAD)["__interrupt__"]
    answers = {each.id: f"yes to {each.value['pay']}" for each in asked}
    done = agent.invoke(Command(resume=answers), THREAD)
    assert texts(done)[2:4] == [("tool", "1: yes to 1"), ("tool", "2: yes to 2")]


def test_it_pauses_before_its_tools() -> None:
    saver = MemorySaver()
    agent = create_react_agent(
        model_of(*SUM), [add], checkpointer=saver, interrupt_before=["tools"]
    )
    assert texts(agent.invoke(HELLO, THREAD)) == SUMMED[:2]
    assert agent.get_state(THREAD).next == ("tools",)
    assert texts(agent.invoke(None, THREAD)) == SUMMED


# ---------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "gave None, which is no message"),
        (5, "gave 5, which is no message"),
        ({"content": "x"}, "has no 'role'"),
        ({"role": "assistant"}, "has no 'content'"),
        (USER, "which is no message of a model"),
        (asks({}), "{} among the tool_calls .* has no 'name'"),
        (asks({"function": {"arguments": "{}"}}), "has no 'name'"),
        ({**says(""), "tool_calls": 5}, "5 among the tool_calls .* has no 'name'"),
    ],
)
async def test_a_model_that_gives_no_message_is_an_error(answer: Any, why: str) -> None:
    async def model(messages: Any) -> Any:
        return answer

    with pytest.raises(AgentModelError, match=why):
        await create_react_agent(model, [add]).ainvoke(HELLO)


async def test_a_chat_model_that_gives_no_message_is_an_error() -> None:
    chat = GenericFakeChatModel(messages=iter([AIMessage("x")]))
    with pytest.raises(AgentModelError, match="gave None, which is no message"):
        await create_react_agent(chat | (lambda message: None), []).ainvoke(HELLO)


async def formal(messages: Any, response_format: Any = None) -> Any:
    return "{}"


def test_a_call_without_an_answer_is_refused_before_the_model_is_asked() -> None:
    given = Given()
    agent = create_react_agent(model_of(says("x"), given=given), [add])
    with pytest.raises(ChatHistoryError, match="do not have a corresponding ToolMessage") as raised:
        agent.invoke({"messages": [asks(call("add", "1", a=1))]})
    assert [each["id"] for each in raised.value.open_calls] == ["1"]
    assert given == []


def test_a_message_without_a_role_is_refused() -> None:
    with pytest.raises(ValueError, match="role"):
        create_react_agent(model_of(says("x")), []).invoke({"messages": [{"content": "x"}]})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"version": "v3"}, "Invalid version"),
        ({"prompt": 5}, "unexpected type for `prompt`"),
        ({"state_schema": SumDict}, "Missing required key"),
        ({"response_format": Sum, "state_schema": AgentState, "model": formal}, "structured_resp"),
        ({"model": 5}, "is no model"),
        ({"model": object}, "is no model"),
        ({"model": lambda: "x"}, "cannot be a model"),
        ({"model": lambda messages, tools, more: "x"}, "lacks something .*'more'"),
    ],
)
def test_what_cannot_be_an_agent_is_refused(options: dict[str, Any], why: str) -> None:
    model = options.pop("model", model_of(says("x")))
    with pytest.raises(AgentDefinitionError, match=why):
        create_react_agent(model, [add], **options)


def test_a_prompt_that_nothing_can_call_is_refused() -> None:
    for prompt in (lambda: "x", lambda state, other: "x"):
        with pytest.raises(ValueError, match="prompt"):
            create_react_agent(model_of(says("x")), [], prompt=prompt)


def test_a_hooks_update_of_what_is_no_key_is_refused() -> None:
    agent = create_react_agent(model_of(says("x")), [], post_model_hook=lambda state: {"y": 1})
    with pytest.raises(InvalidUpdateError):
        agent.invoke(HELLO)


def test_a_tool_node_may_be_given() -> None:
    node = ToolNode([add], handle_tool_errors="Oh.")
    assert texts(create_react_agent(model_of(*SUM), node).invoke(HELLO)) == SUMMED


# ---------------------------------------------------------------------------------- no LangChain


ALONE = """
    import sys

    class NotInstalled:
        def find_spec(self, name, path=None, target=None):
            if name.startswith("langchain"):
                raise ModuleNotFoundError(name)

    sys.meta_path.insert(0, NotInstalled())
    import actors, actors.prebuilt as prebuilt

    async def add(a: int, b: int) -> int:
        "Add."
        return a + b

    async def model(messages, tools):
        if messages[-1]["role"] == "tool":
            return {"role": "assistant", "content": f"It is {messages[-1]['content']}."}
        function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
        call = {"id": "1", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    agent = prebuilt.create_react_agent(model, [add], prompt="Be brief.")
    state = agent.invoke({"messages": "1 and 2?"})
    print([message["role"] for message in state["messages"]], state["messages"][-1]["content"])
    try:
        prebuilt.create_react_agent("openai:gpt-4o", [add])
    except prebuilt.LangChainMissingError as error:
        print("Please install langchain" in str(error), isinstance(error, ImportError))
    print([name for name in sys.modules if name.startswith("langchain") and sys.modules[name]])
"""


def test_it_runs_where_langchain_is_not_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(ALONE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "['user', 'assistant', 'tool', 'assistant'] It is 3.",
        "True True",
        "[]",
    ]


@pytest.mark.parametrize("streams", [True, False])
async def test_a_function_as_model_is_shown_as_one_model(streams: bool) -> None:
    async def clever(messages: list[Any]) -> Any:
        if not streams:
            return "hi"
        async with stream_message() as message:
            await message.token("h")
            await message.token("i")
        return message.message

    agent = create_react_agent(clever, [])
    asked = {"messages": [{"role": "user", "content": "hello"}]}
    shown = [e async for e in agent.astream_events(asked, include_types=["chat_model"])]
    said = ["stream", "stream"] if streams else []
    assert [e["event"].removeprefix("on_chat_model_") for e in shown] == ["start", *said, "end"]
    assert {e["name"] for e in shown} == {"clever"}
    [[question]] = shown[0]["data"]["input"]["messages"]
    assert question["content"] == "hello"
    assert shown[-1]["data"]["output"]["content"] == "hi"
    assert shown[-1]["metadata"]["langgraph_node"] == "agent"
    if streams:
        pieces: Any = [about async for _, about in agent.astream(asked, stream_mode="messages")]
        assert {about["ls_model_name"] for about in pieces} == {"clever"}
