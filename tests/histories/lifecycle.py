"""The life of threads, in any order: runs, answers, cancels, rollbacks, updates, copies, deletions,
readers and crashes, each step held against a small model.

Where threads live is behind a port: simulated processes on a disk in memory, or real ones on a
file.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.histories.operations import Told, thread_of
from tests.histories.threads import Thread

THREADS: tuple[str, ...] = ("a", "b")
names = st.sampled_from(THREADS)
durabilities = st.sampled_from(["async", "sync"])
Death = dict[str, int]
deaths: st.SearchStrategy[dict[str, int]] = st.one_of(
    st.fixed_dictionaries({"kill_at": st.integers(1, 30)}),
    st.fixed_dictionaries({"kill_after": st.integers(1, 5)}),
)
"""At the n-th commit point that the process passes, or when it has told so many lines."""
early_deaths = st.fixed_dictionaries({"kill_at": st.integers(1, 8)})


class Host(Protocol):
    """Where threads live: a process, and what it leaves to the next one."""

    def do(self, name: str, *, kill_at: int = 0, kill_after: int = 0, **arguments: Any) -> Told:
        """Carry out one of the operations.  The process dies at the n-th commit point that it
        passes from now on, or is killed when it has told so many lines."""
        ...

    def reboot(self, *, gently: bool = False) -> None:
        """Kill the process (or close what it holds, and let it end) and start the next one."""
        ...

    def close(self) -> None:
        """End it all."""
        ...


class Lifecycle(RuleBasedStateMachine):
    """What may happen to threads.

    No rule has a precondition: what a killed process leaves depends on the moment, and Hypothesis
    takes choices that differ from one time to the next for a mistake.  A rule that finds nothing
    to do does nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model = dict.fromkeys(THREADS, Thread())
        self.runs: dict[str, tuple[str, int]] = {}
        """The last run of a thread, and how many of its events were seen."""
        self.words = 0
        self.host: Host | None = None

    @abstractmethod
    def open(self, seed: int) -> Host:
        """Where the threads of this history are to live."""

    @initialize(seed=st.integers(0, 1 << 16))
    def begin(self, seed: int) -> None:
        self.host = self.open(seed)

    def teardown(self) -> None:
        if self.host is not None:
            self.host.close()

    # --- what clients do ------------------------------------------------------------------------

    @rule(name=names, durability=durabilities)
    def run_with_input(self, name: str, durability: str) -> None:
        word = self.word()
        self._run(name, {"input": word}, durability, self.model[name].after_input(word))

    @rule(durability=durabilities)
    def answer(self, durability: str) -> None:
        word, name = self.word(), self._named(_is_asked)
        if name:
            self._run(name, {"answer": word}, durability, self.model[name].answered(word))

    @rule()
    def answer_again(self) -> None:
        word, name = self.word(), self._named(_is_answered)
        if name:
            self._run(name, {"answer": word}, "async", self.model[name].answered(word))

    @rule()
    def go_on(self) -> None:
        if name := self._named(_is_open):
            self._run(name, {}, "async", self.model[name].going_on())

    @rule(
        name=names,
        action=st.sampled_from(["interrupt", "rollback"]),
        chunks=st.integers(0, 2),
        turns=st.integers(0, 60),
    )
    def run_and_cancel(self, name: str, action: str, chunks: int, turns: int) -> None:
        word, before = self.word(), self.model[name]
        value, path = {"input": word}, before.after_input(word)
        told = self._do(
            "run_and_cancel", thread=name, value=value, action=action, chunks=chunks, turns=turns
        )
        if told.answer != "cancelled":
            self.model[name] = path[-1]
        elif action == "rollback":
            self.model[name] = before
        else:
            self._is_one_of(name, [before, *path])
            self._holds_what_was_seen(name, told)
        self.runs[name] = told.run_id or "", 0

    @rule(name=names, chunks=st.integers(1, 2))
    def run_and_leave(self, name: str, chunks: int) -> None:
        word, before = self.word(), self.model[name]
        told = self._do("run_and_leave", thread=name, value={"input": word}, chunks=chunks)
        path = before.after_input(word)
        self.model[name] = path[0] if told.words == [] else path[min(chunks, len(path) - 1)]

    @rule(name=names, durability=durabilities, death=deaths)
    def run_and_crash(self, name: str, durability: str, death: Death) -> None:
        word = self.word()
        value, path = {"input": word}, self.model[name].after_input(word)
        self._crash(name, death, path, "run", thread=name, value=value, durability=durability)

    @rule(durability=durabilities, death=deaths)
    def answer_and_crash(self, durability: str, death: Death) -> None:
        word, name = self.word(), self._named(_is_asked)
        if name:
            value, path = {"answer": word}, self.model[name].answered(word)
            self._crash(name, death, path, "run", thread=name, value=value, durability=durability)

    @rule(name=names, death=deaths)
    def roll_back_and_crash(self, name: str, death: Death) -> None:
        word, before = self.word(), self.model[name]
        more: dict[str, Any] = {"action": "rollback", "chunks": 1, "turns": 0}
        path = [*before.after_input(word), before]
        value = {"input": word}
        self._crash(name, death, path, "run_and_cancel", thread=name, value=value, **more)

    @rule(name=names)
    def update(self, name: str) -> None:
        word = self.word()
        self._do("update", thread=name, word=word)
        self.model[name] = self.model[name].updated(word)

    @rule(name=names, death=early_deaths)
    def update_and_crash(self, name: str, death: Death) -> None:
        word = self.word()
        path = [self.model[name].updated(word)]
        self._crash(name, death, path, "update", thread=name, word=word)

    @rule(source=names, into=names)
    def copy(self, source: str, into: str) -> None:
        told = self._do("copy", source=source, target=into, refused=True)
        assert told.error == self._refusal(source, into)
        if told.error is None:
            self.model[into] = self.model[source]

    @rule(death=early_deaths)
    def copy_and_crash(self, death: Death) -> None:
        if self._refusal("a", "b") is None:
            self._crash("b", death, [self.model["a"]], "copy", source="a", target="b")

    @rule(name=names)
    def delete(self, name: str) -> None:
        self._do("delete", thread=name)
        self.model[name] = Thread()
        self.runs.pop(name, None)

    @rule(name=names, death=early_deaths)
    def delete_and_crash(self, name: str, death: Death) -> None:
        self._crash(name, death, [Thread()], "delete", thread=name)

    @rule()
    def join(self) -> None:
        for name, (run_id, seen) in self.runs.items():
            ids = self._do("join", thread=name, run_id=run_id).answer
            assert ids == list(range(1, len(ids) + 1))
            assert len(ids) >= seen
            self.runs[name] = run_id, len(ids)

    @rule(gently=st.booleans())
    def restart(self, gently: bool) -> None:
        self._host.reboot(gently=gently)

    @invariant()
    def every_thread_is_as_the_model_says(self) -> None:
        if self.host is not None:
            assert self._look() == {name: each.visible for name, each in self.model.items()}

    # --- doing it -------------------------------------------------------------------------------

    def word(self) -> str:
        self.words += 1
        return f"word {self.words}"

    @property
    def _host(self) -> Host:
        assert self.host is not None
        return self.host

    def _named(self, wanted: Callable[[Thread], bool]) -> str:
        """The first thread that is so; "" if none is."""
        return next((name for name in THREADS if wanted(self.model[name])), "")

    def _refusal(self, source: str, target: str) -> str | None:
        if source == target:
            return "InvalidArgumentError"
        if not self.model[source].past:
            return "UnknownThreadError"
        return "ThreadNotEmptyError" if self.model[target].past else None

    def _do(self, operation: str, *, refused: bool = False, **arguments: Any) -> Told:
        told = self._host.do(operation, **arguments)
        assert not told.died
        assert refused or told.error is None, told.error
        return told

    def _look(self) -> dict[str, Thread]:
        shown = self._do("look", threads=list(THREADS)).answer
        return dict(zip(THREADS, map(thread_of, shown), strict=True))

    def _run(self, name: str, value: Any, durability: str, path: list[Thread]) -> None:
        told = self._do("run", thread=name, value=value, durability=durability)
        before, self.model[name] = self.model[name], path[-1]
        added = list(path[-1].log[len(before.log) :])
        assert told.words == [word for word in added if word != value.get("input")]
        assert told.asked == path[-1].asked
        self.runs[name] = told.run_id or "", 0

    def _crash(
        self, name: str, death: Death, path: list[Thread], operation: str, **arguments: Any
    ) -> None:
        told = self._host.do(operation, **death, **arguments)
        self.runs.pop(name, None)
        self._host.reboot()
        assert told.error is None
        self._is_one_of(name, [self.model[name], *path] if told.died else path[-1:])
        if operation == "run":
            self._holds_what_was_seen(name, told)

    def _is_one_of(self, name: str, possible: list[Thread]) -> None:
        found = self._look()[name]
        matching = [each for each in possible if each.visible == found]
        assert matching, found
        self.model[name] = matching[0]

    def _holds_what_was_seen(self, name: str, told: Told) -> None:
        thread = self.model[name]
        assert set(told.words) <= set(thread.log)
        assert thread.asked or not told.asked


def _is_asked(thread: Thread) -> bool:
    return thread.asked


def _is_answered(thread: Thread) -> bool:
    return thread.answer is not None


def _is_open(thread: Thread) -> bool:
    return bool(thread.next)
