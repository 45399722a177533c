"""Graphs that store nothing (`checkpointer=False`) and ask: they run again from their beginning,
and their caller remembers what they were answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from actors import START, Command, CompiledGraph, StateGraph, interrupt, task
from checkpoint import MemorySaver, SqliteSaver
from tests.actors.engine import DEADLINE, State, chain, on, saying
from tests.actors.test_child import Flaky

T = on("t")


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


def asking(*questions: str, schema: Any = None) -> Any:
    def node(state: State) -> dict[str, Any]:
        return {"log": [interrupt(each, response_schema=schema) for each in questions]}

    return node


def around(inner: Any, saver: Any = None, **more: Any) -> CompiledGraph:
    """A graph whose node `sub` is a graph that stores nothing."""
    sub = inner.compile(checkpointer=False)
    return chain(sub=sub, **more).compile(checkpointer=saver or MemorySaver())


def asked(result: dict[str, Any]) -> list[Any]:
    return [each.value for each in result.get("__interrupt__", ())]


async def answered(graph: CompiledGraph, *answers: Any) -> dict[str, Any]:
    """The last result, after these answers one by one."""
    result: dict[str, Any] = {}
    for answer in answers:
        result = await graph.ainvoke(Command(resume=answer), T)
    return result


async def test_a_question_has_the_same_id_whenever_it_is_asked() -> None:
    graph = around(chain(x=saying("x"), ask=asking("a")))
    first = (await graph.ainvoke({"log": []}, T))["__interrupt__"]
    assert (await graph.ainvoke(None, T))["__interrupt__"] == first


async def test_each_question_of_a_node_and_of_the_next_gets_its_own_answer() -> None:
    graph = around(chain(x=saying("x"), two=asking("a", "b"), one=asking("c")))
    assert asked(await graph.ainvoke({"log": []}, T)) == ["a"]
    assert asked(await answered(graph, "A")) == ["b"]
    assert asked(await answered(graph, "B")) == ["c"]
    assert (await answered(graph, "C"))["log"] == ["x", "A", "B", "C"]


async def test_answers_by_id_reach_questions_side_by_side() -> None:
    inner = StateGraph(State)
    for name in ("a", "b"):
        inner.add_node(name, asking(f"{name}1", f"{name}2")).add_edge(START, name)
    graph = around(inner)
    result = await graph.ainvoke({"log": []}, T)
    while asked(result):
        last = result["__interrupt__"][-1]
        result = await answered(graph, {last.id: last.value.upper()})
    assert result["log"] == ["A1", "A2", "B1", "B2"]


async def test_two_levels_of_them_leave_it_to_the_first_that_stores() -> None:
    lowest = chain(ask=asking("a", "b")).compile(checkpointer=False)
    middle = chain(low=lowest, own=asking("c")).compile(checkpointer=False)
    graph = chain(mid=chain(sub=middle).compile()).compile(checkpointer=MemorySaver())
    assert asked(await graph.ainvoke({"log": []}, T)) == ["a"]
    assert (await answered(graph, "A", "B", "C"))["log"] == ["A", "B", "C"]


async def test_calls_of_one_node_have_questions_of_their_own() -> None:
    inner = chain(ask=asking("a", "b")).compile(checkpointer=False)

    async def node(state: State) -> dict[str, Any]:
        return {"log": [(await inner.ainvoke({"log": []}))["log"] for _ in range(2)]}

    graph = chain(node=node).compile(checkpointer=MemorySaver())
    assert asked(await graph.ainvoke({"log": []}, T)) == ["a"]
    assert (await answered(graph, 1, 2, 3, 4))["log"] == [[1, 2], [3, 4]]


async def test_tasks_that_its_nodes_call_may_ask() -> None:
    @task
    def ask(question: str) -> Any:
        return interrupt(question)

    def node(state: State) -> dict[str, Any]:
        return {"log": [ask("a").result(), ask("b").result()]}

    graph = around(chain(node=node))
    assert asked(await graph.ainvoke({"log": []}, T)) == ["a"]
    assert (await answered(graph, "A", "B"))["log"] == ["A", "B"]


async def test_answers_survive_a_failure_after_them() -> None:
    flaky = Flaky("y")
    graph = around(chain(ask=asking("a"), y=flaky))
    await graph.ainvoke({"log": []}, T)
    with pytest.raises(LookupError):
        await answered(graph, "A")
    assert (await graph.aget_state(T)).interrupts == ()
    flaky.mended = True
    assert (await graph.ainvoke(None, T))["log"] == ["A", "y"]


async def test_an_answer_that_does_not_fit_can_be_given_again() -> None:
    graph = around(chain(ask=asking("a", "b", schema=int)))
    await graph.ainvoke({"log": []}, T)
    assert asked(await answered(graph, 1)) == ["b"]
    with pytest.raises(ValidationError):
        await answered(graph, "many")
    assert [each.value for each in (await graph.aget_state(T)).interrupts] == ["b"]
    assert (await answered(graph, 2))["log"] == [1, 2]


async def test_a_new_input_and_an_older_checkpoint_ask_anew() -> None:
    graph = around(chain(ask=asking("a", "b")))
    await graph.ainvoke({"log": []}, T)
    await answered(graph, "A")
    before = (await graph.aget_state(T)).config
    assert asked(await graph.ainvoke({"log": []}, T)) == ["a"]
    assert asked(await graph.ainvoke(None, before)) == ["a"]


def test_answers_are_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    results = list[Any]()
    for value in ({"log": []}, Command[Any](resume="A"), Command[Any](resume="B")):
        with SqliteSaver(tmp_path / "t.db") as saver:
            graph = around(chain(x=saying("x"), ask=asking("a", "b")), saver, last=saying("last"))
            results.append(graph.invoke(value, T))
    assert [asked(result) for result in results] == [["a"], ["b"], []]
    assert results[-1]["log"] == ["x", "A", "B", "last"]
