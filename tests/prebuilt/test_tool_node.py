"""The node that runs tools: what it takes, what comes out, what it does when tools fail or ask."""

from __future__ import annotations

import functools
import operator
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from actors import START, Command, Send, StateGraph, get_stream_writer, interrupt
from actors.prebuilt import (
    InjectedState,
    InjectedStore,
    InjectedToolCallId,
    Tool,
    ToolCallRequest,
    ToolDefinitionError,
    ToolInjectionError,
    ToolInputError,
    ToolNode,
    ToolResultError,
    ToolRuntime,
    create_react_agent,
    tools_condition,
)
from actors.threads import MAX_THREADS
from checkpoint import MemorySaver, MemoryStore, SqliteSaver

from .scripts import HELLO, USER, add, asks, call, shout

THREAD = {"configurable": {"thread_id": "t"}}
ASKED = {"messages": [asks(call("add", a=1))]}


class State(TypedDict, total=False):
    messages: Annotated[list[Any], operator.add]
    city: str


def graph_of(*tools: Any, saver: Any = None, **options: Any) -> Any:
    """A graph of the node alone."""
    store = options.pop("store", None)
    builder = StateGraph(State).add_node(ToolNode(tools, **options)).add_edge(START, "tools")
    return builder.compile(saver, store=store)


def contents(state: Any) -> list[Any]:
    return [message["content"] for message in state["messages"] if message["role"] == "tool"]


def answer(content: str, known: str) -> dict[str, Any]:
    return {"role": "tool", "content": content, "tool_call_id": known}


# ---------------------------------------------------------------------------------- what goes in


async def test_it_runs_by_itself_and_gives_an_update() -> None:
    made = {**answer("2", "call-add"), "name": "add"}
    node = ToolNode([add])
    assert await node.ainvoke(ASKED) == node.invoke(ASKED) == {"messages": [made]}
    assert node.invoke(ASKED["messages"]) == [made]
    assert node.invoke([call("add", a=1)]) == {
        "messages": [ToolMessage("2", name="add", tool_call_id="call-add")]
    }
    sent = {"__type": "tool_call_with_context", "tool_call": call("add", a=1), "state": ASKED}
    assert node.invoke(sent) == {"messages": [made]}
    assert node.invoke({"messages": [asks()]}) == {"messages": []}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "No message found in input"),
        ({"messages": []}, "No message found in input"),
        ([], "No message found in input"),
        (HELLO, "No AIMessage found in input"),
        ([USER], "No AIMessage found in input"),
    ],
)
def test_an_input_without_a_call_is_refused(given: Any, why: str) -> None:
    with pytest.raises(ToolInputError, match=why):
        ToolNode([add]).invoke(given)


def test_answers_have_the_form_of_the_message_that_called() -> None:
    node = ToolNode([add])
    (plain,) = node.invoke({"messages": [asks(call("add", a=1))]})["messages"]
    (theirs,) = node.invoke({"messages": [AIMessage("", tool_calls=[call("add", a=1)])]})[
        "messages"
    ]
    assert isinstance(plain, dict)
    assert isinstance(theirs, ToolMessage)


def test_a_sent_call_sees_the_state_without_bringing_it() -> None:
    def where(state: Annotated[dict[str, Any], InjectedState]) -> str:
        return f"{state['city']}, {len(state['messages'])}"

    builder = StateGraph(State).add_node(ToolNode([where]))
    sends = [Send("tools", [call("where", "1")]), Send("tools", [call("where", "2")])]
    builder.add_conditional_edges(START, lambda state: sends, ["tools"])
    given = {"messages": [asks(call("where", "1"))], "city": "Bern"}
    assert contents(builder.compile().invoke(given)) == ["Bern, 1", "Bern, 1"]


# ---------------------------------------------------------------------------------- what comes out


def test_answers_come_in_the_order_of_the_calls() -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(n: int) -> int:
        both.wait()
        return n

    calls = [call("meet", "1", n=1), call("shout", "2", word="x"), call("meet", "3", n=3)]
    assert contents(graph_of(meet, shout).invoke({"messages": [asks(*calls)]})) == ["1", "X", "3"]


