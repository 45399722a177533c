"""What is done to threads in the scenarios of saver operations: written once, run by both."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .normal import Normaliser


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


class Inner(TypedDict, total=False):
    n: int
    answer: str


FIELDS = ("values", "next", "config", "metadata", "created_at", "parent_config", "tasks")
RUNS = [f"0000000{n}-0000-7000-8000-000000000000" for n in range(5)]


@dataclass
class Desk:
    """An engine, a saver and a graph, and what was seen of its threads."""

    engine: Any
    saver: Any
    graph: Any
    seen: list[Any] = field(default_factory=list)

    def run(self, given: Any, thread: str = "t", run: int | None = None) -> None:
        config: dict[str, Any] = {"configurable": {"thread_id": thread}, "max_concurrency": 1}
        if run is not None:
            config |= {"run_id": RUNS[run], "metadata": {"run_id": RUNS[run]}}
        try:
            self.seen.append(
                Normaliser().value(self.graph.invoke(given, config, durability="sync"))
            )
        except Exception as error:
            self.seen.append(type(error).__name__.replace("EmptyChannelError", "EmptyInputError"))

    def update(self, values: Any, thread: str = "t", at: dict[str, Any] | None = None) -> None:
        config = at or {"configurable": {"thread_id": thread}}
        self.graph.update_state(config, values)

    def look(self, thread: str = "t", *, subgraphs: bool = False, parents: bool = False) -> None:
        """Note the newest state and the history of a thread."""
        config = {"configurable": {"thread_id": thread}}
        normal = Normaliser()
        states = [self.graph.get_state(config, subgraphs=subgraphs)]
        states += self.graph.get_state_history(config)
        for state in states:
            fields = {name: getattr(state, name) for name in FIELDS}
            if not parents:  # LangGraph goes on naming parents that are gone
                fields["parent_config"] = None
            shown = normal.snapshot(SimpleNamespace(**fields))
            (shown["metadata"] or {}).pop("run_id", None)
            for task in shown["tasks"]:
                if hasattr(task["state"], "next"):
                    task["state"] = (task["state"].values, task["state"].next)
            self.seen.append(shown)

    def past(self, steps: int, thread: str = "t") -> dict[str, Any]:
        """The config of an older checkpoint."""
        states = list(self.graph.get_state_history({"configurable": {"thread_id": thread}}))
        return states[steps].config


@dataclass(frozen=True)
class Operation:
    name: str
    build: Callable[[Any], Any]
    act: Callable[[Desk], None]


def count(state: Any) -> Any:
    return {"n": state.get("n", 0) + 1, "log": ["count"]}


def plain(k: Any) -> Any:
    return chain(k, Log, count=count, last=says("last"))


def asking(k: Any) -> Any:
    def ask(state: Any) -> Any:
        return {"log": [k.interrupt("well?")]}

    return chain(k, Log, count=count, ask=ask, last=says("last"))


def asking_below(k: Any) -> Any:
    def ask(state: Any) -> Any:
        return {"answer": k.interrupt("well?"), "n": state.get("n", 0) + 10}

    inner = chain(k, Inner, first=lambda state: {"n": state.get("n", 0) + 1}, ask=ask).compile()
    return chain(k, Log, count=count, inner=inner, last=says("last"))


def with_a_subgraph(k: Any) -> Any:
    inner = chain(k, Inner, first=lambda state: {"n": state.get("n", 0) + 1}).compile()
    return chain(k, Log, count=count, inner=inner, last=says("last"))


def failing_once(k: Any) -> Any:
    """Two nodes beside each other, of which one fails at its first call."""
    calls: list[str] = []

    def good(state: Any) -> Any:
        calls.append("good")
        return {"log": [f"good {calls.count('good')}"]}

    def bad(state: Any) -> Any:
        calls.append("bad")
        if calls.count("bad") == 1:
            raise OSError("no network")
        return {"log": ["bad"]}

    builder = k.StateGraph(Log).add_node("a", good).add_node("b", bad)
    return builder.add_edge(k.START, "a").add_edge(k.START, "b")


DELETING: list[Operation] = []
OPERATIONS: list[Operation] = []


def deletes(build: Callable[[Any], Any]) -> Callable[[Callable[[Desk], None]], None]:
    """A scenario of `delete_thread`, which LangGraph's own savers have."""
    return lambda act: DELETING.append(Operation(act.__name__.replace("_", " "), build, act))


def operates(build: Callable[[Any], Any]) -> Callable[[Callable[[Desk], None]], None]:
    """A scenario of what LangGraph's base class describes."""
    return lambda act: OPERATIONS.append(Operation(act.__name__.replace("_", " "), build, act))


# --- delete_thread -----------------------------------------------------------------------------


