"""Messages in the state of graphs: how they grow, their ids, and pushing them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import langchain_core.messages as lc
import pytest

from actors import (
    END,
    REMOVE_ALL_MESSAGES,
    START,
    TAG_HIDDEN,
    TAG_NOSTREAM,
    CachePolicy,
    Command,
    InvalidUpdateError,
    MessageError,
    MessagesState,
    NoTaskError,
    Overwrite,
    RemoveMessage,
    RetryPolicy,
    StateGraph,
    add_messages,
    entrypoint,
    get_config,
    interrupt,
    push_message,
    task,
)
from actors.context import current
from checkpoint import MemoryCache, MemorySaver
from tests.actors.engine import on

T = on("t")


class Dicts(TypedDict):
    messages: Annotated[list[Any], add_messages(format="dict")]


def graph(*nodes: Callable[..., Any], state: Any = MessagesState, **fittings: Any) -> Any:
    """Nodes one after the other."""
    return (
        StateGraph(state)
        .add_sequence(list(nodes))
        .add_edge(START, nodes[0].__name__)
        .compile(**fittings)
    )


def contents(messages: list[Any]) -> list[Any]:
    return [m["content"] if isinstance(m, dict) else m.content for m in messages]


def ids(messages: list[Any]) -> list[str]:
    return [m["id"] if isinstance(m, dict) else m.id for m in messages]


# ---------------------------------------------------------------------------------------- state


def test_a_conversation_grows_from_turn_to_turn() -> None:
    def answer(state: MessagesState) -> Any:
        return {"messages": ("ai", f"{len(state['messages'])} said")}

    chat = graph(answer, checkpointer=MemorySaver())
    first = chat.invoke({"messages": "hi"}, T)["messages"]
    second = chat.invoke({"messages": [{"role": "user", "content": "and?"}]}, T)["messages"]
    assert contents(second) == ["hi", "1 said", "and?", "3 said"]
    assert second[:2] == first
    assert [type(message).__name__ for message in second] == ["HumanMessage", "AIMessage"] * 2


def test_a_state_of_messages_can_be_given_more_keys() -> None:
    class State(MessagesState):
        mood: str

    def answer(state: State) -> Any:
        return {"messages": ("ai", state["mood"]), "mood": "better"}

    found = graph(answer, state=State).invoke({"messages": "hi", "mood": "good"})
    assert (contents(found["messages"]), found["mood"]) == (["hi", "good"], "better")


def test_a_whole_state_may_be_a_list_of_messages() -> None:
    def answer(state: list[Any]) -> Any:
        return ("ai", f"{len(state)}")

    chat: Any = graph(answer, state=Annotated[list, add_messages])
    assert contents(chat.invoke([("user", "hi")])) == ["hi", "1"]


def test_messages_of_parallel_nodes_come_in_the_order_of_their_names() -> None:
    builder = StateGraph(MessagesState)
    for name in ("zz", "aa", "mm"):
        builder.add_node(name, lambda state, name=name: {"messages": ("ai", name)})
        builder.add_edge(START, name)
    assert contents(builder.compile().invoke({"messages": []})["messages"]) == ["aa", "mm", "zz"]


def test_a_node_may_remove_messages_or_overwrite_them_all() -> None:
    def first(state: MessagesState) -> Any:
        return {"messages": [RemoveMessage(state["messages"][0].id), ("ai", "b")]}

    def then(state: MessagesState) -> Any:
        return {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES), *state["messages"][-1:]]}

    def last(state: MessagesState) -> Any:
        return {"messages": Overwrite([*state["messages"], lc.AIMessage("c", id="c")])}

    assert contents(graph(first).invoke({"messages": ["a", "x"]})["messages"]) == ["x", "b"]
    assert contents(graph(first, then).invoke({"messages": ["a", "x"]})["messages"]) == ["b"]
    assert contents(graph(last).invoke({"messages": "a"})["messages"]) == ["a", "c"]


def test_an_update_that_is_no_message_ends_the_run_and_names_the_node() -> None:
    def answer(state: MessagesState) -> Any:
        return {"messages": {"content": "x"}}

    chat = graph(answer, checkpointer=MemorySaver())
    with pytest.raises(MessageError, match="has no 'role'") as caught:
        chat.invoke({"messages": "hi"}, T)
    assert caught.value.__notes__ == ["While channel 'messages' took the updates of 'answer'"]
    assert contents(chat.get_state(T).values["messages"]) == ["hi"]


def test_two_schemas_may_name_the_same_format() -> None:
    class Input(TypedDict):
        messages: Annotated[list[Any], add_messages(format="dict")]

    builder = StateGraph(Dicts, input_schema=Input).add_node("n", lambda state: None)
    chat = builder.add_edge(START, "n").compile()
    found = chat.invoke({"messages": lc.HumanMessage("x", id="1")})
    assert found == {"messages": [{"role": "user", "content": "x", "id": "1"}]}


def test_the_tags_are_those_of_langgraph() -> None:
    assert (TAG_HIDDEN, TAG_NOSTREAM) == ("langsmith:hidden", "nostream")


# ------------------------------------------------------------------------------------------ ids


@pytest.mark.parametrize("state", [MessagesState, Dicts])
@pytest.mark.parametrize("said", ["x", ("ai", "x"), {"role": "ai", "content": "x"}], ids=repr)
def test_ids_do_not_change_while_the_step_waits_for_a_sibling(said: Any, state: Any) -> None:
    """The write is only pending: each look at the thread merges it anew."""

    def says(state: Any) -> Any:
        return {"messages": said}

    def waits(state: Any) -> Any:
        return {"messages": [interrupt("well?")]}

    builder = StateGraph(state).add_node(says).add_node(waits)
    builder.add_edge(START, "says").add_edge(START, "waits")
    chat = builder.compile(checkpointer=MemorySaver())
    paused = chat.invoke({"messages": []}, T)["messages"]
    looks = [ids(chat.get_state(T).values["messages"]) for _ in range(2)]
    resumed = chat.invoke(Command(resume="done"), T)["messages"]
    assert [ids(paused), *looks, ids(resumed)[:1]] == [ids(paused)] * 4
    assert contents(resumed) == ["x", "done"]


def test_ids_of_a_command_as_input_do_not_change_while_the_run_is_paused() -> None:
    def waits(state: Any) -> Any:
        return {"messages": [("ai", interrupt(1)), ("ai", interrupt(2))]}

    chat = graph(waits, checkpointer=MemorySaver())
    chat.invoke({"messages": []}, T)
    chat.invoke(Command(resume="a", update={"messages": ("user", "aside")}), T)
    looks = [ids(chat.get_state(T).values["messages"]) for _ in range(2)]
    done = chat.invoke(Command(resume="b"), T)["messages"]
    assert looks == [ids(done)[:1]] * 2
    assert contents(done) == ["aside", "a", "b"]


@pytest.mark.parametrize("mode", ["updates", "tasks"])
def test_an_update_shows_what_the_node_returned(mode: str) -> None:
    def says(state: Any) -> Any:
        return {"messages": [("ai", "x")]}

    [*_, last] = graph(says).stream({"messages": []}, stream_mode=mode)
    shown = last["says"] if mode == "updates" else last["result"]
    assert shown == {"messages": [("ai", "x")]}


def test_a_cached_result_is_a_new_message_each_time() -> None:
    def says(state: Any) -> Any:
        return {"messages": ("ai", "x")}

    builder = StateGraph(MessagesState)
    builder.add_node(says, cache_policy=CachePolicy(key_func=lambda state: "always"))
    chat = builder.add_edge(START, "says").compile(cache=MemoryCache(), checkpointer=MemorySaver())
    chat.invoke({"messages": []}, T)
    assert contents(chat.invoke({"messages": []}, T)["messages"]) == ["x", "x"]


@pytest.mark.parametrize("mode", ["values", "messages"])
def test_a_constant_dict_is_a_new_message_in_each_turn(mode: str) -> None:
    greeting = {"role": "assistant", "content": "hello"}

    def greet(state: Any) -> Any:
        return {"messages": greeting}

    chat = graph(greet, state=Dicts, checkpointer=MemorySaver())
    for _ in range(2):
        list(chat.stream({"messages": []}, T, stream_mode=mode))
    assert contents(chat.get_state(T).values["messages"]) == ["hello", "hello"]
    assert greeting == {"role": "assistant", "content": "hello"}


# -------------------------------------------------------------------------------------- pushing


def test_a_pushed_message_comes_before_what_the_node_returns() -> None:
    pushed: list[Any] = []

    def says(state: Any) -> Any:
        pushed.append(push_message({"role": "ai", "content": "wait", "id": "w"}))
        return {"messages": ("ai", "done")}

    found = graph(says).invoke({"messages": "hi"})["messages"]
    assert contents(found) == ["hi", "wait", "done"]
    assert pushed == [lc.AIMessage("wait", id="w")] == found[1:2]


async def test_async_nodes_and_what_they_call_push_too() -> None:
    async def deep() -> None:
        push_message(lc.AIMessage("deep", id="d"))

    async def says(state: Any) -> None:
        await asyncio.gather(deep(), asyncio.to_thread(push_message, lc.AIMessage("t", id="t")))

    found = await graph(says).ainvoke({"messages": []})
    assert sorted(ids(found["messages"])) == ["d", "t"]


def test_branches_see_what_was_pushed() -> None:
    def says(state: Any) -> None:
        push_message(lc.AIMessage("go", id="1"))

    def path(state: MessagesState) -> str:
        return "more" if contents(state["messages"]) == ["go"] else END

    builder = StateGraph(MessagesState).add_node(says).add_edge(START, "says")
    builder.add_node("more", lambda state: {"messages": ("ai", "went")})
    builder.add_conditional_edges("says", path, ["more", END])
    assert contents(builder.compile().invoke({"messages": []})["messages"]) == ["go", "went"]


def test_a_pushed_message_goes_to_the_key_that_is_named() -> None:
    class State(TypedDict):
        asides: Annotated[list[Any], add_messages]
        last: Any

    def says(state: Any) -> None:
        push_message(lc.AIMessage("x", id="1"), state_key="asides")
        push_message(lc.AIMessage("y", id="2"), state_key="last")
        push_message(lc.AIMessage("z", id="3"), state_key=None)

    found = graph(says, state=State).invoke({"asides": []})
    assert found == {"asides": [lc.AIMessage("x", id="1")], "last": lc.AIMessage("y", id="2")}


def test_a_key_that_the_state_does_not_have_is_refused() -> None:
    def says(state: Any) -> None:
        push_message(lc.AIMessage("x", id="1"), state_key="asides")

    with pytest.raises(InvalidUpdateError, match=r"'asides'.*Its keys are \['messages'\]: give"):
        graph(says).invoke({"messages": []})


def test_an_attempt_that_failed_pushed_nothing() -> None:
    tries: list[int] = []

    def says(state: Any) -> None:
        tries.append(1)
        push_message(lc.AIMessage(f"try {len(tries)}", id=str(len(tries))))
        if len(tries) == 1:
            raise ConnectionError

    builder = StateGraph(MessagesState)
    builder.add_node(says, retry_policy=RetryPolicy(initial_interval=0, jitter=False))
    found = builder.add_edge(START, "says").compile().invoke({"messages": []})
    assert contents(found["messages"]) == ["try 2"]


def test_a_node_that_asks_pushes_when_it_runs_to_its_end() -> None:
    def says(state: Any) -> None:
        push_message(lc.AIMessage("asking", id="1"))
        interrupt("well?")

    chat = graph(says, checkpointer=MemorySaver())
    assert chat.invoke({"messages": []}, T)["messages"] == []
    assert contents(chat.invoke(Command(resume=1), T)["messages"]) == ["asking"]


def test_a_message_is_pushed_into_the_graph_that_the_node_belongs_to() -> None:
    def inner(state: Any) -> None:
        push_message(lc.AIMessage("inside", id="1"))

    child = graph(inner)

    def outer(state: Any) -> Any:
        assert contents(child.invoke({"messages": []})["messages"]) == ["inside"]
        return {"messages": ("ai", "outside")}

    assert contents(graph(outer).invoke({"messages": []})["messages"]) == ["outside"]


def test_a_task_without_a_state_only_shows_what_it_pushes() -> None:
    @task
    def says(number: int) -> int:
        push_message({"role": "ai", "content": "in a task", "id": "1"})
        return number

    @entrypoint()
    def run(number: int) -> int:
        push_message({"role": "ai", "content": "in the entrypoint", "id": "2"})
        return says(number).result()

    chunks = list(run.stream(5, stream_mode=["messages", "updates"]))
    shown = [data[0].content for mode, data in chunks if mode == "messages"]
    assert shown == ["in the entrypoint", "in a task"]
    assert [data for mode, data in chunks if mode == "updates"] == [{"says": 5}, {"run": 5}]


def test_a_pushed_message_is_shown_once() -> None:
    def says(state: Any) -> Any:
        return {"messages": [push_message(lc.AIMessage("x", id="1"))]}

    chunks = list(graph(says).stream({"messages": []}, stream_mode="messages"))
    assert [(message.content, about["langgraph_node"]) for message, about in chunks] == [
        ("x", "says")
    ]


@pytest.mark.parametrize(
    "message",
    [lc.AIMessage("x"), {"role": "ai", "content": "x"}, ("ai", "x"), "x", 5],
    ids=repr,
)
def test_a_message_without_id_cannot_be_pushed(message: Any) -> None:
    def says(state: Any) -> None:
        with pytest.raises(MessageError, match=r"Message ID is required.*give it one"):
            push_message(message)

    assert graph(says).invoke({"messages": []}) == {"messages": []}


def test_what_is_no_message_cannot_be_pushed() -> None:
    def says(state: Any) -> None:
        with pytest.raises(MessageError, match="has no 'role'"):
            push_message({"content": "x", "id": "1"})

    assert graph(says).invoke({"messages": []}) == {"messages": []}


def test_outside_of_a_task_nothing_can_be_pushed() -> None:
    with pytest.raises(NoTaskError, match=r"push_message\(\) was called outside of a task; call"):
        push_message(lc.AIMessage("x", id="1"))


async def test_a_task_that_is_over_pushes_nothing_more() -> None:
    kept: list[Any] = []

    async def says(state: Any) -> None:
        kept.append(current())

    await graph(says).ainvoke({"messages": []})
    with pytest.raises(NoTaskError, match="node 'says' is over or was given up; write it before"):
        kept[0].push("messages", lc.AIMessage("late", id="1"))


def test_code_in_a_node_still_reads_its_config() -> None:
    def says(state: Any) -> Any:
        return {"messages": ("ai", get_config()["metadata"]["langgraph_node"])}

    assert contents(graph(says).invoke({"messages": []})["messages"]) == ["says"]
