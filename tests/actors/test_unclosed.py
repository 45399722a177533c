"""A step whose tasks have finished but that has no checkpoint is closed before an input follows."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, Command, GraphRecursionError
from actors.commands import Begin
from actors.report import Watch
from checkpoint import MemorySaver, SqliteSaver
from streaming import StepCommitted
from tests.actors.engine import (
    chain,
    emitted,
    ending,
    fan,
    finish,
    machine,
    names,
    on,
    restored_of,
    run_through,
    saved,
    saying,
)


@pytest.fixture(params=["memory", "sqlite"])
async def saver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemorySaver()
        return
    async with SqliteSaver(tmp_path / "threads.db") as saver:
        yield saver


def noop(state: Any) -> None:
    """A node that is never called here: machines run no code."""


def left_unclosed(graph: Any) -> Any:
    """What a saver gives back where the last step's checkpoint did not come any more."""
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": ["one"]}))
    before = len(saved(commands))
    commands += finish(first, commands)
    return restored_of(commands, before)


def test_what_its_tasks_wrote_counts_and_what_they_trigger_is_dropped() -> None:
    graph = fan(a=noop, b=noop).add_node("c", noop).add_edge("a", "c").compile()
    restored = left_unclosed(graph)
    second = machine(graph, persist=True, restored=restored)
    commands = second.feed(Begin({"log": ["two"]}))
    assert names(commands) == ["a", "b"]
    assert second.channels.output()["log"] == ["one", "a", "b", "two"]
    assert [(s.step, s.source, s.wrote) for s in saved(commands)] == [
        (1, "loop", ("a", "b")),
        (2, "input", ("c",)),
        (3, "loop", ("__start__",)),
    ]


def test_a_step_of_which_a_task_is_left_is_dropped() -> None:
    graph = fan(a=noop, b=noop).compile()
    restored = left_unclosed(graph)
    restored.pending.pop(next(iter(restored.pending)))
    second = machine(graph, persist=True, restored=restored)
    assert [s.source for s in saved(second.feed(Begin({"log": ["two"]})))] == ["input", "loop"]
    assert second.channels.output()["log"] == ["one", "two"]


def test_it_opens_deferred_nodes_which_the_input_drops() -> None:
    graph = chain(a=noop).add_node("last", noop, defer=True).add_edge("a", "last").compile()
    second = machine(graph, persist=True, restored=left_unclosed(graph))
    begun = second.feed(Begin({"log": []}))
    assert names(begun) == ["a"]
    assert names(finish(second, begun)) == ["last"], "once, for the new input"


def test_it_is_reported_as_a_checkpoint_and_not_as_values() -> None:
    graph = chain(a=noop, b=noop).compile()
    watch = Watch(values=True, checkpoints=True)
    second = machine(graph, persist=True, watch=watch, restored=left_unclosed(graph))
    steps = [e for e in emitted(second.feed(Begin({"log": []}))) if isinstance(e, StepCommitted)]
    assert [(e.step, e.checkpoint is not None) for e in steps] == [(1, True), (2, True), (3, True)]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_the_limit_of_steps_counts_from_the_input_on(limit: int) -> None:
    graph = chain(a=noop, b=noop).compile()
    fresh = machine(graph, persist=True, recursion_limit=limit)
    second = machine(graph, persist=True, recursion_limit=limit, restored=left_unclosed(graph))
    ends = [ending(run_through(each, {"log": []})).error for each in (fresh, second)]
    assert [isinstance(error, GraphRecursionError) for error in ends] == [limit < 3] * 2


class Moody:
    """A reducer that fails while it is told to."""

    def __init__(self) -> None:
        self.fails = False

    def __call__(self, left: list[str], right: list[str]) -> list[str]:
        if self.fails and "b" in right:
            raise ValueError("not now")
        return [*left, *right]


MOODY = Moody()


class Kept(TypedDict):
    n: Annotated[int, operator.add]
    log: Annotated[list[str], MOODY]