@deletes(plain)
def a_deleted_thread_is_empty(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.delete_thread("t")
    d.look()


@deletes(plain)
def an_unknown_thread_is_deleted(d: Desk) -> None:
    d.saver.delete_thread("nobody")
    d.look("nobody")


@deletes(plain)
def other_threads_stay(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.run({"log": ["other"]}, "other")
    d.saver.delete_thread("t")
    d.look("other", parents=True)


@deletes(plain)
def a_deleted_thread_begins_anew(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.run({"log": ["more"]})
    d.saver.delete_thread("t")
    d.run({"log": ["new"]})
    d.look(parents=True)


@deletes(asking)
def a_thread_that_waits_is_deleted(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.delete_thread("t")
    d.look()
    d.run(None)
    d.run({"log": ["again"]})
    d.run(d.engine.Command(resume="yes"))
    d.look(parents=True)


@deletes(with_a_subgraph)
def a_thread_with_a_subgraph_is_deleted(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.delete_thread("t")
    d.run({"log": ["again"]})
    d.look(subgraphs=True, parents=True)


@deletes(failing_once)
def a_thread_that_failed_is_deleted_with_what_was_kept(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.delete_thread("t")
    d.run({"log": ["again"]})
    d.look(parents=True)


# --- copy_thread -------------------------------------------------------------------------------


@operates(plain)
def a_copy_is_the_same(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.run({"log": ["more"]})
    d.saver.copy_thread("t", "copy")
    d.look("copy", parents=True)


@operates(plain)
def a_copy_and_its_source_go_on(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.copy_thread("t", "copy")
    d.run({"log": ["mine"]}, "copy")
    d.run({"log": ["yours"]})
    d.look(parents=True)
    d.look("copy", parents=True)


@operates(asking)
def a_question_is_answered_in_the_copy_and_in_the_source(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.copy_thread("t", "copy")
    d.run(d.engine.Command(resume="copied"), "copy")
    d.look("copy", parents=True)
    d.look(parents=True)
    d.run(d.engine.Command(resume="first"))
    d.look(parents=True)


@operates(asking_below)
def a_question_in_a_subgraph_is_answered_in_the_copy(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.copy_thread("t", "copy")
    d.look("copy", subgraphs=True, parents=True)
    d.run(d.engine.Command(resume="copied"), "copy")
    d.look("copy", parents=True)


@operates(failing_once)
def what_a_failed_step_kept_is_in_the_copy(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.copy_thread("t", "copy")
    d.run(None, "copy")
    d.look("copy", parents=True)


@operates(plain)
def a_copy_can_be_forked(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.copy_thread("t", "copy")
    d.update({"n": 50}, at=d.past(1, "copy"))
    d.run(None, "copy")
    d.look("copy", parents=True)
    d.look(parents=True)


@operates(plain)
def a_copy_outlives_its_source(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.copy_thread("t", "copy")
    d.saver.delete_thread("t")
    d.run({"log": ["more"]}, "copy")
    d.look("copy", parents=True)
    d.look()


# --- prune -------------------------------------------------------------------------------------


@operates(plain)
def the_latest_is_kept(d: Desk) -> None:
    for n in range(3):
        d.run({"log": [f"in {n}"]})
    d.saver.prune(["t"])
    d.look()


@operates(plain)
def a_pruned_thread_goes_on(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.run({"log": ["more"]})
    d.saver.prune(["t"], strategy="keep_latest")
    d.run({"log": ["after"]})
    d.look()


@operates(asking)
def a_pruned_question_is_answered(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.prune(["t"])
    d.look()
    d.run(d.engine.Command(resume="yes"))
    d.look()


@operates(asking_below)
def a_pruned_question_in_a_subgraph_is_answered(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.prune(["t"])
    d.look(subgraphs=True)
    d.run(d.engine.Command(resume="yes"))
    d.look()


@operates(failing_once)
def what_a_failed_step_kept_outlives_pruning(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.prune(["t"])
    d.run(None)
    d.look()


@operates(plain)
def a_pruned_thread_is_updated(d: Desk) -> None:
    d.run({"log": ["in"]})
    d.saver.prune(["t"])
    d.update({"n": 100})
    d.run({"log": ["more"]})
    d.look()


@operates(plain)
def some_threads_are_pruned(d: Desk) -> None:
    for thread in ("t", "u", "v"):
        d.run({"log": [thread]}, thread)
    d.saver.prune(["t", "u", "nobody"])
    for thread in ("t", "u", "v", "nobody"):
        d.look(thread)


@operates(plain)
def some_threads_are_pruned_of_all(d: Desk) -> None:
    for thread in ("t", "u", "v"):
        d.run({"log": [thread]}, thread)
    d.saver.prune(["t", "v"], strategy="delete")
    d.run({"log": ["again"]})
    for thread in ("t", "u", "v"):
        d.look(thread)


# --- delete_for_runs ---------------------------------------------------------------------------


@operates(plain)
def the_first_run_is_deleted(d: Desk) -> None:
    for run in range(3):
        d.run({"log": [f"in {run}"]}, run=run)
    d.saver.delete_for_runs([RUNS[0]])
    d.look()


@operates(plain)
def the_last_run_is_deleted_and_another_follows(d: Desk) -> None:
    for run in range(3):
        d.run({"log": [f"in {run}"]}, run=run)
    d.saver.delete_for_runs([RUNS[2]])
    d.look()
    d.run({"log": ["after"]}, run=3)
    d.look()


@operates(plain)
def runs_in_the_middle_are_deleted(d: Desk) -> None:
    for run in range(4):
        d.run({"log": [f"in {run}"]}, run=run)
    d.saver.delete_for_runs([RUNS[1], RUNS[2], "unknown"])
    d.look()


@operates(plain)
def all_runs_are_deleted(d: Desk) -> None:
    for run in range(2):
        d.run({"log": [f"in {run}"]}, run=run)
    d.saver.delete_for_runs(RUNS[:2])
    d.look()
    d.run({"log": ["new"]})
    d.look(parents=True)


@operates(plain)
def a_run_is_deleted_from_all_threads(d: Desk) -> None:
    d.run({"log": ["one"]}, "t", run=0)
    d.run({"log": ["two"]}, "u", run=0)
    d.run({"log": ["three"]}, "u", run=1)
    d.saver.delete_for_runs([RUNS[0]])
    d.look("t")
    d.look("u")


@operates(asking)
def the_run_that_answered_is_deleted_and_the_question_waits_again(d: Desk) -> None:
    d.run({"log": ["in"]}, run=0)
    d.run(d.engine.Command(resume="no"), run=1)
    d.saver.delete_for_runs([RUNS[1]])
    d.look()
