"""What a caller can do wrong with a thread: each gives a typed error that says what, why and how to
mend it, through either door and with either saver, and leaves the thread as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from actors import START, Command, CompiledGraph, ResumeError, StateGraph, interrupt
from actors.doors import call
from checkpoint import (
    InvalidArgumentError,
    InvalidLimitError,
    MemorySaver,
    MemoryStore,
    Op,
    Result,
    SaverClosedError,
    SqliteSaver,
    SqliteStore,
    Store,
    ThreadBusyError,
)
from tests.actors.engine import State, on, says

Door: TypeAlias = Callable[..., Any]


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemorySaver()
    else:
        with SqliteSaver(tmp_path / "threads.db") as opened:
            yield opened


@pytest.fixture(params=["sync", "async"])
def door(request: pytest.FixtureRequest) -> Door:
    """Calls a method of a graph or a saver, or its async twin."""

    def through(owner: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if request.param == "sync":
            return getattr(owner, method)(*args, **kwargs)
        made: Coroutine[Any, Any, Any] = getattr(owner, f"a{method}")(*args, **kwargs)
        return asyncio.run(made)

    return through


def history(graph: CompiledGraph, thread_id: str = "t") -> list[tuple[Any, ...]]:
    """The thread's checkpoints and what waits there, as comparable values."""
    snapshots = graph.get_state_history(on(thread_id))
    return [(s.config, s.values, s.next, s.tasks) for s in snapshots]


# --- answers --------------------------------------------------------------------------------------


def asking(saver: Any) -> CompiledGraph:
    """Two nodes beside each other that ask something."""

    def ask(state: State) -> dict[str, Any]:
        return {"log": [interrupt("?")]}

    builder = StateGraph(State).add_node("a", ask).add_node("b", ask)
    return builder.add_edge(START, "a").add_edge(START, "b").compile(checkpointer=saver)


@pytest.mark.parametrize("answer", ["yes", {"0" * 32: "yes"}])
def test_an_answer_on_an_unknown_thread_is_refused_and_makes_no_thread(
    saver: Any, door: Door, answer: Any
) -> None:
    graph = asking(saver)
    with pytest.raises(ResumeError, match=r"thread 'nobody' has no checkpoint; give the thread_id"):
        door(graph, "invoke", Command(resume=answer), on("nobody"))
    assert history(graph, "nobody") == []


def test_answers_to_unknown_questions_alone_answer_nothing(saver: Any, door: Door) -> None:
    graph = asking(saver)
    asked = graph.invoke({"log": []}, on("t"))["__interrupt__"]
    before = history(graph)
    again = door(graph, "invoke", Command(resume={"f" * 32: "yes"}), on("t"))
    assert {each.id for each in again["__interrupt__"]} == {each.id for each in asked}
    assert history(graph) == before


def test_an_unknown_question_beside_a_known_one_takes_nothing_from_it(
    saver: Any, door: Door
) -> None:
    graph = asking(saver)
    first, second = graph.invoke({"log": []}, on("t"))["__interrupt__"]
    answers = {first.id: "yes", "f" * 32: "no"}
    left = door(graph, "invoke", Command(resume=answers), on("t"))
    assert (left["log"], left["__interrupt__"]) == (["yes"], [second])
    final = door(graph, "invoke", Command(resume="no"), on("t"))
    assert sorted(final["log"]) == ["no", "yes"]


def test_one_answer_to_several_questions_names_them_and_answers_none(
    saver: Any, door: Door
) -> None:
    graph = asking(saver)
    first, second = graph.invoke({"log": []}, on("t"))["__interrupt__"]
    before = history(graph)
    with pytest.raises(RuntimeError, match="you must specify the interrupt id") as caught:
        door(graph, "invoke", Command(resume="yes"), on("t"))
    assert isinstance(caught.value, ResumeError)
    assert first.id in str(caught.value)
    assert second.id in str(caught.value)
    assert history(graph) == before