async def test_a_reducer_that_failed_once_costs_nothing_that_the_thread_shows(saver: Any) -> None:
    graph = chain(Kept, a=saying("a"), b=saying("b"), c=saying("c")).compile(checkpointer=saver)
    MOODY.fails = True
    with pytest.raises(ValueError, match="not now"):
        await graph.ainvoke({"log": ["one"]}, on("t"))
    MOODY.fails = False
    shown = await graph.aget_state(on("t"))
    assert (shown.values["log"], shown.next) == (["one", "a", "b"], ("c",))
    after = await graph.ainvoke({"log": ["two"]}, on("t"))
    assert after["log"] == ["one", "a", "b", "two", "a", "b", "c"]
    history = [s async for s in graph.aget_state_history(on("t"))]
    assert [(s.metadata or {})["step"] for s in history] == list(range(7, -2, -1))


async def test_the_state_names_deferred_nodes_that_follow(saver: Any) -> None:
    builder = chain(Kept, a=saying("a"), b=saying("b"))
    builder.add_node("last", saying("last"), defer=True).add_edge("b", "last")
    graph = builder.compile(checkpointer=saver)
    MOODY.fails = True
    with pytest.raises(ValueError, match="not now"):
        await graph.ainvoke({"log": []}, on("t"))
    MOODY.fails = False
    assert (await graph.aget_state(on("t"))).next == ("last",)
    assert (await graph.ainvoke(None, on("t")))["log"] == ["a", "b", "last"]


async def test_an_error_handler_that_has_finished_stands_for_its_node(saver: Any) -> None:
    builder = chain(Kept, z=saying("b")).add_edge(START, "a")
    builder.add_node("a", Once(OSError("off")), error_handler=saying("handled"))
    graph = builder.compile(checkpointer=saver)
    MOODY.fails = True
    with pytest.raises(ValueError, match="not now"):
        await graph.ainvoke({"log": ["one"]}, on("t"))
    MOODY.fails = False
    after = await graph.ainvoke({"log": ["two"]}, on("t"))
    assert after["log"] == ["one", "handled", "b", "two", "again", "b"]


async def test_what_reducers_never_take_is_dropped_as_an_unfinished_step_is(saver: Any) -> None:
    graph = chain(Kept, a=lambda s: {"n": 1}, b=lambda s: {"n": 1, "log": ["b"]}).compile(
        checkpointer=saver
    )
    MOODY.fails = True
    for times in (1, 2):
        with pytest.raises(ValueError, match="not now"):
            await graph.ainvoke({"log": ["x"]}, on("t"))
        shown = await graph.aget_state(on("t"))
        assert shown.values == {"n": times, "log": ["x"] * times}, "nothing of the step counts"


def extended(left: list[str], right: list[str]) -> list[str]:
    """A reducer that changes what it is given."""
    left.extend(right)
    return left


class Extended(TypedDict, total=False):
    log: Annotated[list[str], extended]
    text: Annotated[list[str], MOODY]


class Once:
    """An async node that gives this the first time; if it is an error, it is raised."""

    def __init__(self, first: dict[str, Any] | Exception) -> None:
        self.given: list[Any] = [first]

    async def __call__(self, state: Any) -> dict[str, Any]:
        given = self.given.pop() if self.given else {"log": ["again"]}
        if isinstance(given, Exception):
            raise given
        return given


@pytest.mark.parametrize("fails", [True, False], ids=["refused still", "taken now"])
async def test_a_reducer_that_changes_what_it_is_given_takes_it_once(
    saver: Any, fails: bool
) -> None:
    graph = chain(Extended, a=Once({"log": ["a"], "text": ["b"]})).compile(checkpointer=saver)
    MOODY.fails = True
    with pytest.raises(ValueError, match="not now"):
        await graph.ainvoke({"log": ["one"], "text": []}, on("t"))
    MOODY.fails = fails
    after = await graph.ainvoke({"log": ["two"]}, on("t"))
    assert after["log"] == ["one", *([] if fails else ["a"]), "two", "again"]


async def test_so_it_takes_what_a_command_gave_beside_a_task_that_is_dropped(saver: Any) -> None:
    once = Once(OSError("off"))
    graph = chain(Extended, a=saying("a"), b=once).compile(checkpointer=saver)
    with pytest.raises(OSError, match="off"):
        await graph.ainvoke({"log": ["one"]}, on("t"))
    once.given.append(OSError("off"))
    with pytest.raises(OSError, match="off"):
        await graph.ainvoke(Command(update={"log": ["given"]}), on("t"))
    after = await graph.ainvoke({"log": ["two"]}, on("t"))
    assert after["log"] == ["one", "a", "given", "two", "a", "again"]