def test_calls_of_sync_nodes_do_not_wait_for_each_others_threads() -> None:
    """Each has a loop of its own, and a bound of threads belongs to one loop."""
    held, free = threading.Barrier(MAX_THREADS + 1, timeout=10), threading.Event()

    def hold() -> bool:
        held.wait()
        return free.wait(10)

    def let_go() -> bool:
        free.set()
        return True

    node = ToolNode([hold, let_go])

    def first(state: State) -> Any:
        return node.invoke(
            {"messages": [asks(*(call("hold", str(n)) for n in range(MAX_THREADS)))]}
        )

    def second(state: State) -> Any:
        held.wait()
        return node.invoke({"messages": [asks(call("let_go"))]})

    builder = StateGraph(State).add_node(first).add_node(second)
    builder.add_edge(START, "first").add_edge(START, "second")
    state = builder.compile().invoke({"messages": []})
    assert contents(state) == ["true"] * (MAX_THREADS + 1)


async def test_async_tools_run_through_both_doors() -> None:
    given = {"messages": [asks(call("shout", word="hi"))]}
    graph = graph_of(shout)
    assert contents(graph.invoke(given)) == contents(await graph.ainvoke(given)) == ["HI"]
    assert [list(chunk) for chunk in graph.stream(given)] == [["tools"]]


def test_a_tool_finds_its_surroundings() -> None:
    def look(runtime: ToolRuntime, store: Annotated[Any, InjectedStore()]) -> str:
        get_stream_writer()("by function")
        runtime.stream_writer("by runtime")
        assert runtime.execution_info is not None
        assert runtime.store is store
        found = store.get(("n",), "k").value["v"]
        names = [each.name for each in runtime.tools]
        known, city, context = runtime.tool_call_id, runtime.state["city"], runtime.context
        return f"{known} {city} {context} {found} {names} {runtime.config['tags']}"

    store = MemoryStore()
    store.put(("n",), "k", {"v": "kept"})
    graph = graph_of(look, store=store, tags=["tagged"])
    given = {"messages": [asks(call("look", "1"))], "city": "Bern"}
    stream = graph.stream(given, stream_mode=["custom", "values"], context={"who": "Ada"})
    chunks = list(stream)
    assert [chunk for mode, chunk in chunks if mode == "custom"] == ["by function", "by runtime"]
    assert contents(chunks[-1][1]) == ["1 Bern {'who': 'Ada'} kept ['look'] ['tagged']"]


def test_what_a_model_forges_for_such_parameters_is_dropped() -> None:
    def who(
        word: str,
        city: Annotated[str, InjectedState("city")],
        call_id: Annotated[str, InjectedToolCallId],
    ) -> str:
        return f"{word} {city} {call_id}"

    calls = asks(call("who", word="Ada", city="forged", call_id="forged"))
    for given in (Tool(who), tool(description="Who.")(who)):
        state = graph_of(given).invoke({"messages": [calls], "city": "Bern"})
        assert contents(state) == ["Ada Bern call-who"]


def test_a_command_updates_the_state_and_its_message_is_named() -> None:
    def move(city: str, known: Annotated[str, InjectedToolCallId]) -> Any:
        return Command(update={"city": city, "messages": [answer("moved", known)]})

    calls = asks(call("move", city="Rome"), call("add", a=1))
    state = graph_of(move, add).invoke({"messages": [calls], "city": "Bern"})
    assert state["city"] == "Rome"
    assert [(m["content"], m["name"]) for m in state["messages"][1:]] == [
        ("moved", "move"),
        ("2", "add"),
    ]


def test_a_tool_may_give_several_messages_and_commands() -> None:
    def both(known: Annotated[str, InjectedToolCallId]) -> Any:
        return [Command(update={"city": "Rome"}), answer("done", known)]

    state = graph_of(Tool(both)).invoke({"messages": [asks(call("both"))]})
    assert (state["city"], contents(state)) == ("Rome", ["done"])


@pytest.mark.parametrize(
    "result",
    [
        Command(update={"messages": []}),
        Command(update={"messages": [answer("to another", "2")]}),
        Command(update=[answer("a list", "call-give")]),
        [Command(update={"city": "x"}), Command(update={"city": "y"})],
        [answer("one", "call-give"), answer("two", "call-give")],
    ],
)
def test_a_result_that_leaves_its_call_unanswered_is_refused(result: Any) -> None:
    def give() -> Any:
        return result

    with pytest.raises(ToolResultError):
        graph_of(Tool(give)).invoke({"messages": [asks(call("give"))]})


