"""Attempts that came to no end: what their log tells the next one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypedDict

from actors import START, ActorSystem, Command, Runtime, StateGraph, interrupt, stream_message
from actors.attempts import Earlier, said_in
from checkpoint import MemorySaver, SqliteSaver
from streaming import Attempt, MessageChunk, RunStarted, TaskFinished, TaskInterrupted, Token


class State(TypedDict, total=False):
    heard: list[Any]


def token(text: str, message: str = "m", task: str = "a:1") -> Token:
    about = {"langgraph_checkpoint_ns": f"outer:0|{task}"}
    return Token(chunk=MessageChunk(text, message), metadata=about)


def noted(*events: Any) -> Earlier:
    found = Earlier()
    for event in events:
        found.note(event)
    return found


def test_attempts_are_counted_by_what_they_began_with() -> None:
    assert noted().attempts == 0
    assert noted(RunStarted(run_id="r")).attempts == 1
    assert noted(RunStarted(run_id="r"), Attempt(number=2), Attempt(number=3)).attempts == 3


def test_the_pieces_of_a_tasks_last_message_are_put_together() -> None:
    found = noted(token("first", "m1"), token("se", "m2"), token("cond", "m2"))
    assert found.said == {"a:1": MessageChunk("second", "m2")}
    assert said_in(found.said, ("outer:0", "a:1")) == MessageChunk("second", "m2")
    assert said_in(found.said, ("a:2",)) is None
    assert said_in(None, ("a:1",)) is None


def test_messages_of_another_kind_with_the_same_id_are_not_put_together() -> None:
    whole = Token(chunk="no message", metadata={"langgraph_checkpoint_ns": "a:1"})
    assert noted(token("x"), whole).said == {"a:1": "no message"}


def test_messages_that_models_of_one_task_say_at_once_keep_their_pieces() -> None:
    found = noted(*(token(text, text[0]) for text in ("a1", "b1", "a2", "b2", "a3")))
    assert found.said == {"a:1": MessageChunk("a1a2a3", "a")}


def test_what_a_task_says_again_in_another_attempt_takes_the_place_of_what_it_said() -> None:
    first = [RunStarted(run_id="r"), token("one "), token("other", task="b:2")]
    again = [Attempt(number=2), token("one "), token("two")]
    found = noted(*first, *again)
    assert found.said == {"a:1": MessageChunk("one two", "m"), "b:2": MessageChunk("other", "m")}


def test_what_a_task_said_is_forgotten_when_it_asks() -> None:
    asks = TaskInterrupted(task_id="1", name="a", interrupts=(), values=None)
    assert noted(token("x"), asks).said == {}


def test_what_a_task_said_is_forgotten_when_it_finishes() -> None:
    done = TaskFinished(task_id="1", name="a", update=None, result={})
    assert noted(token("x"), token("y", task="b:2"), done).said == {"b:2": MessageChunk("y", "m")}


class Talk:
    """A graph whose one node says two words and waits, and one that tells what it heard."""

    def __init__(self) -> None:
        self.saver = MemorySaver()
        self.blocks = True
        self.said = asyncio.Event()
        builder = StateGraph(State).add_node("talk", self.talk).add_edge(START, "talk")
        self.graph = builder.compile(checkpointer=self.saver)

    async def talk(self, state: State, runtime: Runtime) -> dict[str, Any]:
        before = runtime.partial_message()
        async with stream_message() as message:
            await message.token("half ")
            await message.token("a word")
            if self.blocks:
                self.said.set()
                await asyncio.Event().wait()
        return {"heard": [before.content if before else None]}

    async def run(self, system: ActorSystem, value: Any, run_id: str) -> Any:
        config = {"configurable": {"thread_id": "t"}, "run_id": run_id}
        return await system.start(self.graph, value, config, stream_mode=["messages", "debug"])

    async def is_stopped(self, system: ActorSystem) -> None:
        """Run `r1`, cancel it when its node has spoken, and let the node end the next time."""
        run = await self.run(system, {"heard": []}, "r1")
        await self.said.wait()
        await run.cancel()
        self.blocks = False


async def test_a_run_that_goes_on_after_a_cancelled_one_is_told_what_that_had_said() -> None:
    talk = Talk()
    async with ActorSystem(event_log=talk.saver.events) as system:
        await talk.is_stopped(system)
        again = await talk.run(system, None, "r2")
        assert await again.result() == {"heard": ["half a word"]}
        assert "attempt" not in [c.data["type"] async for c in again.stream("debug")]


async def test_each_run_that_goes_on_is_told_what_the_last_one_that_spoke_had_said(
    tmp_path: Path,
) -> None:
    told, spoke = list[Any](), asyncio.Event()

    async def talk(state: State, runtime: Runtime) -> None:
        before = runtime.partial_message()
        told.append(before.content if before else "")
        async with stream_message(id="m") as message:
            if len(told) != 3:  # the third attempt is stopped before it says anything
                await message.token(f"{told[-1]}{len(told)} ")
            spoke.set()
            if len(told) < 5:
                await asyncio.Event().wait()

    builder = StateGraph(State).add_node("talk", talk).add_edge(START, "talk")
    async with (
        SqliteSaver(str(tmp_path / "t.db")) as saver,
        ActorSystem(event_log=saver.events) as system,
    ):
        graph = builder.compile(checkpointer=saver)
        for value in ({"heard": []}, None, None, None, None):
            config = {"configurable": {"thread_id": "t"}}
            run = await system.start(graph, value, config, stream_mode="messages")
            await spoke.wait()
            spoke.clear()
            if len(told) < 5:
                await run.cancel()
        await run.result()
        assert (await graph.aget_state(config)).next == ()
    assert told == ["", "1 ", "1 2 ", "1 2 ", "1 2 4 "]


async def test_an_answer_finds_nothing_of_what_its_node_had_said_before_it_asked() -> None:
    told, saver = list[Any](), MemorySaver()

    async def talk(state: State, runtime: Runtime) -> None:
        told.append(runtime.partial_message())
        async with stream_message() as message:
            await message.token("may I?")
        interrupt("may I?")

    builder = StateGraph(State).add_node("talk", talk).add_edge(START, "talk")
    async with ActorSystem(event_log=saver.events) as system:
        graph, config = builder.compile(checkpointer=saver), {"configurable": {"thread_id": "t"}}
        for value in ({"heard": []}, Command(resume="yes")):
            run = await system.start(graph, value, config, stream_mode="messages")
            await run.result()
    assert told == [None, None]


async def test_another_attempt_of_a_run_says_which_one_it_is() -> None:
    talk = Talk()
    async with ActorSystem(event_log=talk.saver.events) as system:
        await talk.is_stopped(system)
    async with ActorSystem(event_log=talk.saver.events) as system:
        again = await talk.run(system, None, "r1")
        assert await again.result() == {"heard": ["half a word"]}
        told = [c.data async for c in again.stream("debug") if c.data["type"] == "attempt"]
    assert [each["payload"] for each in told] == [{"number": 2}]


async def test_a_new_input_is_told_nothing() -> None:
    talk = Talk()
    async with ActorSystem(event_log=talk.saver.events) as system:
        await talk.is_stopped(system)
        again = await talk.run(system, {"heard": []}, "r2")
        assert await again.result() == {"heard": [None]}


def test_a_runtime_made_by_hand_knows_of_no_message() -> None:
    assert Runtime().partial_message() is None