# --- a busy thread --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "why"),
    [({"on_busy": "reject"}, "it is held"), ({"busy_timeout": 0.01}, "within 0.01 s")],
)
def test_a_second_run_is_refused_with_the_owner_and_the_thread_stays(
    saver: Any, door: Door, options: dict[str, Any], why: str
) -> None:
    graph = StateGraph(State).add_node("a", says("a")).add_edge(START, "a")
    graph = graph.compile(checkpointer=saver)
    graph.invoke({"log": []}, on("t"))
    before = history(graph)
    claim = call(saver.claim("t", "run 5", timeout=0))
    with pytest.raises(ThreadBusyError, match=rf"thread 't'.*{why}.*run 5; wait longer") as caught:
        door(graph, "invoke", {"log": ["second"]}, on("t"), **options)
    assert (caught.value.thread_id, caught.value.owner) == ("t", "run 5")
    assert history(graph) == before
    saver.release(claim)
    assert door(graph, "invoke", {"log": ["third"]}, on("t"))["log"] == ["a", "third", "a"]


# --- what is kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits",
    [
        {"keep_last": 0},
        {"keep_last": -1},
        {"keep_last": 1.5},
        {"keep_last": True},
        {"older_than": -5},
        {"older_than": "tomorrow"},
        {"older_than": float("nan")},
        {"strategy": "some"},
        {"strategy": "delete", "keep_last": 2},
    ],
)
def test_limits_that_make_no_sense_prune_nothing(
    saver: Any, door: Door, limits: dict[str, Any]
) -> None:
    graph = StateGraph(State).add_node("a", says("a")).add_edge(START, "a")
    graph = graph.compile(checkpointer=saver)
    for _ in range(2):
        graph.invoke({"log": []}, on("t"))
    before = history(graph)
    with pytest.raises(InvalidLimitError, match=r"=.*nothing was changed; (give|leave)"):
        door(saver, "prune", ["t"], **limits)
    assert history(graph) == before


@pytest.mark.parametrize("threads", ["t", None, ["\ud800"], [1]])
def test_what_is_no_list_of_threads_prunes_nothing(saver: Any, door: Door, threads: Any) -> None:
    graph = StateGraph(State).add_node("a", says("a")).add_edge(START, "a")
    graph = graph.compile(checkpointer=saver)
    graph.invoke({"log": []}, on("t"))
    before = history(graph)
    with pytest.raises(InvalidArgumentError, match="nothing was changed; give"):
        door(saver, "prune", threads)
    assert history(graph) == before


# --- a store that fails ---------------------------------------------------------------------------


class BrokenError(Exception):
    """A store that cannot be reached."""


class Breaking(MemoryStore):
    """Fails until it is mended."""

    mended = False

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        if not self.mended:
            raise BrokenError("no store")
        return await super().abatch(ops)


def counting(saver: Any, store: Any) -> tuple[CompiledGraph, list[str]]:
    """A step, then one that uses the store; and which ran."""
    ran = list[str]()

    def before(state: State) -> dict[str, Any]:
        ran.append("before")
        return {"log": ["before"]}

    async def use(state: State, *, store: Store) -> dict[str, Any]:
        ran.append("use")
        await store.aput(("notes",), "key", {"n": 1})
        return {"log": ["used"]}

    builder = StateGraph(State).add_node("before", before).add_node("use", use)
    builder.add_edge(START, "before").add_edge("before", "use")
    return builder.compile(checkpointer=saver, store=store), ran


def test_a_store_that_fails_fails_the_run_and_the_thread_goes_on(saver: Any, door: Door) -> None:
    store = Breaking()
    graph, ran = counting(saver, store)
    with pytest.raises(BrokenError, match="no store") as caught:
        door(graph, "invoke", {"log": []}, on("t"))
    assert "During task with name 'use'" in caught.value.__notes__[0]
    state = graph.get_state(on("t"))
    assert (state.values, state.next) == ({"log": ["before"]}, ("use",))
    assert state.tasks[0].error == "BrokenError('no store')"
    store.mended = True
    assert door(graph, "invoke", None, on("t")) == {"log": ["before", "used"]}
    assert ran == ["before", "use", "use"]


def test_a_store_that_is_closed_in_the_middle_fails_the_run_and_the_thread_goes_on(
    saver: Any, door: Door, tmp_path: Path
) -> None:
    store = SqliteStore(tmp_path / "store.db")
    graph, ran = counting(saver, store)
    with pytest.raises(SaverClosedError, match="inside its `with`"):
        door(graph, "invoke", {"log": []}, on("t"))
    assert graph.get_state(on("t")).next == ("use",)
    with store:
        assert door(graph, "invoke", None, on("t")) == {"log": ["before", "used"]}
    assert ran == ["before", "use", "use"]