# ---------------------------------------------------------------------------------- what goes wrong


def broken() -> str:
    raise RuntimeError("broken")


def test_what_a_model_did_wrong_is_answered() -> None:
    calls = asks(
        call("nope"), call("add", a="x"), {"id": "3", "function": {"name": "add", "arguments": "{"}}
    )
    answers = graph_of(add, shout).invoke({"messages": [calls]})["messages"][1:]
    assert [one["status"] for one in answers] == ["error"] * 3
    assert answers[0]["content"] == "Error: nope is not a valid tool, try one of [add, shout]."
    assert "a: Input should be a valid integer" in answers[1]["content"]
    assert "no JSON object" in answers[2]["content"]


def test_what_a_tool_raises_is_raised_or_answered() -> None:
    given = {"messages": [asks(call("broken"))]}
    with pytest.raises(RuntimeError, match="broken"):
        graph_of(broken).invoke(given)
    (said,) = contents(graph_of(broken, handle_tool_errors=True).invoke(given))
    assert said == "Error: RuntimeError('broken')\n Please fix your mistakes."

    async def worded(error: RuntimeError) -> str:
        return f"{error} indeed"

    assert contents(graph_of(broken, handle_tool_errors=worded).invoke(given)) == ["broken indeed"]


def test_what_no_model_can_mend_is_never_answered() -> None:
    def where(city: Annotated[str, InjectedState("city")]) -> str:
        return city

    with pytest.raises(ToolInjectionError):
        graph_of(where, handle_tool_errors=True).invoke({"messages": [asks(call("where"))]})


# ---------------------------------------------------------------------------------- wrapped calls


def doubling(request: ToolCallRequest, execute: Callable[[ToolCallRequest], Any]) -> Any:
    changed = {**request.tool_call, "args": {"a": request.tool_call["args"]["a"] * 10}}
    return execute(request.override(tool_call=changed))


async def adoubling(request: ToolCallRequest, execute: Callable[[ToolCallRequest], Any]) -> Any:
    return await doubling(request, execute)


@pytest.mark.parametrize("options", [{"wrap_tool_call": doubling}, {"awrap_tool_call": adoubling}])
async def test_a_wrapper_changes_the_call_through_both_doors(options: Any) -> None:
    graph = graph_of(add, **options)
    assert contents(graph.invoke(ASKED)) == contents(await graph.ainvoke(ASKED)) == ["11"]


@pytest.mark.parametrize("tools", [add, None, Tool(add), tool(add), {"type": "x"}, "add"])
def test_tools_that_are_in_no_list_are_refused(tools: Any) -> None:
    for make in (ToolNode, functools.partial(create_react_agent, lambda messages: "x")):
        with pytest.raises(ToolDefinitionError, match="is no list of tools"):
            make(tools)


@pytest.mark.parametrize(
    "options", [{"wrap_tool_call": 5}, {"awrap_tool_call": "x"}, {"wrap_tool_call": adoubling}]
)
def test_what_wraps_no_call_is_refused(options: Any) -> None:
    with pytest.raises(ToolDefinitionError, match="wrap_tool_call="):
        ToolNode([add], **options)


def test_a_hundred_wrapped_calls_do_not_wait_for_each_others_threads() -> None:
    calls = [call("add", str(n), a=n) for n in range(100)]
    graph = graph_of(add, wrap_tool_call=doubling)
    expected = [str(n * 10 + 1) for n in range(100)]
    assert contents(graph.invoke({"messages": [asks(*calls)]})) == expected


def test_a_wrapper_may_bring_a_tool_or_call_none() -> None:
    def bring(request: ToolCallRequest, execute: Callable[[ToolCallRequest], Any]) -> Any:
        if request.tool is None:
            return execute(request.override(tool=Tool(lambda: "brought", name="late")))
        return answer("none", request.tool_call["id"] or "")

    calls = asks(call("late"), call("add", a=1))
    assert contents(graph_of(add, wrap_tool_call=bring).invoke({"messages": [calls]})) == [
        "brought",
        "none",
    ]


