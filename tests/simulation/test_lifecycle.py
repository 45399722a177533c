"""The life of threads against a small model: runs, answers, cancels, rollbacks, updates, deletions,
readers and crashes, in any order."""

from __future__ import annotations

import asyncio
import contextlib
import operator
import os
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors import END, START, Command, StateGraph, StateSnapshot, interrupt
from actors.errors import RunCancelledError, RunEndedError
from actors.testing import ProcessKilled
from actors.testing.world import Process, World

THREADS = ("a", "b")
threads = st.sampled_from(THREADS)
points = st.integers(1, 20)


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def first(state: State) -> State:
    await asyncio.sleep(0.01)
    return {"log": ["first"]}


async def ask(state: State) -> State:
    return {"log": [f"asked {interrupt('?')}"]}


def last(state: State) -> State:
    return {"log": ["last"]}


GRAPH = (
    StateGraph(State)
    .add_node(first)
    .add_node(ask)
    .add_node(last)
    .add_edge(START, "first")
    .add_edge("first", "ask")
    .add_edge("ask", "last")
    .add_edge("last", END)
    .compile()
)


@dataclass(frozen=True)
class Thread:
    """A thread as the model knows it."""

    log: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    asked: bool = False
    there: bool = False
    answer: str | None = field(default=None, compare=False)
    """What was answered to the node that is to run; the engine keeps it and does not show it."""

    def after_input(self, word: str) -> list[Thread]:
        """All that a run with this input passes, in order; the last one is where it pauses."""
        begun = Thread((*self.log, word), ("first",), there=True)
        return [begun, *begun.going_on()]

    def going_on(self) -> list[Thread]:
        """The same of a run that goes on, without an answer."""
        match self.next:
            case ("first",):
                done = Thread((*self.log, "first"), ("ask",), there=True)
                return [done, *done.going_on()]
            case ("ask",) if self.answer is not None:
                return self.answered(self.answer)
            case ("ask",):
                return [Thread(self.log, ("ask",), asked=True, there=True)]
            case ("last",):
                return [Thread((*self.log, "last"), there=True)]
            case _:
                return []

    def answered(self, word: str) -> list[Thread]:
        """The same of a run that brings an answer."""
        taken = Thread(self.log, ("ask",), there=True, answer=word)
        done = Thread((*self.log, f"asked {word}"), ("last",), there=True)
        return [taken, done, *done.going_on()]


def thread_of(state: StateSnapshot) -> Thread:
    """A thread as the engine shows it."""
    log = tuple(state.values.get("log", ()))
    return Thread(log, state.next, bool(state.interrupts), state.created_at is not None)


