"""Nodes that ask, and threads that are resumed, as users do it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from actors import (
    START,
    ActorSystem,
    Command,
    CompiledGraph,
    GraphInterrupt,
    Interrupt,
    NoTaskError,
    ResumeError,
    RetryPolicy,
    StateGraph,
    interrupt,
)
from actors.interrupts import is_refusal
from checkpoint import MemorySaver, SerializationError, UnregisteredTypeError
from streaming import Chunk
from tests.actors.engine import DEADLINE, State, chain, on, saying

T = on("t")


class Decision(BaseModel):
    ok: bool


class Amount(TypedDict):
    amount: int


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


def graph(node: Any, **more: Any) -> CompiledGraph:
    """One node with a saver."""
    builder = StateGraph(State).add_node("ask", node, **more).add_edge(START, "ask")
    return builder.compile(checkpointer=MemorySaver())


def asking(*questions: Any, schema: Any = None) -> Any:
    """A node that asks all and logs the answers."""

    async def node(state: State) -> dict[str, Any]:
        return {"log": [interrupt(each, response_schema=schema) for each in questions]}

    return node


def asked(result: dict[str, Any]) -> list[Any]:
    """What a run waits for."""
    return [each.value for each in result.get("__interrupt__", ())]


# --- where it may be called ----------------------------------------------------------------------


def test_outside_of_a_task_it_says_where_to_call_it() -> None:
    with pytest.raises(NoTaskError, match="outside of a task; call it from inside a node"):
        interrupt("?")


async def test_in_a_thread_that_a_node_started_by_itself_there_is_no_task() -> None:
    raised: list[type[BaseException]] = []

    def ask() -> None:
        try:
            interrupt("?")
        except NoTaskError as error:
            raised.append(type(error))

    def node(state: State) -> None:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

    await graph(node).ainvoke({"log": []}, T)
    assert raised == [NoTaskError]


async def test_without_a_saver_it_is_shown_but_cannot_be_answered() -> None:
    stateless = chain(ask=asking("?")).compile()
    assert asked(await stateless.ainvoke({"log": []})) == ["?"]
    with pytest.raises(ResumeError, match="without checkpointer"):
        await stateless.ainvoke(Command(resume="yes"))


# --- ids -----------------------------------------------------------------------------------------


async def test_its_id_is_the_same_in_the_result_the_stream_and_the_snapshot() -> None:
    target = graph(asking("?"))
    [chunk] = [chunk async for chunk in target.astream({"log": []}, T)]
    [shown] = chunk["__interrupt__"]
    state = await target.aget_state(T)
    assert state.interrupts == state.tasks[0].interrupts == (shown,)
    assert (await target.ainvoke(None, T))["__interrupt__"] == [shown]


# --- answers and their places --------------------------------------------------------------------


async def test_every_question_of_a_node_gets_its_own_answer() -> None:
    target = graph(asking("a", "b", "c"))
    await target.ainvoke({"log": []}, T)
    for answer in ("A", "B"):
        await target.ainvoke(Command(resume=answer), T)
    assert await target.ainvoke(Command(resume="C"), T) == {"log": ["A", "B", "C"]}


async def test_after_one_of_two_answers_going_on_asks_the_second_again() -> None:
    target = graph(asking("a", "b"))
    await target.ainvoke({"log": []}, T)
    await target.ainvoke(Command(resume="A"), T)
    assert asked(await target.ainvoke(None, T)) == ["b"]
    assert await target.ainvoke(Command(resume="B"), T) == {"log": ["A", "B"]}


async def test_an_answer_is_kept_for_a_node_that_failed_and_no_other_takes_its_place() -> None:
    failing = True

    async def node(state: State) -> dict[str, Any]:
        answer = interrupt("?")
        if failing:
            raise OSError(answer)
        return {"log": [answer, interrupt("more?")]}

    app = graph(node)
    await app.ainvoke({"log": []}, T)
    with pytest.raises(OSError, match="old"):
        await app.ainvoke(Command(resume="old"), T)
    failing = False
    assert (await app.ainvoke(Command(resume="new"), T))["log"] == ["old", "new"]


async def test_a_question_that_the_node_swallowed_leaves_its_place_to_the_next() -> None:
    async def node(state: State) -> dict[str, Any]:
        try:
            first = interrupt("x")
        except Exception:
            first = "swallowed"
        return {"log": [first, interrupt("y"), interrupt("z")]}

    target = graph(node)
    assert asked(await target.ainvoke({"log": []}, T)) == ["y"]
    assert asked(await target.ainvoke(Command(resume=1), T)) == ["y"]
    assert asked(await target.ainvoke(Command(resume=2), T)) == ["z"]
    assert await target.ainvoke(Command(resume=3), T) == {"log": [1, 2, 3]}


async def test_questions_of_a_task_group_are_asked_one_after_the_other() -> None:
    async def one(question: str) -> Any:
        return interrupt(question)

    async def node(state: State) -> dict[str, Any]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(question)) for question in "ab"]
        return {"log": [task.result() for task in tasks]}

    target = graph(node, retry_policy=RetryPolicy(initial_interval=0.0, retry_on=Exception))
    assert asked(await target.ainvoke({"log": []}, T)) == ["a"]
    assert asked(await target.ainvoke(Command(resume="A"), T)) == ["b"]
    assert await target.ainvoke(Command(resume="B"), T) == {"log": ["A", "B"]}


async def test_a_failure_beside_a_question_in_a_task_group_is_a_failure() -> None:
    async def fail() -> None:
        raise LookupError("no")

    async def ask() -> None:
        interrupt("?")

    async def node(state: State) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ask())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as raised:
        await graph(node).ainvoke({"log": []}, T)
    assert {type(error) for error in raised.value.exceptions} == {GraphInterrupt, LookupError}


async def test_answers_survive_the_attempts_of_a_retry() -> None:
    tries: list[Any] = []

    async def node(state: State) -> dict[str, Any]:
        tries.append(interrupt("a"))
        if len(tries) < 3:
            raise ConnectionError("again")
        return {"log": [*tries, interrupt("b")]}

    policy = RetryPolicy(initial_interval=0.0, jitter=False)
    target = graph(node, retry_policy=policy)
    await target.ainvoke({"log": []}, T)
    assert asked(await target.ainvoke(Command(resume="A"), T)) == ["b"]
    assert tries == ["A", "A", "A"]
    assert (await target.ainvoke(Command(resume="B"), T))["log"] == ["A", "A", "A", "A", "B"]


async def test_the_branch_from_the_start_may_ask_where_to_begin() -> None:
    builder = StateGraph(State).add_node("a", saying("a")).add_node("b", saying("b"))
    builder.add_conditional_edges(START, lambda state: interrupt("where"), ["a", "b"])
    target = builder.compile(checkpointer=MemorySaver())
    shown = [chunk async for chunk in target.astream({"log": []}, T)]
    assert [asked(chunk) for chunk in shown] == [["where"]]
    assert (await target.aget_state(T)).interrupts == shown[0]["__interrupt__"]
    assert await target.ainvoke(Command(resume="b"), T) == {"log": ["b"]}


# --- what an answer must be ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "wrong", "right", "given"),
    [
        (Decision, {"ok": "perhaps"}, {"ok": "yes"}, Decision(ok=True)),
        (Amount, {"sum": 1}, {"amount": "3"}, {"amount": 3}),
        (int, "many", "7", 7),
    ],
)
async def test_an_answer_that_does_not_fit_can_be_given_again(
    schema: Any, wrong: Any, right: Any, given: Any
) -> None:
    seen: list[Any] = []

    async def node(state: State) -> None:
        seen.append(interrupt("?", response_schema=schema))

    target = graph(node)
    shown = (await target.ainvoke({"log": []}, T))["__interrupt__"]
    assert isinstance(shown[0].response_schema, dict)
    with pytest.raises(ValidationError):
        await target.ainvoke(Command(resume=wrong), T)
    assert (await target.aget_state(T)).interrupts == tuple(shown)
    assert (await target.ainvoke(None, T))["__interrupt__"] == shown
    await target.ainvoke(Command(resume=right), T)
    assert seen == [given]


async def test_a_node_that_asks_until_the_answer_fits_keeps_one_id() -> None:
    seen: list[Any] = []

    async def node(state: State) -> None:
        while not seen:
            try:
                seen.append(interrupt("?", response_schema=Decision))
            except ValidationError:
                continue

    target = graph(node)
    shown = (await target.ainvoke({"log": []}, T))["__interrupt__"]
    assert (await target.ainvoke(Command(resume="no"), T))["__interrupt__"] == shown
    await target.ainvoke(Command(resume={"ok": True}), T)
    assert seen == [Decision(ok=True)]


async def test_a_json_schema_is_only_shown() -> None:
    schema = {"type": "object"}
    target = graph(asking("?", schema=schema))
    shown = (await target.ainvoke({"log": []}, T))["__interrupt__"]
    assert shown[0].response_schema == schema
    assert await target.ainvoke(Command(resume=5), T) == {"log": [5]}


# --- what cannot be stored -----------------------------------------------------------------------


async def test_a_question_that_cannot_be_stored_costs_the_siblings_nothing() -> None:
    builder = chain(ask=asking(object())).add_node("other", saying("other"))
    target = builder.add_edge(START, "other").compile(checkpointer=MemorySaver())
    with pytest.raises(UnregisteredTypeError, match=r"builtins\.object is not registered"):
        await target.ainvoke({"log": []}, T)
    ask, other = (await target.aget_state(T)).tasks
    assert ask.error is not None
    assert (ask.interrupts, other.result) == ((), {"log": ["other"]})


async def test_an_answer_that_cannot_be_stored_leaves_the_question_open() -> None:
    target = graph(asking("?"))
    await target.ainvoke({"log": []}, T)
    with pytest.raises(SerializationError):
        await target.ainvoke(Command(resume=object()), T)
    assert len((await target.aget_state(T)).interrupts) == 1
    assert await target.ainvoke(Command(resume="fine"), T) == {"log": ["fine"]}


async def test_an_update_that_cannot_be_stored_leaves_the_thread_as_it_was() -> None:
    target = graph(asking("?"))
    await target.ainvoke({"log": ["in"]}, T)
    with pytest.raises(SerializationError):
        await target.ainvoke(Command(update={"log": [object()]}), T)
    assert (await target.aget_state(T)).values == {"log": ["in"]}
    assert await target.ainvoke(Command(resume="yes"), T) == {"log": ["in", "yes"]}


async def test_an_update_that_the_reducer_refuses_leaves_the_thread_as_it_was() -> None:
    target = graph(asking("?"))
    await target.ainvoke({"log": ["in"]}, T)
    with pytest.raises(TypeError):
        await target.ainvoke(Command(update={"log": 5}), T)
    assert await target.ainvoke(Command(resume="yes"), T) == {"log": ["in", "yes"]}


# --- in an actor system --------------------------------------------------------------------------


async def test_a_run_of_a_system_ends_as_interrupted_with_what_it_waits_for() -> None:
    async with ActorSystem() as system:
        run = await system.start(graph(asking("?")), {"log": ["in"]}, T)
        assert asked(await run.result()) == ["?"]
        assert (run.status, run.error) == ("interrupted", None)
        output = await run.output()
        assert (output.value, output.interrupts) == ({"log": ["in"]}, run.interrupts)


async def test_a_later_run_of_a_system_answers() -> None:
    target = graph(asking("?"))
    async with ActorSystem() as system:
        await (await system.start(target, {"log": []}, T)).result()
        run = await system.start(target, Command(resume="yes"), T)
        assert await run.result() == {"log": ["yes"]}
        assert (run.status, run.interrupts) == ("success", ())


async def test_a_static_pause_is_an_interrupted_run_without_a_question() -> None:
    target = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    async with ActorSystem() as system:
        run = await system.start(target, {"log": []}, T, interrupt_before=["b"])
        assert await run.result() == {"log": ["a"]}
        assert (run.status, run.interrupts) == ("interrupted", ())
        assert await (await system.start(target, None, T)).result() == {"log": ["a", "b"]}


async def test_whoever_reads_the_run_later_sees_the_question() -> None:
    async with ActorSystem() as system:
        run = await system.start(graph(asking("?")), {"log": []}, T)
        await run.ended()
        chunks = [chunk async for chunk in run.stream(["updates", "values"])]
        assert all(isinstance(chunk, Chunk) for chunk in chunks)
        last = {chunk.mode: chunk.data for chunk in chunks if isinstance(chunk, Chunk)}
        assert last["updates"] == {"__interrupt__": run.interrupts}
        assert last["values"] == {"log": [], "__interrupt__": run.interrupts}


async def test_a_durable_log_keeps_the_question_as_an_interrupt() -> None:
    saver = MemorySaver()
    target = chain(ask=asking({"sum": 3})).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(target, {"log": []}, T)
        await run.result()
    async with ActorSystem(event_log=saver.events) as system:
        log = await system.find_log(target, run.run_id, T)
        chunks = [chunk async for chunk in log.subscribe("updates")]
    [chunk] = [chunk for chunk in chunks if isinstance(chunk, Chunk)]
    [shown] = chunk.data["__interrupt__"]
    assert isinstance(shown, Interrupt)
    assert (shown,) == run.interrupts


def test_an_error_tells_that_it_refuses_an_answer() -> None:
    raised = list[Exception]()

    def ask(state: State) -> dict[str, Any]:
        try:
            return {"text": interrupt("?", response_schema=Answer).text}
        except ValidationError as error:
            raised.append(error)
            raise

    class Answer(BaseModel):
        text: str

    graph = chain(ask=ask).compile(MemorySaver())
    graph.invoke({}, on("t"))
    with pytest.raises(ValidationError):
        graph.invoke(Command(resume={"text": [1]}), on("t"))
    assert [is_refusal(error) for error in (*raised, ValueError())] == [True, False]