def test_a_wrapper_may_try_again() -> None:
    tries = list[int]()

    def flaky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")
        return "at last"

    def again(request: ToolCallRequest, execute: Callable[[ToolCallRequest], Any]) -> Any:
        while True:
            try:
                return execute(request)
            except RuntimeError:
                continue

    assert contents(
        graph_of(flaky, wrap_tool_call=again).invoke({"messages": [asks(call("flaky"))]})
    ) == ["at last"]


def test_a_wrapper_that_fails_or_answers_nothing() -> None:
    def fails(request: ToolCallRequest, execute: Any) -> Any:
        raise RuntimeError("wrapped")

    (said,) = contents(
        graph_of(add, wrap_tool_call=fails, handle_tool_errors="Sorry.").invoke(ASKED)
    )
    assert said == "Sorry."
    with pytest.raises(RuntimeError, match="wrapped"):
        graph_of(add, wrap_tool_call=fails).invoke(ASKED)
    with pytest.raises(ToolResultError, match="returned None"):
        graph_of(add, wrap_tool_call=lambda request, execute: None).invoke(ASKED)


# ---------------------------------------------------------------------------------- questions


def pay(amount: int) -> str:
    return f"{amount}: {interrupt({'pay': amount})}"


async def apay(amount: int) -> str:
    return pay(amount)


PAYMENTS = {
    "messages": [
        asks(call("pay", "1", amount=1), call("add", "2", a=1), call("pay", "3", amount=3))
    ]
}


@pytest.mark.parametrize("function", [pay, apay])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_each_question_of_one_task_gets_its_own_answer(
    function: Any, kind: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        saver: Any = MemorySaver()
        if kind == "sqlite":
            saver = stack.enter_context(SqliteSaver.from_conn_string(tmp_path / "db"))
        graph = graph_of(Tool(function, name="pay"), add, saver=saver)
        asked = graph.invoke(PAYMENTS, THREAD)["__interrupt__"]
        assert [each.value for each in asked] == [{"pay": 1}]
        asked = graph.invoke(Command(resume="yes"), THREAD)["__interrupt__"]
        assert [each.value for each in asked] == [{"pay": 3}]
        done = graph.invoke(Command(resume="no"), THREAD)
    assert contents(done) == ["1: yes", "2", "3: no"]


async def test_no_error_handling_swallows_a_question() -> None:
    graph = graph_of(pay, saver=MemorySaver(), handle_tool_errors=True)
    given = {"messages": [asks(call("pay", amount=1))]}
    assert "__interrupt__" in await graph.ainvoke(given, THREAD)
    assert contents(await graph.ainvoke(Command(resume="yes"), THREAD)) == ["1: yes"]


class Approval(BaseModel):
    yes: bool


@pytest.mark.parametrize("of_langchain", [False, True])
def test_an_answer_that_does_not_fit_is_no_mistake_of_the_model(of_langchain: bool) -> None:
    def approve() -> str:
        """Approve."""
        return str(interrupt("?", response_schema=Approval).yes)

    given = tool(approve) if of_langchain else Tool(approve)
    graph = graph_of(given, saver=MemorySaver(), handle_tool_errors=True)
    graph.invoke({"messages": [asks(call("approve"))]}, THREAD)
    with pytest.raises(ValidationError):
        graph.invoke(Command(resume={"yes": "perhaps"}), THREAD)
    assert contents(graph.invoke(Command(resume={"yes": True}), THREAD)) == ["True"]


# ---------------------------------------------------------------------------------- the edge to it


def test_the_condition_leads_to_the_tools_if_some_were_called() -> None:
    class Chat(BaseModel):
        chat: list[Any]

    assert tools_condition(ASKED) == tools_condition(ASKED["messages"]) == "tools"
    assert tools_condition({"messages": [AIMessage("", tool_calls=[call("add")])]}) == "tools"
    assert tools_condition(HELLO) == tools_condition([AIMessage("x")]) == "__end__"
    assert tools_condition(Chat(chat=ASKED["messages"]), messages_key="chat") == "tools"
    with pytest.raises(ToolInputError, match="No messages found in input state to tool_edge"):
        tools_condition({"messages": []})


def test_its_tools_are_shown_by_name() -> None:
    made = Tool(add)
    node = ToolNode([made, tool(description="Loud.")(shout)])
    assert node.tools_by_name["add"] is made
    assert node.tools_by_name["shout"].description == "Loud."
    assert "langchain_core" in sys.modules