def config(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


class Lifecycle(RuleBasedStateMachine):
    """What may happen to threads."""

    def __init__(self) -> None:
        super().__init__()
        self.model = dict.fromkeys(THREADS, Thread())
        self.runs: dict[str, tuple[str, int]] = {}
        """The last run of a thread, and how many of its events were seen."""
        self.words = 0

    @initialize(seed=st.integers(0, 1 << 16))
    def begin(self, seed: int) -> None:
        self.stack = contextlib.ExitStack()
        self.world = self.stack.enter_context(World(GRAPH, seed))
        self.process = self.world.boot()

    def teardown(self) -> None:
        self.stack.close()

    # --- what clients do ------------------------------------------------------------------------

    def word(self) -> str:
        self.words += 1
        return f"word {self.words}"

    @rule(name=threads)
    def run_with_input(self, name: str) -> None:
        word = self.word()
        self._run(name, {"log": [word]}, self.model[name].after_input(word))

    @precondition(lambda self: any(thread.asked for thread in self.model.values()))
    @rule()
    def answer(self) -> None:
        word, name = self.word(), self._first(lambda thread: thread.asked)
        self._run(name, Command(resume=word), self.model[name].answered(word))

    @precondition(lambda self: any(thread.next for thread in self.model.values()))
    @rule()
    def go_on(self) -> None:
        name = self._first(lambda thread: bool(thread.next))
        self._run(name, None, self.model[name].going_on())

    @rule(name=threads, action=st.sampled_from(["interrupt", "rollback"]), turns=st.integers(0, 80))
    def run_and_cancel(self, name: str, action: Any, turns: int) -> None:
        word, before = self.word(), self.model[name]

        async def cancelled() -> None:
            run = await self.process.system.start(self.process.graph, {"log": [word]}, config(name))
            for _ in range(turns):
                await asyncio.sleep(0)
            with contextlib.suppress(RunEndedError):
                await run.cancel(action=action)
            with contextlib.suppress(RunCancelledError):
                await run.result()
            self.runs[name] = run.run_id, 0

        self.process.run(cancelled())
        self._is_one_of(name, [before, *before.after_input(word)])
        if action == "rollback":
            assert self.model[name] in (before, before.after_input(word)[-1])

    @rule(name=threads, kill_at=points)
    def run_and_crash(self, name: str, kill_at: int) -> None:
        word, before = self.word(), self.model[name]
        self._crash(name, {"log": [word]}, kill_at)
        self._is_one_of(name, [before, *before.after_input(word)])

    @precondition(lambda self: any(thread.asked for thread in self.model.values()))
    @rule(kill_at=points)
    def answer_and_crash(self, kill_at: int) -> None:
        word, name = self.word(), self._first(lambda thread: thread.asked)
        before = self.model[name]
        self._crash(name, Command(resume=word), kill_at)
        self._is_one_of(name, [before, *before.answered(word)])

    @rule(name=threads)
    def update(self, name: str) -> None:
        word, graph = self.word(), self.process.graph
        self.process.run(graph.aupdate_state(config(name), {"log": [word]}, as_node="first"))
        self.model[name] = Thread((*self.model[name].log, word), ("ask",), there=True)

    @rule(name=threads)
    def delete(self, name: str) -> None:
        self.process.run(self.process.saver.adelete_thread(name))
        self.model[name] = Thread()
        self.runs.pop(name, None)

    @rule(name=threads)
    def join(self, name: str) -> None:
        if name in self.runs:
            run_id, seen = self.runs[name]
            ids = self.process.run(self._joined(run_id, name))
            assert ids == list(range(1, len(ids) + 1))
            assert len(ids) >= seen
            self.runs[name] = run_id, len(ids)

    @rule()
    def restart(self) -> None:
        self.world.halt()
        self.process = self.world.boot()

    @invariant()
    def every_thread_is_as_the_model_says(self) -> None:
        for name in THREADS:
            assert self._state(name) == self.model[name]

    # --- doing it -------------------------------------------------------------------------------

    def _first(self, wanted: Any) -> str:
        return next(name for name in THREADS if wanted(self.model[name]))

    def _state(self, name: str) -> Thread:
        return thread_of(self.process.run(self.process.graph.aget_state(config(name))))

    def _run(self, name: str, value: Any, path: list[Thread]) -> None:
        async def ran() -> str:
            run = await self.process.system.start(self.process.graph, value, config(name))
            await run.result()
            return run.run_id

        self.runs[name] = self.process.run(ran()), 0
        self.model[name] = path[-1]

    def _crash(self, name: str, value: Any, kill_at: int) -> None:
        self.world.halt()
        process = self.world.boot(kill_at=kill_at)
        self.runs.pop(name, None)

        async def ran(process: Process) -> None:
            run = await process.system.start(process.graph, value, config(name))
            await run.result()

        with contextlib.suppress(ProcessKilled):
            process.run(ran(process))
        self.world.halt()
        self.process = self.world.boot()

    def _is_one_of(self, name: str, possible: list[Thread]) -> None:
        state = self._state(name)
        assert state in possible
        self.model[name] = possible[possible.index(state)]

    async def _joined(self, run_id: str, name: str) -> list[int]:
        log = await self.process.system.find_log(self.process.graph, run_id, config(name))
        ids: list[int] = []
        async with log.read() as events:
            while batch := await events.batch():
                ids += [event.id for event in batch]
        return ids


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(
    max_examples=int(os.environ.get("HISTORIES", "10")), stateful_step_count=15, deadline=None
)
